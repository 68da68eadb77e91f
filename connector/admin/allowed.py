"""Why a contact was allowed, as sentences from the proof beside an attempt, which names nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connector.core.phrases import joined, phrase


def allowed_in_words(proof: Mapping[str, Any]) -> str:
    """One sentence: place, clock, hours, lists, caps, consent."""
    parts = [
        phrase(
            "allowed for {purpose} by {channel}: {local} in {zones}",
            purpose=proof["purpose"],
            channel=proof["channel"],
            local=proof["local"],
            zones=", ".join(proof["zones"]),
        ),
        *(phrase("hours {hours}", hours=one) for one in proof["hours"]),
        *(phrase("holiday: {name}", name=one) for one in proof.get("holiday", ())),
        *(
            phrase("list {list} of {day}, {size} on it", list=name, day=_day(of), size=size)
            for name, (of, size) in proof.get("lists", {}).items()
        ),
        *proof.get("caps", ()),
        *_consent(proof.get("consent", {})),
        phrase("holidays {holidays}, time zones {zones}, law as of {law}", **_versions(proof)),
    ]
    return joined(parts, "; ")


def _versions(proof: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(("holidays", "zones", "law"), proof["versions"], strict=False))


def _consent(consent: Mapping[str, Any]) -> list[str]:
    if "at" not in consent:
        return []
    where = phrase(" on {page}", page=consent["where"]) if consent.get("where") else ""
    return [phrase("consent of {day}{where}", day=_day(consent["at"]), where=where)]


def _day(unix_ms: int) -> str:
    return f"{datetime.fromtimestamp(unix_ms / 1000, UTC):%Y-%m-%d}"
