"""Dataclasses made at half the price, while a command loads: what they do stays the same.

The standard library writes each method of a dataclass as text, and compiles it: five times for a frozen one, 0.8 ms in
all, and a command loads 160 of them. Only `__init__` and `__eq__`, which run often, are worth a compilation of their
own; the other methods are closures here. A Python whose library makes its classes in another way is left as it is.
"""

# ruff: noqa: N807 - the methods have the names that Python gives them

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, Final

Method = Callable[..., Any]


def _frozen(cls: type[Any], fields: Sequence[Field[Any]], _globals: Any) -> tuple[Method, Method]:
    """`__setattr__` and `__delattr__` that refuse the fields of ``cls``."""
    names = frozenset(field.name for field in fields)

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return __setattr__, __delattr__


def _repr(fields: Sequence[Field[Any]], _globals: Any) -> Method:
    names = tuple(field.name for field in fields)

    @recursive_repr()
    def __repr__(self: Any) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({shown})"

    return __repr__


def _hash(fields: Sequence[Field[Any]], _globals: Any) -> Method:
    names = tuple(field.name for field in fields)
    if len(names) > 1:
        values = attrgetter(*names)

        def __hash__(self: Any) -> int:
            return hash(values(self))
    else:  # of one name `attrgetter` gives no tuple

        def __hash__(self: Any) -> int:
            return hash(tuple(getattr(self, name) for name in names))

    return __hash__


#: The library's functions that compile a method, and ours; with the same arguments, in Python 3.11 and 3.12.
MAKERS: Final[dict[str, Callable[..., Any]]] = {
    "_frozen_get_del_attr": _frozen,
    "_repr_fn": _repr,
    "_hash_fn": _hash,
}


@contextlib.contextmanager
def cheap_classes() -> Iterator[None]:
    """Within it, dataclasses are made by our functions."""
    known = {name: getattr(dataclasses, name, None) for name in MAKERS}
    if None in known.values():
        yield
        return
    try:
        for name, maker in MAKERS.items():
            setattr(dataclasses, name, maker)
        yield
    finally:
        for name, its_own in known.items():
            setattr(dataclasses, name, its_own)
