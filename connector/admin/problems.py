"""Problems without an error: no worker runs, another configuration runs, sent records reach nobody.

An all-clear is reliable only if missing activity can end it. Every overview (status, check, ``/readyz``, metrics) shows
these problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, func, select

from connector.admin.identifiers import first_since
from connector.core import masking
from connector.core.phrases import joined, phrase, plural
from connector.core.settings import Settings
from connector.core.states import DeliveryState
from connector.core.times import DAY_MS, HOUR_MS, iso
from connector.store import helps, processes
from connector.store.helps import Help, HelpState
from connector.store.processes import Process, Role
from connector.store.tables import IS_PENDING, IS_UNCERTAIN, deliveries, events
from connector.vendors.destinations import places

SILENT_MS: Final = 2 * HOUR_MS  #: without an event from a source that usually sends at this hour
USUAL: Final = 3  #: events within those hours of a day make them usual
COUNTED: Final = 20_000  #: events counted of each day
SEEN_SOON: Final = 1_000  #: the newest events: if each source sent one of them, none is silent
#: Role -> the command that runs it.
COMMANDS: Final = {
    Role.WEB: "connector web",
    Role.WORKER: "connector work",
    Role.CONSUMER: "connector consume",
    Role.POLLER: "connector poll",
}

#: Role -> what a sentence calls a process that has it.
ROLES: Final = {
    Role.WEB: phrase("web"),
    Role.WORKER: phrase("worker"),
    Role.CONSUMER: phrase("consumer"),
    Role.POLLER: phrase("poller"),
}


class Code(StrEnum):
    """The kind of a problem, by which metrics and scripts know it."""

    NOBODY_WORKS = "nobody_works"
    OTHER_CONFIGURATION = "other_configuration"
    REACHES_NOBODY = "reaches_nobody"
    SOURCE_SILENT = "source_silent"
    QUESTION_FAILS = "question_fails"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. ``about``: a role, a destination, a source; ``urgent``: something waits for it now."""

    code: Code
    about: str
    said: str  #: times in it as `iso` writes them
    next: str = ""
    urgent: bool = True

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code.value,
            "about": self.about,
            "said": self.said,
            "next": self.next or None,
            "urgent": self.urgent,
        }


def problems(conn: Connection, settings: Settings, now: int, waiting: int | None = None) -> list[Problem]:
    """All of them, the worst first. ``waiting``: how many deliveries wait, where that was counted already."""
    alive = processes.every(conn)
    return [
        *_nobody_works(conn, settings, alive, now, waiting),
        *_other_configuration(settings, alive, now),
        *_reaches_nobody(conn, settings),
        *_silent(conn, settings, now),
        *_failing_questions(conn, settings),
    ]


def nobody(conn: Connection, role: Role, now: int) -> str:
    """Since when no process has this role, as a sentence; "" while one runs."""
    return _nobody(processes.every(conn), role, now)


def _nobody(found: Sequence[Process], role: Role, now: int) -> str:
    processes_of_role = [one for one in found if role in one.roles]
    if any(one.alive(now) for one in processes_of_role):
        return ""
    if not processes_of_role:
        return phrase("no {role} has ever reported, or not for days", role=ROLES[role])
    last = processes_of_role[0]
    if last.stopped_at is not None:
        facts = {"role": ROLES[role], "host": last.host, "at": iso(last.stopped_at)}
        return phrase("no {role} works: the last one, on {host}, was stopped at {at}", **facts)
    facts = {"role": ROLES[role], "host": last.host, "at": iso(last.seen_at)}
    return phrase("no {role} works: the last sign, from {host}, is of {at}", **facts)


# --- processes ------------------------------------------------------------------------------------------------------


def needed_roles(settings: Settings) -> list[Role]:
    """The roles without which the configuration does not work."""
    sources = settings.sources.values()
    needed = {
        Role.WORKER: bool(settings.routes),
        Role.CONSUMER: any(source.queue for source in sources),
        Role.POLLER: any(source.poll for source in sources),
        Role.WEB: any(source.verify is not None for source in sources),
    }
    return [role for role, is_needed in needed.items() if is_needed]


def _nobody_works(
    conn: Connection, settings: Settings, found: Sequence[Process], now: int, waiting: int | None
) -> Iterator[Problem]:
    for role in needed_roles(settings):
        if sentence := _nobody(found, role, now):
            waits = (pending(conn) if waiting is None else waiting) if role is Role.WORKER else 0
            more = plural("; {number:,} delivery waits", "; {number:,} deliveries wait", waits) if waits else ""
            urgent = bool(waits) or any(role in one.roles and one.stopped_at is None for one in found)
            start = phrase("start it: {command}, or connector run", command=COMMANDS[role])
            yield Problem(Code.NOBODY_WORKS, role.value, joined([sentence, more]), start, urgent)


def pending(conn: Connection) -> int:
    """How many deliveries wait."""
    return int(conn.execute(select(func.count()).select_from(deliveries).where(IS_PENDING)).scalar_one())


def _other_configuration(settings: Settings, found: Sequence[Process], now: int) -> Iterator[Problem]:
    if not settings.config_hash:
        return
    for one in found:
        if one.alive(now) and one.config and one.config != settings.config_hash:
            roles = " and ".join(one.roles)
            facts = {"roles": roles, "host": one.host, "pid": one.pid, "at": iso(one.since)}
            other = "the {roles} on {host} (process {pid}) runs another configuration, since {at}"
            step = phrase("kill -HUP its process, or restart it")
            yield Problem(Code.OTHER_CONFIGURATION, roles, phrase(other, **facts), step)


