"""ADF (Auto-lead Data Format 1.0): the XML in which car portals and web sites hand a lead to a dealer.

``<adf><prospect>…</prospect></adf>``, one event a prospect, sent as ``application/xml``, ``text/xml`` or
``application/x-adf+xml``. ADF was made for mail and proves nothing: give the portal an address with a secret
(scheme ``query``), a password (``basic``) or a header (``token``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mappings.base import walk
from mappings.translated import LeadSender

#: Values of ``type`` for a phone that nobody answers.
_NO_VOICE = frozenset({"fax", "pager"})
_MOBILE = frozenset({"cellphone", "cell", "mobile"})
#: ``interest`` of a vehicle that the person wants to be rid of.
_OFFERED = frozenset({"trade-in", "sell"})
_YES = ("1", "true", "yes", "TRUE", "True", "YES", "Yes")


class AdfMapping(LeadSender):
    """Reads a prospect. A resent one is the same lead: the ``status`` of a prospect does not count."""

    def parts(self, body: Any) -> Sequence[Any]:
        """Each prospect, in an envelope of its own."""
        prospects = _each(walk(body, "adf.prospect") or walk(_lower_names(body), "adf.prospect"))
        return [{"adf": {"prospect": one}} for one in prospects] if len(prospects) > 1 else (body,)

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own lead JSON."""
        prospect = _one(walk(_lower_names(payload) if _has_capitals(payload) else payload, "adf.prospect"))
        contact = _person(_one(prospect.get("customer")))
        address = _one(contact.get("address"))
        data = {
            **_names(contact),
            "phones": _phones(contact),
            "email": _email(contact),
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
    """The number of the first source that has one. ``sequence`` only counts the sources."""
    numbered = next((one for one in _each(prospect.get("id")) if _content(one)), {})
    return ":".join(filter(None, (_attribute(numbered, "source"), _content(numbered))))


def _names(contact: dict[str, Any]) -> dict[str, str]:
    """A full name alone is not cut in two: where would "Ana María Núñez Gómez" be?"""
    parts = {_kind(one, "part"): _content(one) for one in _each(contact.get("name"))}
    first = " ".join(filter(None, (parts.get("first"), parts.get("middle"))))
    last = " ".join(filter(None, (parts.get("last"), parts.get("suffix"))))
    if first or last:
        return {"first_name": first, "last_name": last}
    return {"first_name": parts.get("full") or parts.get("", "")}


def _phones(contact: dict[str, Any]) -> list[str]:
    """The preferred ones first, then mobiles."""
    phones = [one for one in _each(contact.get("phone")) if _kind(one, "type") not in _NO_VOICE]
    phones.sort(key=lambda one: (_attribute(one, "preferredcontact") not in _YES, _kind(one, "type") not in _MOBILE))
    return [_content(one) for one in phones]


def _person(customer: dict[str, Any]) -> dict[str, Any]:
    """The primary contact, otherwise the first one. Others did not ask to be called."""
    contacts = _each(customer.get("contact"))
    return next((one for one in contacts if _attribute(one, "primarycontact") in _YES), next(iter(contacts), {}))


def _email(contact: dict[str, Any]) -> str:
    """The preferred one, else the first that is filled."""
    filled = [one for one in _each(contact.get("email")) if _content(one)]
    preferred = next((one for one in filled if _attribute(one, "preferredcontact") in _YES), None)
    return _content(preferred or next(iter(filled), {}))


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


_NO_PERSONS: Final = ("vehicle", "vendor", "provider", "id")  #: elements that name no person


def _has_capitals(document: Any) -> bool:
    """Whether any name in it has a capital letter: most have none, and need no copy."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            if not "".join(value).islower():
                return True
            waiting += [inner for name, inner in value.items() if type(inner) is not str and name not in _NO_PERSONS]
        elif type(value) is list:
            waiting += value
    return False


def _lower_names(value: Any) -> Any:
    """The document with names of elements and attributes as ADF writes them: some dealers write capitals."""
    if isinstance(value, list):
        return [_lower_names(one) for one in value]
    if not isinstance(value, dict):
        return value
    lower: dict[str, Any] = {}
    for name, inner in value.items():
        lower.setdefault(name.lower(), inner if type(inner) is str else _lower_names(inner))
    return lower


# --- elements, as XML is decoded: text, or an object with "@attributes", elements and "#text"; a list when repeated ---


def _each(value: Any) -> list[dict[str, Any]]:
    """Every element of one name as an object."""
    elements = value if isinstance(value, list) else [value]
    return [one if isinstance(one, dict) else {"#text": one} for one in elements if isinstance(one, (dict, str))]


def _one(value: Any) -> dict[str, Any]:
    return next(iter(_each(value)), {})


def _content(element: dict[str, Any]) -> str:
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
    return ", ".join(filter(None, (_content(one) for value in values for one in _each(value))))


def _text(value: Any) -> str:
    """The text of the first element that has one."""
    return next(filter(None, map(_content, _each(value))), "")


def _plain(value: Any) -> Any:
    """An element as a route's paths want it: "vehicle.make", and "vehicle.interest" for an attribute."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    return value.get("#text") or {key.removeprefix("@"): _plain(inner) for key, inner in value.items() if inner}
