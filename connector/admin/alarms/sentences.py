"""The sentences of alarms: what is wrong and what to do, as phrases, from kind and facts; nobody's data is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from connector.admin.problems import COMMANDS, ROLES
from connector.core import masking
from connector.core.alarms import AlarmKind, Occasion
from connector.core.phrases import Phrase, joined, phrase, plural
from connector.core.reasons import Code, Reason
from connector.core.states import state_word
from connector.store.alarms import Alarm

Facts = Mapping[str, Any]
Sentences = tuple[Phrase, Phrase]  #: what is wrong; what to do

#: As the first words of a message, and in lists.
TITLES: Final[Mapping[Occasion, Phrase]] = {
    Occasion.BEGUN: phrase("Alarm"),
    Occasion.REMINDER: phrase("Still so"),
    Occasion.ENDED: phrase("Over"),
}


def sentences(kind: str, facts: Facts) -> Sentences:
    """The sentences of an alarm. Times in it are as `iso` writes them. A kind of a later release is named only."""
    make = _SENTENCES.get(kind)
    return make(facts) if make else (phrase("alarm {kind}", kind=kind), phrase("upgrade this process"))


def page_of(alarm: Alarm) -> str:
    """The path of the console's page about it."""
    pages = {
        AlarmKind.ACCOUNT_CLOSED.value: f"accounts/{alarm.about}",
        AlarmKind.ACCOUNT_HELD.value: f"accounts/{alarm.about}",
        AlarmKind.BUDGET_SHORT.value: f"accounts/{alarm.about}",
        AlarmKind.DESTINATION_STOPPED.value: f"destinations/{alarm.about}",
        AlarmKind.LEADS_WAIT.value: f"destinations/{alarm.about}",
        AlarmKind.DELIVERIES_DIE.value: "problems",
    }
    return f"/console/{pages.get(alarm.kind, '')}"


# --- one for each kind ----------------------------------------------------------------------------------------------


def _because(facts: Facts) -> Phrase | str:
    reason = facts.get("reason")
    if not reason:
        return ""
    code = Code(reason["code"]) if reason["code"] in set(Code) else Code.OTHER
    return phrase(": {reason}", reason=masking.reason(Reason(code, reason["facts"])))


def _account_closed(facts: Facts) -> Sentences:
    sentence = phrase(
        "{account} is {state} since {since}",
        account=facts["account"],
        state=state_word(facts["state"]),
        since=facts["since"],
    )
    step = phrase("nothing is sent, nothing is lost; once the cause is mended, resume it")
    return joined([sentence, _because(facts)]), step


def _account_held(facts: Facts) -> Sentences:
    sentence = phrase("{account} may not be called until {until}", account=facts["account"], until=facts["until"])
    return joined([sentence, _because(facts)]), phrase("wait, or resume it at once")


def _destination_stopped(facts: Facts) -> Sentences:
    sentence = phrase(
        "{destination} takes nothing since {since}", destination=facts["destination"], since=facts["since"]
    )
    return joined([sentence, _because(facts)]), phrase("once that is settled, resume its account")


def _leads_wait(facts: Facts) -> Sentences:
    sentence = plural(
        "a lead for {destination} waits for {number} minute of contact hours",
        "a lead for {destination} waits for {number} minutes of contact hours",
        facts["minutes"],
        destination=facts["destination"],
    )
    return sentence, phrase("look at what is in the way of the destination")


def _deliveries_die(facts: Facts) -> Sentences:
    sentence = phrase("{number:,} of {total:,} deliveries to {destination} were refused in an hour", **facts)
    return sentence, phrase("look at the causes, mend them, and send again what was refused")


def _budget_short(facts: Facts) -> Sentences:
    sentence = phrase("the calls of {account} last until {until} at this pace: {left:,} of {limit:,} are left", **facts)
    return sentence, phrase("put imports off, or ask the vendor for more calls")


def _ceiling_near(facts: Facts) -> Sentences:
    sentence = phrase(
        "calls_per_day of {whose} ({prefix}): {account} called {used:,} of {most:,} people in the last 24 h; "
        "beyond that the newest wait",
        **facts,
    )
    return sentence, phrase("look at who sends so many, or raise calls_per_day")


def _source_silent(facts: Facts) -> Sentences:
    sentence = phrase("{source} sent nothing in the last 2 h; usually {number} events at this hour", **facts)
    return sentence, phrase("look at the sender: is its form or its integration broken?")


def _dead_letters(facts: Facts) -> Sentences:
    sentence = plural(
        "{number:,} message of {source} lies in the queue {queue}",
        "{number:,} messages of {source} lie in the queue {queue}",
        facts["number"],
        source=facts["source"],
        queue=facts["queue"],
    )
    return sentence, phrase("connector redrive {source} puts them back, once they can be read", source=facts["source"])


def _nobody_works(facts: Facts) -> Sentences:
    role = ROLES.get(facts["role"], facts["role"])
    sentence = phrase("no {role} has ever reported", role=role)
    if facts["since"]:
        sentence = phrase("no {role} works: the last sign, from {host}, is of {since}", **{**facts, "role": role})
    command = COMMANDS.get(facts["role"], "connector run")
    return sentence, phrase("start it: {command}, or connector run", command=command)


def _list_old(facts: Facts) -> Sentences:
    if not facts["day"]:
        sentence = phrase("the list {list} was never imported: whom it covers waits", list=facts["list"])
    else:
        sentence = plural(
            "the list {list} is of {day}, older than {number} day: whom it covers waits",
            "the list {list} is of {day}, older than {number} days: whom it covers waits",
            facts["days"],
            list=facts["list"],
            day=facts["day"],
        )
    return sentence, phrase("import a new one: connector suppress import --list {list}", list=facts["list"])


#: The calendars as conditions name them.
_CALENDARS: Final[Mapping[str, Phrase]] = {
    one: one for one in (phrase("public holidays"), phrase("time zones"), phrase("law"))
}


def _calendar_old(facts: Facts) -> Sentences:
    name = _CALENDARS.get(facts["calendar"], facts["calendar"])
    sentence = phrase("the calendar “{calendar}” is too old: {version}", calendar=name, version=facts["version"])
    return sentence, phrase("upgrade it; connector check says how")


def _test(facts: Facts) -> Sentences:
    return phrase("this is a test: nothing is wrong"), phrase("nothing is to be done")


_SENTENCES: Final[Mapping[str, Callable[[Facts], Sentences]]] = {
    AlarmKind.ACCOUNT_CLOSED: _account_closed,
    AlarmKind.ACCOUNT_HELD: _account_held,
    AlarmKind.DESTINATION_STOPPED: _destination_stopped,
    AlarmKind.LEADS_WAIT: _leads_wait,
    AlarmKind.DELIVERIES_DIE: _deliveries_die,
    AlarmKind.BUDGET_SHORT: _budget_short,
    AlarmKind.CEILING_NEAR: _ceiling_near,
    AlarmKind.SOURCE_SILENT: _source_silent,
    AlarmKind.DEAD_LETTERS: _dead_letters,
    AlarmKind.NOBODY_WORKS: _nobody_works,
    AlarmKind.LIST_OLD: _list_old,
    AlarmKind.CALENDAR_OLD: _calendar_old,
    AlarmKind.TEST: _test,
}
