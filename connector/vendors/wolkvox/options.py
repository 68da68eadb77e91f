"""The options of an account and a route of wolkvox."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from connector.core.fields import (
    AccountOptions,
    Ceilings,
    Code,
    Duration,
    Paths,
    Strict,
    Text,
    Whole,
    Words,
    choice,
    known_numbers,
    known_regions,
)
from connector.core.text import is_loopback, quote

OPT_COLUMNS = tuple(f"opt{number}" for number in range(1, 13))  #: wolkvox's free columns


class WolkvoxAccount(AccountOptions):
    """An account: the server, its licences, and how phones are dialled."""

    server = Text(load_default="", pattern="[0-9]{4}", says='must be the four digits in quotes, server = "0011"')
    licences = Whole(least=1, load_default=1)
    dial_prefix = Text(load_default="", empty=True, pattern="[0-9]*", says='must be digits in quotes, like "9"')
    countries = Words(load_default=(), validate=known_regions)
    numbers = Words(load_default=("mobile", "fixed"), validate=known_numbers)
    phones_per_lead = Whole(least=1, load_default=5)
    calls_per_day = Ceilings(load_default=())
    phone_format = Text(load_default="national", validate=choice("national", "e164", "international"))

    @validates_schema(skip_on_field_errors=False)
    def _has_an_address(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("server") == "" and data.get("base_url") == "":
            raise ValidationError('is required: server = "0011" (or base_url)', "server")

    @validates_schema(skip_on_field_errors=False)
    def _waits_longer_than_the_vendor(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("timeout_s", 65) <= 60 and not is_loopback(data.get("base_url", "")):
            raise ValidationError("must be more than 60: the vendor itself takes up to 60 s to answer", "timeout_s")


def _campaign(key: str, example: str) -> Code:
    return Code(required=True, needed=f'is required: {key} = "{example}"')


class WolkvoxOptions(Strict):
    """``wolkvox.add_record``: the campaign, whether it is to run, and what its free columns hold.

    ``else``: what happens after ``status_wait`` where ``auto`` finds no status: start, stop, or hold with an alarm.
    """

    class Meta(Strict.Meta):
        include = {"else": Text(load_default="hold", validate=choice("start", "stop", "hold"))}  # noqa: RUF012

    campaign_id = _campaign("campaign_id", "1042")
    campaign_status = Text(load_default="auto", validate=choice("start", "stop", "auto"))
    status_wait = Duration(load_default=900.0)
    opt = Paths(most=len(OPT_COLUMNS), load_default=())
    trace_field = Text(load_default="", validate=choice(*OPT_COLUMNS))

    @validates_schema(skip_on_field_errors=False)
    def _trace_has_a_column_of_its_own(self, data: dict[str, Any], **_: Any) -> None:
        trace, opt = data.get("trace_field"), data.get("opt", ())
        if trace and OPT_COLUMNS.index(trace) < len(opt):
            raise ValidationError(f"{quote(trace)} is filled by opt already: choose a later column", "trace_field")
