"""Why nobody is dialled: twelve checks of one destination, from the source to the dialler; each yes, no or unknown.

Pure: everything comes from the result of `status`, so that any number of viewers costs one query of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from connector.admin.problems import Code
from connector.core.phrases import joined, phrase, plural
from connector.core.settings import Settings
from connector.core.states import AccountState, DeliveryState, EventState, state_word
from connector.store.processes import Role
from connector.vendors.destinations import name_of


class Answer(StrEnum):
    """Whether a step of the way is free."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One step. ``said``: the finding; ``next``: what to do if it is no, by ``act`` (what, account)."""

    name: str
    question: str
    answer: Answer
    said: str
    next: str = ""
    since: str | None = None  #: as `iso` writes it
    act: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps to one destination. ``verdict``: the worst step that is no; None: nothing is in the way."""

    destination: str
    account: str
    checks: tuple[Check, ...]
    verdict: Check | None


Status = Mapping[str, Any]
Found = tuple[Answer, str] | tuple[Answer, str, str] | tuple[Answer, str, str, str | None, tuple[str, str] | None]


def chains(status: Status, settings: Settings) -> list[Chain]:
    """Every configured destination with routes, those with an obstacle first."""
    shown = {one["destination"]: one for one in status["destinations"]}
    names = dict.fromkeys(name_of(route) for route in settings.routes)
    found = [_chain(status, settings, shown[name]) for name in names if name in shown]
    return sorted(found, key=lambda one: _WORST.index(one.verdict.name) if one.verdict else len(_WORST))


def _chain(status: Status, settings: Settings, here: Mapping[str, Any]) -> Chain:
    checks = tuple(_checks(status, settings, here))
    barred = {one.name: one for one in checks if one.answer is Answer.NO}
    worst = next((barred[name] for name in _WORST if name in barred), None)
    return Chain(here["destination"], here["account"], checks, worst)


def _checks(status: Status, settings: Settings, here: Mapping[str, Any]) -> Iterator[Check]:
    for name, (question, ask) in _QUESTIONS.items():
        yield Check(name, question, *ask(status, settings, here))


# --- the questions --------------------------------------------------------------------------------------------------


def _arrives(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    silent = _problems(status, Code.SOURCE_SILENT, _sources(settings, here["destination"]))
    if silent:
        return Answer.NO, silent[0]["said"], silent[0]["next"] or ""
    number = sum(
        status["events_24h"][state]
        for state in (EventState.ACCEPTED, EventState.WAITING, EventState.IGNORED, EventState.INVALID)
    )
    if number:
        return Answer.YES, plural("{number:,} event in 24 h", "{number:,} events in 24 h", number)
    return Answer.UNKNOWN, phrase("nothing came in 24 h")


def _is_read(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    events = status["events_24h"]
    bad, good = (
        events[EventState.INVALID],
        events[EventState.ACCEPTED] + events[EventState.IGNORED] + events[EventState.WAITING],
    )
    sentence = plural("{number:,} could not be read in 24 h", "{number:,} could not be read in 24 h", bad)
    if bad and not good:
        return Answer.NO, sentence, phrase("look at one of them: the sender changed its form, or the mapping is wrong")
    return (Answer.YES if good else Answer.UNKNOWN), sentence if bad else phrase("all that came could be read")


def _is_wanted(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    left = [one for one in status["left_configuration"] if one["destination"] == here["destination"]]
    if any(not one["still_sent"] for one in left):
        sentence = phrase("route “{route}” left the configuration, and what it had waits", route=left[0]["route"])
        return Answer.NO, sentence, phrase("put a route of that name back: it is followed at start")
    events = status["events_24h"]
    if events[EventState.IGNORED] and not events[EventState.ACCEPTED]:
        sentence = phrase("no route wanted any of {number:,} events", number=events[EventState.IGNORED])
        return Answer.NO, sentence, phrase("look at the routes' “on”, “sources” and “when”")
    return Answer.YES, phrase("routes lead here: {routes}", routes=", ".join(_routes(settings, here["destination"])))


def _is_lawful(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    if not here["held"]:
        return Answer.YES, phrase("none that wait are kept back until later")
    facts = {"held": here["held"], DeliveryState.PENDING: here[DeliveryState.PENDING], "at": here["held_until"]}
    sentence = phrase("{held:,} of {pending:,} that wait are kept back, the first until {at}", **facts)
    is_all = here["held"] >= here[DeliveryState.PENDING]
    return (Answer.NO if is_all else Answer.YES), sentence, phrase("wait: the law or the route wants it so")


def _is_guarded(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    ended = {guard: number for guard, number in status["suppressed_24h"].items() if number}
    if not ended:
        return Answer.YES, phrase("no guard ended anything in 24 h")
    counts = ", ".join(f"{guard} {number}" for guard, number in ended.items())
    return Answer.YES, phrase("ended by guards in 24 h: {counts}", counts=counts)


def _is_worked(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    problem = _problems(status, Code.NOBODY_WORKS, {Role.WORKER.value})
    if problem:
        return Answer.NO, problem[0]["said"], problem[0]["next"] or ""
    number = sum(1 for one in status["processes"] if one["alive"] and Role.WORKER.value in one["roles"])
    return Answer.YES, plural("{number} worker is alive", "{number} workers are alive", number)


def _is_open(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    account = _account(status, here["account"])
    if account is None:
        return Answer.UNKNOWN, phrase("nothing is known of the account yet")
    if account["state"] == AccountState.OPEN:
        return Answer.YES, phrase("{account} is {state}", account=here["account"], state=state_word(AccountState.OPEN))
    facts = {"account": here["account"], "state": state_word(account["state"]), "reason": account["reason"] or ""}
    sentence = phrase("{account} is {state}: {reason}", **facts)
    step = phrase("once that is settled, resume it")
    return Answer.NO, sentence, step, account["since"], ("resume", here["account"])


def _is_held(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    account = _account(status, here["account"])
    if account is None or not account["held_until"]:
        return Answer.YES, phrase("the vendor asked for no pause")
    facts = {"account": here["account"], "at": account["held_until"], "reason": account["held_because"] or ""}
    sentence = phrase("{account} is held until {at}: {reason}", **facts)
    return Answer.NO, sentence, phrase("wait, or resume it at once"), None, ("resume", here["account"])


def _is_taken(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    if here["state"] == AccountState.OPEN:
        return Answer.YES, phrase("{destination} takes records", destination=here["destination"])
    step = phrase("once that is settled, resume it")
    return Answer.NO, here["reason"] or "", step, None, ("resume", here["account"])


def _has_slot(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    account = _account(status, here["account"])
    if account is None or "in_flight" not in account:
        return Answer.UNKNOWN, phrase("no limit known")
    windows = account["windows"][1:] if account["budget"] else account["windows"]
    full = [one for one in windows if not one["left"]]
    if full:
        facts = {"calls": full[0]["limit"], "seconds": full[0]["seconds"]}
        return Answer.NO, phrase("{calls} requests in {seconds:g} s are used", **facts), phrase("wait")
    used = {"used": account["in_flight"]["used"], "limit": account["in_flight"]["limit"]}
    return Answer.YES, phrase("{used} of {limit} calls at once", **used)


def _has_budget(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    account = _account(status, here["account"])
    budget = account.get("budget") if account else None
    if not budget:
        return Answer.YES, phrase("the vendor counts no calls of a day")
    facts = {"left": budget["left"], "limit": budget["limit"]}
    sentence = phrase("{left:,} of {limit:,} calls of the day are left", **facts)
    if not budget["left"]:
        return Answer.NO, sentence, phrase("wait until calls are free again, or buy licences")
    lasts = phrase("; at this pace they last until {at}", at=budget["lasts_until"]) if budget["lasts_until"] else ""
    return Answer.YES, joined([sentence, lasts])


def _reaches(status: Status, settings: Settings, here: Mapping[str, Any]) -> Found:
    found = _problems(status, Code.REACHES_NOBODY, {here["destination"]})
    if found:
        return Answer.NO, found[0]["said"], found[0]["next"] or ""
    return Answer.YES, phrase("nothing is known that would stop it there")


# --- the data of the checks -----------------------------------------------------------------------------------------


def _problems(status: Status, code: Code, about: set[str]) -> Sequence[Mapping[str, Any]]:
    return [one for one in status["problems"] if one["code"] == code.value and one["about"] in about]


def _account(status: Status, name: str) -> Mapping[str, Any] | None:
    return next((one for one in status["accounts"] if one["account"] == name), None)


def _routes(settings: Settings, destination: str) -> list[str]:
    return [route.name for route in settings.routes if name_of(route) == destination]


def _sources(settings: Settings, destination: str) -> set[str]:
    names = [route.sources for route in settings.routes if name_of(route) == destination]
    return {name for some in names for name in (settings.sources if some is None else some)}


Ask = Callable[[Status, Settings, Mapping[str, Any]], Found]

#: In the order of a lead's way.
_QUESTIONS: Final[Mapping[str, tuple[str, Ask]]] = {
    "arrives": (phrase("Do events come in?"), _arrives),
    "read": (phrase("Can they be read?"), _is_read),
    "wanted": (phrase("Does a route want them?"), _is_wanted),
    "hours": (phrase("May people be contacted now?"), _is_lawful),
    "guards": (phrase("Do the guards let them pass?"), _is_guarded),
    "worker": (phrase("Is a worker alive?"), _is_worked),
    "account": (phrase("Is the account open?"), _is_open),
    "held": (phrase("May the vendor be called now?"), _is_held),
    "destination": (phrase("Does the destination take records?"), _is_taken),
    "slot": (phrase("Is a call free?"), _has_slot),
    "budget": (phrase("Are calls left today?"), _has_budget),
    "reaches": (phrase("Does the vendor pass it on?"), _reaches),
}
#: The same, the worst obstacle first.
_WORST: Final = (
    *("worker", "account", "destination", "held", "budget", "slot", "reaches", "hours", "wanted", "read", "arrives"),
    "guards",
)
