"""Draft lots in ``/api``: known ones; one as its vendor has it now; fired or discarded as it was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from flask import Response

from connector.admin import lot_acts
from connector.admin.acts import By
from connector.admin.identifiers import ahead_ms
from connector.admin.lots import lots_known
from connector.admin.people import People
from connector.core.errors import ConnectorError
from connector.core.settings import Role, Settings
from connector.core.states import LotState
from connector.core.times import iso
from connector.store.acts import What
from connector.store.database import Database, now_ms
from connector.web.bearer import person_of
from connector.web.given import flag, given, text
from connector.web.responses import problem, reply

MOST: Final = 10**9

KEPT_BACK: Final = "may_not_be_contacted in what is shown: say anyway and why, or leave it"


class LotsApi:
    """The views. A look costs calls of the account, so it is for those who may fire."""

    def __init__(self, settings: Settings, database: Database, people: People) -> None:
        self._settings = settings
        self._database = database
        self._people = people

    def routes(self) -> Mapping[str, tuple[Callable[..., Response], str]]:
        """Address -> view and method."""
        lot = "/api/lots/<account>/<campaign>/<lot>"
        return {
            "/api/lots": (self.lots, "GET"),
            f"{lot}/look": (self.look, "POST"),
            f"{lot}/fire": (self.fire, "POST"),
            f"{lot}/discard": (self.discard, "POST"),
        }

    def lots(self) -> Response:
        """The latest, as this database knows them."""
        return reply({"lots": lots_known(self._database)})

    def look(self, account: str, campaign: str, lot: str) -> Response:
        """The lot as its vendor has it, and whom a guard keeps back now or ``at`` a time."""
        body = given()
        self._by(body).demand(What.FIRE)
        at_ms = self._moment(body)
        with lot_acts.opened(self._settings, self._database, account) as drafts:
            shown = drafts.find(campaign, lot)
            check = lot_acts.checked(self._settings, self._database, drafts, shown, at_ms)
        kept = [
            {"delivery": f"d{one.delivery}", "why": str(one.why), "until": iso(one.until)}
            for one in check.verdicts.exclusions
        ]
        told = {"account": shown.account, "campaign": shown.campaign, "lot": shown.code, "state": shown.state}
        told |= {"customers": shown.customers, "created": shown.created, "ours": shown.ours.count}
        told |= {"others": shown.others, "may_not_be_contacted": kept, "others_listed": check.others_listed}
        return reply(told)

    def fire(self, account: str, campaign: str, lot: str) -> Response:
        """``{"customers", "created", "at", "anyway", "why"}``: surveys everybody in it, if it is as it was shown."""
        body = given()
        by, anyway = self._by(body), flag(body, "anyway")
        by.demand(What.FIRE)
        at_ms = self._moment(body)
        with lot_acts.opened(self._settings, self._database, account) as drafts:
            shown = _as_shown(drafts.find(campaign, lot), body)
            check = lot_acts.checked(self._settings, self._database, drafts, shown, at_ms)
            if not check.may and not (anyway and by.why):
                return problem(409, KEPT_BACK)
            number = lot_acts.fire(self._database, drafts, shown, check, at_ms, by)
        return reply({"lot": lot, "state": LotState.FIRED, "customers": number})

    def discard(self, account: str, campaign: str, lot: str) -> Response:
        """``{"customers", "created", "why"}``: takes everybody out, if it is as it was shown."""
        body = given()
        by = self._by(body)
        by.demand(What.DISCARD)
        with lot_acts.opened(self._settings, self._database, account) as drafts:
            shown = _as_shown(drafts.find(campaign, lot), body)
            lot_acts.discard(self._database, drafts, shown, by)
        return reply({"lot": lot, "state": LotState.DISCARDED, "customers": shown.customers})

    def _moment(self, body: Mapping[str, Any]) -> int | None:
        at = text(body, "at")
        if not at:
            return None
        with self._database.read() as conn:
            return ahead_ms(at, self._settings, now_ms(conn))

    def _by(self, body: Mapping[str, Any]) -> By:
        person, why = person_of(self._people), text(body, "why")
        return By(person.name, why, person.role) if person else By("nobody", why, Role.VIEWER)


def _as_shown(lot: Any, body: Mapping[str, Any]) -> Any:
    """The lot with what the caller saw of it, which the act compares with what is there."""
    if "customers" not in body or "created" not in body:
        raise ConnectorError("customers, created: of the lot as POST …/look showed it; it is left if it changed since")
    customers = body["customers"]
    if not (customers is None or (type(customers) is int and 0 <= customers < MOST)):
        raise ConnectorError("customers: the number that was shown, or null")
    return replace(lot, customers=customers, created=text(body, "created"))
