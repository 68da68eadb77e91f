"""E-mail addresses in the clothes that people and programs put on them: "Ana <ana@…>", "mailto:…", "a@…; b@…".

Checked lightly: one @, a domain with a dot, no blanks. Their case is kept.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote

_ADDRESS: Final = re.compile(r"[^\s@:]{1,64}@[\w-]+(?:\.[\w-]+)+")
_AROUND_AT: Final = re.compile(r"\s*[@＠]\s*")
_SIP: Final = re.compile(r"\bsips?:\S+", re.IGNORECASE)
#: A blank beside the last full stop of a domain.
_BROKEN_DOMAIN: Final = re.compile(
    r"(@[\w-]{1,60})(?:\s+\.\s*|\.\s+)(?=(?:com|net|org|edu|gov|info|co|mx|br|ar|cl|pe|ec|es|pt)\b)", re.IGNORECASE
)
#: Between addresses, around them, and before them.
_BETWEEN: Final = re.compile(
    r"[\s,;|<>()\[\]{}\"“”«»\\]*[,;|<>()\[\]{}\"“”«»\\\n]+\s*|\s+(?:y|e|o|u|ou|or|and|/|-)\s+|[/:]\s*(?=\S*@)"
)
#: Domains of WhatsApp's ids.
NO_HOSTS: Final = ("s.whatsapp.net", "c.us", "g.us", "lid", "newsletter", "broadcast")
_EDGES: Final = ".'*=&/"  #: beside an address, never at its ends
_LONGEST: Final = 2000  #: characters that are read; no address has more than `_MOST`
_MOST: Final = 254


def addresses(value: Any) -> tuple[str, ...]:
    """Every address in a text, a list of texts, or an object that holds one, each once, in order.

    Ambiguous words are left out: "ana maria@example.com" may be anybody's address.
    """
    text = _text(value)[:_LONGEST]
    text = _SIP.sub(" ", _BROKEN_DOMAIN.sub(r"\1.", text)) if ":" in text or " " in text else text
    if "@" not in text and "%40" in text:
        text = unquote(text)
    if "@" not in text and "＠" not in text:
        return ()
    found = [one for piece in _BETWEEN.split(_AROUND_AT.sub("@", text)) if "@" in piece for one in _leading(piece)]
    return tuple({one.casefold(): one for one in reversed(found)}.values())[::-1]


def is_chat(address: str) -> bool:
    """Whether it is an id of WhatsApp, which receives no mail."""
    return address.rpartition("@")[2].lower() in NO_HOSTS


def _leading(piece: str) -> list[str]:
    """The addresses with which a piece begins."""
    found: list[str] = []
    for word in piece.split():
        match = _ADDRESS.match(word.strip(_EDGES))
        if match is None or len(match[0]) > _MOST or "@" in match.string[match.end() :] or is_chat(match[0]):
            break
        found.append(match[0].strip(_EDGES))
    return found


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(map(_text, value[:50]))
    if isinstance(value, dict):
        return next((_text(value[key]) for key in ("email", "address", "value") if key in value), "")
    return ""
