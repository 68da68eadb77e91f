"""``share`` of a source: its deliveries use no more of the account's day; what is beyond waits, aside."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Final

from connector.core.reasons import Code
from connector.core.settings import Source
from connector.core.states import Kind
from connector.outbound.guards.base import Guard, Members
from connector.outbound.shares import share_of, sharing
from connector.store import turns
from connector.store.lanes import ASIDE_OF, BULK, BULK_CHECK, LIVE, LIVE_CHECK
from connector.store.turns import SourceGroup

BEHIND_AT_ONCE: Final = 2_000  #: of those that no call has taken yet


class ShareGuard(Guard):
    """Runs before the caps: a delivery that it puts aside is no contact, and holds or ends no other delivery.

    So it counts some that the guards after it still keep back. If these were all that others have in a call, a source
    may exceed its share by that call.
    """

    option = "share"
    holds: ClassVar[tuple[Code, ...]] = (Code.SHARE_HELD,)

    def apply(self, members: Members) -> tuple[list[int], int]:
        sharing_here = sharing(members.destination)
        if not sharing_here or members.kind not in _LANES:
            return [], 0
        counts = _of_each(members)
        others = any(turn not in sharing_here for turn in counts)
        sharers = {turn: source for turn, source in sharing_here.items() if turn in counts}
        return [], sum(_keep_back(members, source, turn, counts[turn], others) for turn, source in sharers.items())


#: The lanes from which more deliveries are put aside, by kind of call.
_LANES: Final = {Kind.SEND: (LIVE, BULK), Kind.PRECHECK: (LIVE_CHECK, BULK_CHECK)}


def _keep_back(members: Members, source: Source, turn: int, number: int, others: bool) -> int:
    """The newest of a source for which there is no room. Returns how many of the members these are.

    ``others``: the call is made for sources without a share as well, and costs this one nothing.
    """
    conn, place, now = members.conn, members.destination, members.now
    share = share_of(conn, place, source, now)
    calls_left = share.calls_left if members.kind == Kind.SEND else share.checks_left
    goes = share.records_left if calls_left or (others and members.kind == Kind.SEND) else 0
    if goes >= number:
        return 0
    for lane in _LANES[Kind(members.kind)]:
        turns.put_all_aside(conn, place.name, lane, SourceGroup(turn), ASIDE_OF, share.reason, now, most=BEHIND_AT_ONCE)
    return turns.put_aside(conn, members.attempt, SourceGroup(turn), ASIDE_OF, share.reason, now, newest=number - goes)


def write_down(members: Members) -> None:
    """Counts the call that is about to be made for the sources that have a share. A pre-check delivers no record."""
    sharing_here = sharing(members.destination)
    if not sharing_here or members.kind not in _LANES:
        return
    counts, is_sent = _of_each(members), members.kind == Kind.SEND
    records = {source.name: counts[turn] * is_sent for turn, source in sharing_here.items() if turn in counts}
    if records:
        calls = int(all(turn in sharing_here for turn in counts))
        turns.count(
            members.conn, members.destination.account.name, members.attempt, records, calls=calls, now=members.now
        )


def _of_each(members: Members) -> Counter[int | None]:
    """How many members each source has."""
    found: Counter[int | None] = Counter()
    for one in members.alike:
        found[one.turn] += one.number
    return found
