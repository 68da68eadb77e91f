"""The limits that the simulated wolkvox enforces, and its answers beyond them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from connector.vendors.sandbox.limits import Limits, how, texts
from connector.vendors.sandbox.messages import Reply, json_reply

Judge = Callable[[Mapping[str, str]], bool]


def _is_given(value: object) -> bool:
    return value is not None


def _predicate(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise ValueError(f"{name} cannot be {value!r}; its default is None")
    return value


def _cap(name: str, value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ValueError(f"{name} cannot be {value!r}; its default is None")
    return value


@dataclass(slots=True, kw_only=True)
class WolkvoxLimits(Limits):
    """One value per rule."""

    simultaneous: int = 2  #: calls in flight per token
    licences: int = 10
    calls_per_licence: int = 1000  #: a day
    day_s: float = 86400.0  #: how long a call counts against the day's budget (rolling)
    budget_used: int = 0  #: calls that other programs have made with the token today
    rows_per_call: int = 10_000
    records_down: int = 60_000  #: rows in one answer
    report_interval_s: float = 300.0  #: between two real-time reports
    report_envelope: bool = False  #: the real-time report in an envelope instead of a bare list
    licence_cap: int | None = field(
        default=None, metadata=how(_cap)
    )  #: records that the whole account may hold; None: no cap
    insert_delay_s: float = 0.0  #: rows appear this long after the call
    #: customer_id values of rows that spoil their whole batch
    poison: frozenset[str] = field(default=frozenset(), metadata=how(texts, sorted))
    #: the same by predicate (in-process only)
    poison_if: Judge | None = field(default=None, metadata=how(_predicate, _is_given))
    keep_rows: bool = True  #: False: of each row only the customer_id is kept


def refusal(status: int, msg: str) -> Reply:
    """The envelope for a refusal."""
    return json_reply({"code": str(status), "error": HTTPStatus(status).phrase, "msg": msg}, status)


def licence_cap(uploading: int, allowed: int) -> Reply:
    """Its words if the account's licences hold no more records."""
    return refusal(
        404,
        f"You are uploading ({uploading}) records to the system. According to quantity active licenses, "
        f"You can upload {allowed} records. Try again.",
    )


TOO_MANY_AT_ONCE = refusal(403, "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)")
TOKEN_LIMIT = refusal(403, "TOKEN LIMIT EXCEEDED")
BAD_TOKEN = refusal(403, "PLEASE VALIDATE TOKEN")

#: Kinds of faults that are this vendor's own answers.
FAULTS: Mapping[str, Reply] = {
    "concurrency_403": TOO_MANY_AT_ONCE,
    "token_limit_403": TOKEN_LIMIT,
    "bad_token_403": BAD_TOKEN,
    "licence_cap_404": licence_cap(66401, 50000),
}
