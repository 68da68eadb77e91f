"""Asking the vendor whether an unknown attempt landed, and settling it by what is seen. Never by a guess.

Presence may be believed at once, absence only after the attempt's deadline: the vendor may still be inserting.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from connector import attempts, followers, lots, outbox, standing
from connector.attempts import Attempt
from connector.claims import Claim
from connector.client import Deadline, NoAnswer, NotSent, patiently, wait_s
from connector.db import Database, announce, now_ms
from connector.destinations.base import Destination, Record, Seen, no_answer, not_sent
from connector.log import get
from connector.settings import Account
from connector.settle import account_fault
from connector.vendors import Vendor

log = get("probe")

SAMPLE: Final = 3  #: records asked about, where a batch is all or nothing
GRACE_MS: Final = 1_000  #: after the deadline, before absence is believed
LOOKS_AFTER_S: Final = (60, 300, 900, 3600)  #: a report that lags is looked at again so long after each look

LANDED: Final = "the vendor was asked: it has this record"
ABSENT: Final = "the vendor was asked: it had not landed; sent again"
NO_SAMPLE: Final = "no one in the batch is new to this destination, so asking proves nothing: `connector resolve`"
DISAGREE: Final = "the vendor has some of the batch and not all: `connector resolve`"
NOT_SEEN: Final = "not in the vendor's report after several looks: `connector resolve`"


@dataclass(frozen=True, slots=True)
class Question:
    """An unknown attempt, its members, and what asking has brought so far ({"delivery id": present})."""

    database: Database
    account: Account
    place: Destination
    about: Attempt
    members: Sequence[Record]
    answers: Mapping[str, Any]


def probe(
    database: Database,
    account: Account,
    place: Destination,
    claim: Claim,
    vendor: Vendor,
    install: str,
    deadline: Deadline,
) -> None:
    """Makes the claimed question's one call and settles what it brings."""
    with database.read() as conn:
        question = _question(conn, database, account, place, claim)
        chosen = _to_ask(conn, question) if question else []
    if question is None or not chosen:
        patiently(lambda: _close(database, account, claim, question))
        return
    seen = _seen(place, vendor, chosen, question.about, install, deadline)
    patiently(lambda: _record(question, claim.attempt, seen))
    log.info(
        "asked about an unknown attempt",
        account=account.name,
        attempt=question.about.id,
        asked=len(chosen),
        present=sum(seen.present.values()),
        words=seen.fault.words if seen.fault else seen.unclear,
    )


def _question(
    conn: Connection, database: Database, account: Account, place: Destination, claim: Claim
) -> Question | None:
    about = attempts.get(conn, claim.attempt.about or 0)
    if about is None:
        return None
    members = outbox.uncertain(conn, about.id)
    return Question(database, account, place, about, members, attempts.answers(conn, about.id))


def _to_ask(conn: Connection, question: Question) -> list[Record]:
    """Whom to ask about now: one of the sample not asked about yet, or all where one call covers all."""
    fit = [record for record in question.members if record[1]]
    if not question.place.all_or_nothing:
        return [r for r in fit if not outbox.sent_before(conn, question.about.destination, r[0])]
    asked = question.answers.get("present", {})
    if question.place.exact:
        return [record for record in fit[:1] if str(record[0]) not in asked]
    if len(asked) >= SAMPLE:
        return []
    # The same order for every look at this attempt, and no favour to its first rows.
    shuffled = random.Random(question.about.id).sample(fit, len(fit))
    for record in shuffled:
        if str(record[0]) not in asked and not outbox.sent_before(conn, question.about.destination, record[0]):
            return [record]
    return []


def _seen(
    place: Destination, vendor: Vendor, chosen: Sequence[Record], about: Attempt, install: str, deadline: Deadline
) -> Seen:
    try:
        return place.ask(vendor, chosen, about.started_at, install, deadline)
    except NotSent as fault:
        return Seen(fault=not_sent(str(fault)))
    except NoAnswer as fault:
        return Seen(fault=no_answer(str(fault)))


