"""Many texts as one parameter of a statement."""

from __future__ import annotations

from collections.abc import Collection

import orjson
from sqlalchemy import JSON, Connection, Select, Text, cast, column, func, literal, select


def among(conn: Connection, texts: Collection[str]) -> Select[tuple[str]]:
    """For ``column.in_(among(conn, texts))``.

    With a parameter for each text, Postgres compares each of them with every row of a table that has no statistics yet,
    and keeps that plan.
    """
    parameter = literal(orjson.dumps(list(texts)).decode(), Text)
    split = (
        func.json_each(parameter)
        if conn.dialect.name == "sqlite"
        else func.json_array_elements_text(cast(parameter, JSON))
    )
    return select(split.table_valued(column("value", Text)).c.value)
