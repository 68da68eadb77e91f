"""Tables that claims count on: the use of a day by sources and accounts, the people known to a route, and contacts."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, text

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

#: One row for each phone and e-mail of a person and each call that contacted them, or is about to.
contacts = Table(
    "contacts",
    metadata,
    # In this order: claims go forward through the deliveries, so that new rows are neighbours in the primary key.
    Column("delivery", Id, primary_key=True, autoincrement=False),
    #: the call that began it; 0: none, it waits for a cap, and the row links the phones and e-mails of one person
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Text, primary_key=True),  #: keyed hash of a phone or an e-mail
    Column("at", BigInteger, nullable=False),  #: when the person hears of it
    Column("day", Text, nullable=False),  #: by the person's calendar, "2026-11-23"
    Column("week", Text, nullable=False),  #: "2026-W48"
    Column("zone", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("country", Text, nullable=False),
)
#: By the beginning of the hash, which tells nearly all apart: the places of hashes are random, so that a claim changes
#: most pages of their index, and an index of the whole hashes has three times as many.
WAY_BEGINS: Final = "substr({}, 1, 7)"
Index("ix_contacts_way", text(WAY_BEGINS.format("hash")), _table=contacts)
