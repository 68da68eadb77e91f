"""Writes every keyed hash again, under one more layer of their key, see `core.keyed_hash`: nobody need be known for it.

Each statement runs in the database: SQLite calls our function, Postgres computes the same HMAC itself.
"""

from __future__ import annotations

import os
from typing import Any, Final

import orjson
from sqlalchemy import Connection, text

from connector.core import keyed_hash
from connector.core.keyed_hash import DIGITS, LAYER_BYTES
from connector.core.settings import Settings
from connector.store import facts, hash_keys, suppression_list

UNDER: Final = "hashes_under"  #: the fact: `mark` of the secret key for which they were written last
_BLOCK: Final = 64  #: bytes of a block of SHA-256

#: Table, column with hashes, and the condition on its rows.
_HASHES: Final = (
    ("do_not_contact", "hash", ""),
    ("contacts", "hash", ""),
    ("registry_entries", "hash", ""),
    ("search_keys", "hash", ""),
    ("deliveries", "once_key", ""),
    ("once_keys", "hash", ""),
    ("records", "contact", ""),
    ("events", "fingerprint", "forgotten_at IS NOT NULL"),
)
_NAMES: Final = (("events", "key"), ("events", "second_key"))  #: end with a hash once their event is forgotten
_LISTS: Final = (("records", "contacts"),)  #: JSON


def is_due(conn: Connection, settings: Settings) -> bool:
    """Whether the hashes are of an older secret key than the newest."""
    newest = settings.secret_keys[0].reveal().encode()[: hash_keys.LONGEST]
    if hash_keys.find(conn, settings) == newest:
        return False
    return facts.some(conn, UNDER).get(UNDER) != keyed_hash.mark(newest)


def rewrite(conn: Connection, settings: Settings) -> int:
    """Writes all of them again, and seals their key with the newest secret key. Returns how many rows it was.

    No other process may look for a hash meanwhile, or with the key of before afterwards.
    """
    layer = os.urandom(LAYER_BYTES)
    key = keyed_hash.layered(hash_keys.find(conn, settings), layer)
    again, parameters = _functions(conn, layer)
    changes = [(table, column, again(column), which) for table, column, which in _HASHES]
    for table, column in _NAMES:
        head = f"substr({column}, 1, length({column}) - {DIGITS})"
        tail = f"substr({column}, length({column}) - {DIGITS - 1})"
        which = f"{column} LIKE '%{keyed_hash.FORGOTTEN}%' AND forgotten_at IS NOT NULL"
        changes.append((table, column, f"{head} || {again(tail)}", which))
    for table, column in _LISTS:
        changes.append((table, column, _EVERY[conn.dialect.name].format(column=column, again=again("one.value")), ""))
    count = 0
    for table, column, value, which in changes:
        where = f"{column} IS NOT NULL" + (f" AND {which}" if which else "")
        count += conn.execute(text(f"UPDATE {table} SET {column} = {value} WHERE {where}"), parameters).rowcount
    hash_keys.replace(conn, settings, key)
    known = facts.some(conn, suppression_list.KEYED, keyed_hash.FACT)
    for name in (*known, hash_keys.IN_USE):
        facts.put(conn, name, keyed_hash.mark(key))
    facts.put(conn, UNDER, keyed_hash.mark(settings.secret_keys[0].reveal().encode()[: hash_keys.LONGEST]))
    return count


_EVERY: Final = {
    "sqlite": "rehashed_list({column})",
    "postgresql": (
        "(SELECT '[\"' || string_agg({again}, '\",\"' ORDER BY one.at) || '\"]'"
        " FROM json_array_elements_text(CAST({column} AS json)) WITH ORDINALITY AS one (value, at))"
    ),
}


def _functions(conn: Connection, layer: bytes) -> tuple[Any, dict[str, Any]]:
    """How a statement says `keyed_hash.again` of an expression, and its parameters."""
    if conn.dialect.name == "sqlite":
        driver: Any = conn.connection.driver_connection
        driver.create_function("rehashed", 1, lambda one: keyed_hash.again(layer, one), deterministic=True)
        driver.create_function("rehashed_list", 1, lambda some: _list_again(layer, some), deterministic=True)
        return "rehashed({})".format, {}
    block = layer.ljust(_BLOCK, b"\0")
    parameters = {"outer": bytes(one ^ 0x5C for one in block), "inner": bytes(one ^ 0x36 for one in block)}
    inner = "sha256(CAST(:inner AS bytea) || convert_to({}, 'UTF8'))"
    return f"left(encode(sha256(CAST(:outer AS bytea) || {inner}), 'hex'), {DIGITS})".format, parameters


def _list_again(layer: bytes, some: str) -> str:
    return orjson.dumps([keyed_hash.again(layer, one) for one in orjson.loads(some)]).decode()
