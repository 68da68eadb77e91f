"""The faults of now: a condition for each kind of alarm, with the facts of its sentence and nobody's data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from connector.admin import forecast, shares
from connector.admin.lawful import Lawful
from connector.admin.problems import needed_roles, pending, silent_sources
from connector.core import calendars, law, masking, pacing
from connector.core.alarms import SEVERITIES, AlarmKind, Severity
from connector.core.reasons import Reason
from connector.core.settings import Alarms, Settings
from connector.core.states import AccountState, AttemptState, DestinationState, Kind
from connector.core.times import HOUR_MS, iso
from connector.outbound import budget
from connector.store import accounts, outbox, processes, registries
from connector.store.lanes import LIVE, LIVE_SPLIT
from connector.store.processes import Role
from connector.store.tables import IS_DEAD, attempts, deliveries
from connector.vendors.destinations import name_of

COUNTED: Final = 20_000  #: dead deliveries of an hour that are counted
LOOKED_AT: Final = 500  #: deliveries at the head of a lane that are measured
NOBODY_AFTER_MS: Final = 60_000  #: a process that is restarted is no alarm
LETTERS_EVERY_S: Final = 300.0  #: between two questions to the broker

_attempt = attempts.c
_delivery = deliveries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is wrong now. ``since``: unix ms, where it is known; ``after_ms``: how long it is no alarm."""

    kind: AlarmKind
    about: str
    facts: dict[str, Any] = field(default_factory=dict)
    severity: Severity | None = None
    since: int | None = None
    after_ms: int = 0

    @property
    def weight(self) -> Severity:
        """How bad it is."""
        return self.severity or SEVERITIES[self.kind]


@dataclass(frozen=True, slots=True)
class Findings:
    """All conditions; and the kinds of which nothing is known now, so that nothing of them has ended."""

    conditions: list[Condition]
    unknown: frozenset[AlarmKind]


