"""Times as JSON and people have them, and the lengths of hours and days."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

HOUR_MS: Final = 3600 * 1000
DAY_MS: Final = 24 * HOUR_MS


def iso(unix_ms: int | None) -> str | None:
    """ "2026-11-20T15:01:02.123Z"; None for None and for 0, which means never."""
    if not unix_ms:
        return None
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_ms(text: str) -> int:
    """A JSON time as `iso` writes it, in unix ms."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
