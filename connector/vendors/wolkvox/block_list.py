"""wolkvox add_dnc: numbers that are never dialled again, also in rows that a campaign has already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import orjson

from connector.core.fields import Strict
from connector.core.http import Answer
from connector.core.outcomes import Outcome
from connector.vendors.answers import cut, delivered, unrecognised
from connector.vendors.base import Destination, Record, Sending
from connector.vendors.wolkvox.answers import is_success, meaning, words_of
from connector.vendors.wolkvox.api import Wolkvox

RECORDS_PER_CALL: Final = 500  #: a person has 20 numbers at most, and a call takes 10,000


class BlockOptions(Strict):
    """``wolkvox.add_dnc``: no options."""


@dataclass(frozen=True, kw_only=True)
class AddDnc(Destination):
    """The numbers of people who refused contact. Idempotent."""

    options_schema: ClassVar = BlockOptions
    on_unknown: ClassVar[str] = "resend"
    repeatable: ClassVar[bool] = True

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return "outbound"

    @property
    def batch_size(self) -> int:
        return RECORDS_PER_CALL

    def send(self, vendor: Wolkvox, sending: Sending) -> Answer:
        numbers = [number for _, text in sending.records for number in orjson.loads(text)["telephones"]]
        return vendor.add_dnc(list(dict.fromkeys(numbers)), deadline=sending.deadline)

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        body = answer.json()
        if not is_success(answer, body):
            return meaning(answer, self.locale.timezone) or unrecognised(answer, words_of(body))
        return delivered(answer, cut(body.get("msg") or ""))
