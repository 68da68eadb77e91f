"""Tracksale's answers about campaigns, dispatches and figures, in its documented shapes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from connector.vendors.tracksale.sandbox_surveys import Campaign, Customer, Lot, moment

_NO_LIMIT: Mapping[str, None] = {"limit": None, "remaining": None}
_COLOR = "#F8D347"
Given = Sequence[Mapping[str, Any]]  #: answers, as `Answers` has them


def is_requested(query: Mapping[str, str], name: str) -> bool:
    """Whether a yes-or-no parameter is yes."""
    return query.get(name, "").lower() in ("true", "1")


def _groups(answers: Given) -> dict[str, int]:
    scores = [int(answer["nps_answer"]) for answer in answers if answer["nps_answer"] is not None]
    return {
        "promoters": sum(score >= 9 for score in scores),
        "passives": sum(7 <= score <= 8 for score in scores),
        "detractors": sum(score <= 6 for score in scores),
    }


def _share(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0


def _nps(groups: Mapping[str, int]) -> float:
    asked_all = sum(groups.values())
    return round(_share(groups["promoters"], asked_all) - _share(groups["detractors"], asked_all), 2)


def figures(answers: Given, dispatches: int) -> dict[str, Any]:
    """The figures of report/nps for a period."""
    groups = _groups(answers)
    shares = {f"{name}_percentage": _share(number, sum(groups.values())) for name, number in groups.items()}
    return {"dispatches": dispatches, **groups, **shares, "nps": _nps(groups)}


def categories(answers: Given) -> list[dict[str, Any]]:
    """The figures of report/category: how many answers are in each, and their NPS."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for answer in answers:
        for category in answer["categories"]:
            found[category["name"]].append(answer)
    return [_total(name, of_it, number) | {"nps": _nps(_groups(of_it))} for number, (name, of_it) in _numbered(found)]


def statuses(answers: Given) -> list[dict[str, Any]]:
    """The figures of report/status: how many answers have each."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for answer in answers:
        found[answer["status"]].append(answer)
    return [_total(name, of_it, number) for number, (name, of_it) in _numbered(found)]


def _numbered(found: Mapping[str, Given]) -> list[tuple[int, tuple[str, Given]]]:
    return list(enumerate(sorted(found.items(), key=lambda one: one[0]), start=76))


def _total(name: str, answers: Given, number: int) -> dict[str, Any]:
    return {"id": number, "name": name, "color": _COLOR, "total": len(answers)}


def describe(campaign: Campaign, query: Mapping[str, str], answers: Given) -> dict[str, Any]:
    """A campaign of the list; its figures are of these answers."""
    described = {
        "name": campaign.name,
        "code": campaign.code,
        "description": "",
        **_groups(answers),
        "comments": sum(bool(answer["nps_comment"]) for answer in answers),
        "answers": len(answers),
        "dispatches": sum(lot.time_s is not None for lot, _ in campaign.everyone()),
        "main_channel": campaign.main_channel,
        "create_time": moment(campaign.created),
        "questions": list(campaign.questions),
    }
    if is_requested(query, "dispatch_limits"):
        described["dispatch_limits"] = dict.fromkeys(("daily", "weekly", "monthly"), _NO_LIMIT)
    return described


def identity(customer: Customer) -> dict[str, Any]:
    """The identity of a customer."""
    return {
        "name": customer.name,
        "identification": customer.identification,
        "email": customer.email,
        "phone": customer.phone,
    }


def _reported_customer(lot: Lot, customer: Customer) -> dict[str, Any]:
    dispatched = None if lot.time_s is None else moment(lot.time_s)
    return {**identity(customer), "dispatch_time": dispatched, "status": lot.status, "has_answered": False}


def lot_entry(campaign: Campaign, lot: Lot, customers: list[Customer], query: Mapping[str, str]) -> dict[str, Any]:
    """A lot of report/dispatch with these of its customers."""
    entry = {
        "campaign": {"name": campaign.name, "code": campaign.code},
        "dispatch_code": lot.code,
        "status": lot.status,
        "create_time": moment(lot.created),
        "customers": [_reported_customer(lot, customer) for customer in customers],
    }
    return entry | _channel(query)


def paged_entry(campaign: Campaign, lot: Lot, customer: Customer, query: Mapping[str, str]) -> dict[str, Any]:
    """A customer of the paged report."""
    about_lot = {"create_time": moment(lot.created), "dispatch_code": lot.code, "status": lot.status}
    entry: dict[str, Any] = {
        "campaign": {"code": campaign.code, "name": campaign.name},
        "lot": about_lot | _channel(query),
        "customer": {**_reported_customer(lot, customer), "survey_opened": False},
    }
    return entry | ({"tags": customer.tags} if is_requested(query, "tags") else {})


def _channel(query: Mapping[str, str]) -> dict[str, str]:
    return {"channel": "Email"} if is_requested(query, "channel") else {}
