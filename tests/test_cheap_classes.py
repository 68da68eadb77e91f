"""Classes that are made at half the price are what the standard library makes of the same text."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connector.cli import cheap_classes

PROJECT = Path(__file__).resolve().parent.parent

with cheap_classes.cheap_classes():

    @dataclass(frozen=True, slots=True)
    class Pair:
        first: int
        second: Any = field(default=None, repr=False)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class One:
        only: Any

    @dataclass(frozen=True)
    class Empty:
        pass

    @dataclass(frozen=True)
    class Wider(Empty):
        width: int = field(default=1, hash=False)

    @dataclass(slots=True)
    class Loose:
        inner: Any = None


def _by_the_library(cls: type) -> Any:
    """The same class, made by the standard library alone."""
    asked = cls.__dataclass_params__  # type: ignore[attr-defined]
    fields = [
        (one.name, one.type, field(default=one.default, repr=one.repr, hash=one.hash, kw_only=one.kw_only))
        for one in dataclasses.fields(cls)
    ]
    return dataclasses.make_dataclass(cls.__qualname__, fields, frozen=asked.frozen)


@pytest.mark.parametrize("made", [Pair(1, "x"), One(only=(2, 3)), Empty(), Wider(), Wider(5)], ids=repr)
def test_texts_hashes_and_equality_are_those_of_the_library(made: Any) -> None:
    library = _by_the_library(type(made))
    other = library(**{one.name: getattr(made, one.name) for one in dataclasses.fields(made)})
    assert repr(made) == repr(other)
    assert hash(made) == hash(other)
    copied = pickle.loads(pickle.dumps(made))
    assert copied == made and made != other
    assert dataclasses.replace(made) == made


@pytest.mark.parametrize("made", [Pair(1), One(only=1), Wider(1)], ids=repr)
def test_a_frozen_one_refuses_every_change_in_the_same_words(made: Any) -> None:
    name = dataclasses.fields(made)[0].name
    for attempt, words in ((partial(setattr, made, name, 9), "assign to"), (partial(delattr, made, name), "delete")):
        with pytest.raises(FrozenInstanceError, match=f"cannot {words} field '{name}'"):
            attempt()
    assert getattr(made, name) == 1


def test_one_that_holds_itself_is_shown() -> None:
    loose = Loose()
    loose.inner = [loose]
    assert repr(loose) == "Loose(inner=[...])"
    with pytest.raises(TypeError, match="unhashable"):
        hash(loose)


def test_the_library_is_as_before_once_a_command_is_loaded() -> None:
    assert not {*cheap_classes.MAKERS.values()} & {getattr(dataclasses, name) for name in cheap_classes.MAKERS}


def test_a_library_that_works_in_another_way_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(dataclasses, "_hash_fn")
    before = dataclasses._repr_fn  # type: ignore[attr-defined]
    with cheap_classes.cheap_classes():
        assert dataclasses._repr_fn is before  # type: ignore[attr-defined]


COMPILED = """
import dataclasses
compiled = []
create = dataclasses._create_fn
dataclasses._create_fn = lambda name, *args, **more: compiled.append(name) or create(name, *args, **more)
import click
from connector.cli import COMMANDS
from connector.cli.root import connector
before = len(compiled)
connector.get_command(click.Context(connector), "status")
print(len(compiled) - before, sorted({*compiled[before:]}))
"""


def test_a_command_compiles_only_the_methods_that_run_often() -> None:
    if not all(hasattr(dataclasses, name) for name in cheap_classes.MAKERS):
        pytest.skip("this Python makes its classes in another way")
    done = subprocess.run([sys.executable, "-c", COMPILED], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    number, _, names = done.stdout.partition(" ")
    assert int(number) > 0 and names.strip() == "['__eq__', '__init__']"
