"""Draft lots at Tracksale: listed, fired, discarded. An order is executed once, or known not to be executed.

The vendor has one shared draft lot for each campaign; firing it surveys everybody in it, including people who were
added by hand. So it is read again just before, and must be as it was shown. A call with an unknown outcome is never
repeated: the vendor's list shows what happened to the lot.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.http import Answer, Deadline
from connector.core.outcomes import Draft, Outcome
from connector.core.phrases import phrase
from connector.core.quota import Wait
from connector.core.retry import patiently
from connector.core.settings import Account, Settings
from connector.core.states import AttemptState, Kind, LotState, state_word
from connector.store.database import Database, now_ms
from connector.vendors.answers import delivered, refused, unrecognised
from connector.vendors.caller import Caller, NotCalled
from connector.vendors.tracksale import draft_lot_store
from connector.vendors.tracksale.answers import meaning
from connector.vendors.tracksale.api import PAGE_LEAST, PAGE_MOST, Tracksale
from connector.vendors.tracksale.draft_lot_store import Lot, Ours
from connector.vendors.tracksale.matching import identities
from connector.vendors.tracksale.readers import (
    Person,
    body_of,
    customers_of,
    discarded_of,
    dispatched_of,
    fault_of,
    lots_of,
)

ENDED_SHOWN_MS: Final = 30 * 24 * 3600 * 1000  #: how long a lot that is no longer a draft is listed


@dataclass(frozen=True, slots=True)
class ShownLot:
    """A lot: the vendor's list beside our knowledge. ``customers`` None: not listed, or not given."""

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
        """The values that must not have changed between showing and acting."""
        return self.code, self.created, self.customers


@dataclass(frozen=True, slots=True)
class Content:
    """The members of a lot, as far as the vendor's report shows them. It may lag, or not show drafts at all."""

    ours: Sequence[Person]
    others: Sequence[Person]


