"""``when`` of a route: its shape, and whether the route's events can have the fields it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from marshmallow import ValidationError

import mappings
from connector.config.faults import Faults
from connector.core.fields import RESULT, Checked, is_path
from connector.core.settings import Condition
from connector.core.text import did_you_mean, listed, quote

OPERATORS: Final = ("from", "to", "exists", "like", "not")
_EXAMPLE: Final = '{ "extra.program" = ["MBA", "Derecho"], "extra.score" = { from = 7 } }'
#: Paths that every event answers: the person's first phone and e-mail.
_PERSON: Final = ("phone", "email")


class Conditions(Checked[tuple[Condition, ...]]):
    """Paths into the event and their conditions; ``extra.x = "y"`` without quotes, a nested table in TOML, is
    accepted.
    """

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[Condition, ...]:
        if not isinstance(value, dict) or not value:
            raise ValidationError(f"must be a table of paths and what they must lead to, {_EXAMPLE}")
        found: list[Condition] = []
        wrong: dict[str, list[str]] = {}
        for path, test in _flat(value, ""):
            try:
                found.append(_condition(path, test))
            except ValueError as fault:
                wrong[path] = [str(fault)]
        if wrong:
            raise ValidationError(dict(wrong))
        return tuple(found)


def _flat(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """(path, condition); a table without any operator is a part of the path."""
    for key, value in table.items():
        if isinstance(value, dict) and value and not {*value} & {*OPERATORS}:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _condition(path: str, test: Any) -> Condition:
    """Raises ValueError, in words."""
    if not is_path(path):
        raise ValueError('must be a path into the event, like "city" or "extra.program"')
    if path.startswith(RESULT):
        raise ValueError("result is not known when routes are chosen: take it out")
    if not isinstance(test, dict):
        return Condition(path=path, among=_values(test))
    if unknown := [key for key in test if key not in OPERATORS]:
        hint = did_you_mean(unknown[0], OPERATORS) or f": there is {listed(OPERATORS)}"
        raise ValueError(f"unknown test {quote(unknown[0])}{hint}")
    if not test:
        raise ValueError(f"says nothing: there is {listed(OPERATORS)}, or a value")
    exists = test.get("exists")
    if exists not in (None, True, False):
        raise ValueError("exists must be true or false")
    limits = {name: _limit(test[name]) for name in ("from", "to") if name in test}
    if len({isinstance(one, datetime) for one in limits.values()}) > 1:
        raise ValueError("from and to must both be numbers, or both moments")
    return Condition(
        path=path,
        unlike=_values(test["not"]) if "not" in test else (),
        like=_patterns(test["like"]) if "like" in test else (),
        start=limits.get("from"),
        end=limits.get("to"),
        exists=exists,
    )


def _values(value: Any) -> tuple[str | float | bool, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, bool | int | float) or (isinstance(one, str) and one) for one in values):
        raise ValueError("must be a text, a number, true or false, or a list of them; for no value: { exists = false }")
    return tuple(values)


def _patterns(value: Any) -> tuple[str, ...]:
    patterns = value if isinstance(value, list) else [value]
    if not patterns or not all(isinstance(one, str) and one.strip() for one in patterns):
        raise ValueError('like must be a text with * for anything, "black*", or a list of them')
    return tuple(patterns)


def _limit(value: Any) -> float | datetime:
    """A number or a moment, naive if no zone is written."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time())
    try:
        return value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError('from and to must be a number or a moment, like 7 or "2026-11-20"') from None


def in_zone(conditions: tuple[Condition, ...], zone: ZoneInfo) -> tuple[Condition, ...]:
    """Moments without a zone are of this one."""
    return tuple(replace(one, start=_zoned(one.start, zone), end=_zoned(one.end, zone)) for one in conditions)


def _zoned(limit: Any, zone: ZoneInfo) -> Any:
    return limit.replace(tzinfo=zone) if isinstance(limit, datetime) and limit.tzinfo is None else limit


def check_when(index: int, tables: Mapping[str, Any], faults: Faults) -> None:
    """Each path can be filled by a source of the route, as far as its mapping declares its fields."""
    table, place = tables["routes"][index], ("routes", index, "when")
    when = table.get("when") if isinstance(table, dict) else None
    if not isinstance(when, dict) or faults.under(*place):
        return
    declared = [_declared(tables["sources"].get(name)) for name in _sources(table, tables["sources"])]
    if not declared or any(names is None for names in declared):
        return
    known = sorted({name for names in declared for name in names or ()})
    for path, _ in _flat(when, ""):
        heads = (path, f"extra.{path}", path.partition(".")[0])
        if not any(head in known for head in heads) and not any(path.startswith(f"{name}.") for name in known):
            hint = did_you_mean(path, known) or f": its sources fill {listed(known)}"
            faults.add((*place, path), f"none of this route's sources names it{hint}")


def _sources(route: Mapping[str, Any], sources: Mapping[str, Any]) -> list[str]:
    named = route.get("sources")
    return [named] if isinstance(named, str) else list(named) if isinstance(named, list) else list(sources)


def _declared(source: Any) -> set[str] | None:
    """The declared fields of a source's events; None if its mapping accepts any."""
    mapping = mappings.PAYLOADS.get(source.get("mapping", "")) if isinstance(source, dict) else None
    named = source.get("fields") if isinstance(source, dict) else None
    if mapping is None or not mapping.needs_fields or not isinstance(named, dict):
        return None
    flat = {path for path, _ in _names(named, "")}
    return flat | {"id", "type", "time", *_PERSON} | ({"phones"} if "callback_phone" in flat else set())


def _names(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _names(value, f"{before}{key}.")
        else:
            yield before + key, value


def check_otherwise(index: int, routes: list[Any], faults: Faults) -> None:
    """A route with "otherwise" needs other routes."""
    table = routes[index]
    if not isinstance(table, dict) or table.get("otherwise") in (None, False, "false"):
        return
    others = [one for one in routes if isinstance(one, dict) and one is not table and one.get("to") == table.get("to")]
    if not any(one.get("otherwise") in (None, False, "false") for one in others):
        fault = f"no other route does {quote(str(table.get('to')))}: without otherwise it takes everything"
        faults.add(("routes", index, "otherwise"), fault)
