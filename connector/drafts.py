"""Draft lots at Tracksale: looked at, fired, discarded. What a person asks for is done once, or known not to be done.

The vendor has one shared draft lot for each campaign; firing it surveys everybody in it, also whom people put there by
hand. So it is looked at a second time just before, and must be as it was shown. A call whose outcome is not known is
never repeated: the vendor's list tells what became of the lot.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from sqlalchemy import Connection

from connector import asking, calls, lots
from connector.asking import NotAsked
from connector.client import Answer, Deadline, patiently
from connector.db import Database, now_ms
from connector.destinations import tracksale as meanings
from connector.destinations.base import delivered, refused, unrecognised
from connector.errors import ConnectorError, StoreUnavailable
from connector.lots import Lot, Ours
from connector.outcomes import Draft, Outcome
from connector.quota import Wait
from connector.settings import Account, Settings
from connector.vendors import VENDORS, Tracksale
from connector.vendors.tracksale import (
    PAGE_LEAST,
    PAGE_MOST,
    Person,
    body_of,
    customers_of,
    discarded_of,
    dispatched_of,
    fault_of,
    lots_of,
)

KIND: Final = "lots"  #: of its calls, in the log
ENDED_SHOWN_MS: Final = 30 * 24 * 3600 * 1000  #: how long a lot that is no draft any more is listed


@dataclass(frozen=True, slots=True)
class Seen:
    """A lot: what the vendor lists beside what we know. ``customers`` None: not listed, or not said."""

    account: str
    campaign: str
    code: str
    state: str  #: draft | fired | discarded | gone
    listed: bool
    customers: int | None
    created: str  #: as the vendor writes it
    ours: Ours
    known: Lot | None

    @property
    def others(self) -> int | None:
        """How many the connector did not put there."""
        return None if self.customers is None else max(0, self.customers - self.ours.count)

    @property
    def content(self) -> tuple[str, str, int | None]:
        """What must not have changed between showing and acting."""
        return self.code, self.created, self.customers


@dataclass(frozen=True, slots=True)
class Content:
    """Who is in a lot, as far as the vendor's report shows it. It may lag, or not show drafts at all."""

    ours: Sequence[Person]
    others: Sequence[Person]


