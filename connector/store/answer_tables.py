"""The table of answers that were given to acts over HTTP."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from connector.store.schema import metadata

#: Acts that were asked for with a key, so that asking again does nothing. Kept a day; nobody's data is in it.
api_answers = Table(
    "api_answers",
    metadata,
    Column("key", Text, primary_key=True),  #: keyed hash of a person's name and their key
    Column("asked", Text, nullable=False),  #: keyed hash of address and body
    Column("at", BigInteger, nullable=False),
    Column("status", Integer),  #: NULL: begun, and not answered
    Column("answer", Text, nullable=False),  #: JSON, persons masked
)
Index("ix_api_answers_at", api_answers.c.at)