def _close(database: Database, account: Account, claim: Claim, question: Question | None) -> None:
    """There is nobody (left) to ask about: the call is not made, and what was learnt decides."""
    with database.write(serialise=account.name) as conn:
        now = now_ms(conn)
        words = "nothing to ask"
        attempts.finish(conn, claim.attempt.id, state="not_sent", now=now, words=words)
        if question is not None:
            _decide(conn, question, dict(question.answers.get("present", {})), now, nobody_left=True)
        announce(conn)


def _record(question: Question, attempt: Attempt, seen: Seen) -> None:
    with question.database.write(serialise=question.account.name) as conn:
        now = now_ms(conn)
        if seen.fault is not None:
            fault = seen.fault
            attempts.finish(conn, attempt.id, state=fault.attempt, now=now, status=fault.status, words=fault.words)
            account_fault(conn, question.account.name, fault, now)
            attempts.ask_later(conn, question.about.id, now + int(wait_s(2) * 1000))
        else:
            attempts.finish(conn, attempt.id, state="accepted", now=now, words=seen.unclear or None)
            standing.well(conn, question.account.name, now)
            _learn(conn, question, seen, now)
        announce(conn)


def _learn(conn: Connection, question: Question, seen: Seen, now: int) -> None:
    if seen.unclear:
        _give_up(conn, question.about.id, f"{seen.unclear}: `connector resolve`", now)
    elif question.place.all_or_nothing:
        known = dict(question.answers.get("present", {})) | {str(i): there for i, there in seen.present.items()}
        too_early = now < question.about.deadline + GRACE_MS
        if too_early and not all(seen.present.values()):
            attempts.ask_later(conn, question.about.id, question.about.deadline + GRACE_MS, {"present": {}})
        else:
            _decide(conn, question, known, now, nobody_left=False)
    else:
        _settle_seen(conn, question, seen, now)


def _decide(conn: Connection, question: Question, known: dict[str, bool], now: int, *, nobody_left: bool) -> None:
    """By a few records, the fate of all: the batch was all or nothing."""
    about = question.about
    if not question.place.all_or_nothing:
        _give_up(conn, about.id, NO_SAMPLE, now)
        return
    enough = 1 if question.place.exact else min(SAMPLE, len(question.members))
    if not nobody_left and len(known) < enough and len(set(known.values())) == 1:
        attempts.ask_later(conn, about.id, now, {"present": known})
    elif not known or len(set(known.values())) > 1:
        _give_up(conn, about.id, DISAGREE if known else NO_SAMPLE, now)
    elif all(known.values()):
        attempts.finish(conn, about.id, state="accepted", now=now, words=LANDED)
        outbox.settle(conn, about.id, state="delivered", now=now, reason=LANDED)
        _tell_followers(conn, question, {}, now)
        standing.accepted(conn, about.destination, now)
    else:
        attempts.finish(conn, about.id, state="rejected", now=now, words=ABSENT)
        outbox.settle(conn, about.id, state="pending", now=now, reason=ABSENT, due_at=now)


def _settle_seen(conn: Connection, question: Question, seen: Seen, now: int) -> None:
    """Presence settles a record; absence from a report that may lag settles nothing."""
    about = question.about.id
    there = [(number, "delivered", LANDED) for number, present in seen.present.items() if present]
    outbox.settle_each(conn, about, there, now, now)
    for number, draft in seen.drafts.items():
        lots.put(conn, question.account.name, draft, [number], since=question.about.started_at, now=now)
    _tell_followers(conn, question, seen.results, now)
    looks = int(question.answers.get("looks", 0))
    if len(there) == len(question.members):
        attempts.finish(conn, about, state="accepted", now=now, words=LANDED)
        attempts.ask_later(conn, about, None)
    elif looks < len(LOOKS_AFTER_S):
        attempts.ask_later(conn, about, now + LOOKS_AFTER_S[looks] * 1000, {"looks": looks + 1})
    else:
        _give_up(conn, about, NOT_SEEN, now)


def _tell_followers(conn: Connection, question: Question, results: Mapping[int, Mapping[str, Any]], now: int) -> None:
    followers.keep(conn, results)
    followers.wake(conn, [number for number, _ in question.members], question.place.followers, now)


def _give_up(conn: Connection, about: int, reason: str, now: int) -> None:
    """A person decides."""
    attempts.ask_later(conn, about, None)
    outbox.settle(conn, about, state="uncertain", now=now, reason=reason)
