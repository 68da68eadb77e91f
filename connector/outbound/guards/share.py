"""``share`` of a source: its deliveries use no more of the account's day; what is beyond waits, aside."""

from __future__ import annotations

from typing import ClassVar, Final

from connector.core.reasons import Code
from connector.core.settings import Source
from connector.core.states import Kind
from connector.outbound.guards.base import Guard, Members
from connector.outbound.shares import share_of, sharing
from connector.store import turns
from connector.store.lanes import BULK, LIVE

BEHIND_AT_ONCE: Final = 2_000  #: of those that no call has taken yet


class ShareGuard(Guard):
    """The last guard: only what really goes counts."""

    option = "share"
    holds: ClassVar[tuple[Code, ...]] = (Code.SHARE_HELD,)

    def ask(self, members: Members) -> tuple[list[int], int]:
        sharing_here = sharing(members.destination)
        if not sharing_here or members.kind != Kind.SEND:
            return [], 0
        taken = turns.taken_of_each(members.conn, members.attempt)
        others = any(turn not in sharing_here for turn in taken)
        mine = {turn: source for turn, source in sharing_here.items() if turn in taken}
        return [], sum(_keep_back(members, source, turn, taken[turn], others) for turn, source in mine.items())


def _keep_back(members: Members, source: Source, turn: int, taken: int, others: bool) -> int:
    """The newest of a source for which there is no room. Returns how many of the members these are.

    ``others``: the call is made for sources without a share as well, and costs this one nothing.
    """
    conn, place, now = members.conn, members.destination, members.now
    share = share_of(conn, place, source, now)
    goes = share.records_left if others or share.calls_left else 0
    if goes >= taken:
        return 0
    for lane in (LIVE, BULK):
        turns.put_all_aside(conn, place.name, lane, turn, share.reason, now, most=BEHIND_AT_ONCE)
    return turns.put_aside(conn, members.attempt, turn, share.reason, now, newest=taken - goes)


def write_down(members: Members) -> None:
    """Counts the call that is about to be made for the sources that have a share."""
    sharing_here = sharing(members.destination)
    if not sharing_here:
        return
    taken = turns.taken_of_each(members.conn, members.attempt)
    records = {source.name: taken[turn] for turn, source in sharing_here.items() if turn in taken}
    if records:
        calls = int(all(turn in sharing_here for turn in taken))
        turns.count(
            members.conn, members.destination.account.name, members.attempt, records, calls=calls, now=members.now
        )
