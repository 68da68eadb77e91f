"""The tables of alarms: what is wrong, and who is told of it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint, text

from connector.core.alarms import Occasion, Severity
from connector.core.states import AlarmState, NoticeState
from connector.store.schema import Id, has, metadata, partial, states_sql

IS_CURRENT: Final = text(states_sql("alarms.state", AlarmState.WATCHED, AlarmState.BEGUN))
TO_TELL: Final = text(states_sql("alarm_notices.state", NoticeState.WAITING, NoticeState.SENDING))

#: Faults of now and before. One row from the first sight to the end; nobody's data is in it.
alarms = Table(
    "alarms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),  #: `core.alarms.AlarmKind`
    Column("about", Text, nullable=False),  #: the account, destination, source, queue, role, list or calendar
    Column("state", Text, nullable=False),  #: `core.states.AlarmState`
    Column("severity", Text, nullable=False),  #: `core.alarms.Severity`
    Column("facts", Text, nullable=False),  #: JSON: of the sentence
    Column("since", BigInteger, nullable=False),  #: when it became so, or was first seen
    Column("seen_at", BigInteger, nullable=False),  #: when it was last seen
    Column("begun_at", BigInteger),
    Column("ended_at", BigInteger),
    has("alarms", AlarmState),
    has("alarms", Severity, "severity"),
    sqlite_autoincrement=True,
)
Index("uq_alarms_current", alarms.c.kind, alarms.c.about, unique=True, **partial(IS_CURRENT))

#: Who is told of an alarm, and what came of it.
alarm_notices = Table(
    "alarm_notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alarm", BigInteger, nullable=False),
    Column("addressee", Text, nullable=False),
    Column("occasion", Text, nullable=False),  #: `core.alarms.Occasion`
    Column("number", Integer, nullable=False),  #: of the reminder; 0 of the others
    Column("state", Text, nullable=False),  #: `core.states.NoticeState`
    Column("made_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),  #: sending: the end of the process's lease
    Column("tries", Integer, nullable=False),
    Column("sent_at", BigInteger),
    Column("words", Text, nullable=False),  #: why the last try failed, masked
    has("alarm_notices", NoticeState),
    has("alarm_notices", Occasion, "occasion"),
    UniqueConstraint("alarm", "addressee", "occasion", "number", name="uq_alarm_notices_once"),
    sqlite_autoincrement=True,
)
Index("ix_alarm_notices_due", alarm_notices.c.due_at, **partial(TO_TELL))
