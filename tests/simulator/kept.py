"""What worlds of one process share because it costs more than a world to make: no world can tell that it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from sqlalchemy import Engine

from connector.admin import replay
from connector.admin.privacy import erase
from connector.core.settings import Settings
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound import poll
from connector.store import database as databases
from connector.vendors.destinations import name_of

#: By the identity of the settings, which are loaded once.
_prepared: dict[int, tuple[Settings, Router, Receiver]] = {}
_making = databases._engine
_engines: dict[str, Engine] = {}  #: the first of each kind of database


def prepared(settings: Settings) -> tuple[Router, Receiver]:
    """The routes and mappings of a configuration. They are made of it alone and keep nothing of what they are asked."""
    if id(settings) not in _prepared:
        router = Router(settings, name_of)
        _prepared[id(settings)] = settings, router, Receiver(settings, router)
    return _prepared[id(settings)][1:]


def _router(settings: Settings, _name_of: Callable[..., str]) -> Router:
    return prepared(settings)[0]


def _receiver(settings: Settings, _router: Router) -> Receiver:
    return prepared(settings)[1]


def _engine(url: str, is_sqlite: bool) -> Engine:
    """An engine of one world, with the statements that worlds before it have compiled."""
    engine = _making(url, is_sqlite)
    first = _engines.setdefault(engine.dialect.name, engine)
    engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    return engine


@contextmanager
def statements_kept() -> Iterator[None]:
    """While it stands, a database's engine knows the statements of the worlds before."""
    with mock.patch.object(databases, "_engine", _engine):
        yield


def receivers_kept(stack: ExitStack) -> None:
    """Each of the product's steps that prepares a configuration gets the prepared one."""
    values: dict[str, Any] = {"Router": _router, "Receiver": _receiver}
    for where in (poll, replay, erase):
        stack.enter_context(mock.patch.multiple(where, **values))
