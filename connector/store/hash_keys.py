"""The key of this database's hashes, found among those in CONNECTOR_SECRET_KEY. Queries only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select, update

from connector.core import keyed_hash
from connector.core.sealing import seal, unseal
from connector.core.settings import Settings
from connector.store import suppression_list
from connector.store.database import insert_rows
from connector.store.tables import events, facts

SEALED: Final = "hash_key"  #: the fact: the key of the hashes, sealed with the newest CONNECTOR_SECRET_KEY
IN_USE: Final = "hash_key_in_use"  #: the fact: `keyed_hash.mark` of the key, once the hashes were written again
LONGEST: Final = 64  #: bytes of a secret key that are used
_MARKS: Final = (suppression_list.KEYED, keyed_hash.FACT)


def find(conn: Connection, settings: Settings) -> bytes:
    """The key of this database's hashes; empty without any secret key.

    If no secret key opens it, the newest one; features that depend on the old one refuse it.
    """
    known = _facts(conn)
    key = unseal(settings.secret_keys, known[SEALED]) if SEALED in known else None
    if key is not None:
        return key
    texts = [secret.reveal() for secret in settings.secret_keys]
    # An old key may contain a comma.
    keys = [text.encode()[:LONGEST] for text in [*texts, settings.secret_key.reveal()]]
    marks = {known[name] for name in _MARKS if name in known}
    if found := next((key for key in keys if keyed_hash.mark(key) in marks), None):
        return found
    has_events = SEALED not in known and conn.execute(select(events.c.id).limit(1)).first() is not None
    return b"" if not texts else keys[len(texts) - 1] if has_events else keys[0]


def keep(conn: Connection, settings: Settings) -> bytes:
    """The same, sealed from now on, so that a newer secret key put before this one changes nothing."""
    known, key = _facts(conn), find(conn, settings)
    is_open = SEALED in known and unseal(settings.secret_keys, known[SEALED]) is not None
    is_other = any(known.get(name) not in (None, keyed_hash.mark(key)) for name in _MARKS)
    if key and not is_open and not is_other:
        _seal(conn, settings, key)
    return key


def is_known(conn: Connection, settings: Settings) -> bool:
    """Whether one of the secret keys opens the key of what is hashed; also if nothing is."""
    known, key = _facts(conn), find(conn, settings)
    if SEALED in known and unseal(settings.secret_keys, known[SEALED]) is None:
        return False
    return all(known[name] == keyed_hash.mark(key) for name in (IN_USE, *_MARKS) if name in known)


def is_sealed_with_newest(conn: Connection, settings: Settings) -> bool:
    """Whether the older secret keys are no longer needed."""
    sealed = _facts(conn).get(SEALED)
    return sealed is not None and unseal(settings.secret_keys[:1], sealed) is not None


def has_other(conn: Connection, settings: Settings) -> bool:
    """Whether the hashes were written again since this process started: it would find none of them."""
    known = _facts(conn).get(IN_USE)
    return known is not None and known != keyed_hash.mark(settings.hash_key)


def replace(conn: Connection, settings: Settings, key: bytes) -> None:
    """The hashes have another key from now on."""
    _seal(conn, settings, key)


def reseal(conn: Connection, settings: Settings) -> None:
    """Seals the key with the newest secret key."""
    _seal(conn, settings, find(conn, settings))


def _seal(conn: Connection, settings: Settings, key: bytes) -> None:
    value = seal(settings.secret_keys[0], key)
    insert_rows(conn, facts, [{"name": SEALED, "value": value}])
    conn.execute(update(facts).where(facts.c.name == SEALED).values(value=value))


def _facts(conn: Connection) -> dict[str, str]:
    rows = conn.execute(select(facts.c.name, facts.c.value).where(facts.c.name.in_((SEALED, IN_USE, *_MARKS))))
    return {row.name: row.value for row in rows}
