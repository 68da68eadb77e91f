"""Suppression list: nobody is contacted who has a phone or an e-mail on it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from sqlalchemy import update

from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.states import DeliveryState
from connector.outbound.guards.base import Guard, Members
from connector.store import reasons, suppression_list
from connector.store.prepared import Prepared
from connector.store.tables import IS_CLAIMED, deliveries

#: Each step once, in this order: left to themselves the planners search the list for every member.
_STATEMENT: Final = """
    WITH member AS MATERIALIZED (
      SELECT id FROM deliveries WHERE attempt = :attempt AND {taken}
    ), way AS MATERIALIZED (
      SELECT records.delivery, {way} AS hash FROM member JOIN records ON records.delivery = member.id{each}
    ), found AS MATERIALIZED (
      SELECT DISTINCT delivery FROM way WHERE hash IN (
        SELECT hash FROM do_not_contact WHERE channels IS NULL OR channels LIKE :channel)
    )
    UPDATE deliveries SET state = :ended, reason_code = :code, reason_facts = NULL, reason = NULL,
      updated_at = :now
    WHERE id IN (SELECT delivery FROM found) RETURNING id
"""
_SUPPRESS: Final = {
    "sqlite": Prepared(
        _STATEMENT.format(
            taken=IS_CLAIMED.text,
            way="each_way.value",
            each=", json_each(coalesce(records.contacts, json_array(records.contact))) AS each_way",
        )
    ),
    "postgresql": Prepared(
        _STATEMENT.format(
            taken=IS_CLAIMED.text,
            way="each_way.hash",
            each=" CROSS JOIN LATERAL json_array_elements_text("
            "coalesce(records.contacts, json_build_array(records.contact)::text)::json) AS each_way (hash)",
        )
    ),
}


class SuppressionList(Guard):
    """Every destination has it from which a person hears."""

    option = "do_not_contact"
    ends: ClassVar[tuple[Code, ...]] = (Code.LISTED, Code.LISTED_AGAIN)

    def apply(self, members: Members) -> tuple[list[int], int]:
        if not members.destination.contacts_people or suppression_list.is_empty(members.conn):
            return [], 0
        # If the channel is unknown, a refusal of any channel ends it.
        channel = members.destination.channel
        pattern = f"%,{channel},%" if channel else "%"
        values = {
            "attempt": members.attempt,
            "now": members.now,
            "ended": DeliveryState.SUPPRESSED,
            "code": str(Code.LISTED),
            "channel": pattern,
        }
        ended = _SUPPRESS[members.conn.dialect.name].scalars(members.conn, values)
        if ended:
            _note_wishes(members, ended, pattern)
        return ended, 0

    def remedy(self, delivery: str) -> str:
        """A replay alone would end here again."""
        wish = (
            "nothing; if they wish to be contacted after all: connector suppress remove PHONE|EMAIL, "
            "then connector replay --delivery {delivery}"
        )
        return phrase(wish, delivery=delivery)


def _note_wishes(members: Members, ended: list[int], channel: str) -> None:
    """A person who asks for a contact after their "no" stays on the list, and an operator learns of it."""
    zone = members.destination.locale.timezone
    asking = {name for name, route in members.routes.items() if route.purpose == "requested"}
    for row in suppression_list.asked_since(members.conn, ended, channel) if asking else ():
        if row.route in asking:
            day = f"{datetime.fromtimestamp(row.occurred_at / 1000, zone):%Y-%m-%d}"
            why = reasons.columns(Reason(Code.LISTED_AGAIN, {"day": day}))
            members.conn.execute(update(deliveries).where(deliveries.c.id == row.delivery).values(why))
