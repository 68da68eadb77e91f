"""Reasons as codes and facts. The sentence for a person is made here and nowhere else.

The database stores the code and the facts (JSON). No query and no step reads a sentence, so every sentence may be
reworded, and it is a phrase that `connector.languages` says in others. A vendor's own words are a fact under "words":
they may quote a person, and are the only fact that is removed when the person is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from connector.core import at_rest
from connector.core.phrases import Phrase, joined, names, phrase


class Code(StrEnum):
    """The reason for the state of a delivery, an account, a destination or a poll. The comment names the facts."""

    # Guards
    EXPIRED = "expired"
    EXPIRED_HOURS = "expired.hours"
    LISTED = "suppression_list"
    HOURS_HELD = "hours.held"  #: until (local time of the route), hours (their name)
    ONCE = "once"  #: other (delivery id)
    ONCE_FORGOTTEN = "once.forgotten"  #: other; the copy no longer takes a place
    NINETY_DAYS = "ninety_days"
    LISTED_AGAIN = "suppression_list.again"  #: day (of the event in which the person asked to be contacted again)
    REGISTRY_LISTED = "registry.listed"  #: list
    REGISTRY_OLD = "registry.held"  #: list, day (of its newest file)
    REGISTRY_ABSENT = "registry.absent"  #: list
    REGISTRY_UNASKED = "registry.unasked"  #: list
    CONSENT_MISSING = "consent.missing"  #: place (whose law demands it; "" if only the route does)
    CONSENT_DENIED = "consent.denied"  #: place
    CONSENT_OLD = "consent.old"  #: place, day, good_for_days
    CAP_HELD = "cap.held"  #: until (local time of the person), cap
    CAP_ENDED = "cap.ended"  #: cap
    EXPIRED_CAP = "expired.cap"  #: until, cap
    EXPIRED_REGISTRY = "expired.registry"  #: list
    REFUSAL_LISTED = "refusal.listed"
    REFUSAL_OVERTAKEN = "refusal.overtaken"
    REFUSAL_NOBODY = "refusal.nobody"
    SHARE_HELD = "share.held"  #: source, calls, records (its share of the account's day)
    LIMITED = "source.limited"  #: source
    CEILING_HELD = "ceiling.held"  #: whose (an account, or a source), prefix, most
    NUMBERS_AGAIN = "numbers.again"
    PRECHECK_STALE = "precheck.stale"
    PRECHECK_FAILED = "precheck.failed"  #: because | words | fault
    # Routes that come after another one, and copies
    BEFORE_ENDED = "before.ended"  #: route, state, because
    BEFORE_ABSENT = "before.absent"  #: route
    COPY_FREED = "copy.freed"
    REPLACED = "replaced"
    NO_RECORD = "no_record"  #: words
    PERSON_FIRST = "person.first"  #: words
    # The vendor's answer
    REFUSED = "vendor.refused"  #: words, status
    DUPLICATE = "vendor.duplicate"  #: words, status
    LANDED_BEFORE = "vendor.landed_before"  #: words, status
    ALONE = "vendor.alone"  #: words, status
    SAID = "vendor.said"  #: words, status
    AGAIN = "sent.again"  #: words | fault, status
    HALVED = "batch.halved"  #: size, words, status
    SAMPLED = "batch.sampled"  #: size, words, status
    REFUSAL_KEPT = "refusal.kept"  #: words, status
    # Unknown outcomes
    LAPSED = "lapsed"
    WORKER_GONE = "worker_gone"
    UNKNOWN_ASKED = "unknown.asked"  #: because | words | fault, status
    UNKNOWN_KEPT = "unknown.kept"  #: the same
    UNKNOWN_RESENT = "unknown.resent"  #: the same
    # Answers that no table knows. More facts: first (attempt), times (in a row).
    PROVOKED_ASKED = "provoked.asked"  #: words | fault, status
    PROVOKED_KEPT = "provoked.kept"  #: the same
    PROVOKED_HALVED = "provoked.halved"  #: size, words | fault, status
    PROVOKED_SAMPLED = "provoked.sampled"  #: the same
    PROVOKED_ALONE = "provoked.alone"  #: words | fault, status
    PROVOKED_END = "provoked.ended"  #: the same
    PROVOKED_BLOCK = "provoked.blocked"  #: the same
    DOUBTFUL = "unknown.record"  #: words | fault, status
    PROBE_LANDED = "probe.landed"
    PROBE_ABSENT = "probe.absent"
    PROBE_DISAGREES = "probe.disagrees"
    PROBE_NOBODY_NEW = "probe.nobody_new"
    PROBE_NOT_SEEN = "probe.not_seen"
    PROBE_NO_CONTROL = "probe.no_control"
    PROBE_UNCLEAR = "probe.unclear"  #: words
    # A person
    REPLAYED = "replayed"
    RESOLVED_LANDED = "resolved.landed"
    RESOLVED_ABSENT = "resolved.absent"
    LOT_DISCARDED = "lot.discarded"  #: day
    ERASED = "erased"
    PAUSED = "paused"  #: note (the operator's own words)
    # Accounts and destinations
    BLOCKED_CREDENTIALS = "blocked.credentials"  #: words, status
    BLOCKED_CAPTCHA = "blocked.captcha"  #: words, status
    BLOCKED_LICENCES = "blocked.licences"  #: words, status
    BLOCKED_UNSEEN = "blocked.unseen"  #: count, remedy, words, status
    BLOCKED_UNKNOWN_ANSWER = "blocked.unknown_answer"  #: words, status
    HELD_RATE = "held.rate"  #: words, status
    HELD_SERVER = "held.server"  #: words, status
    HELD_NETWORK = "held.network"  #: fault
    HELD_UNKNOWN_ANSWER = "held.unknown_answer"  #: words, status
    STOPPED = "destination.stopped"  #: destination, account, count, words
    # Polls
    POLL_FAILED = "poll.failed"  #: words | fault
    POLL_WAITS = "poll.waits"  #: fault
    # Rows that a release before wrote, and that no rule of the migration knows
    OTHER = "other"  #: words


UNSAID: Final = phrase("a person paused it")  #: the note of a pause without a reason
_BECAUSE: Final = "because"  #: the fact that is a reason itself: {"code", "facts"}
_QUOTED: Final = "words"  #: the fact that may quote a person


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its facts. As text: the sentence, a `Phrase`."""

    code: Code
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return sentence(self)

    @property
    def facts_json(self) -> str | None:
        """The facts as they are stored: words are encrypted where there is a key."""
        if not self.facts:
            return None
        facts = _with_words(self.facts, at_rest.sealed_alike) if at_rest.newest() else self.facts
        return orjson.dumps(facts).decode()

    def nested(self) -> dict[str, Any]:
        """This reason as the fact "because" of another one."""
        return {"code": str(self.code), "facts": dict(self.facts)}

    def forgotten(self) -> Reason:
        """The facts that may be kept once the person is forgotten: all that do not quote a person."""
        facts = {name: fact for name, fact in self.facts.items() if name != _QUOTED}
        if (because := _because(self.facts)) is not None:
            facts[_BECAUSE] = because.forgotten().nested()
        return Reason(Code.ONCE_FORGOTTEN if self.code is Code.ONCE else self.code, facts)

    def words(self) -> set[str]:
        """The words that `forgotten` removes."""
        own = {str(self.facts[_QUOTED])} if self.facts.get(_QUOTED) else set()
        because = _because(self.facts)
        return own | because.words() if because is not None else own


