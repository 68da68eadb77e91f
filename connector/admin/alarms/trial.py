"""A test message to every addressee. Apart from the lists: those need no way out of the machine."""

from __future__ import annotations

from typing import Any

from connector.admin.alarms.messages import message
from connector.admin.alarms.senders import NotTold, send
from connector.core.alarms import SEVERITIES, AlarmKind, Occasion
from connector.core.settings import Settings
from connector.core.states import AlarmState
from connector.store.alarms import Alarm
from connector.store.database import Database, install_id, now_ms


def to_everybody(settings: Settings, database: Database) -> list[dict[str, Any]]:
    """Sends a test to every addressee; what came of each."""
    with database.read() as conn:
        now = now_ms(conn)
    about = Alarm(
        id=0,
        kind=AlarmKind.TEST.value,
        about="test",
        state=AlarmState.BEGUN,
        severity=SEVERITIES[AlarmKind.TEST],
        facts={},
        since=now,
        seen_at=now,
        begun_at=now,
        ended_at=None,
    )
    install = install_id(database)
    found = []
    for to in settings.alarms.to if settings.alarms else ():
        why = None
        try:
            send(to, message(settings, to, about, Occasion.BEGUN, 0), about.severity, f"alarm_{install}_test_{now}")
        except NotTold as fault:
            why = str(fault)
        found.append({"addressee": to.name, "language": to.language, "sent": why is None, "why": why})
    return found
