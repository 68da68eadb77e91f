"""What the sandbox holds a caller to. The defaults are the vendors' documented limits; all can change while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True, kw_only=True)
class Limits:
    """One value per rule. `change` is the way to set them: it knows the names and the types."""

    tokens: frozenset[str] | None = None  #: accepted tokens of all vendors; None: any that is not empty
    latency_s: Mapping[str, float] = field(default_factory=dict)  #: operation or "*" -> wait between effect and answer
    hold_abandoned: bool = False  #: a call whose caller has gone keeps its slot until its answer would have left

    simultaneous: int = 2  #: wolkvox, calls in flight per token
    licences: int = 10  #: wolkvox
    calls_per_licence: int = 1000  #: wolkvox, a day
    day_s: float = 86400.0  #: how long a call counts against the day's budget (rolling)
    budget_used: int = 0  #: wolkvox, calls somebody else has made with the token today
    rows_per_call: int = 10_000  #: wolkvox
    records_down: int = 60_000  #: wolkvox, rows in one answer
    report_interval_s: float = 300.0  #: wolkvox, between two real-time reports
    report_envelope: bool = False  #: wolkvox, the real-time report in an envelope instead of a bare list
    licence_cap: int | None = None  #: wolkvox, records the whole account may hold; None: no cap
    insert_delay_s: float = 0.0  #: wolkvox, rows appear this long after the call
    poison: frozenset[str] = frozenset()  #: wolkvox, customer_id values whose row spoils its whole batch
    poison_if: Callable[[Mapping[str, str]], bool] | None = None  #: wolkvox, the same by predicate (in-process only)
    keep_rows: bool = True  #: wolkvox, False: of each row only the customer_id is kept

    window_calls: int = 1000  #: Tracksale
    window_s: float = 300.0  #: Tracksale
    customers_per_call: int = 500  #: Tracksale
    tags_per_call: int = 50  #: Tracksale, fill-empty-tags
    recent_s: float = 90 * 86400.0  #: Tracksale, how long a dispatched customer counts as a duplicate
    report_lag_s: float = 0.0  #: Tracksale, customers appear in the dispatch reports this much later
    names_in_links: bool = True  #: Tracksale, links come with names and tags; False: only with addresses
    auto_answers: bool = True  #: Tracksale, notes and tags for an answer that is not there make one; False: 404
    single_campaign_as_list: bool = False  #: Tracksale, GET one campaign answers a list

    errors_inside: bool = False  #: PostCenter, refusals come under 200, with their status in the body alone
    by_agent_id_posts: bool = False  #: PostCenter, by_agent_id by POST alone in place of GET alone
    state_slash: bool = False  #: PostCenter, tickets by state want a slash at the end and redirect without it

    def change(self, **values: Any) -> None:
        """Sets the named limits, all or none. Raises ValueError naming what is unknown or of the wrong type."""
        checked = {name: _checked(name, value) for name, value in values.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def accepts(self, token: str) -> bool:
        """Whether a vendor would know this token."""
        return bool(token) and (self.tokens is None or token in self.tokens)

    def latency(self, operation: str) -> float:
        """Seconds between the effect of an operation and its answer."""
        return self.latency_s.get(operation, self.latency_s.get("*", 0.0))

    def shown(self) -> dict[str, Any]:
        """All limits as JSON has them; tokens only by their number."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["tokens"] = None if self.tokens is None else len(self.tokens)
        values["poison"] = sorted(self.poison)
        values["poison_if"] = self.poison_if is not None
        return values


_DEFAULTS = {f.name: getattr(Limits(), f.name) for f in fields(Limits)}


def _checked(name: str, value: Any) -> Any:
    """The value as its limit holds it."""
    if name not in _DEFAULTS:
        raise ValueError(f"{name} is no limit; the limits are {', '.join(_DEFAULTS)}")
    if name in ("tokens", "poison"):
        return _texts(name, value)
    if name == "latency_s":
        return _latencies(value)
    if name == "poison_if" and (value is None or callable(value)):
        return value
    default = _DEFAULTS[name]
    if isinstance(default, bool):
        fits = isinstance(value, bool)
    elif name == "licence_cap" and value is None:
        fits = True
    else:
        kinds = (int, float) if isinstance(default, float) else int
        fits = isinstance(value, kinds) and not isinstance(value, bool) and value >= 0
    if not fits:
        raise ValueError(f"{name} cannot be {value!r}; its default is {default!r}")
    return value


def _texts(name: str, value: Any) -> frozenset[str] | None:
    if value is None and name == "tokens":
        return None
    if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"{name} must be a list of texts")
    return frozenset(value)


def _latencies(value: Any) -> dict[str, float]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = {"*": value}
    if not isinstance(value, Mapping) or not all(isinstance(v, int | float) and v >= 0 for v in value.values()):
        raise ValueError("latency_s must be seconds, or an object of operation and seconds")
    return {str(operation): float(seconds) for operation, seconds in value.items()}
