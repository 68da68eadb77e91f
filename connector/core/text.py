"""Texts: words of messages (quoted, listed, near misses), durations and addresses as a person writes them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from connector.core.phrases import phrase

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
LONGEST_S = 3650 * 86400


def without_nul(text: str) -> str:
    """The text as it is stored: neither database keeps a NUL."""
    return text.replace("\0", "\ufffd")


def quote(value: object) -> str:
    """A value as a message shows it: on one line, in double quotes."""
    text = str(value)
    return json.dumps(text, ensure_ascii=not text.isprintable())


def listed(words: Iterable[str]) -> str:
    """``"now", "draft"``: the words a message offers."""
    return ", ".join(quote(word) for word in words)


def did_you_mean(word: object, known: Collection[str]) -> str:
    """``, did you mean "campaign_id"?`` or ``""`` when nothing known is close."""
    close = difflib.get_close_matches(str(word), known, n=1)
    return phrase(", did you mean {word}?", word=quote(close[0])) if close else ""


def the_configuration_has(known: Collection[str]) -> str:
    """``: the configuration has "a" and "b"``, behind what it does not have."""
    return phrase(": the configuration has {names}", names=listed(tuple(known)))


def seconds(text: str) -> float:
    """ "24h", "7d", "30m" or "90s" in seconds; `ValueError` for anything else."""
    found = _DURATION.fullmatch(text)
    length_s = int(found[1]) * _UNIT_S[found[2]] if found else 0
    if not 0 < length_s <= LONGEST_S:
        raise ValueError(text)
    return float(length_s)


LONGEST_URL: Final = 2000  #: characters; urllib keeps what it has read, so it reads no longer ones


def is_url(text: str, *schemes: str) -> bool:
    """Whether a text is an address of one of these schemes that names a host."""
    if len(text) > LONGEST_URL:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        return False


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
