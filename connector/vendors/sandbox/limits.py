"""The limits that the sandbox enforces for every vendor. A vendor's own limits are beside its simulator.

The defaults are the vendors' documented limits; all can change while the sandbox runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

Read = Callable[[str, Any], Any]  #: (name, value) -> the value as its limit holds it; ValueError where it cannot
Show = Callable[[Any], Any]  #: a limit's value -> as JSON has it


def texts(name: str, value: Any) -> frozenset[str]:
    """Reads a list of texts."""
    if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"{name} must be a list of texts")
    return frozenset(value)


def texts_if_any(name: str, value: Any) -> frozenset[str] | None:
    """Reads a list of texts, or None."""
    return None if value is None else texts(name, value)


def _latencies(name: str, value: Any) -> dict[str, float]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = {"*": value}
    if not isinstance(value, Mapping) or not all(isinstance(v, int | float) and v >= 0 for v in value.values()):
        raise ValueError(f"{name} must be seconds, or an object of operation and seconds")
    return {str(operation): float(seconds) for operation, seconds in value.items()}


def how(read: Read, show: Show = lambda value: value) -> Mapping[str, Any]:
    """Metadata of a limit that is neither a plain number nor a switch."""
    return {"read": read, "show": show}


def _count(tokens: frozenset[str] | None) -> int | None:
    return None if tokens is None else len(tokens)


@dataclass(slots=True, kw_only=True)
class Limits:
    """The limits for every vendor. One value per rule."""

    #: accepted tokens of all vendors; None: any non-empty one
    tokens: frozenset[str] | None = field(default=None, metadata=how(texts_if_any, _count))
    #: operation or "*" -> wait between effect and answer
    latency_s: Mapping[str, float] = field(default_factory=dict, metadata=how(_latencies))
    hold_abandoned: bool = False  #: a call whose caller has gone keeps its slot until its answer would have left

    def accepts(self, token: str) -> bool:
        """Whether a vendor would know this token."""
        return bool(token) and (self.tokens is None or token in self.tokens)

    def latency(self, operation: str) -> float:
        """Seconds between the effect of an operation and its answer."""
        return self.latency_s.get(operation, self.latency_s.get("*", 0.0))


class AllLimits:
    """The limits of all vendors. `change` is the way to set them: it knows the names and the types."""

    def __init__(self, vendors: Sequence[Limits]) -> None:
        self._vendors = vendors
        self._rules: dict[str, Field[Any]] = {one.name: one for limits in vendors for one in fields(limits)}
        self._defaults = {name: getattr(limits, name) for limits in vendors for name in _names(limits)}

    def __getattr__(self, name: str) -> Any:
        """The value of a limit by its name."""
        for limits in self.__dict__.get("_vendors", ()):
            if name in _names(limits):
                return getattr(limits, name)
        raise AttributeError(name)

    def change(self, **values: Any) -> None:
        """Sets the named limits, all or none. Raises ValueError that names unknown ones and wrong types."""
        checked = {name: self._checked(name, value) for name, value in values.items()}
        for limits in self._vendors:
            for name in checked.keys() & _names(limits):
                setattr(limits, name, checked[name])

    def shown(self) -> dict[str, Any]:
        """All limits as JSON has them; tokens only by their number."""
        values = {name: getattr(limits, name) for limits in self._vendors for name in _names(limits)}
        return {name: self._rules[name].metadata.get("show", _same)(value) for name, value in values.items()}

    def _checked(self, name: str, value: Any) -> Any:
        if name not in self._rules:
            raise ValueError(f"{name} is no limit; the limits are {', '.join(self._rules)}")
        read: Read | None = self._rules[name].metadata.get("read")
        return read(name, value) if read else _plain(name, value, self._defaults[name])


def _names(limits: Limits) -> list[str]:
    return [one.name for one in fields(limits)]


def _same(value: Any) -> Any:
    return value


def _plain(name: str, value: Any, default: Any) -> Any:
    """A switch, a whole number or seconds, as the default is."""
    if isinstance(default, bool):
        fits = isinstance(value, bool)
    else:
        kinds = (int, float) if isinstance(default, float) else int
        fits = isinstance(value, kinds) and not isinstance(value, bool) and value >= 0
    if not fits:
        raise ValueError(f"{name} cannot be {value!r}; its default is {default!r}")
    return value
