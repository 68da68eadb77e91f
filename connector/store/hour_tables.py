"""The table of hours: what became of the deliveries that came in one hour, as counts; nobody is in it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from connector.core.states import DeliveryState
from connector.store.schema import has, metadata

#: Folded from deliveries, behind them, and kept when those are forgotten.
hours = Table(
    "hours",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),  #: its beginning, unix ms
    Column("source", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("state", Text, primary_key=True),  #: `core.states.DeliveryState`
    Column("number", Integer, nullable=False),
    #: JSON {"12": 3}: of live ones that were delivered, how many waited how long; see `store.hours.bucket`
    Column("waits", Text, nullable=False),
    Column("folded_at", BigInteger, nullable=False),  #: when it was counted
    Column("sent_waits", Text),  #: the same since the sender's own time; null: counted by an earlier release
    has("hours", DeliveryState),
)