class Drafts:
    """The draft lots of one account. Raises `NotAsked` where the vendor cannot be asked now."""

    def __init__(self, settings: Settings, database: Database, account: Account) -> None:
        self._settings = settings
        self._database = database
        self._account = account
        self._vendor = cast(Tracksale, VENDORS[account.vendor](account))

    def close(self) -> None:
        self._vendor.close()

    # Looking

    def campaigns(self) -> list[str]:
        """Where there may be a draft lot: what routes name, and where we know of one."""
        routes = [r for r in self._settings.routes if r.account == self._account.name]
        named = [str(r.options["campaign_code"]) for r in routes if r.options.get("schedule") == "draft"]
        with self._database.read() as conn:
            known = lots.campaigns(conn, self._account.name)
        return list(dict.fromkeys([*named, *known]))

    def look(self, campaign: str) -> list[Seen]:
        """The campaign's draft lots, and those that ended lately. What became of ours is written down."""
        with self._database.read() as conn:
            begun = now_ms(conn)
        answer = asking.asked(
            self._database,
            self._account,
            KIND,
            lambda deadline: self._vendor.draft_lots(campaign, deadline=deadline),
            _read,
        )
        found = {lot.code: lot for lot in lots_of(body_of(answer)) if lot.code}
        with self._database.write(serialise=self._account.name) as conn:
            self._learn(conn, campaign, set(found), begun)
            now = now_ms(conn)
            some = lots.of_campaign(conn, self._account.name, campaign)
            known = {k.code: k for k in some if k.code in found or k.changed_at >= now - ENDED_SHOWN_MS}
            ours = {code: lots.ours(conn, lot.id) for code, lot in known.items()}
        return [
            Seen(
                account=self._account.name,
                campaign=campaign,
                code=code,
                state=known[code].state if code in known else "draft",
                listed=code in found,
                customers=found[code].total_dispatches if code in found else None,
                created=found[code].create_time if code in found else "",
                ours=ours.get(code, Ours()),
                known=known.get(code),
            )
            for code in dict.fromkeys([*found, *known])
        ]

    def _learn(self, conn: Connection, campaign: str, listed: set[str], begun: int) -> None:
        """By the vendor's list as it was asked for at ``begun``: what became of the lots that we know."""
        now = now_ms(conn)
        for lot in lots.of_campaign(conn, self._account.name, campaign):
            if lot.code in listed:
                if lot.state == "gone":
                    lots.become(conn, lot.id, "draft", now)
                elif lot.asked and lot.asked_until is not None and lot.asked_until <= begun:
                    lots.not_done(conn, lot.id)
            elif lot.state == "draft" and max(lot.changed_at, lots.ours(conn, lot.id).last_at or 0) < begun:
                lots.become(conn, lot.id, lots.DONE.get(lot.asked or "", "gone"), now)

    def find(self, campaign: str, code: str) -> Seen:
        """A lot that is a draft now, and may be fired or discarded. Raises `ConnectorError` when it is not."""
        seen = {one.code: one for one in self.look(campaign)}
        lot = seen.get(code)
        if lot is None or not lot.listed or lot.state != "draft":
            raise ConnectorError(_no_draft(campaign, code, lot, [one.code for one in seen.values() if one.listed]))
        if lot.known is not None and lot.known.asked is not None:
            raise ConnectorError(
                f"lot {code}: {_ASKED[lot.known.asked]} before, and it is not known yet whether that was done: "
                "look again in a minute with connector lots"
            )
        return lot

    def content(self, lot: Seen) -> Content:
        """Who is in it, by the vendor's report: one call, for 10,000 at the most."""
        limit = min(PAGE_MOST, max(PAGE_LEAST, lot.customers or 0))
        answer = asking.asked(
            self._database,
            self._account,
            KIND,
            lambda deadline: self._vendor.paged_lot(lot.code, limit=limit, deadline=deadline),
            _shown,
        )
        people = [one.person for one in dispatched_of(body_of(answer))]
        with self._database.read() as conn:
            kept = lots.records_of(conn, lot.known.id) if lot.known else []
        mine = {identity for record in kept for identity in meanings.identities(orjson.loads(record))}
        is_ours = [bool(meanings.identities(_fields(person)) & mine) for person in people]
        return Content(
            ours=[person for person, ours in zip(people, is_ours, strict=True) if ours],
            others=[person for person, ours in zip(people, is_ours, strict=True) if not ours],
        )

    # Acting

    def fire(self, shown: Seen, *, at_ms: int | None) -> int:
        """Has everybody in the lot surveyed, at that time or now. How many these are, as the vendor says."""
        time_s = 0 if at_ms is None else at_ms // 1000
        answer = self._act(
            shown,
            "fire",
            lambda deadline: self._vendor.fire_lot(shown.campaign, shown.code, time=time_s, deadline=deadline),
            _fired,
            at_ms,
        )
        return customers_of(body_of(answer)) or 0

    def discard(self, shown: Seen) -> None:
        """Throws the lot away. Deliveries of ours in it end unsent."""
        self._act(
            shown,
            "discard",
            lambda deadline: self._vendor.discard_lot(shown.campaign, shown.code, deadline=deadline),
            _discarded,
            None,
        )

    def _act(
        self,
        shown: Seen,
        what: str,
        call: Callable[[Deadline], Answer],
        means: Callable[[Answer], Outcome],
        fires_at: int | None,
    ) -> Answer:
        """One call, at most: looked at again before it, written down before it, and settled by what it brings."""
        again = self.find(shown.campaign, shown.code)
        if again.content != shown.content:
            raise ConnectorError(
                f"lot {shown.code} has changed since it was shown (customers: {_many(shown)}, now {_many(again)}): "
                "nothing was done, look at it again"
            )
        number = self._write_down(shown, what, fires_at)
        try:
            answer, said = calls.ask(self._database, self._account, KIND, call, means, patience_s=asking.PATIENCE_S)
        except StoreUnavailable:  # before the call, or after it
            raise ConnectorError(f"lot {shown.code} {_DOUBT[what]}") from None
        if isinstance(said, Wait) or said.attempt in ("rejected", "not_sent"):
            self._settle(lambda conn, now: lots.not_done(conn, number))
            raise NotAsked(f"lot {shown.code} is untouched: {asking.why_not(self._account, said)}")
        if said.attempt != "accepted" or answer is None:
            raise ConnectorError(f"lot {shown.code} {_DOUBT[what]} ({asking.why_not(self._account, said)})")
        self._settle(lambda conn, now: lots.become(conn, number, lots.DONE[what], now))
        return answer

    def _write_down(self, shown: Seen, what: str, fires_at: int | None) -> int:
        until_ms = int((asking.PATIENCE_S + self._account.timeout_s) * 1000)
        with self._database.write(serialise=self._account.name) as conn:
            now = now_ms(conn)
            lot = lots.ensure(conn, self._account.name, Draft(shown.campaign, shown.code), now)
            if not lots.ask(conn, lot.id, what, fires_at=fires_at, until=now + until_ms, now=now):
                raise ConnectorError(f"lot {shown.code}: somebody else is at it this moment; connector lots shows what")
            return lot.id

    def _settle(self, change: Callable[[Connection, int], None]) -> None:
        def settle() -> None:
            with self._database.write(serialise=self._account.name) as conn:
                change(conn, now_ms(conn))

        patiently(settle)


