"""ADF (Auto-lead Data Format 1.0): the XML in which car portals and web sites hand a lead to a dealer.

``<adf><prospect>…</prospect></adf>``, one event a prospect, sent as ``application/xml``, ``text/xml`` or
``application/x-adf+xml``. ADF was made for mail and proves nothing: give the portal an address with a secret
(scheme ``query``), a password (``basic``) or a header (``token``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mappings.base import walk
from mappings.translated import LeadSender

#: Attributes ``type`` of a phone that nobody answers.
_NO_VOICE = frozenset({"fax", "pager"})
_MOBILE = frozenset({"cellphone", "cell", "mobile"})
#: ``interest`` of a vehicle that the person wants to be rid of.
_OFFERED = frozenset({"trade-in", "sell"})


class AdfMapping(LeadSender):
    """Reads a prospect. A resent one is the same lead: the ``status`` of a prospect is no part of it."""

    def parts(self, body: Any) -> Sequence[Any]:
        """Each prospect, in an envelope of its own."""
        prospects = _each(walk(body, "adf.prospect"))
        return [{"adf": {"prospect": one}} for one in prospects] if len(prospects) > 1 else (body,)

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own lead JSON."""
        prospect = _one(walk(payload, "adf.prospect"))
        contact = _one(walk(prospect, "customer.contact"))
        address = _one(contact.get("address"))
        data = {
            **_names(contact),
            "phones": _phones(contact),
            "email": _text(contact.get("email")),
            "address": _lines(address.get("street"), address.get("apartment")),
            "city": _text(address.get("city")),
            "state": _text(address.get("regioncode")),
            "country": _text(address.get("country")),
            "extra": _extra(prospect, _text(address.get("postalcode"))),
        }
        return {
            "id": _id(prospect),
            "type": "lead.created",
            "time": _text(prospect.get("requestdate")),
            "data": data,
        }


def _id(prospect: dict[str, Any]) -> str:
    """What the first source that gives a number calls it. ``sequence`` only counts the sources."""
    numbered = next((one for one in _each(prospect.get("id")) if _said(one)), {})
    return ":".join(filter(None, (_attribute(numbered, "source"), _said(numbered))))


def _names(contact: dict[str, Any]) -> dict[str, str]:
    """A full name alone is not cut in two: where would "Ana María Núñez Gómez" be?"""
    parts = {_kind(one, "part"): _said(one) for one in _each(contact.get("name"))}
    first = " ".join(filter(None, (parts.get("first"), parts.get("middle"))))
    last = " ".join(filter(None, (parts.get("last"), parts.get("suffix"))))
    if first or last:
        return {"first_name": first, "last_name": last}
    return {"first_name": parts.get("full") or parts.get("", "")}


def _phones(contact: dict[str, Any]) -> list[str]:
    """The preferred ones first, then mobiles."""
    phones = [one for one in _each(contact.get("phone")) if _kind(one, "type") not in _NO_VOICE]
    phones.sort(key=lambda one: (_attribute(one, "preferredcontact") != "1", _kind(one, "type") not in _MOBILE))
    return [_said(one) for one in phones]


def _extra(prospect: dict[str, Any], postal_code: str) -> dict[str, Any]:
    vehicles = _each(prospect.get("vehicle"))
    extra = {
        "vehicle": next((_plain(one) for one in vehicles if _kind(one, "interest") not in _OFFERED), None),
        "trade_in": next((_plain(one) for one in vehicles if _kind(one, "interest") in _OFFERED), None),
        "comments": _text(walk(prospect, "customer.comments")) or _text(walk(prospect, "customer.contact.comments")),
        "timeframe": _plain(walk(prospect, "customer.timeframe")),
        "postal_code": postal_code,
        "vendor": _text(walk(prospect, "vendor.vendorname")) or _text(walk(prospect, "vendor.contact.name")),
        "provider": _text(walk(prospect, "provider.name")),
        "service": _text(walk(prospect, "provider.service")),
    }
    return {name: value for name, value in extra.items() if value}


# --- elements, as XML is decoded: text, or an object with "@attributes", elements and "#text"; a list when repeated ---


def _each(value: Any) -> list[dict[str, Any]]:
    """Every element of one name as an object."""
    elements = value if isinstance(value, list) else [value]
    return [one if isinstance(one, dict) else {"#text": one} for one in elements if isinstance(one, dict | str)]


def _one(value: Any) -> dict[str, Any]:
    return next(iter(_each(value)), {})


def _said(element: dict[str, Any]) -> str:
    return _string(element.get("#text"))


def _attribute(element: dict[str, Any], name: str) -> str:
    return _string(element.get(f"@{name}"))


def _kind(element: dict[str, Any], name: str) -> str:
    """An attribute out of a short list, which is not always spelt as there."""
    return _attribute(element, name).lower()


def _string(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _lines(*values: Any) -> str:
    """Every text of these elements in one line."""
    return ", ".join(filter(None, (_said(one) for value in values for one in _each(value))))


def _text(value: Any) -> str:
    """The text of the first element that has one."""
    return next(filter(None, map(_said, _each(value))), "")


def _plain(value: Any) -> Any:
    """An element as a route's paths want it: "vehicle.make", and "vehicle.interest" for an attribute."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    return value.get("#text") or {key.removeprefix("@"): _plain(inner) for key, inner in value.items() if inner}
