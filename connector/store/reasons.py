"""The columns of reasons: `reason_code` and `reason_facts`; those of an account's hold begin with "hold"."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, bindparam, or_

from connector.core.reasons import ENGLISH, Reason, read


def columns(reason: Reason | None) -> dict[str, Any]:
    """The values that store ``reason`` in a row. A text that a previous release wrote there is cleared."""
    if reason is None:
        return {"reason_code": None, "reason_facts": None, "reason": None}
    return {"reason_code": str(reason.code), "reason_facts": reason.facts_json, "reason": None}


def hold_columns(reason: Reason | None) -> dict[str, Any]:
    """The same of what an account is held for."""
    return {f"hold_{name}": value for name, value in columns(reason).items()}


def bound(reason: Reason | None) -> dict[str, Any]:
    """Parameters of a statement that sets `BOUND`."""
    return {"why": None if reason is None else str(reason.code), "facts": reason and reason.facts_json}


#: For a statement that settles many rows, each with a reason of its own: see `bound`.
BOUND: Final[dict[str, Any]] = {"reason_code": bindparam("why"), "reason_facts": bindparam("facts"), "reason": None}


def holds(table: Any, text: str) -> ColumnElement[bool]:
    """Rows whose reason matches a text: a code, words of its English sentence, or words of its facts.

    The database cannot read words that are encrypted: see `says`.
    """
    facts = table.c.reason_facts.icontains(text, autoescape=True)
    return or_(table.c.reason_code.in_(_codes_like(text)), facts, table.c.reason.icontains(text, autoescape=True))


def says(row: Any, text: str) -> bool:
    """Whether a row's reason matches, as `holds` has it, with its words read."""
    if row.reason_code in _codes_like(text):
        return True
    facts = {} if row.reason or (reason := of(row)) is None else reason.facts
    return text.casefold() in (row.reason or orjson.dumps(facts).decode()).casefold()


def _codes_like(text: str) -> list[str]:
    folded = text.casefold()
    return [str(code) for code, sentence in ENGLISH.items() if folded == code or folded in sentence.casefold()]


def of(row: Any) -> Reason | None:
    """The reason of a row."""
    return read(row.reason_code, row.reason_facts, row.reason)


def hold_of(row: Any) -> Reason | None:
    """The reason for which an account's row is held."""
    return read(row.hold_reason_code, row.hold_reason_facts, row.hold_reason)
