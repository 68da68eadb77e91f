"""Tables that claims count on: the use of a day by sources and accounts, and the people known to a route."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text

from connector.store.schema import Id, metadata

#: The part of an account's day that a call used for a source with a share of it.
source_calls = Table(
    "source_calls",
    metadata,
    Column("account", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("calls", SmallInteger, nullable=False),  #: 1: it would not have been made without such sources
    Column("records", Integer, nullable=False),
)
Index("ix_source_calls_attempt", source_calls.c.attempt)

#: People that a call handed to a vendor who dials them, where a ceiling counts them.
country_calls = Table(
    "country_calls",
    metadata,
    Column("account", Text, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("country", Text, primary_key=True),  #: of their numbers: a person with numbers of two counts for both
    Column("source", Text, primary_key=True),
    Column("people", Integer, nullable=False),
)
Index("ix_country_calls_attempt", country_calls.c.attempt)

#: Keyed hashes of route and phone, of the phones behind the first one: see `deliveries.once_key`.
once_keys = Table(
    "once_keys",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("delivery", Id, primary_key=True, autoincrement=False),
)
Index("ix_once_keys_delivery", once_keys.c.delivery)
