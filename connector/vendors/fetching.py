"""The contract of a vendor that can fetch the rest of a thin event, for `connector.outbound.fetch`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from connector.core.http import Answer, Deadline


class Fetching(Protocol):
    """Reads objects piece by piece; every piece is one call, logged and counted like any other."""

    @property
    def optional(self) -> frozenset[str]:
        """The parts without which an event can do, if the vendor has none or does not show them."""

    @property
    def unseen(self) -> str:
        """The advice if several objects in a row are not found; "" if each of them was certainly deleted."""

    def next_piece(self, what: str, ref: str, known: Mapping[str, Any]) -> str:
        """The name of the next part to read ("contact"), given the parts so far; "" if that is all."""

    def fetch(self, piece: str, what: str, ref: str, known: Mapping[str, Any], *, deadline: Deadline) -> Answer:
        """Reads it. Raises `NotSent` or `NoAnswer`."""

    def is_piece(self, piece: str, body: Any) -> bool:
        """Whether a body has the form of that part: what stands between may answer with JSON of its own."""

    def fault_of(self, answer: Answer) -> str:
        """The fault in an answer beside its status: vendors hide faults in bodies.

        "" (by the status) | "absent" (404) | "gone" (410, for good) | "credentials" | "slow" | "failed" | "unknown"
        (with any status).
        """

    def words_of(self, answer: Answer) -> str:
        """The vendor's words for the fault; "" if it has none. Never a token."""
