"""``[alarms]``: when people are told that something is wrong, and ``[[alarms.to]]``: who is told, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validates_schema

from connector.config.faults import Faults, check_name
from connector.config.reading import read_shape
from connector.core.alarms import KINDS, AlarmKind, Severity
from connector.core.fields import Checked, Duration, Strict, Text, Whole, choice
from connector.core.settings import Addressee, Alarms, Secret, Verify
from connector.core.text import is_loopback, is_url, quote
from connector.inbound.signatures import problems

LANGUAGES: Final = ("es", "pt", "en")


class _Addressees(fields.Field[list[Any]]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("must be a list of tables: begin each with [[alarms.to]]")
        return value


class _Kinds(Checked[tuple[AlarmKind, ...]]):
    """Some of the kinds of alarms; all if it is left out."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[AlarmKind, ...]:
        if not isinstance(value, list) or not value:
            raise ValidationError('must be a list, ["account_closed"]; leave it out for all')
        for one in value:
            choice(*KINDS)(str(one))
        return tuple(AlarmKind(one) for one in value)


class AlarmsShape(Strict):
    """The keys of the table itself."""

    account_after = Duration(load_default=600.0)
    leads_wait = Duration(load_default=600.0)
    dead_percent = Whole(least=1, load_default=5)
    dead_least = Whole(least=1, load_default=5)
    again = Duration(load_default=86400.0)
    to = _Addressees(load_default=list)


class AddresseeShape(Strict):
    """One addressee."""

    name = Text(required=True, needed='is required: name = "shift"')
    url = Text(required=True, needed='is required: url = "${ALARM_URL}", an address that apprise knows, or https://…')
    secret = Text(load_default="")
    language = Text(load_default="es", validate=choice(*LANGUAGES))
    kinds = _Kinds(load_default=KINDS)
    severity = Text(load_default=Severity.WARNING.value, validate=choice(*Severity))

    @validates_schema(skip_on_field_errors=True)
    def _can_be_reached(self, data: dict[str, Any], **_: Any) -> None:
        url = data["url"]
        if "://" not in url:
            raise ValidationError("is no address: write scheme://…", "url")
        if not data["secret"]:
            return
        if not is_url(url, "https") and not (is_url(url, "http") and is_loopback(url)):
            raise ValidationError("takes signed webhooks: write https://host/path", "url")
        if problems(Verify(scheme="standard-webhooks", secrets=(Secret(data["secret"]),))):
            raise ValidationError("is no secret of Standard Webhooks: `connector secrets` makes one", "secret")


def read_alarms(table: Any, faults: Faults) -> Alarms | None:
    """``[alarms]`` for the settings; None: missing or faulty."""
    if table is None:
        return None
    place = ("alarms",)
    data = read_shape(AlarmsShape(), table, place, faults)
    to = [_addressee(index, one, faults) for index, one in enumerate(data.get("to", ()))]
    seen: set[str] = set()
    for index, one in enumerate(to):
        if one is not None and one.name in seen:
            faults.add((*place, "to", index, "name"), f"{quote(one.name)} is taken: give each a name of its own")
        seen |= {one.name} if one is not None else set()
    if data.get("dead_percent", 0) > 100:
        faults.add((*place, "dead_percent"), "is more than all: write a number up to 100")
    if faults.under(*place):
        return None
    return Alarms(
        account_after_s=data["account_after"],
        leads_wait_s=data["leads_wait"],
        dead_percent=data["dead_percent"],
        dead_least=data["dead_least"],
        again_s=data["again"],
        to=tuple(one for one in to if one is not None),
    )


def _addressee(index: int, table: Any, faults: Faults) -> Addressee | None:
    place = ("alarms", "to", index)
    data = read_shape(AddresseeShape(), table, place, faults)
    if "name" in data:
        check_name(data["name"], (*place, "name"), faults)
    if faults.under(*place):
        return None
    return Addressee(
        name=data["name"],
        url=Secret(data["url"]),
        secret=Secret(data["secret"]),
        language=data["language"],
        kinds=data["kinds"],
        severity=Severity(data["severity"]),
    )
