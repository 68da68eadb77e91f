"""Writes a settlement: the statements, in one order, and no decision."""

from __future__ import annotations

from sqlalchemy import Connection

from connector.core.log import get
from connector.core.reasons import Code, Reason
from connector.core.states import DeliveryState
from connector.outbound import groups
from connector.outbound.settlement import (
    AccountChange,
    Blamed,
    Blocked,
    DestinationChange,
    End,
    Held,
    Members,
    Settlement,
)
from connector.store import accounts, attempts, chains, contacts, helps, once_keys, outbox
from connector.store.database import announce
from connector.vendors.base import Destination

log = get("settle")


def apply(conn: Connection, settlement: Settlement, place: Destination | None, now: int) -> bool:
    """Writes all of it, under the account's lock. False: somebody had settled the call before, and that stands."""
    attempt = settlement.of
    if settlement.end is not None and not _end(conn, settlement.end, now) and settlement.once:
        return False
    for end in settlement.also_ends:
        _end(conn, end, now)
    if settlement.help is not None:
        note = settlement.help
        helps.note(conn, attempt.account, note.name, note.state, now, words=note.words)
    if settlement.account is not None:
        change_account(conn, attempt.account, settlement.account, now)
    if settlement.destination is not None:
        _destination(conn, attempt.destination, settlement.destination, now)
    _members(conn, attempt.id, settlement.members, now)
    if settlement.blamed is not None:
        _blame(conn, settlement.blamed, now)
    if settlement.checks_from is not None:
        outbox.put_off_checks(conn, attempt.destination, settlement.checks_from)
    if settlement.ask is not None:
        answers = settlement.ask.answers
        attempts.ask_later(conn, attempt.id, settlement.ask.when, None if answers is None else dict(answers))
    _others(conn, settlement, place, now)
    announce(conn)
    _log(settlement)
    return True


def _log(settlement: Settlement) -> None:
    """Logs the changes that a person should see at once."""
    of = {"account": settlement.of.account, "destination": settlement.of.destination}
    if settlement.blamed is not None and isinstance(settlement.account, Blocked):
        log.error("account blocked", **of, words=str(settlement.account.reason))
    codes = {group.reason.code for group in settlement.members.groups if group.reason is not None}
    if Code.PROVOKED_END in codes:
        log.error("record set apart", **of, delivery=settlement.members.died[0])


def change_account(conn: Connection, account: str, change: AccountChange, now: int) -> None:
    """Blocks, holds or clears the account."""
    match change:
        case Blocked(reason):
            accounts.block(conn, account, _with_sources(conn, account, reason), now)
        case Held(reason, until, asks_budget):
            if asks_budget:  # asking now would be one call more beyond the limit: when the hold is over
                accounts.ask_budget(conn, account, now)
            accounts.hold(conn, account, reason, until)
        case _:
            accounts.well(conn, account, now)


def _with_sources(conn: Connection, account: str, block: Reason) -> Reason:
    """Adds to the reason of a full cap of records the sources that filled it lately, the fullest first."""
    found = outbox.delivered_by_source(conn, account) if block.code is Code.BLOCKED_LICENCES else []
    if not found:
        return block
    filled = ", ".join(f"{source} {count:,}" for source, count in found)
    return Reason(block.code, {**block.facts, "words": f"{block.facts.get('words', '')}; filled lately by {filled}"})


def _end(conn: Connection, end: End, now: int) -> bool:
    return attempts.finish(conn, end.attempt, state=end.state, now=now, status=end.status, words=end.words)


def _destination(conn: Connection, name: str, change: DestinationChange, now: int) -> None:
    if change.accepted:
        accounts.accepted(conn, name, now)
    if change.released:  # before the members: those that wait from now on wait for another sign
        outbox.release_splits(conn, name, now)
    if change.refusals is not None:
        accounts.refuse(conn, name, list(change.refusals))
    if change.stopped is not None:
        accounts.stop(conn, name, change.stopped, now)


def _members(conn: Connection, attempt: int, members: Members, now: int) -> None:
    groups.write(conn, attempt, members.groups, now)
    if members.ones:
        outbox.settle_each(conn, attempt, [(one.id, one.state, one.reason, one.due_at) for one in members.ones], now)
    if members.apart:
        outbox.set_apart(conn, members.apart)
    if members.died:
        once_keys.revive_copies(conn, members.died, now)


def _blame(conn: Connection, blamed: Blamed, now: int) -> None:
    outbox.say_of(conn, blamed.ids, Code.PROVOKED_BLOCK)
    outbox.end(conn, blamed.ended, DeliveryState.DEAD, now)
    once_keys.revive_copies(conn, blamed.ended, now)


def _others(conn: Connection, settlement: Settlement, place: Destination | None, now: int) -> None:
    """Informs draft lots, caps and dependent deliveries of the members' new states."""
    if settlement.unsent:
        contacts.free(conn, list(settlement.unsent), settlement.of.id, now)
    chains.keep(conn, settlement.results)
    if place is None:
        return
    for draft, members in settlement.drafts:
        place.settled(conn, draft, members, since=settlement.of.started_at, now=now)
    chains.wake(conn, settlement.wakes, place.followers, now)
