"""A vendor is asked something for a person who waits for it: an answer, or one line that says why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connector import calls
from connector.client import Answer, Deadline
from connector.db import Database
from connector.errors import ConnectorError
from connector.log import masked
from connector.options import did_you_mean, listed, quote
from connector.outcomes import Outcome
from connector.quota import Wait
from connector.settings import Account, Settings

PATIENCE_S: Final = 30.0  #: how long a person waits for a call to be free


class NotAsked(ConnectorError):  # noqa: N818 - a verdict on the call
    """The call was not made, or brought nothing."""


def accounts_of(settings: Settings, vendor: str, name: str = "") -> list[Account]:
    """The vendor's accounts, or the one of this name. Raises `ConnectorError` when there is none."""
    known = {account.name: account for account in settings.accounts.values() if account.vendor == vendor}
    if name and name not in known:
        hint = did_you_mean(name, known) or f": the configuration has {listed(known)}" if known else ""
        raise ConnectorError(f"no account of {vendor} is called {quote(name)}{hint}")
    if not known:
        raise ConnectorError(f"the configuration has no account of {vendor}")
    return [known[name]] if name else list(known.values())


def asked(
    database: Database,
    account: Account,
    kind: str,
    call: Callable[[Deadline], Answer],
    means: Callable[[Answer], Outcome],
) -> Answer:
    """What the one call brought. Raises `NotAsked` and `StoreUnavailable`."""
    answer, said = calls.ask(database, account, kind, call, means, patience_s=PATIENCE_S)
    if isinstance(said, Wait) or said.attempt != "accepted" or answer is None:
        raise NotAsked(why_not(account, said))
    return answer


def why_not(account: Account, said: Outcome | Wait) -> str:
    """Why a call was not made, or brought nothing; on one line, and what to do."""
    if isinstance(said, Wait):
        return said.why + ("" if said.seconds is None else f": try again in {max(1.0, said.seconds):.0f} s")
    words = masked(said.block or said.words or "no usable answer")
    later = "" if said.block or (said.attempt == "rejected" and not said.hold) else ": try again later"
    return f"{account.name}: {words}{later}"
