"""Every fault of file and environment, one line each with its place; values that came from a variable are hidden."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from connector.core.text import did_you_mean, listed, quote

_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_NAME_SAYS = "may hold letters, digits, - and _ only (at most 64), and starts with a letter or a digit"
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'""")
_TELLING = 6  #: shorter values are hidden only where they stand alone: "1" is part of many a word


class Faults:
    """Every fault found so far, one line each with its place. A value that came from a variable is never shown."""

    def __init__(self) -> None:
        self._lines: list[tuple[tuple[str | int, ...], str]] = []
        self._unset: set[tuple[str | int, ...]] = set()
        self._filled: dict[str, str] = {}
        self._route_names: tuple[str, ...] = ()

    def add(self, place: tuple[str | int, ...], message: str) -> None:
        """Notes a fault, unless the same value has a missing variable: one cause is reported once."""
        if place not in self._unset and (place, message) not in self._lines:
            self._lines.append((place, message))

    def add_unset(self, place: tuple[str | int, ...], message: str) -> None:
        """Notes a missing variable, after which other faults of that value are not reported."""
        self.add(place, message)
        self._unset.add(place)

    def hide(self, variable: str, value: str) -> None:
        """Show ``${variable}`` where a message would quote its value."""
        for written in (value, repr(value)[1:-1], quote(value)[1:-1]):
            self._filled[written] = f"${{{variable}}}"

    def name_routes(self, names: tuple[str, ...]) -> None:
        """Let routes be called by their names, where these are unique."""
        self._route_names = names

    def under(self, *place: str | int) -> bool:
        """Whether anything at this place, or within it, is wrong."""
        return any(found[: len(place)] == place for found, _ in self._lines)

    def lines(self) -> list[str]:
        """``accounts.dialler.token: ${WOLKVOX_TOKEN} is not set``, in the order they were found."""
        return [f"{self._at(place)}: {_QUOTED.sub(self._shown, message)}" for place, message in self._lines]

    def _shown(self, quoted: re.Match[str]) -> str:
        text = quoted[0]
        for value in sorted(self._filled, key=len, reverse=True):
            if len(value) >= _TELLING or value == quoted[0][1:-1]:
                text = text.replace(value, self._filled[value])
        return text

    def _at(self, place: tuple[str | int, ...]) -> str:
        route = place[1] if place[:1] == ("routes",) and len(place) > 1 else None
        name = self._route_names[route] if isinstance(route, int) and route < len(self._route_names) else ""
        if name and self._route_names.count(name) == 1:
            place = ("routes", name, *place[2:])
        return "".join(_step(step, first=index == 0) for index, step in enumerate(place))


def _step(step: str | int, *, first: bool) -> str:
    if isinstance(step, int):
        return f" #{step + 1}"
    plain = re.fullmatch("[A-Za-z0-9_-]+", step) or (first and step.isprintable())
    return ("" if first else ".") + (step if plain else quote(step))


def check_known(what: str, name: Any, known: Collection[str], place: tuple[str | int, ...], faults: Faults) -> None:
    """Note a name that is not known, with the nearest known one."""
    if name is None or name in known:
        return
    hint = did_you_mean(name, known) or (f", known are {listed(sorted(known))}" if known else ", and there is none")
    faults.add(place, f"unknown {what} {quote(name)}{hint}")


def check_name(name: str, place: tuple[str | int, ...], faults: Faults) -> None:
    """Note a table's name that no address or option could carry."""
    if not re.fullmatch(_NAME, name):
        faults.add(place, f"a name {_NAME_SAYS}")