class Looker:
    """Looks for everything that is wrong. The broker is asked more rarely than the database."""

    def __init__(self, settings: Settings, rules: Alarms) -> None:
        self._settings = settings
        self._rules = rules
        self._lawful = Lawful(settings)
        self._letters: dict[str, int] | None = {}
        self._letters_s = float("-inf")  #: monotonic: when the broker was asked

    def ask_broker(self) -> None:
        """Counts the dead letters again if that was long ago. Not within a transaction: a broker may hang."""
        if any(one.queue for one in self._settings.sources.values()):
            if time.monotonic() - self._letters_s < LETTERS_EVERY_S:
                return
            from connector.inbound.rabbitmq import dead_letters  # most processes that look have no queue

            self._letters, self._letters_s = dead_letters.counted(self._settings), time.monotonic()

    def read(self, conn: Connection, now: int) -> Findings:
        """Every query uses an index or is bounded."""
        unknown = frozenset({AlarmKind.DEAD_LETTERS}) if self._letters is None else frozenset[AlarmKind]()
        return Findings([one for look in _LOOKS for one in look(self, conn, now)], unknown)

    # --- accounts and destinations ----------------------------------------------------------------------------------

    def accounts(self, conn: Connection, now: int) -> Iterator[Condition]:
        after_ms = int(self._rules.account_after_s * 1000)
        for stand in accounts.all_accounts(conn):
            if stand.name not in self._settings.accounts:
                continue
            facts: dict[str, Any] = {"account": stand.name, "state": str(stand.state)}
            if stand.state != AccountState.OPEN:
                milder = Severity.WARNING if stand.state == AccountState.PAUSED else None
                facts |= {"since": iso(stand.since), "reason": _reason(stand.reason)}
                yield Condition(
                    kind=AlarmKind.ACCOUNT_CLOSED,
                    about=stand.name,
                    facts=facts,
                    severity=milder,
                    since=stand.since,
                    after_ms=after_ms,
                )
            elif stand.hold_until > now:
                facts |= {"until": iso(stand.hold_until), "reason": _reason(stand.hold_reason)}
                yield Condition(kind=AlarmKind.ACCOUNT_HELD, about=stand.name, facts=facts, after_ms=after_ms)

    def destinations(self, conn: Connection, now: int) -> Iterator[Condition]:
        configured = {name_of(route) for route in self._settings.routes}
        for stand in accounts.all_destinations(conn):
            if stand.name in configured and stand.state == DestinationState.STOPPED:
                facts: dict[str, Any] = {"destination": stand.name, "account": stand.account}
                facts |= {"since": iso(stand.since), "reason": _reason(stand.reason)}
                yield Condition(kind=AlarmKind.DESTINATION_STOPPED, about=stand.name, facts=facts, since=stand.since)

    def budgets(self, conn: Connection, now: int) -> Iterator[Condition]:
        """Within working hours: what the pace of the last hour will have used up before they end."""
        stands = {stand.name: stand for stand in accounts.all_accounts(conn)}
        for name, account in self._settings.accounts.items():
            ends = pacing.closes(account.working_hours, now)
            if name not in stands or ends is None:
                continue
            room = budget.read_room(conn, account, stands[name], now)
            lasts = forecast.lasts_until(conn, room) if room.allowed.paced else None
            if lasts is not None and lasts < ends:
                facts = {"account": name, "until": iso(lasts), "left": room.left, "limit": room.budget}
                yield Condition(kind=AlarmKind.BUDGET_SHORT, about=name, facts=facts)

    def ceilings(self, conn: Connection, now: int) -> Iterator[Condition]:
        for name in self._settings.accounts:
            for one in shares.ceilings_of_account(conn, self._settings, name, now):
                if one["used_up"]:
                    owner = one["source"] or name
                    facts = {"account": name, "whose": owner, **{key: one[key] for key in ("prefix", "used", "most")}}
                    yield Condition(kind=AlarmKind.CEILING_NEAR, about=f"{name} {owner} {one['prefix']}", facts=facts)

    # --- deliveries -------------------------------------------------------------------------------------------------

    def waiting(self, conn: Connection, now: int) -> Iterator[Condition]:
        """The longest waits within contact hours, by destination. A person who paused an account knows why."""
        paused = {one.name for one in accounts.all_accounts(conn) if one.state == AccountState.PAUSED}
        names = {name_of(route): route.account for route in self._settings.routes}
        for name in (name for name, account in names.items() if account not in paused):
            waited_ms = max((self._waited_ms(conn, name, lane, now) for lane in (LIVE, LIVE_SPLIT)), default=0)
            if waited_ms > self._rules.leads_wait_s * 1000:
                facts = {"destination": name, "minutes": waited_ms // 60_000}
                yield Condition(kind=AlarmKind.LEADS_WAIT, about=name, facts=facts)

    def _waited_ms(self, conn: Connection, destination: str, lane: int, now: int) -> int:
        """Guards only move what was never tried: its waiting begins when it became due, that of others on arrival."""
        columns = (_delivery.route, _delivery.place, _delivery.created_at, _delivery.due_at, _delivery.attempts)
        due = (outbox.pending(destination, lane), _delivery.due_at <= now)
        head = select(*columns).where(*due).order_by(_delivery.due_at, _delivery.id).limit(LOOKED_AT)
        oldest: dict[tuple[str, str | None], int] = {}
        for row in conn.execute(head):
            start = row.created_at if row.attempts else row.due_at
            key = (row.route, row.place)
            oldest[key] = min(start, oldest.get(key, start))
        return max(
            (self._lawful.waited_ms(destination, route, place, at, now) for (route, place), at in oldest.items()),
            default=0,
        )

    def dying(self, conn: Connection, now: int) -> Iterator[Condition]:
        since = now - HOUR_MS
        newest = select(_delivery.destination).where(IS_DEAD, _delivery.updated_at > since).limit(COUNTED).subquery()
        dead = conn.execute(select(newest.c.destination, func.count()).group_by(newest.c.destination)).all()
        bad = {name: number for name, number in dead if number >= self._rules.dead_least}
        landed = self._landed(conn, since) if bad else {}
        for name, number in bad.items():
            total = number + landed.get(name, 0)
            if number * 100 >= total * self._rules.dead_percent:
                facts = {"destination": name, "number": number, "total": total}
                yield Condition(kind=AlarmKind.DELIVERIES_DIE, about=name, facts=facts)

    def _landed(self, conn: Connection, since: int) -> dict[str, int]:
        """Destination -> records of the calls that were accepted since then."""
        condition = _attempt.account.in_([*self._settings.accounts])
        accepted = (_attempt.kind == Kind.SEND.value, _attempt.state == AttemptState.ACCEPTED.value)
        query = select(_attempt.destination, func.sum(_attempt.records)).where(condition, _attempt.ended_at > since)
        rows = conn.execute(query.where(*accepted).group_by(_attempt.destination))
        return {name: int(number) for name, number in rows}

    # --- sources ----------------------------------------------------------------------------------------------------

    def silent(self, conn: Connection, now: int) -> Iterator[Condition]:
        for name, number in silent_sources(conn, self._settings, now):
            facts = {"source": name, "number": number}
            yield Condition(kind=AlarmKind.SOURCE_SILENT, about=name, facts=facts)

    def letters(self, conn: Connection, now: int) -> Iterator[Condition]:
        for name, number in (self._letters or {}).items():
            if number:
                facts = {"source": name, "queue": f"{self._settings.sources[name].queue}.dead", "number": number}
                yield Condition(kind=AlarmKind.DEAD_LETTERS, about=name, facts=facts)

    # --- what it stands on ------------------------------------------------------------------------------------------

    def workers(self, conn: Connection, now: int) -> Iterator[Condition]:
        found = processes.every(conn)
        for role in needed_roles(self._settings):
            processes_of_role = [one for one in found if role in one.roles]
            if any(one.alive(now) for one in processes_of_role):
                continue
            last = processes_of_role[0] if processes_of_role else None
            is_on_purpose = (
                last is not None and last.stopped_at is not None and not (role is Role.WORKER and pending(conn))
            )
            facts = {
                "role": role.value,
                "host": last.host if last else "",
                "since": iso(last.seen_at if last else None),
            }
            yield Condition(
                kind=AlarmKind.NOBODY_WORKS,
                about=role.value,
                facts=facts,
                severity=Severity.WARNING if is_on_purpose else None,
                since=last.seen_at if last else None,
                after_ms=NOBODY_AFTER_MS,
            )

    def lists(self, conn: Connection, now: int) -> Iterator[Condition]:
        rules = self._settings.contact
        held = {one.name: one.of for one in registries.all_of(conn)} if rules else {}
        for name, registry in (rules.lists if rules else {}).items():
            of = held.get(name, 0)
            if not registry.asked and now >= of + registry.max_age_s * 1000:
                facts = {"list": name, "day": iso(of), "days": int(registry.max_age_s // 86400)}
                yield Condition(kind=AlarmKind.LIST_OLD, about=name, facts=facts)

    def calendars(self, conn: Connection, now: int) -> Iterator[Condition]:
        today = datetime.fromtimestamp(now / 1000, UTC).date()
        for one in (calendars.public_holidays(), calendars.time_zones()):
            if one.warning(today):
                facts = {"calendar": str(one.name), "version": one.version}
                yield Condition(kind=AlarmKind.CALENDAR_OLD, about=str(one.name), facts=facts)
        if self._settings.contact and (today - law.READ).days > calendars.OLD_AFTER_DAYS:
            facts = {"calendar": "law", "version": str(law.READ)}
            yield Condition(kind=AlarmKind.CALENDAR_OLD, about="law", facts=facts)


_LOOKS: Final[tuple[Callable[[Looker, Connection, int], Iterable[Condition]], ...]] = (
    *(Looker.accounts, Looker.destinations, Looker.budgets, Looker.ceilings, Looker.waiting, Looker.dying),
    *(Looker.silent, Looker.letters, Looker.workers, Looker.lists, Looker.calendars),
)


def _reason(reason: Reason | None) -> dict[str, Any] | None:
    """A reason as facts, without what may not be shown."""
    return None if reason is None else masking.shown(reason).nested()
