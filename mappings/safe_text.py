"""Texts that a spreadsheet or a screen would execute: `safe_text = "spreadsheet"` of an account makes them harmless."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_TAG: Final = re.compile(r"<[A-Za-z/!?][^<>]*>")
_BEGUN: Final = re.compile(r"<(?=[A-Za-z/!?])")
#: Beginnings of formulas, in all forms that programs accept.
_FORMULA: Final = re.compile("\\s*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20\u2212]")
_NUMBER: Final = re.compile(r"\s*[+-]?[\d\s().,-]+")


def harmless(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without tags, and with an apostrophe before each formula. Numbers, phones and e-mails stay."""
    return {name: value if "email" in name else _harmless(value) for name, value in record.items()}


def _harmless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return harmless(value)
    if isinstance(value, list):
        return [_harmless(one) for one in value]
    if not isinstance(value, str):
        return value
    text = _BEGUN.sub("", _TAG.sub("", value)) if "<" in value else value
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
