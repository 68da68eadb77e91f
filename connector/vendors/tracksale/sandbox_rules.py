"""Tracksale's rules for requests: types, limits, dates. Each check raises `BadRequest` for the first breach."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.vendors.sandbox.messages import NOT_JSON
from connector.vendors.tracksale.sandbox_surveys import IDENTIFICATIONS

#: Unix seconds beyond this (the year 5138) are milliseconds.
MOST_SECONDS = 10**11


class BadRequest(Exception):  # noqa: N818 - it is read as a verdict
    """A breach. ``words`` are the vendor's error; ``detail`` never shows a value."""

    def __init__(self, rule: str, detail: str, words: str = "Invalid parameters") -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail
        self.words = words


def check_object(value: Any, allowed: tuple[str, ...], rule: str) -> dict[str, Any]:
    """A JSON object with no other keys than these."""
    if value is NOT_JSON:
        raise BadRequest("body", "the body is no JSON", "Invalid JSON")
    if not isinstance(value, dict):
        raise BadRequest(rule, "not a JSON object")
    unknown = value.keys() - set(allowed)
    if unknown:
        raise BadRequest(rule, f"unknown key {min(unknown)!r}")
    return value


def check_customers(body: Mapping[str, Any], *, most: int) -> list[dict[str, Any]]:
    """The ``customers`` of a dispatch."""
    customers = body.get("customers")
    if not isinstance(customers, list) or not customers:
        raise BadRequest("customer", "customers is no list, or empty")
    if len(customers) > most:
        raise BadRequest(
            "customers_per_call", f"{len(customers)} customers in one call", f"Maximum of {most} customers"
        )
    for number, customer in enumerate(customers):
        _check_customer(customer, number)
    return customers


def _check_customer(customer: Any, number: int) -> None:
    check_object(customer, ("name", *IDENTIFICATIONS, "tags", "finish_time"), "customer")
    check_time(customer, "finish_time")
    for name in ("name", *IDENTIFICATIONS):
        if not isinstance(customer.get(name), str | None):
            raise BadRequest("customer", f"customer {number}: {name} is no string")
    if customer.get("tags") is not None:
        check_tags(customer["tags"])


def check_tags(tags: Any, *, most: int | None = None) -> list[dict[str, str]]:
    """A list of {name, value}, both strings."""
    if not isinstance(tags, list):
        raise BadRequest("tags", "tags is no list")
    if most is not None and len(tags) > most:
        raise BadRequest("tags_per_call", f"{len(tags)} tags in one call", f"Maximum of {most} tags")
    for number, tag in enumerate(tags):
        if not isinstance(tag, dict) or tag.keys() != {"name", "value"}:
            raise BadRequest("tags", f"tag {number} is not name and value")
        if not isinstance(tag["name"], str) or not tag["name"] or not isinstance(tag["value"], str):
            raise BadRequest("tags", f"tag {number}: name or value is no string")
    return tags


def check_time(body: Mapping[str, Any], name: str, *, zero: bool = False) -> int | None:
    """Unix seconds; milliseconds are a breach. ``zero``: 0 is allowed and means now."""
    if name not in body:
        return None
    value = body[name]
    if isinstance(value, int) and not isinstance(value, bool) and (0 if zero else 1) <= value < MOST_SECONDS:
        return value
    is_ms = isinstance(value, int) and value >= MOST_SECONDS
    raise BadRequest(name, f"{name} is in milliseconds" if is_ms else f"{name} is no time in seconds", "Invalid Time")


def check_person(value: Any, rule: str, *, others: tuple[str, ...] = (), exactly_one: bool = False) -> dict[str, Any]:
    """An object with at least one (or exactly one) of e-mail, phone and identification, all filled strings."""
    person = check_object(value, (*IDENTIFICATIONS, *others), rule)
    names = [name for name in IDENTIFICATIONS if name in person]
    if not names or (exactly_one and len(names) > 1):
        raise BadRequest(rule, "needs one of email, phone, identification")
    for name in names:
        if not isinstance(person[name], str) or not person[name].strip():
            raise BadRequest(rule, f"{name} is no string, or empty")
    return person


def check_answer_id(body: Mapping[str, Any], rule: str) -> int | None:
    """The answer's id, a positive number; None if there is none."""
    value = body.get("answer_id")
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise BadRequest(rule, "answer_id is no positive number")


def check_campaign_code(body: Mapping[str, Any]) -> str:
    """The optional campaign_code of notes and tags, a string as documented."""
    value = body.get("campaign_code", "")
    if not isinstance(value, str):
        raise BadRequest("campaign_code", "campaign_code is no string")
    return value


def check_day(body: Mapping[str, Any], name: str, rule: str) -> str:
    """A date YYYY-MM-DD that exists."""
    value = body.get(name)
    try:
        if not isinstance(value, str) or len(value) != 10:
            raise ValueError(name)
        datetime.strptime(value, "%Y-%m-%d")  # noqa: DTZ007 - a day, no moment
    except ValueError:
        raise BadRequest(rule, f"{name} is no YYYY-MM-DD") from None
    return value


def check_period(query: Mapping[str, str], *, times: bool = True) -> tuple[float, float]:
    """``start`` and ``end`` of a report in unix seconds, the end's whole day included; 30 days when left out.

    Without ``times`` both must be days.
    """
    for name in () if times else ("start", "end"):
        if "T" in query.get(name, ""):
            raise BadRequest("date", f"{name} is no YYYY-MM-DD", "Invalid Time")
    now = datetime.now(UTC)
    start = _moment(query, "start") or now - timedelta(days=30)
    end = _moment(query, "end")
    if end is not None and len(query["end"]) == 10:
        end += timedelta(days=1)
    return start.timestamp(), (end or now + timedelta(days=1)).timestamp()


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S" if "T" in text else "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise BadRequest("date", f"{name} is neither YYYY-MM-DD nor YYYY-MM-DDTHH:mm:ss", "Invalid Time") from None


def check_number(query: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    """A number of the query within its bounds."""
    text = query.get(name, str(default))
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise BadRequest(name, f"{name} is no number from {least} to {most}")
    return value