def answer_facts(words: str, status: int | None) -> dict[str, Any]:
    """Facts of an answer: a vendor's words with their HTTP status; without an answer the words are ours, a fault."""
    if not words:
        return {} if status is None else {"status": status}
    return {"fault": words} if status is None else {"words": words, "status": status}


def because(reason: Reason) -> dict[str, Any]:
    """The facts of a reason that another one explains."""
    return {_BECAUSE: reason.nested()}


def read(code: str | None, facts: str | None, text: str | None = None) -> Reason | None:
    """The reason of a row; None if it has none. ``text``: the sentence that a process of the previous release wrote."""
    if text:
        return Reason(Code.OTHER, {_QUOTED: text})
    if code is None:
        return None
    known = orjson.loads(facts) if facts else {}
    return Reason(_code(code), _with_words(known, at_rest.opened_if_ours) if facts and _IS_SEALED in facts else known)


def _with_words(facts: Mapping[str, Any], change: Callable[[str, str], str | None]) -> dict[str, Any]:
    """The facts with the words changed, those of the underlying reason too."""
    changed = dict(facts)
    if isinstance(words := facts.get(_QUOTED), str):
        changed[_QUOTED] = change(words, _PLACE)
    if isinstance(because := facts.get(_BECAUSE), Mapping):
        changed[_BECAUSE] = {**because, "facts": _with_words(because["facts"], change)}
    return changed


_PLACE: Final = "reasons.words"
_IS_SEALED: Final = f':"{at_rest.ALIKE}'


def _code(text: str) -> Code:
    try:
        return Code(text)
    except ValueError:
        return Code.OTHER  # a later release wrote it


