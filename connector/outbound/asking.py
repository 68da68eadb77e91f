"""One-off calls for a waiting person: the vendor's answer, or one line that says why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connector.core.errors import ConnectorError
from connector.core.http import Answer, Deadline
from connector.core.log import masked
from connector.core.outcomes import Outcome
from connector.core.phrases import phrase
from connector.core.quota import Wait
from connector.core.retry import PERSON_PATIENCE_S
from connector.core.settings import Account, Settings
from connector.core.states import AttemptState
from connector.core.text import did_you_mean, quote, the_configuration_has
from connector.outbound import calls
from connector.store.database import Database
from connector.vendors.caller import Gate, NotCalled


def accounts_of(settings: Settings, vendor: str, name: str = "") -> list[Account]:
    """The vendor's accounts, or the one of this name. Raises `ConnectorError` if there is none."""
    known = {account.name: account for account in settings.accounts.values() if account.vendor == vendor}
    if name and name not in known:
        hint = did_you_mean(name, known) or the_configuration_has(known) if known else ""
        raise ConnectorError(
            phrase("no account of {vendor} is called {name}{hint}", vendor=vendor, name=quote(name), hint=hint)
        )
    if not known:
        raise ConnectorError(phrase("the configuration has no account of {vendor}", vendor=vendor))
    return [known[name]] if name else list(known.values())


class PersonCaller:
    """The `Caller` of one account for a person who waits."""

    patience_s: Final = PERSON_PATIENCE_S

    def __init__(self, database: Database, account: Account) -> None:
        self._database = database
        self._account = account

    def make_call(
        self,
        kind: str,
        call: Callable[[Deadline], Answer],
        means: Callable[[Answer], Outcome],
        *,
        gate: Gate | None = None,
    ) -> tuple[Answer | None, Outcome | Wait]:
        """Makes the call of `calls.start`, waiting for a slot for as long as a person waits."""
        return calls.make_call(
            self._database, self._account, kind, call, means, patience_s=PERSON_PATIENCE_S, gate=gate
        )

    def accepted_answer(
        self, kind: str, call: Callable[[Deadline], Answer], means: Callable[[Answer], Outcome]
    ) -> Answer:
        """The result of one call. Raises `NotCalled` and `StoreUnavailable`."""
        answer, result = self.make_call(kind, call, means)
        if isinstance(result, Wait) or result.attempt != AttemptState.ACCEPTED or answer is None:
            raise NotCalled(self.why_not(result))
        return answer

    def why_not(self, result: Outcome | Wait) -> str:
        """Why a call was not made, or brought nothing; on one line, and what to do."""
        return why_not(self._account, result)


def why_not(account: Account, result: Outcome | Wait) -> str:
    """Why a call was not made, or brought nothing; on one line, and what to do."""
    if isinstance(result, Wait):
        return result.why + ("" if result.seconds is None else f": try again in {max(1.0, result.seconds):.0f} s")
    words = masked(str(result.block or "") or result.words or "no usable answer")
    later = "" if result.block or (result.attempt == AttemptState.REJECTED and not result.hold) else ": try again later"
    return f"{account.name}: {words}{later}"