class Drafts:
    """The draft lots of one account. Raises `NotCalled` if the vendor cannot be called now."""

    def __init__(self, settings: Settings, database: Database, account: Account, caller: Caller) -> None:
        self._settings = settings
        self._database = database
        self._account = account
        self._caller = caller
        self._vendor = Tracksale.of(account)

    def close(self) -> None:
        self._vendor.close()

    # Looking

    def campaigns(self) -> list[str]:
        """Where there may be a draft lot: what routes name, and where we know of one."""
        routes = [r for r in self._settings.routes if r.account == self._account.name]
        named = [str(r.options["campaign_code"]) for r in routes if r.options.get("schedule") == "draft"]
        with self._database.read() as conn:
            known = draft_lot_store.campaigns(conn, self._account.name)
        return list(dict.fromkeys([*named, *known]))

    def lots(self, campaign: str) -> list[ShownLot]:
        """The campaign's draft lots, and those that ended lately. The end of our lots is stored."""
        with self._database.read() as conn:
            begun = now_ms(conn)
        answer = self._caller.accepted_answer(
            Kind.LOTS,
            lambda deadline: self._vendor.draft_lots(campaign, deadline=deadline),
            _read,
        )
        found = {lot.code: lot for lot in lots_of(body_of(answer)) if lot.code}
        with self._database.write(serialise=self._account.name) as conn:
            self._learn(conn, campaign, set(found), begun)
            now = now_ms(conn)
            some = draft_lot_store.of_campaign(conn, self._account.name, campaign)
            known = {k.code: k for k in some if k.code in found or k.changed_at >= now - ENDED_SHOWN_MS}
            ours = {code: draft_lot_store.ours(conn, lot.id) for code, lot in known.items()}
        return [
            ShownLot(
                account=self._account.name,
                campaign=campaign,
                code=code,
                state=known[code].state if code in known else LotState.DRAFT,
                listed=code in found,
                customers=found[code].total_dispatches if code in found else None,
                created=found[code].create_time if code in found else "",
                ours=ours.get(code, Ours()),
                known=known.get(code),
            )
            for code in dict.fromkeys([*found, *known])
        ]

    def _learn(self, conn: Connection, campaign: str, listed: set[str], begun: int) -> None:
        """Stores the states of our lots, by the vendor's list as requested at ``begun``."""
        now = now_ms(conn)
        for lot in draft_lot_store.of_campaign(conn, self._account.name, campaign):
            if lot.code in listed:
                if lot.state == LotState.GONE:
                    draft_lot_store.become(conn, lot.id, LotState.DRAFT, now)
                elif lot.asked and lot.asked_until is not None and lot.asked_until <= begun:
                    draft_lot_store.not_done(conn, lot.id)
            elif (
                lot.state == LotState.DRAFT
                and max(lot.changed_at, draft_lot_store.ours(conn, lot.id).last_at or 0) < begun
            ):
                draft_lot_store.become(conn, lot.id, draft_lot_store.DONE.get(lot.asked or "", LotState.GONE), now)

    def find(self, campaign: str, code: str) -> ShownLot:
        """A lot that is a draft now, and may be fired or discarded. Raises `ConnectorError` when it is not."""
        seen = {one.code: one for one in self.lots(campaign)}
        lot = seen.get(code)
        if lot is None or not lot.listed or lot.state != LotState.DRAFT:
            raise ConnectorError(_no_draft(campaign, code, lot, [one.code for one in seen.values() if one.listed]))
        if lot.known is not None and lot.known.asked is not None:
            template = "lot {lot}: {what} before, and it is not known yet whether that was done: look again in a minute"
            raise ConnectorError(phrase(template, lot=code, what=_ORDERED[lot.known.asked]))
        return lot

    def content(self, lot: ShownLot) -> Content:
        """Its members by the vendor's report: one call, for 10,000 at most."""
        limit = min(PAGE_MOST, max(PAGE_LEAST, lot.customers or 0))
        answer = self._caller.accepted_answer(
            Kind.LOTS,
            lambda deadline: self._vendor.paged_lot(lot.code, limit=limit, deadline=deadline),
            _shown,
        )
        people = [one.person for one in dispatched_of(body_of(answer))]
        with self._database.read() as conn:
            stored = draft_lot_store.records_of(conn, lot.known.id) if lot.known else []
        mine = {identity for record in stored for identity in identities(orjson.loads(record))}
        is_ours = [bool(identities(_fields(person)) & mine) for person in people]
        return Content(
            ours=[person for person, ours in zip(people, is_ours, strict=True) if ours],
            others=[person for person, ours in zip(people, is_ours, strict=True) if not ours],
        )

    # Acting

    def fire(self, shown: ShownLot, *, at_ms: int | None) -> int:
        """Surveys everybody in the lot, at that time or now. Returns how many these are by the vendor's count."""
        time_s = 0 if at_ms is None else at_ms // 1000
        answer = self._act(
            shown,
            "fire",
            lambda deadline: self._vendor.fire_lot(shown.campaign, shown.code, time=time_s, deadline=deadline),
            _fired,
            at_ms,
        )
        return customers_of(body_of(answer)) or 0

    def discard(self, shown: ShownLot) -> None:
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
        shown: ShownLot,
        what: str,
        call: Callable[[Deadline], Answer],
        means: Callable[[Answer], Outcome],
        fires_at: int | None,
    ) -> Answer:
        """One call at most: the lot is read again before it, the order stored before it and settled by its result."""
        again = self.find(shown.campaign, shown.code)
        if again.content != shown.content:
            changed = (
                "lot {lot} has changed since it was shown (customers: {before}, now {now}): "
                "nothing was done, look at it again"
            )
            raise ConnectorError(phrase(changed, lot=shown.code, before=_many(shown), now=_many(again)))
        number = self._write_down(shown, what, fires_at)
        try:
            answer, result = self._caller.make_call(Kind.LOTS, call, means)
        except StoreUnavailable:  # before the call, or after it
            raise ConnectorError(phrase("lot {code} {doubt}", code=shown.code, doubt=_DOUBT[what])) from None
        if isinstance(result, Wait) or result.attempt in (AttemptState.REJECTED, AttemptState.NOT_SENT):
            self._settle(lambda conn, now: draft_lot_store.not_done(conn, number))
            raise NotCalled(
                phrase("lot {code} is untouched: {why_not}", code=shown.code, why_not=self._caller.why_not(result))
            )
        if result.attempt != AttemptState.ACCEPTED or answer is None:
            raise ConnectorError(
                phrase(
                    "lot {code} {doubt} ({why_not})",
                    code=shown.code,
                    doubt=_DOUBT[what],
                    why_not=self._caller.why_not(result),
                )
            )
        self._settle(lambda conn, now: draft_lot_store.become(conn, number, draft_lot_store.DONE[what], now))
        return answer

    def _write_down(self, shown: ShownLot, what: str, fires_at: int | None) -> int:
        until_ms = int((self._caller.patience_s + self._account.timeout_s) * 1000)
        with self._database.write(serialise=self._account.name) as conn:
            now = now_ms(conn)
            lot = draft_lot_store.ensure(conn, self._account.name, Draft(shown.campaign, shown.code), now)
            if not draft_lot_store.order(conn, lot.id, what, fires_at=fires_at, until=now + until_ms, now=now):
                raise ConnectorError(
                    phrase("lot {code}: somebody else is at it this moment; connector lots shows what", code=shown.code)
                )
            return lot.id

    def _settle(self, change: Callable[[Connection, int], None]) -> None:
        def settle() -> None:
            with self._database.write(serialise=self._account.name) as conn:
                change(conn, now_ms(conn))

        patiently(settle)


