"""The parts of tables: the metadata, the key, conditions on states, partial indexes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Integer, MetaData, TextClause

metadata = MetaData()


def states_sql(column: str, *states: StrEnum) -> str:
    """The condition that a column holds one of the states, as SQL text with the states written out."""
    if len(states) == 1:
        return f"{column} = '{states[0]}'"
    return f"{column} IN ({', '.join(repr(state.value) for state in states)})"


def partial(condition: TextClause) -> dict[str, Any]:
    """The arguments of a partial index. Migrations make it: here its condition is kept.

    Not as ``postgresql_where``: that loads the whole dialect, in every command, on SQLite too.
    """
    return {"info": {"where": _TABLE.sub("", condition.text)}}


_TABLE = re.compile(r"\b(?:events|deliveries|attempts|alarms|alarm_notices)\.")


def has(table: str, states: Iterable[StrEnum], column: str = "state") -> CheckConstraint:
    """The condition that a state is one of these."""
    return CheckConstraint(states_sql(column, *states), name=f"ck_{table}_{column}")


#: SQLite's rowid is the cheapest key there is, and only an INTEGER column is one.
Id = BigInteger().with_variant(Integer, "sqlite")
