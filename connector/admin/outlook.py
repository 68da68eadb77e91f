"""How a delivery stands now, its obstacles, and what an operator can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import func, select

from connector.admin import guards, problems
from connector.admin.scene import Scene
from connector.core.phrases import joined, phrase
from connector.core.quota import Wait
from connector.core.reasons import Code
from connector.core.states import AccountState, DeliveryState, DestinationState, state_word
from connector.core.times import iso, unix_ms
from connector.outbound import budget
from connector.outbound.budget import Pace
from connector.store import accounts, chains, to_erase, turns
from connector.store.lanes import (
    ASIDE_LANES,
    BULK_CHECK,
    BULK_LANES,
    CEILING_LANES,
    CHECKED,
    LIMITED_LANES,
    PARKED_LANES,
)
from connector.store.outbox import SETTLED
from connector.store.processes import Role
from connector.store.tables import IN_HAND, IS_PENDING, deliveries, events, records
from connector.vendors.base import Story
from connector.vendors.destinations import name_of, places

AHEAD: Final = 10_000  #: how far a queue before a delivery is counted

_deliveries = deliveries.c
_events = events.c


def of_delivery(scene: Scene, row: Any, shown: Mapping[str, Any], story: Story | None) -> tuple[str, list[str]]:
    """How a delivery stands, in words, and what an operator can do next. ``shown``: as `explain` shows it."""
    if row.state in _UNSETTLED:
        return _UNSETTLED[row.state](scene, row, shown)
    why: list[str] = [": ", shown["reason"]] if shown["reason"] else []
    at = phrase("{state} at {at}", state=state_word(row.state), at=shown["changed_at"])
    first: list[str] = []
    if row.state == DeliveryState.DELIVERED and story is not None:
        why, first = [*why, ": ", story.now], list(story.next)
    elif row.state == DeliveryState.DELIVERED and (idle := _idle(scene, row)):
        why, first = [*why, "; ", idle], [phrase("start it at the vendor")]
    is_forgotten = scene.conn.execute(select(_events.forgotten_at).where(_events.id == row.event)).scalar() is not None
    if row.state == DeliveryState.SUPPRESSED and row.reason_code in chains.AFTER and not is_forgotten:
        after = phrase(
            "once “{route}” is delivered, by connector replay say, this follows by itself", route=shown["after"]
        )
        return joined([at, *why]), [after]
    return joined([at, *why]), first + ([] if is_forgotten else _ended_next(row, shown["delivery"]))


def _idle(scene: Scene, row: Any) -> str:
    place = places(scene.settings).get(row.account, {}).get(row.destination)
    return place.idle(scene.conn) if place else ""


def _ended_next(row: Any, name: str) -> list[str]:
    if row.state == DeliveryState.SUPPRESSED and (guard := guards.that_ended(row.reason_code)) is not None:
        return [guard.remedy(name)]
    return _ENDED_NEXT[row.state](name) if row.state in _ENDED_NEXT else []


_ENDED_NEXT: Final[Mapping[str, Callable[[str], list[str]]]] = {
    DeliveryState.DELIVERED: lambda name: [phrase("nothing is left to do; its vendor has it")],
    DeliveryState.SUPPRESSED: lambda name: [
        phrase("nothing; if it should go all the same: connector replay --delivery {delivery}", delivery=name)
    ],
    DeliveryState.DEAD: lambda name: [
        phrase("correct what the reason names, then connector replay --delivery {delivery}", delivery=name)
    ],
}


def _sending(scene: Scene, row: Any, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    deadline = shown["attempts"][-1]["deadline"] if shown["attempts"] else phrase("its deadline")
    sentence = phrase(
        "in a call now; without an answer by {deadline} it counts as unknown, and is not sent again blindly",
        deadline=deadline,
    )
    return sentence, [phrase("wait")]


def _uncertain(scene: Scene, row: Any, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    parts: list[str] = [phrase("uncertain: {reason}", reason=shown["reason"])]
    last = shown["attempts"][-1] if shown["attempts"] else None
    steps: list[str] = []
    if last is not None and last["asks_again_at"]:
        stand = account_stand(scene, row.account)
        due = unix_ms(last["asks_again_at"]) <= scene.now
        again = phrase("; the vendor is asked (again) at {at}", at=last["asks_again_at"])
        parts.append(phrase("; the vendor is asked next") if due else again)
        parts.append(phrase(", but {stand}", stand=stand) if stand else "")
        steps.append(phrase("wait for the vendor's answer"))
    look = "look for it at the vendor, then connector resolve {delivery} --landed, or --resend if it is not there"
    steps.append(phrase(look, delivery=shown["delivery"]))
    others = _uncertain_with(scene, row)
    if last is not None and others:
        more = "{number} more of the same call: connector resolve {attempt} --landed | --resend for all"
        steps.append(phrase(more, number=others, attempt=last["attempt"]))
    return joined(parts), steps


def _uncertain_with(scene: Scene, row: Any) -> int:
    query = select(func.count()).where(_deliveries.attempt == row.attempt, IN_HAND, _deliveries.id != row.id)
    return int(scene.conn.execute(query).scalar_one())


def _pending(scene: Scene, row: Any, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    why = joined([" (", shown["reason"], ")"]) if shown["reason"] else ""
    for obstacle in _OBSTACLES:
        if found := obstacle(scene, row):
            return phrase("waiting{why}: {obstacle}", why=why, obstacle=found[0]), [found[1]]
    facts = {"why": why, "ahead": _ahead(scene, row)}
    if row.lane in CHECKED:
        asks = "waiting for its turn, and the vendor is asked first whether it may be sent{why}: {ahead}"
        return phrase(asks, **facts), [_worker(scene)]
    return phrase("waiting for its turn{why}: {ahead}", **facts), [_worker(scene)]


def _worker(scene: Scene) -> str:
    """The advice if it only waits for a worker."""
    why = problems.nobody(scene.conn, Role.WORKER, scene.now)
    if not why:
        return phrase("nothing: a worker takes it")
    return phrase("{why}: connector work, or connector run", why=why)


Obstacle = tuple[str, str] | None  #: the obstacle, and what to do about it


def _parked(scene: Scene, row: Any) -> Obstacle:
    """The delivery before it is not settled yet; or it is being settled now."""
    if row.lane not in PARKED_LANES or row.expires_at <= scene.now:
        return None
    if row.reason_code == Code.NUMBERS_AGAIN:
        return _made_again(scene, row)
    after = scene.conn.execute(select(records.c.after).where(records.c.delivery == row.id)).scalar()
    before = chains.before(scene.conn, row.event, after) if after else None
    if before is None or before.state in SETTLED:
        return phrase("what it waited for is settled"), _worker(scene)
    facts = {"route": after, "delivery": f"d{before.id}", "state": state_word(before.state)}
    sentence = phrase("it comes after “{route}”, whose delivery {delivery} is {state}", **facts)
    if before.state == DeliveryState.UNCERTAIN:
        return sentence, phrase("connector resolve {delivery} --landed | --resend", delivery=facts["delivery"])
    return sentence, phrase("wait; connector explain {delivery} tells how that stands", delivery=facts["delivery"])


def _made_again(scene: Scene, row: Any) -> Obstacle:
    source = scene.conn.execute(select(_events.source).where(_events.id == row.event)).scalar() or ""
    if source in scene.settings.sources:
        return phrase("its record is made again"), _worker(scene)
    sentence = phrase("its source {source} left the configuration, so its record cannot be made again", source=source)
    return sentence, phrase("put a source of that name and mapping back before it expires")


def _aside(scene: Scene, row: Any) -> Obstacle:
    """The obstacle of a delivery that waits for room in a share, a limit or a ceiling of calls."""
    if row.lane not in (*ASIDE_LANES, *LIMITED_LANES, *CEILING_LANES) or row.expires_at <= scene.now:
        return None
    if row.lane in CEILING_LANES:
        return _ahead(scene, row), phrase("wait, or raise calls_per_day")
    if row.lane in LIMITED_LANES:
        return _ahead(scene, row), phrase("wait, or raise the source's limit")
    source = scene.conn.execute(select(_events.source).where(_events.id == row.event)).scalar() or ""
    frees_at = turns.frees_at(scene.conn, row.account, source, scene.now)
    at = phrase("; the first of its calls is free again at {at}", at=iso(frees_at)) if frees_at else ""
    return joined([_ahead(scene, row), at]), phrase("wait, or raise the source's share")


def _gone(scene: Scene, row: Any) -> Obstacle:
    if row.account not in scene.settings.accounts:
        return (
            phrase("its account {account} left the configuration", account=row.account),
            phrase("put the account back, or leave it: nothing is lost"),
        )
    if row.destination not in {name_of(route) for route in scene.settings.routes}:
        return (
            phrase("its route “{route}” left the configuration", route=row.route),
            phrase("put a route of that name back: it is followed at start"),
        )
    return None


def _account_closed(scene: Scene, row: Any) -> Obstacle:
    stand = _account_row(scene, row.account)
    if stand is None or stand.state == AccountState.OPEN:
        return None
    facts = {"account": row.account, "state": state_word(stand.state), "reason": scene.reason(stand.reason)}
    return phrase("{account} is {state}: {reason}", **facts), _resume(row.account)


def _resume(account: str) -> str:
    return phrase("once that is settled: connector resume {account}", account=account)


def _account_row(scene: Scene, name: str) -> accounts.AccountStanding | None:
    return next((one for one in accounts.all_accounts(scene.conn) if one.name == name), None)


def account_stand(scene: Scene, name: str) -> str:
    """That an account is not open, in words; "" where it is."""
    stand = _account_row(scene, name)
    if stand is None or stand.state == AccountState.OPEN:
        return ""
    return phrase("{account} is {state}", account=name, state=state_word(stand.state))


def _stopped(scene: Scene, row: Any) -> Obstacle:
    for stand in accounts.of_account(scene.conn, row.account):
        if stand.name == row.destination and stand.state == DestinationState.STOPPED:
            return scene.reason(stand.reason), _resume(row.account)
    return None


def _expired(scene: Scene, row: Any) -> Obstacle:
    if row.expires_at > scene.now:
        return None
    if to_erase.is_marked(row.expires_at):
        return phrase("a person asked for it to be erased, and it ends when its turn comes"), phrase("nothing")
    return phrase("it expired at {at}, and ends when its turn comes", at=iso(row.expires_at)), phrase("nothing")


def _not_due(scene: Scene, row: Any) -> Obstacle:
    if row.due_at <= scene.now:
        return None
    return phrase("not before {at}", at=iso(row.due_at)), phrase("wait")


def _held(scene: Scene, row: Any) -> Obstacle:
    stand = _account_row(scene, row.account)
    if stand is None or stand.hold_until <= scene.now:
        return None
    facts = {"account": row.account, "at": iso(stand.hold_until), "reason": scene.reason(stand.hold_reason)}
    why = phrase("{account} is held until {at}: {reason}", **facts)
    return why, phrase("wait; not to wait: connector resume {account}", account=row.account)


def _unprepared(scene: Scene, row: Any) -> Obstacle:
    """The needs of the destination itself before it sends."""
    place = places(scene.settings).get(row.account, {}).get(row.destination)
    return place.obstacle(scene.conn) if place else None


def _no_slot(scene: Scene, row: Any) -> Obstacle:
    account = scene.settings.accounts[row.account]
    stand = _account_row(scene, row.account)
    if stand is None:
        return None
    room = budget.read_room(scene.conn, account, stand, scene.now)
    answer = room.answer
    if not isinstance(answer, Wait):
        paced = Pace(room).wait(bulk=row.lane in (*BULK_LANES, BULK_CHECK), asks=row.lane in CHECKED)
        if paced is None:
            return None
        answer = paced
    if answer.seconds is None:
        return answer.why, phrase("wait")
    free = phrase(
        "{why}; the next slot is free in {seconds:.0f} s at the latest", why=answer.why, seconds=answer.seconds
    )
    return free, phrase("wait")


def _ahead(scene: Scene, row: Any) -> str:
    before = select(_deliveries.id).where(
        IS_PENDING,
        _deliveries.destination == row.destination,
        _deliveries.lane == row.lane,
        _deliveries.due_at <= row.due_at,
        _deliveries.id < row.id,
    )
    number = scene.conn.execute(select(func.count()).select_from(before.limit(AHEAD).subquery())).scalar_one()
    if not number:
        return phrase("it is next")
    template = "{number} or more before it" if number >= AHEAD else "{number} before it"
    return phrase(template, number=number)


#: In this order: the first that there is, is told.
_OBSTACLES: Final = (
    *(_parked, _aside, _gone, _account_closed, _stopped),
    *(_expired, _not_due, _held, _unprepared, _no_slot),
)
_UNSETTLED: Final = {
    DeliveryState.PENDING: _pending,
    DeliveryState.SENDING: _sending,
    DeliveryState.UNCERTAIN: _uncertain,
}
