"""Draft lots as a person acts on them: looked at as their vendor has them, checked by every guard, fired, discarded."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from connector.admin.acts import By, record
from connector.admin.lot_guard import Verdicts, fired, judge, on_own_list
from connector.admin.privacy.person import everybody
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Account, Route, Settings
from connector.outbound.asking import PersonCaller
from connector.store.acts import What
from connector.store.database import Database, now_ms
from connector.vendors import VENDORS


@dataclass(frozen=True, slots=True)
class Checked:
    """The guards' verdicts on a lot's members. ``others_listed``: the number of listed people among those of others."""

    verdicts: Verdicts
    others_listed: int

    @property
    def may(self) -> bool:
        """Whether everybody in it may be contacted."""
        return not self.verdicts.exclusions and not self.others_listed


def accounts(settings: Settings) -> list[Account]:
    """The accounts with a vendor that has draft lots."""
    return [one for one in settings.accounts.values() if VENDORS[one.vendor].drafts is not None]


def opened(settings: Settings, database: Database, name: str) -> AbstractContextManager[Any]:
    """The draft lots of an account. Raises `ConnectorError` if it has none."""
    account = next((one for one in accounts(settings) if one.name == name), None)
    drafts = VENDORS[account.vendor].drafts if account else None
    if account is None or drafts is None:
        raise ConnectorError(phrase("No account called {name} has draft lots.", name=name))
    return drafts(settings, database, account, PersonCaller(database, account))


def checked(settings: Settings, database: Database, drafts: Any, shown: Any, at_ms: int | None) -> Checked:
    """Asks every guard about the members, as if they were contacted at that time (unix ms) or now."""
    with database.read() as conn:
        at = at_ms or now_ms(conn)
    verdicts = judge(settings, database, shown.account, shown.known.id, at) if shown.known else Verdicts()
    return Checked(verdicts, _others_on_list(settings, database, drafts, shown))


def _others_on_list(settings: Settings, database: Database, drafts: Any, shown: Any) -> int:
    """As far as the vendor shows who they are."""
    if not shown.others:
        return 0
    try:
        others = drafts.content(shown).others
    except ConnectorError:
        return 0
    ways = [[one for text in (person.email, person.phone) for one in everybody(text, settings)] for person in others]
    channel = next((one.channel for one in settings.routes if one.account == shown.account and _drafts(one)), "")
    return sum(on_own_list(settings, database, some, channel) for some in ways if some)


def _drafts(route: Route) -> bool:
    return route.options.get("schedule") == "draft"


def fire(database: Database, drafts: Any, shown: Any, check: Checked, at_ms: int | None, by: By) -> int:
    """Surveys everybody in it, if it is as it was shown. Returns how many. Raises `Forbidden`, `ConnectorError`."""
    by.demand(What.FIRE)
    number: int = drafts.fire(shown, at_ms=at_ms)
    fired(database, shown.account, check.verdicts)
    _note(database, What.FIRE, shown, by)
    return number


def discard(database: Database, drafts: Any, shown: Any, by: By) -> None:
    """Throws it away, if it is as it was shown. Raises `Forbidden`, `ConnectorError`."""
    by.demand(What.DISCARD)
    drafts.discard(shown)
    _note(database, What.DISCARD, shown, by)


def _note(database: Database, what: What, shown: Any, by: By) -> None:
    about = f"{shown.code} of campaign {shown.campaign}"
    record(database, by.act(what, account=shown.account, about=about, number=shown.customers))
