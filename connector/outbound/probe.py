"""Probes: asks the vendor whether an unknown attempt landed. What the answer means is decided in `seen`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from connector.core.http import Deadline, NoAnswer, NotSent
from connector.core.log import get
from connector.core.retry import CONTROL_GOOD_MS, patiently
from connector.core.settings import Account
from connector.outbound import history, provoked
from connector.outbound import probe_decisions as decisions
from connector.outbound.apply import apply
from connector.outbound.claims import Claim
from connector.outbound.probe_decisions import SAMPLE, Grounds, Question
from connector.outbound.settle import faults_of, of_question
from connector.outbound.settlement import Settlement
from connector.store import attempts, helps, outbox
from connector.store.attempts import Attempt
from connector.store.database import Database, now_ms
from connector.store.helps import HelpState
from connector.vendors.answers import no_answer, not_sent
from connector.vendors.base import Destination, ProbeResult, Record

log = get("probe")


def probe(
    database: Database,
    account: Account,
    place: Destination,
    claim: Claim,
    vendor: Any,
    install: str,
    deadline: Deadline,
) -> None:
    """Makes the one call of the claimed probe and settles its result."""
    with database.read() as conn:
        question = _question(conn, place, claim)
        chosen = _to_ask(conn, question) if question else []
    if question is None or not chosen:
        patiently(lambda: _close(database, account, claim.attempt, question))
        return
    seen = _seen(place, vendor, chosen, question.about, install, deadline)
    patiently(lambda: _record(database, account, question, claim.attempt, seen))
    log.info(
        "probed an unknown attempt",
        account=account.name,
        attempt=question.about.id,
        asked=len(chosen),
        present=sum(seen.present.values()),
        words=seen.fault.words if seen.fault else seen.unclear,
    )


def _question(conn: Connection, place: Destination, claim: Claim) -> Question | None:
    about = attempts.get(conn, claim.attempt.about or 0)
    if about is None:
        return None
    return Question(place, about, outbox.uncertain(conn, about.id), attempts.answers(conn, about.id))


def _to_ask(conn: Connection, question: Question) -> list[Record]:
    """The records to probe now: one of the sample not probed yet, or all if one call covers all."""
    if not question.members:  # settled meanwhile: the answer to a question of before must not start another
        return []
    if question.is_control:
        return outbox.delivered_lately(conn, question.about.destination)
    fit = [record for record in question.members if record[1]]
    if not question.place.all_or_nothing:
        return [r for r in fit if not outbox.sent_before(conn, question.about.destination, r[0])]
    probed = question.answers.get("present", {})
    if question.place.exact:
        return [record for record in fit[:1] if str(record[0]) not in probed]
    if len(probed) >= SAMPLE:
        return []
    # The same order for every probe of this attempt, without preferring its first rows.
    shuffled = random.Random(question.about.id).sample(fit, len(fit))
    for record in shuffled:
        if str(record[0]) not in probed and not outbox.sent_before(conn, question.about.destination, record[0]):
            return [record]
    return []


def _seen(
    place: Destination, vendor: Any, chosen: Sequence[Record], about: Attempt, install: str, deadline: Deadline
) -> ProbeResult:
    try:
        return place.probe(vendor, chosen, about.started_at, install, deadline)
    except NotSent as fault:
        return ProbeResult(fault=not_sent(str(fault)))
    except NoAnswer as fault:
        outcome = no_answer(str(fault))
    if not place.control:
        return ProbeResult(fault=outcome)
    # A help that does not answer holds no delivery up.
    return ProbeResult(fault=replace(outcome, hold=None, hold_s=None), help=HelpState.UNKNOWN)


def _close(database: Database, account: Account, asking: Attempt, question: Question | None) -> None:
    """Nothing is left to probe: no call is made."""
    with database.write(serialise=account.name) as conn:
        now = now_ms(conn)
        if question is None or not question.members:
            if question is not None:
                attempts.ask_later(conn, question.about.id, None)
            apply(conn, Settlement(of=asking, end=decisions.unmade(asking)), None, now)
            return
        grounds = _grounds(conn, account, question, now)
        apply(conn, decisions.decide_unasked(question, asking, grounds, now), question.place, now)


def _record(database: Database, account: Account, question: Question, asking: Attempt, seen: ProbeResult) -> None:
    with database.write(serialise=account.name) as conn:
        now = now_ms(conn)
        if seen.fault is not None:
            fault = of_question(provoked.softened(seen.fault))
            faults = faults_of(conn, account.name, fault)
            decided = decisions.decide_fault(question, asking, seen, fault, faults, now)
        else:
            decided = decisions.decide_seen(question, asking, seen, _grounds(conn, account, question, now), now)
        apply(conn, decided, question.place, now)


def _grounds(conn: Connection, account: Account, question: Question, now: int) -> Grounds:
    return Grounds(_believes_absence(conn, account, question, now), history.of_absence(conn, question.about))


def _believes_absence(conn: Connection, account: Account, question: Question, now: int) -> bool:
    """Whether "not there" can be believed: the help that says it needs no proof, or found something lately."""
    name = question.place.control
    found = helps.get(conn, account.name, name) if name else None
    return not name or (found is not None and (found.worked_at or 0) > now - CONTROL_GOOD_MS)
