"""Holds and releases an account's calls, as an operator decides."""

from __future__ import annotations

from connector.admin.acts import By
from connector.admin.identifiers import NotThere
from connector.core.phrases import phrase
from connector.core.reasons import UNSAID
from connector.core.settings import Settings
from connector.core.states import AccountState
from connector.core.text import did_you_mean, quote, the_configuration_has
from connector.store import accounts, acts
from connector.store.accounts import AccountStanding
from connector.store.acts import What
from connector.store.database import Database, announce, now_ms


def pause(database: Database, settings: Settings, account: str, by: By) -> None:
    """Holds every call of an account; calls in flight end normally.

    A pause without a reason keeps the earlier reason.

    Raises `NotThere` if there is no such account, `Forbidden`.
    """
    demand(settings, account)
    act = by.act(What.PAUSE, account=account)
    with database.write(serialise=account) as conn:
        now = now_ms(conn)
        accounts.ensure(conn, [account], [], now)
        before = accounts.account(conn, account)
        kept = str(before.reason) if before.state == AccountState.PAUSED and before.reason and not act.why else None
        accounts.pause(conn, account, kept or act.why or UNSAID, now)
        acts.append(conn, [act], now)
        announce(conn)


def resume(database: Database, settings: Settings, account: str, by: By) -> AccountStanding:
    """Opens an account, and its stopped destinations. Returns its earlier state. Raises as `pause`."""
    demand(settings, account)
    with database.write(serialise=account) as conn:
        now = now_ms(conn)
        accounts.ensure(conn, [account], [], now)
        before = accounts.account(conn, account)
        accounts.resume(conn, account, now)
        acts.append(conn, [by.act(What.RESUME, account=account, before=before.state)], now)
        announce(conn)
    return before


def demand(settings: Settings, name: str) -> None:
    """Raises `NotThere`, with the nearest name, unless the configuration has this account."""
    if name not in settings.accounts:
        hint = did_you_mean(name, settings.accounts) or the_configuration_has(settings.accounts)
        raise NotThere(phrase("no account is called {name}{hint}", name=quote(name), hint=hint))