def _because(facts: Mapping[str, Any]) -> Reason | None:
    found = facts.get(_BECAUSE)
    return None if found is None else Reason(_code(found["code"]), found["facts"])


# --- sentences ------------------------------------------------------------------------------------------------------

#: {said}: the vendor's words, the fault or the underlying reason; {behind}: the same after a colon, if any.
#: Other names: the facts.
ENGLISH: Final[Mapping[Code, str]] = {
    Code.EXPIRED: "expired: older than the route's expires_after when its turn came",
    Code.EXPIRED_HOURS: "expired: its contact hours began only after the route's expires_after",
    Code.LISTED: "on the do-not-contact list",
    Code.HOURS_HELD: "held until {until}: outside the contact hours ({hours})",
    Code.ONCE: "once_per: the same person is in delivery d{other}",
    Code.ONCE_FORGOTTEN: "once_per: the same person was in delivery d{other}",
    Code.NINETY_DAYS: "ninety_day_rule: the vendor says that this customer was asked too recently",
    Code.LISTED_AGAIN: "on the do-not-contact list; asked again on {day}: connector suppress remove",
    Code.REGISTRY_LISTED: "on the list {list}",
    Code.REGISTRY_OLD: "held: the list {list} is of {day}",
    Code.REGISTRY_ABSENT: (
        "held: the list {list} was never imported: connector suppress import FILE --list {list} --of DATE"
    ),
    Code.REGISTRY_UNASKED: "held: the list {list} was not asked about this person: connector suppress ask {list}",
    Code.CONSENT_MISSING: "no proof of consent: the event brought none{place}",
    Code.CONSENT_DENIED: "no proof of consent: the person did not consent{place}",
    Code.CONSENT_OLD: "no proof of consent: it was given on {day}, and is good for {good_for_days} days{place}",
    Code.CAP_HELD: "held until {until}: contacted as often as they may be ({cap})",
    Code.CAP_ENDED: "contacted as often as they may be ({cap})",
    Code.EXPIRED_CAP: "expired: it waited for a cap ({cap}) for longer than the route's expires_after",
    Code.EXPIRED_REGISTRY: "expired: it waited for the list {list} for longer than the route's expires_after",
    Code.REFUSAL_LISTED: "on the do-not-contact list from now on",
    Code.REFUSAL_OVERTAKEN: "not put on the do-not-contact list: a consent that was given later is known",
    Code.REFUSAL_NOBODY: "nobody can be put on the list: the event names neither a phone nor an e-mail",
    Code.SHARE_HELD: (
        "held: {source} has used its share of the account's day ({calls} calls, {records} records); "
        "its oldest go first once there is room"
    ),
    Code.CEILING_HELD: (
        "held: calls_per_day of {whose} is reached ({most} people a day, {prefix}); "
        "its oldest go first once there is room"
    ),
    Code.LIMITED: "limited: {source} sent more than its limit, and does not send again; it goes once there is room",
    Code.NUMBERS_AGAIN: (
        "countries, numbers or phones_per_lead of its account or source changed: its numbers are judged again"
    ),
    Code.PRECHECK_STALE: "ninety_day_rule: the vendor's permission for this customer is too old; it is asked again",
    Code.PRECHECK_FAILED: "ninety_day_rule: the vendor could not be asked ({said}); it is asked again",
    Code.BEFORE_ENDED: "it comes after “{route}”, which ended {state}{behind}",
    Code.BEFORE_ABSENT: "it comes after “{route}”, to which this event did not go",
    Code.REPLACED: "a corrected row of an imported file took its place",
    Code.COPY_FREED: "the delivery that had priority over this copy ended unsent",
    Code.NO_RECORD: "no record can be made of it: {said}",
    Code.PERSON_FIRST: "a person must look first: {said}",
    Code.REFUSED: "the vendor refused it: {said}",
    Code.DUPLICATE: "the vendor has it already: {said}",
    Code.LANDED_BEFORE: "an earlier attempt had landed: {said}",
    Code.ALONE: "it is sent again by itself, because the answer does not tell the records of its batch apart: {said}",
    Code.SAID: "the vendor answered: {said}",
    Code.AGAIN: "it is sent again, because it did not land: {said}",
    Code.HALVED: "its batch of {size} was refused ({said}); halved to find the bad record",
    Code.SAMPLED: "its batch of {size} was refused ({said}); tried alone, as nothing was accepted here yet",
    Code.REFUSAL_KEPT: "refused ({said}); kept until this destination has accepted something or a person acts",
    Code.LAPSED: "no answer was recorded before the deadline: the worker died or was frozen",
    Code.WORKER_GONE: "the worker died before it recorded an answer",
    Code.UNKNOWN_ASKED: "{said}; the vendor is asked",
    Code.UNKNOWN_KEPT: "{said}; the vendor cannot be asked: `connector resolve`",
    Code.UNKNOWN_RESENT: "{said}; sent again, as its route says",
    Code.PROVOKED_ASKED: "an answer that is not known ({said}); the vendor is asked whether it landed",
    Code.PROVOKED_KEPT: "an answer that is not known ({said}); the vendor cannot be asked: `connector resolve`",
    Code.PROVOKED_HALVED: (
        "its batch of {size} brought an answer that is not known ({said}); halved to find the record that provokes it"
    ),
    Code.PROVOKED_SAMPLED: (
        "its batch of {size} brought an answer that is not known ({said}); a few of it are tried alone first"
    ),
    Code.PROVOKED_ALONE: (
        "by itself it brought an answer that is not known ({said}); tried again once something else was accepted"
    ),
    Code.PROVOKED_END: (
        "set apart: it alone brings an answer that is not known ({said}), while others are accepted; see what the "
        "vendor, or a filter before it, dislikes of it, then `connector replay --delivery`"
    ),
    Code.PROVOKED_BLOCK: (
        "its answer, which is not known ({said}), was among those that blocked the account; it is not sent again by "
        "itself: `connector replay --delivery`"
    ),
    Code.DOUBTFUL: "the answer does not say whether this record landed: {said}",
    Code.PROBE_LANDED: "the vendor was asked: it has this record",
    Code.PROBE_ABSENT: "the vendor was asked: it had not landed; sent again",
    Code.PROBE_DISAGREES: "the vendor has some of the batch and not all: `connector resolve`",
    Code.PROBE_NOBODY_NEW: (
        "nobody in the batch is new to this destination, so asking proves nothing: `connector resolve`"
    ),
    Code.PROBE_NOT_SEEN: "not in the vendor's report after several looks: `connector resolve`",
    Code.PROBE_NO_CONTROL: (
        "the vendor says that it is not there, which cannot be believed: nothing that is there could be found"
        ": `connector resolve`"
    ),
    Code.PROBE_UNCLEAR: "the vendor was asked, and its answer cannot tell ({said}): `connector resolve`",
    Code.REPLAYED: "replayed",
    Code.RESOLVED_LANDED: "a person says it landed",
    Code.RESOLVED_ABSENT: "a person says it did not land; sent again",
    Code.LOT_DISCARDED: "its draft lot was discarded by a person on {day}",
    Code.ERASED: "erased on request",
    Code.PAUSED: "{note}",
    Code.BLOCKED_CREDENTIALS: "{said}: check the account's token and what it may do, then resume",
    Code.BLOCKED_CAPTCHA: (
        "{said}: solve the CAPTCHA in a browser from this machine's address, wait five minutes, then resume"
    ),
    Code.BLOCKED_LICENCES: "{said}: free records or buy licences from the vendor, then resume",
    Code.BLOCKED_UNSEEN: "{count} reads in a row found nothing ({said}): {remedy}",
    Code.BLOCKED_UNKNOWN_ANSWER: "an answer that is not known ({said}): look at what the vendor changed, then resume",
    Code.HELD_RATE: "{said}",
    Code.HELD_SERVER: "{said}",
    Code.HELD_NETWORK: "{said}",
    Code.HELD_UNKNOWN_ANSWER: "an answer that is not known ({said}); others are tried before the account is blocked",
    Code.STOPPED: (
        "{destination} accepted nothing yet and refused {count} lone records ({said}): "
        "check the route's options, then `connector resume {account}`"
    ),
    Code.POLL_FAILED: "{said}",
    Code.POLL_WAITS: "{said}",
    Code.OTHER: "{said}",
}
FORGOTTEN: Final = phrase("the words were forgotten")


def sentence(reason: Reason) -> Phrase:
    """The sentence for a person: the words of the code; forgotten facts read as such."""
    template, answer = ENGLISH[reason.code], _answer_text(reason)
    known = dict(reason.facts) | {"said": answer or FORGOTTEN, "behind": joined([": ", answer]) if answer else ""}
    if known.get("note") == UNSAID:
        known["note"] = UNSAID
    facts = {name: known.get(name, FORGOTTEN) for name in names(template)}
    return Phrase(template.format_map(facts), template, facts)


def _answer_text(reason: Reason) -> str:
    behind = _because(reason.facts)
    if behind is not None:
        return sentence(behind)
    words = str(reason.facts.get(_QUOTED) or reason.facts.get("fault") or "")
    status = reason.facts.get("status")
    return words or (f"HTTP {status}" if status else "")
