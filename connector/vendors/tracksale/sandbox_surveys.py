"""The data of Tracksale: campaigns with their lots of customers, answers with their tags, notes. No HTTP, no locks."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: The default question of a campaign.
QUESTIONS: tuple[Mapping[str, Any], ...] = (
    {"id": 1, "type": "NPS", "title": "NPS", "question": "0-10?", "secondary": None},
)
#: How a customer is recognised.
IDENTIFICATIONS = ("email", "phone", "identification")

Key = tuple[str, str]


def keys_of(person: Mapping[str, Any]) -> list[Key]:
    """The identifiers of a person, e-mails regardless of case."""
    return [(name, person[name].strip().lower()) for name in IDENTIFICATIONS if person.get(name)]


def moment(unix_s: float) -> str:
    """ "2026-11-20 15:00:00", as the lots have it; the zone is not documented, UTC here."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(slots=True)
class Customer:
    """A customer in a lot."""

    name: str | None
    email: str | None
    phone: str | None
    identification: str | None
    tags: list[dict[str, str]]
    arrived: float  #: unix seconds


@dataclass(slots=True)
class Lot:
    """Customers that are dispatched together. ``time_s`` (unix) is None while it is a draft."""

    code: str
    created: float
    time_s: float | None
    customers: list[Customer] = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.time_s is None:
            return "Draft"
        return "Sent" if self.time_s <= time.time() else "Scheduled"


@dataclass(slots=True)
class Campaign:
    """A survey campaign. ``main_channel``: "Any", or "Email" or "SMS" to demand that address of every customer."""

    code: int
    name: str
    main_channel: str = "Any"
    questions: tuple[Mapping[str, Any], ...] = QUESTIONS
    created: float = field(default_factory=time.time)
    lots: dict[str, Lot] = field(default_factory=dict)
    recent: dict[Key, float] = field(default_factory=dict)  #: identification -> when it was last put into a lot

    @property
    def draft(self) -> Lot | None:
        """The one open draft lot, shared with people who work by hand."""
        return next((lot for lot in self.lots.values() if lot.time_s is None), None)

    def reachable(self, customer: Mapping[str, Any]) -> bool:
        """Whether the customer has an address for the main channel."""
        needed = {"Email": ("email",), "SMS": ("phone",)}.get(self.main_channel, ("email", "phone"))
        return any((customer.get(name) or "").strip() for name in needed)

    def known(self, person: Mapping[str, Any], *, since: float) -> bool:
        """Whether one of the person's identifications was put into a lot since then."""
        return any(self.recent.get(key, -math.inf) >= since for key in keys_of(person))

    def put(self, lot: Lot, person: Mapping[str, Any], *, arrived: float) -> None:
        """Adds a customer to the lot."""
        self.lots[lot.code] = lot
        lot.customers.append(
            Customer(
                name=person.get("name"),
                email=person.get("email"),
                phone=person.get("phone"),
                identification=person.get("identification"),
                tags=person.get("tags") or [],
                arrived=arrived,
            )
        )
        self.recent.update(dict.fromkeys(keys_of(person), arrived))

    def discard(self, lot: Lot) -> None:
        """Drops a draft lot; its customers may be surveyed again."""
        del self.lots[lot.code]
        for customer in lot.customers:
            for key in keys_of({name: getattr(customer, name) for name in IDENTIFICATIONS}):
                self.recent.pop(key, None)

    def clear(self) -> None:
        """Forgets lots and customers."""
        self.lots.clear()
        self.recent.clear()

    def everyone(self) -> Iterator[tuple[Lot, Customer]]:
        """Every customer with the lot, in order of arrival."""
        yield from ((lot, customer) for lot in self.lots.values() for customer in lot.customers)


