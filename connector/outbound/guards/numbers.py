"""Which numbers are called, or get a message: judged where a record is made, and again at the claim, under its rule."""

from __future__ import annotations

from typing import ClassVar

from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.settings import Route
from connector.core.states import Kind
from connector.outbound.guards.base import Guard, Members
from connector.store import turns
from connector.vendors.destinations import reaches_numbers


class NumbersGuard(Guard):
    """``countries``, ``numbers`` and ``phones_per_lead`` of an account, narrowed by a source.

    A delivery keeps the mark of the rule that its record was made by. Under another one its record is made again, by
    `connector.outbound.chain`, which ends it if no number is left.
    """

    option = "numbers"
    holds: ClassVar[tuple[Code, ...]] = (Code.NUMBERS_AGAIN,)

    def apply(self, members: Members) -> tuple[list[int], int]:
        rules = members.destination.number_rules
        if not rules or members.kind != Kind.SEND:
            return [], 0
        others = [one for one in members.alike if one.rule != rules.get(one.turn, rules[None])]
        again = Reason(Code.NUMBERS_AGAIN)
        return [], sum(turns.judge_again(members.conn, members.attempt, one, again, members.now) for one in others)

    def text(self, route: Route) -> str:
        if not reaches_numbers(route):
            return ""
        return phrase("numbers: those of the countries and kinds that its account and source allow")
