"""What a vendor that is asked for the rest of thin events has to offer: one small class, used by `connector.enrich`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from connector.client import Answer, Deadline


class Fetching(Protocol):
    """Reads objects piece by piece; every piece is one call, logged and counted like any other."""

    def next_piece(self, what: str, ref: str, known: Mapping[str, Any]) -> str:
        """The name of what is to be read next ("contact"), given what is known so far; "" when that is all."""

    def fetch(self, piece: str, what: str, ref: str, known: Mapping[str, Any], *, deadline: Deadline) -> Answer:
        """Reads it. Raises `NotSent` or `NoAnswer`."""

    def fault_of(self, answer: Answer) -> str:
        """What an answer means where its status alone does not tell: vendors hide it in bodies.

        "" (the status tells) | "gone" | "credentials" | "slow" | "failed" | "unknown" (whatever the status tells).
        """

    def words_of(self, answer: Answer) -> str:
        """The vendor's own words for what is wrong; "" when it has none. Never a token."""