#: An answer as report/answer has it, before anything is known.
BLANK_ANSWER: Mapping[str, Any] = {
    **dict.fromkeys(("name", "email", "identification", "phone", "alternative_email", "alternative_phone")),
    **dict.fromkeys(
        ("last_nps_answer", "lot_code", "deadline", "dispatch_time", "reminder_time", "assignee", "picture")
    ),
    **dict.fromkeys(("tags", "categories", "justifications", "review", "nps_secondary", "open_question", "csat"), ()),
    **dict.fromkeys(("time", "update_time", "id", "campaign_code"), 0),
    "type": "Email",
    "nps_answer": 9,
    "nps_comment": "",
    "campaign_name": "",
    "elapsed_time": 17,
    "status": "Não precisa contatar",
    "priority": "Nenhuma",
}
#: Lists of an answer that stay empty unless a parameter of their name asks for them.
ON_REQUEST = ("tags", "review", "nps_secondary", "open_question", "csat")
FIRST_ANSWER_ID = 6_805_511


class Answers:
    """The answers of customers, found by id or by customer."""

    def __init__(self) -> None:
        self.by_id: dict[int, dict[str, Any]] = {}
        self.tags: dict[int, dict[str, str]] = {}  #: answer id -> tag name -> value
        self._by_key: dict[Key, list[int]] = {}
        self._next = FIRST_ANSWER_ID

    def add(self, **values: Any) -> int:
        """Adds an answer with these fields of the report, ``tags`` as {name: value}; gives its id."""
        unknown = values.keys() - BLANK_ANSWER.keys()
        if unknown:
            raise ValueError(f"{min(unknown)} is no field of an answer")
        now = int(time.time())
        answer = {**BLANK_ANSWER, "time": now, "update_time": now, **values}
        answer["id"] = answer["id"] or self._free_id()
        self.by_id[answer["id"]] = answer
        self.tags[answer["id"]] = dict(values.get("tags") or {})
        for key in keys_of(values):
            self._by_key.setdefault(key, []).append(answer["id"])
        return int(answer["id"])

    def change(self, answer_id: int, **values: Any) -> None:
        """Sets these fields, as people do who work on an answer; its update_time too. KeyError: no such answer."""
        unknown = values.keys() - BLANK_ANSWER.keys() | values.keys() & {"id", "tags"}
        if unknown:
            raise ValueError(f"{min(unknown)} is no field of an answer that can be changed")
        self.by_id[answer_id] |= {"update_time": int(time.time())} | values

    def find(self, person: Mapping[str, Any], campaign_code: str = "") -> int | None:
        """The person's latest answer, in this campaign when one is given."""
        for key in keys_of(person):
            for answer_id in reversed(self._by_key.get(key, ())):
                if campaign_code in ("", str(self.by_id[answer_id]["campaign_code"])):
                    return answer_id
        return None

    def fill(self, answer_id: int, tags: list[dict[str, str]]) -> None:
        """Sets the tags that are empty, leaves the others."""
        values = self.tags[answer_id]
        for tag in tags:
            values[tag["name"]] = values.get(tag["name"]) or tag["value"]

    def within(self, start: float, end: float, codes: Collection[int] = ()) -> list[dict[str, Any]]:
        """The answers from ``start`` to before ``end`` (unix seconds), to these campaigns (empty: to any)."""
        of_period = (answer for answer in self.by_id.values() if start <= answer["time"] < end)
        return [answer for answer in of_period if not codes or answer["campaign_code"] in codes]

    def shown(self, answer_id: int, options: Collection[str]) -> dict[str, Any]:
        """As in report/answer, with the requested ones of `ON_REQUEST`."""
        answer = self.by_id[answer_id]
        listed = [{"name": name, "value": value} for name, value in self.tags[answer_id].items()]
        shown = {**answer, "tags": listed if "tags" in options else []}
        shown |= {name: list(answer[name]) if name in options else [] for name in ON_REQUEST[1:]}
        if "return_update_time" not in options:
            del shown["update_time"]
        return shown

    def _free_id(self) -> int:
        while self._next in self.by_id:
            self._next += 1
        return self._next
