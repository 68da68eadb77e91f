"""Consent: nobody is contacted without proof if the route or the law of their country demands it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from connector.core.openings import RoutePlan
from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.settings import Route
from connector.core.times import DAY_MS
from connector.outbound.guards.base import Guard, Members
from connector.outbound.guards.people import Decided, People, people_of

FUTURE_MS: Final = 300_000  #: tolerated difference of senders' clocks


class ConsentGuard(Guard):
    """``demand = "proof"`` of a route, and the rows of `core.law` that demand it."""

    option = "proof"
    ends: ClassVar[tuple[Code, ...]] = (Code.CONSENT_MISSING, Code.CONSENT_DENIED, Code.CONSENT_OLD)

    def apply(self, members: Members) -> tuple[list[int], int]:
        people = people_of(members)
        return people.apply(self.decide(people)) if people else ([], 0)

    def decide(self, people: People) -> Decided:
        """Ends deliveries to people without a consent, or with one that is too old."""
        decided = Decided()
        for cohort in people.left:
            place = people.plan.rules.demands_proof(cohort.place, cohort.purpose)
            if not place and not cohort.route.demands_proof:
                continue
            law = f" (the law of {place})" if place else ""
            for member in cohort.members:
                if (why := _unproved(member.consent or {}, cohort.route, people.members.now, law)) is not None:
                    decided.ended[member.id] = why
        return decided

    def text(self, route: Route) -> str:
        return phrase("proof: nobody without consent") if route.demands_proof else ""


def _unproved(consent: Any, route: RoutePlan, now: int, law: str) -> Reason | None:
    """Why a consent is not a proof; None if it is one."""
    facts: dict[str, Any] = {"place": law}
    if consent.get("of") is False:
        return Reason(Code.CONSENT_DENIED, facts)
    consented_at = consent.get("at")
    if consented_at is None or consented_at > now + FUTURE_MS:
        return Reason(Code.CONSENT_MISSING, facts)
    if route.good_for_ms and now - consented_at > route.good_for_ms:
        day = f"{datetime.fromtimestamp(consented_at / 1000, UTC):%Y-%m-%d}"
        return Reason(Code.CONSENT_OLD, {**facts, "day": day, "good_for_days": route.good_for_ms // DAY_MS})
    return None
