"""The kinds of alarms, their severities, and the occasions of their notices. Plain words, for every room."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class AlarmKind(StrEnum):
    """The subject of an alarm."""

    ACCOUNT_CLOSED = "account_closed"  #: blocked or paused for long
    ACCOUNT_HELD = "account_held"  #: the vendor asked for a long wait
    DESTINATION_STOPPED = "destination_stopped"
    LEADS_WAIT = "leads_wait"  #: within contact hours
    DELIVERIES_DIE = "deliveries_die"
    BUDGET_SHORT = "budget_short"  #: the day's calls will not last
    CEILING_NEAR = "ceiling_near"  #: nearly as many people were called in a day as may be, or as many
    SOURCE_SILENT = "source_silent"
    DEAD_LETTERS = "dead_letters"
    NOBODY_WORKS = "nobody_works"  #: no process of a needed role is alive
    LIST_OLD = "list_old"  #: a registry
    CALENDAR_OLD = "calendar_old"  #: holidays or time zones
    TEST = "test"  #: asked for by an operator; never stored


class Severity(StrEnum):
    """The severity of an alarm; the mildest first."""

    WARNING = "warning"
    URGENT = "urgent"

    def reaches(self, least: Severity) -> bool:
        """Whether it is at least as bad."""
        order = list(Severity)
        return order.index(self) >= order.index(least)


class Occasion(StrEnum):
    """The occasion of a notice."""

    BEGUN = "begun"
    REMINDER = "reminder"
    ENDED = "ended"


#: How bad each is. A paused account is milder: a person wanted it.
SEVERITIES: Final[Mapping[AlarmKind, Severity]] = {
    AlarmKind.ACCOUNT_CLOSED: Severity.URGENT,
    AlarmKind.ACCOUNT_HELD: Severity.WARNING,
    AlarmKind.DESTINATION_STOPPED: Severity.URGENT,
    AlarmKind.LEADS_WAIT: Severity.URGENT,
    AlarmKind.DELIVERIES_DIE: Severity.URGENT,
    AlarmKind.BUDGET_SHORT: Severity.WARNING,
    AlarmKind.CEILING_NEAR: Severity.WARNING,
    AlarmKind.SOURCE_SILENT: Severity.WARNING,
    AlarmKind.DEAD_LETTERS: Severity.WARNING,
    AlarmKind.NOBODY_WORKS: Severity.URGENT,
    AlarmKind.LIST_OLD: Severity.WARNING,
    AlarmKind.CALENDAR_OLD: Severity.WARNING,
    AlarmKind.TEST: Severity.URGENT,
}
#: Kinds that an addressee can choose.
KINDS: Final = tuple(kind for kind in AlarmKind if kind is not AlarmKind.TEST)
