"""The loop of alarms, in every process: one at a time looks for what is wrong, and any tells what is to be told."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from connector.admin.alarms import changes, senders
from connector.admin.alarms.conditions import Looker
from connector.admin.alarms.messages import message
from connector.core.alarms import Occasion
from connector.core.log import get
from connector.core.loops import STOP_S, Loops
from connector.core.retry import wait_s
from connector.core.settings import Addressee, Alarms, Settings
from connector.store import alarms, facts
from connector.store.alarms import Alarm, Notice
from connector.store.database import Database, install_id, now_ms

LOOKED: Final = "alarms_looked"  #: the fact: when a process looked last, unix ms
LOOK_EVERY_MS: Final = 30_000
TELL_EVERY_S: Final = 5.0
LEASE_MS: Final = 180_000  #: of one try, longer than any takes
LATEST_TRY_MS: Final = 30 * 60_000  #: the longest wait between two tries
PATIENCE_MS: Final = 2 * 24 * 3600 * 1000  #: how long it is tried
FIRST_WAIT: Final = 5  #: the first wait is that of the fifth fault in a row, some seconds

log = get("alarms")


class AlarmLoop:
    """The loops of one process; none where no ``[alarms]`` is configured."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._loops = Loops(log)
        if settings.alarms is None:
            return
        watch = Watch(settings, settings.alarms, database)
        self._loops.add("alarms", watch.check, what="looking for alarms")
        self._loops.add("notices", watch.send_one, what="telling of alarms")

    def start(self) -> None:
        self._loops.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """A message in hand may be left: another process sends it once more after its lease."""
        return self._loops.stop(timeout_s)


class Watch:
    """The two steps. Every decision is a transaction under the lock of alarms."""

    def __init__(self, settings: Settings, rules: Alarms, database: Database) -> None:
        self._settings = settings
        self._rules = rules
        self._database = database
        self._looker = Looker(settings, rules)
        self._to: Final = {one.name: one for one in rules.to}
        self._install = ""

    def check(self) -> float:
        """Looks if no process has done so lately. Returns seconds until the next step."""
        with self._database.read() as conn:
            due = self._is_due(conn)
        if due:
            self._looker.ask_broker()
            with self._database.write(serialise=alarms.LOCK) as conn:
                if self._is_due(conn):
                    facts.put(conn, LOOKED, str(now_ms(conn)))
                else:
                    due = False
        if due:
            with self._database.read() as conn:
                findings = self._looker.read(conn, now_ms(conn))
            with self._database.write(serialise=alarms.LOCK) as conn:
                changes.write(conn, self._rules, findings, now_ms(conn))
        return LOOK_EVERY_MS / 1000

    def _is_due(self, conn: Connection) -> bool:
        return now_ms(conn) - int(facts.some(conn, LOOKED).get(LOOKED, 0)) >= LOOK_EVERY_MS

    def send_one(self) -> float:
        """Tries one notice. Returns seconds until the next step.

        It is noted as sent after it was sent: a process that dies in between leaves it to another one, which sends it
        once more under the same id. An alarm may come twice; it is never lost.
        """
        with self._database.read() as conn:
            if not alarms.is_any_due(conn, now_ms(conn)):
                return TELL_EVERY_S
        with self._database.write(serialise=alarms.LOCK) as conn:
            notice = alarms.lease(conn, now_ms(conn), LEASE_MS)
            if notice is None:
                return TELL_EVERY_S
            alarm, to = alarms.get(conn, notice.alarm), self._to.get(notice.addressee)
            if alarm is None or to is None or _is_past(alarm, notice):
                alarms.drop(conn, notice)
                return 0.0
        self._try(to, alarm, notice)
        return 0.0

    def _try(self, to: Addressee, alarm: Alarm, notice: Notice) -> None:
        words = message(self._settings, to, alarm, notice.occasion, notice.number)
        self._install = self._install or install_id(self._database)
        message_id = f"alarm_{self._install}_{notice.id}"
        try:
            senders.send(to, words, alarm.severity, message_id)
        except senders.NotTold as fault:
            log.warning("nobody was told of an alarm", addressee=to.name, alarm=alarm.id, why=str(fault))
            with self._database.write(serialise=alarms.LOCK) as conn:
                now = now_ms(conn)
                wait_ms = min(int(wait_s(notice.tries + FIRST_WAIT) * 1000), LATEST_TRY_MS)
                alarms.put_off(conn, notice, now + wait_ms, str(fault), for_good=now - notice.made_at > PATIENCE_MS)
            return
        with self._database.write(serialise=alarms.LOCK) as conn:
            alarms.sent(conn, notice, now_ms(conn))
        log.info("told", addressee=to.name, alarm=alarm.id, kind=alarm.kind, occasion=notice.occasion.value)


def _is_past(alarm: Alarm, notice: Notice) -> bool:
    """Whether the alarm has ended since: then its end is told, and not that it began."""
    return alarm.ended_at is not None and notice.occasion is not Occasion.ENDED
