"""Every documented operation: its request over real sockets, and its answer in every type that the documents leave open.

``tests/payloads/answers/<vendor>/<operation>.json`` is ``{variant: {"answer": …, "read": …}}``: what the vendor says, and
what the operation's reader makes of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from connector.client import Answer
from connector.vendors import postcenter, tracksale, wolkvox

ANSWERS = Path(__file__).parent / "payloads" / "answers"

#: How each operation's answer is read.
READERS: dict[str, Callable[[Any], Any]] = {
    "tracksale/campaigns": tracksale.campaigns_of,
    "tracksale/campaign": tracksale.campaigns_of,
    "tracksale/widget": tracksale.widget_of,
    "tracksale/can_impact": tracksale.can_impact_of,
    "tracksale/survey_links": tracksale.links_of,
    "tracksale/dispatch": tracksale.counts_of,
    "tracksale/draft_lots": tracksale.lots_of,
    "tracksale/fire_lot": tracksale.customers_of,
    "tracksale/discard_lot": tracksale.discarded_of,
    "tracksale/answer": tracksale.counts_of,
    "tracksale/answers": tracksale.inserted_of,
    "tracksale/note": tracksale.answer_id_of,
    "tracksale/fill_empty_tags": tracksale.answer_id_of,
    "tracksale/report_answer": tracksale.answers_of,
    "tracksale/report_dispatch": tracksale.dispatched_of,
    "tracksale/report_nps": tracksale.nps_of,
    "tracksale/report_category": tracksale.totals_of,
    "tracksale/report_status": tracksale.totals_of,
    "tracksale/paged_dispatches": tracksale.dispatched_of,
    "wolkvox/add_record": wolkvox.total_registers_of,
    "wolkvox/campaigns": wolkvox.campaigns_of,
    "wolkvox/token_info": wolkvox.token_use_of,
    "postcenter/ping": lambda body: body["message"],
    "postcenter/ticket": postcenter.ticket_of,
    "postcenter/messages": postcenter.messages_of,
    "postcenter/close_ticket": lambda body: body["message"],
    "postcenter/reassign": lambda body: body["message"],
    "postcenter/by_agent_id": postcenter.ticket_id_of,
    "postcenter/get_possible_agent": postcenter.assignation_of,
    "postcenter/tickets": postcenter.tickets_of,
    "postcenter/facebook_tickets": postcenter.tickets_of,
    "postcenter/tickets_by_state": postcenter.ids_of,
    "postcenter/paginated": lambda body: [postcenter.tickets_of(body), postcenter.next_page_of(body)],
}
BODIES = {"tracksale": tracksale.body_of, "wolkvox": wolkvox.body_of, "postcenter": postcenter.body_of}
#: An answer of its own kind: 404 says something, too.
WHOLE: dict[str, Callable[[Answer], Any]] = {"wolkvox/find_record": wolkvox.records_of}


def plain(value: Any) -> Any:
    """What was read, as JSON has it; without the ``raw`` of an answer, which is what came."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(one) for name, one in asdict(value).items() if name != "raw"}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else _plain_fields(value)


def _plain_fields(value: Any) -> Any:
    return {name: plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def read(operation: str, said: Any) -> Any:
    answer = Answer(200, {}, orjson.dumps(said))
    if operation in WHOLE:
        return plain(WHOLE[operation](answer))
    return plain(READERS[operation](BODIES[operation.split("/")[0]](answer)))