@contextlib.contextmanager
def opened(settings: Settings, database: Database, account: Account, caller: Caller) -> Iterator[Drafts]:
    """An account's draft lots, with its connections closed at the end."""
    with contextlib.closing(Drafts(settings, database, account, caller)) as drafts:
        yield drafts


_ORDERED: Final = {"fire": phrase("firing it was asked for"), "discard": phrase("discarding it was asked for")}
_DOUBT: Final = {
    "fire": phrase("may have been sent: it is not sent again; look with connector lots whether it is still a draft"),
    "discard": phrase("may be gone: look with connector lots whether it is still a draft"),
}


def _no_draft(campaign: str, code: str, lot: ShownLot | None, others: Sequence[str]) -> str:
    there = phrase("; there is {lots}", lots=", ".join(others)) if others else ""
    facts = {"campaign": campaign, "lot": code, "there": there}
    if lot is None:
        return phrase("campaign {campaign} has no draft lot {lot}{there}", **facts)
    template = "lot {lot} of campaign {campaign} is no draft any more: it is {state}{there}"
    return phrase(template, **facts, state=state_word(lot.state))


def _many(lot: ShownLot) -> str:
    return "unknown" if lot.customers is None else str(lot.customers)


def _fields(person: Person) -> dict[str, Any]:
    return {"email": person.email, "phone": person.phone, "identification": person.identification}


# --- what answers mean ----------------------------------------------------------------------------------------------


def _read(answer: Answer) -> Outcome:
    return meaning(answer) or (
        delivered(answer) if 200 <= answer.status < 300 else unrecognised(answer, f"HTTP {answer.status}")
    )


def _shown(answer: Answer) -> Outcome:
    """The report is on another host and only informs: if it refuses, the account goes on. A limit still counts."""
    fault = fault_of(answer)
    if fault in ("captcha", "slow"):
        return _read(answer)
    return refused(answer, f"{answer.status} from Tracksale's report") if fault else delivered(answer)


def _fired(answer: Answer) -> Outcome:
    """An answer that counts the surveyed people is done; "msg" may be in any language and is not reliable."""
    fault = meaning(answer)
    if fault is None and customers_of(answer.json()) is None:
        return unrecognised(answer, "without a number of customers")
    return fault or delivered(answer)


def _discarded(answer: Answer) -> Outcome:
    fault, success = meaning(answer), discarded_of(answer.json())
    if fault is None and success is False:
        return refused(answer, "Tracksale says that it was not discarded")
    return fault or (delivered(answer) if success else unrecognised(answer, "without a success"))
