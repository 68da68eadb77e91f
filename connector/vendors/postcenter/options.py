"""The options of a route and a poll of PostCenter."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from connector.core.fields import (
    PollOptions,
    Strict,
    Text,
    choice,
)
from connector.core.text import listed
from connector.vendors.postcenter.readers import STATES


class TicketsPoll(PollOptions):
    """A poll of tickets: in a state, or of a channel."""

    state = Text(load_default="", validate=choice(*STATES))
    channel = Text(load_default="")

    @validates_schema(skip_on_field_errors=True)
    def _by_one_of_them(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data["state"]) == bool(data["channel"]):
            raise ValidationError(f'needs either state (one of {listed(STATES)}) or channel = "email"')

    @validates_schema(pass_original=True)
    def _overlaps_by_dates_only(self, data: dict[str, Any], original: Any, **_: Any) -> None:
        if data.get("state") and "overlap" in original:
            raise ValidationError(
                "is of no use with state: the whole list comes with every look; take it off", "overlap"
            )


class TicketOptions(Strict):
    """``postcenter.close`` and ``postcenter.reassign``: the documents define no options."""
