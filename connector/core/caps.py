"""How often one person may be contacted: pure arithmetic on a list of contacts, on the person's own calendar."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from connector.core.times import DAY_MS

#: Why a person is contacted. `requested`: the person asked for the contact a short time ago.
PURPOSES: Final = ("marketing", "requested", "service", "survey", "collection")
CHANNELS: Final = ("voice", "sms", "whatsapp", "email")
BY_NUMBER: Final = ("voice", "sms", "whatsapp")  #: those that reach a number, which costs by its country and kind


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact of a person, made or begun."""

    delivery: int
    attempt: int
    at: int  #: unix ms; of a survey that leaves later: when it leaves
    channel: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A maximum of contacts, or of different channels, within a time. Without countries, channels or purposes: all."""

    name: str  #: for a person who reads why a delivery waits
    most: int
    per: Literal["day", "week", ""]  #: on the person's calendar; "": any stretch of `stretch_ms`
    stretch_ms: int = 0
    of: Literal["contacts", "channels"] = "contacts"
    countries: tuple[str, ...] = ()  #: "CO", or a region "US-FL"
    channels: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()  #: which it limits
    counts: tuple[str, ...] = ()  #: channels that count although the cap does not limit them
    then: Literal["wait", "end"] = "wait"

    def limits(self, countries: Sequence[str], channel: str, purpose: str) -> bool:
        """Whether the cap applies to a contact of a person in these countries and regions."""
        return (
            (not self.countries or bool({*self.countries} & {*countries}))
            and (not self.channels or channel in self.channels)
            and (not self.purposes or purpose in self.purposes)
        )

    def counted(self, contact: Contact) -> bool:
        """Whether a contact counts towards the cap, wherever the person was at that time."""
        return (not self.channels or contact.channel in self.channels) and (
            not self.purposes or contact.purpose in (*self.purposes, *self.counts)
        )

    @property
    def window_ms(self) -> int:
        """How far back a contact may count."""
        return self.stretch_ms or (8 if self.per == "week" else 2) * DAY_MS


def room(cap: Cap, past: Sequence[Contact], channel: str, at: int, zones: Sequence[ZoneInfo]) -> int | None:
    """The time (unix ms) from which one more contact through ``channel`` fits; None if it fits at ``at``.

    A person who may be in several time zones has several calendar days; all of them are respected.
    """
    counted = [one for one in past if cap.counted(one)]
    if not cap.per:
        return _room_of_stretch(cap, [one for one in counted if one.at > at - cap.stretch_ms], channel)
    moments = [_room_of_calendar(cap, counted, channel, at, zone) for zone in zones]
    return max((moment for moment in moments if moment is not None), default=None)


def used(cap: Cap, past: Sequence[Contact], at: int, zone: ZoneInfo) -> int:
    """How much of a cap is used at that moment: contacts, or different channels."""
    start = at - cap.stretch_ms + 1 if not cap.per else _window(cap.per, at, zone)[0]
    counted = [one for one in past if cap.counted(one) and start <= one.at]
    return len(counted) if cap.of == "contacts" else len({one.channel for one in counted})


def _room_of_stretch(cap: Cap, inside: list[Contact], channel: str) -> int | None:
    leaves = _blockers(cap, inside, channel)
    return leaves + cap.stretch_ms if leaves is not None else None


def _blockers(cap: Cap, inside: list[Contact], channel: str) -> int | None:
    """The last contact that must leave the window before there is room (unix ms); None if there is room."""
    if cap.of == "contacts":
        moments = sorted(one.at for one in inside)
    else:
        last = {one.channel: one.at for one in sorted(inside, key=lambda one: one.at)}
        last.pop(channel, None)  # the others must leave room for it: what a person asked for may have filled the cap
        moments = sorted(last.values())
    return moments[len(moments) - cap.most] if len(moments) >= cap.most else None


def _room_of_calendar(cap: Cap, counted: list[Contact], channel: str, at: int, zone: ZoneInfo) -> int | None:
    start, end = _window(cap.per, at, zone)
    inside = [one for one in counted if start <= one.at < end]
    return None if _blockers(cap, inside, channel) is None else end


@functools.lru_cache(maxsize=1024)  # a claim calls it for a thousand people
def _window(per: str, at: int, zone: ZoneInfo) -> tuple[int, int]:
    """The person's day, or their week from Monday on: from and until (unix ms)."""
    today = datetime.fromtimestamp(at / 1000, zone).date()
    if per == "day":
        return beginning(today, zone), beginning(today + timedelta(days=1), zone)
    monday = today - timedelta(days=today.weekday())
    return beginning(monday, zone), beginning(monday + timedelta(days=7), zone)


def beginning(day: date, zone: ZoneInfo) -> int:
    """The first moment (unix ms) at which the clock shows that day; some days have no midnight."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    moment = int(midnight.timestamp() * 1000)
    while datetime.fromtimestamp(moment / 1000, zone).date() < day:
        moment += 900_000
    while datetime.fromtimestamp((moment - 900_000) / 1000, zone).date() >= day:
        moment -= 900_000
    return moment
