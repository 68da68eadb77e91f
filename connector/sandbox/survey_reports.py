"""Tracksale's answers about campaigns and dispatches, in its documented shapes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox.surveys import Campaign, Customer, Lot, moment

_NO_ANSWERS: Mapping[str, int] = dict.fromkeys(("detractors", "passives", "promoters", "comments", "answers"), 0)
_NO_LIMIT: Mapping[str, None] = {"limit": None, "remaining": None}
_QUESTION: Mapping[str, Any] = {"id": 1, "type": "NPS", "title": "NPS", "question": "0-10?", "secondary": None}


def asked(query: Mapping[str, str], name: str) -> bool:
    """Whether a yes-or-no parameter says yes."""
    return query.get(name, "").lower() in ("true", "1")


def describe(campaign: Campaign, query: Mapping[str, str]) -> dict[str, Any]:
    """A campaign of the list."""
    described = {
        "name": campaign.name,
        "code": campaign.code,
        "description": "",
        **_NO_ANSWERS,
        "dispatches": sum(lot.time_s is not None for lot, _ in campaign.everyone()),
        "main_channel": campaign.main_channel,
        "create_time": moment(campaign.created),
        "questions": [_QUESTION],
    }
    if asked(query, "dispatch_limits"):
        described["dispatch_limits"] = dict.fromkeys(("daily", "weekly", "monthly"), _NO_LIMIT)
    return described


def identity(customer: Customer) -> dict[str, Any]:
    """Who a customer is."""
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
    return entry | ({"tags": customer.tags} if asked(query, "tags") else {})


def _channel(query: Mapping[str, str]) -> dict[str, str]:
    return {"channel": "Email"} if asked(query, "channel") else {}