# --- what vendors do ------------------------------------------------------------------------------------------------


def _reaches_nobody(conn: Connection, settings: Settings) -> Iterator[Problem]:
    for of_account in places(settings).values():
        for name, place in of_account.items():
            if why := place.idle(conn):
                number = _delivered(conn, name)
                wait = ": {number:,} records delivered to it in the last 24 h wait there"
                more = phrase(wait, number=number) if number else ""
                step = phrase("start it at the vendor")
                yield Problem(Code.REACHES_NOBODY, name, joined([why, more]), step, bool(number))


def _delivered(conn: Connection, destination: str) -> int:
    """Within the last day, among the newest deliveries: no index leads to delivered ones."""
    top = select(deliveries.c.id).order_by(deliveries.c.id.desc()).limit(COUNTED).subquery()
    query = select(func.count()).where(
        deliveries.c.id.in_(select(top.c.id)),
        deliveries.c.destination == destination,
        deliveries.c.state == DeliveryState.DELIVERED,
    )
    return int(conn.execute(query).scalar_one())


def _failing_questions(conn: Connection, settings: Settings) -> Iterator[Problem]:
    for account in settings.accounts:
        for one in questions(conn, settings, account):
            if one.state is HelpState.UNKNOWN:
                words = masking.of_others(one.words)
                facts = {"account": account, "question": one.name, "at": iso(one.since), "words": words}
                no_answer = "{account}: {question} does not answer since {at} ({words}); deliveries go on"
                if one.name == helps.PRECHECK:
                    no_answer = "{account}: {question} does not answer since {at} ({words}); what needs none goes on"
                sentence = phrase(no_answer, **facts)
                yield Problem(Code.QUESTION_FAILS, f"{account} {one.name}", sentence, urgent=False)


def questions(conn: Connection, settings: Settings, account: str) -> list[Help]:
    """What an account's vendor was asked beside deliveries, and whether it answered, by name.

    A question about uncertain deliveries that failed is left out once none is uncertain: nobody asks it again, so it
    would be told as failing for ever.
    """
    known = helps.of_account(conn, account)
    if all(one.state is not HelpState.UNKNOWN for one in known):
        return known
    asked_by = {name: place.control for name, place in places(settings)[account].items() if place.control}
    still_asked = {control for name, control in asked_by.items() if _is_uncertain(conn, name)}
    over = {*asked_by.values()} - still_asked
    return [one for one in known if one.state is not HelpState.UNKNOWN or one.name not in over]


def _is_uncertain(conn: Connection, destination: str) -> bool:
    some = select(deliveries.c.id).where(IS_UNCERTAIN, deliveries.c.destination == destination).limit(1)
    return conn.execute(some).first() is not None


# --- sources --------------------------------------------------------------------------------------------------------


def _silent(conn: Connection, settings: Settings, now: int) -> Iterator[Problem]:
    for name, number in silent_sources(conn, settings, now):
        sentence = phrase(
            "{source} sent nothing in the last 2 h; usually {number} events at this hour", source=name, number=number
        )
        yield Problem(
            Code.SOURCE_SILENT, name, sentence, phrase("look at the sender: is its form or its integration broken?")
        )


def silent_sources(conn: Connection, settings: Settings, now: int) -> Iterator[tuple[str, int]]:
    """Sources that sent nothing for two hours, in which they sent something on the last days of the same kind.

    Each with the events that are usual in these hours.
    """
    quiet = _quiet(conn, settings, now)
    if not quiet:
        return
    before = [_counts(conn, now - days * DAY_MS - SILENT_MS, now - days * DAY_MS) for days in _alike(settings, now)]
    for name in quiet:
        usual = [day.get(name, 0) for day in before]
        if len(usual) >= 2 and usual[0] >= USUAL and sum(number >= USUAL for number in usual) * 3 >= len(usual) * 2:
            yield name, sorted(usual)[len(usual) // 2]


def _quiet(conn: Connection, settings: Settings, now: int) -> list[str]:
    """Sources of which nothing came since; none where so much came that not all of it is looked at."""
    quiet = [*settings.sources]
    first = first_since(conn, now - SILENT_MS)
    if first is None:
        return quiet
    for most in (SEEN_SOON, COUNTED):
        newest = select(events.c.source).where(events.c.id >= first).order_by(events.c.id.desc()).limit(most).subquery()
        rows = conn.execute(select(newest.c.source, func.count()).group_by(newest.c.source)).all()
        quiet = [name for name in quiet if name not in {row[0] for row in rows}]
        if not quiet or sum(row[1] for row in rows) < most:
            return quiet
    return []


def _alike(settings: Settings, now: int) -> list[int]:
    """How many days ago the last days of this kind were: working days, or weekend days."""
    today = datetime.fromtimestamp(now / 1000, settings.locale.timezone).date()

    def weekend(days: int) -> bool:
        return (today - timedelta(days=days)).weekday() >= 5

    return [days for days in range(1, 8) if weekend(days) == weekend(0)]


def _counts(conn: Connection, since: int, until: int) -> dict[str, int]:
    """Source -> events received in this time, as far as they are counted."""
    first, last = first_since(conn, since), first_since(conn, until)
    if first is None:
        return {}
    some = select(events.c.source).where(events.c.id >= first).order_by(events.c.id).limit(COUNTED)
    chosen = (some if last is None else some.where(events.c.id < last)).subquery()
    rows = conn.execute(select(chosen.c.source, func.count()).group_by(chosen.c.source))
    return {row[0]: row[1] for row in rows}