@contextlib.contextmanager
def opened(settings: Settings, database: Database, account: Account) -> Iterator[Drafts]:
    """An account's draft lots, with its connections closed at the end."""
    with contextlib.closing(Drafts(settings, database, account)) as drafts:
        yield drafts


_ASKED: Final = {"fire": "firing it was asked for", "discard": "discarding it was asked for"}
_DOUBT: Final = {
    "fire": "may have been sent: it is not sent again; look with connector lots whether it is still a draft",
    "discard": "may be gone: look with connector lots whether it is still a draft",
}


def _no_draft(campaign: str, code: str, lot: Seen | None, others: Sequence[str]) -> str:
    there = f"; there is {', '.join(others)}" if others else ""
    if lot is None:
        return f"campaign {campaign} has no draft lot {code}{there}"
    return f"lot {code} of campaign {campaign} is no draft any more: it is {lot.state}{there}"


def _many(lot: Seen) -> str:
    return "unknown" if lot.customers is None else str(lot.customers)


def _fields(person: Person) -> dict[str, Any]:
    return {"email": person.email, "phone": person.phone, "identification": person.identification}


# --- what answers mean ----------------------------------------------------------------------------------------------


def _read(answer: Answer) -> Outcome:
    return meanings.meaning(answer) or (
        delivered(answer) if 200 <= answer.status < 300 else unrecognised(answer, f"HTTP {answer.status}")
    )


def _shown(answer: Answer) -> Outcome:
    """The report is another host's, and only shows: whatever it refuses, the account goes on. Not past a limit."""
    fault = fault_of(answer)
    if fault in ("captcha", "slow"):
        return _read(answer)
    return refused(answer, f"{answer.status} from Tracksale's report") if fault else delivered(answer)


def _fired(answer: Answer) -> Outcome:
    """Done is what says how many are surveyed; "msg" is in any language and says nothing reliable."""
    fault = meanings.meaning(answer)
    if fault is None and customers_of(answer.json()) is None:
        return unrecognised(answer, "without a number of customers")
    return fault or delivered(answer)


def _discarded(answer: Answer) -> Outcome:
    fault, success = meanings.meaning(answer), discarded_of(answer.json())
    if fault is None and success is False:
        return refused(answer, "Tracksale says that it was not discarded")
    return fault or (delivered(answer) if success else unrecognised(answer, "without a success"))
