"""The contract of a one-off call for a waiting person: a vendor's own commands receive it from their caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection

from connector.core.errors import ConnectorError
from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.quota import Wait

#: Called last, in the transaction that starts the call (with unix ms); it may refuse.
Gate = Callable[[Connection, int], Wait | None]


class NotCalled(ConnectorError):  # noqa: N818 - a verdict on the call
    """The call was not made, or brought nothing."""


class Caller(Protocol):
    """Makes calls of one account, within its limits; each is logged and counted like any other."""

    @property
    def patience_s(self) -> float:
        """How long it waits for a call to be free."""

    def make_call(
        self,
        kind: str,
        call: Callable[[Deadline], Answer],
        means: Callable[[Answer], Outcome],
        *,
        gate: Gate | None = None,
    ) -> tuple[Answer | None, Outcome | Wait]:
        """The answer of one call, and its meaning. Raises `StoreUnavailable`."""

    def accepted_answer(
        self, kind: str, call: Callable[[Deadline], Answer], means: Callable[[Answer], Outcome]
    ) -> Answer:
        """An accepted answer. Raises `NotCalled` and `StoreUnavailable`."""

    def why_not(self, result: Outcome | Wait) -> str:
        """Why a call was not made, or brought nothing; on one line, and what to do."""
