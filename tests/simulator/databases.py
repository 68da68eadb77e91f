"""A database of its own for each world, copied from a migrated, empty one."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from connector.store.migrate import migrate

#: Memory, where there is such a folder: durability is not what is judged here.
MEMORY = Path("/dev/shm")
_numbers = itertools.count()


@contextmanager
def template(server: str = "") -> Iterator[str]:
    """The URL of the one that is copied: a file, or a database of the ``server``."""
    if server:
        with _on_server(server, f"worlds_{os.getpid()}") as url:
            migrate(url)
            yield url
        return
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        url = f"sqlite:///{folder}/template.db"
        migrate(url)
        yield url


@contextmanager
def copied(template: str) -> Iterator[str]:
    """The URL of a copy, gone at the end."""
    parsed = make_url(template)
    if parsed.get_backend_name() != "sqlite":
        with _on_server(template, f"world_{os.getpid()}_{next(_numbers)}", f"TEMPLATE {parsed.database}") as url:
            yield url
        return
    path = Path(str(parsed.database))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        shutil.copy(path, f"{folder}/connector.db")
        yield f"sqlite:///{folder}/connector.db"


@contextmanager
def _on_server(server: str, name: str, how: str = "") -> Iterator[str]:
    engine = _outside(server)
    try:
        with engine.connect() as conn:
            conn.execute(text(f"CREATE DATABASE {name} {how}"))
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as conn:
            conn.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        engine.dispose()


def _outside(server: str) -> Engine:
    """A database that is being copied has no visitors: orders are given from another one."""
    return create_engine(make_url(server).set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
