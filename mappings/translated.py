"""The base of most payload mappings: converts a sender's payload into our own JSON, which is then read.

So phones, times, leniency, notes and errors are the same for every sender. A mapping file only says where values are:
`LeadSender` and `TicketSender` leave that to `own`; `AnswersSender` is for forms, which send a list of answers under
names chosen by people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final

import orjson
from marshmallow import ValidationError

from mappings import names, texts
from mappings.base import FieldError, Ignored, Locale, PlainSender, Sender, walk
from mappings.events import Event, Lead, Thin
from mappings.senders.lead import LeadMapping
from mappings.senders.ticket import TicketMapping

#: Fields that a source may rename. "extra.…" may be named besides.
LEAD_FIELDS = tuple(f.name for f in fields(Lead) if f.name not in ("extra", "notes", "hold"))
TICKET_FIELDS = (
    *("id", "type", "time", "ticket_id", "number", "channel", "subject", "created_at", "updated_at", "comment"),
    *("answer_id", "agent.id", "agent.name", "agent.email"),
    *("customer.name", "customer.email", "customer.phone", "customer.identification"),
)
EXTRA = "extra."


class LeadSender(PlainSender):
    """A sender of leads with a shape of its own."""

    sender = Sender(decode="plain")
    event_types: ClassVar[tuple[str, ...]] = ("lead.created",)
    field_names = LEAD_FIELDS

    def __init__(self, locale: Locale) -> None:
        self._lead = LeadMapping(locale)
        self._reader = self._lead.phones

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own lead JSON of an object, ``{"id", "type", "time", "data": {…}}``. May raise `Invalid`, `Ignored`."""
        raise NotImplementedError

    def remarks(self, payload: dict[str, Any], own: dict[str, Any], *, reached: bool) -> Sequence[FieldError]:
        """Notes on how ``own`` converted the payload: a phone that was left out.

        ``reached``: the lead has a phone.
        """
        return ()

    def read(self, payload: Any) -> Event | Thin:
        """The lead, `Invalid` with every fault, or `Ignored`."""
        return self.lead(payload) if isinstance(payload, dict) else self._lead.read(payload)

    def is_phone(self, value: Any) -> bool:
        """Whether a value reads as a phone number."""
        if not names.has_a_number(value) or len(str(value)) > _LONGEST_NUMBER:
            return False
        try:
            return bool(self._reader.deserialize(value, "phones", {}))
        except ValidationError as fault:
            return bool(fault.valid_data)

    def lead(self, payload: dict[str, Any]) -> Lead:
        """The lead of an object. `Ignored`: what Meta's testing tool sends, straight or through a relay."""
        own = self.own(payload)
        if any(map(texts.is_of_a_test, own.get("data", {}).values())):
            raise Ignored("a test lead")
        return self._lead.read(own, remarks=lambda reached: self.remarks(payload, own, reached=reached))


class TicketSender(PlainSender):
    """A sender of tickets with a shape of its own."""

    sender = Sender(decode="plain")
    event_types: ClassVar[tuple[str, ...]] = ("ticket.created", "ticket.updated", "ticket.closed")
    field_names = TICKET_FIELDS

    def __init__(self, locale: Locale) -> None:
        self._ticket = TicketMapping(locale)

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own ticket JSON of an object. May raise `Invalid`, `Ignored`."""
        raise NotImplementedError

    def read(self, payload: Any) -> Event | Thin:
        """The ticket, `Invalid` with every fault, or `Ignored`."""
        return self._ticket.read(self.own(payload) if isinstance(payload, dict) else payload)


class KeyedTicketSender(TicketSender):
    """A helpdesk with content that an admin wrote or selected: one object; a source may rename its keys."""

    takes_fields = True
    takes_closed = True
    keys: ClassVar[Mapping[str, tuple[str, ...]]]  #: our field -> where it may stand, the first that is filled

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(locale)
        own = {ours: tuple(as_names(paths)) for ours, paths in (fields or {}).items()}
        self._paths = {**self.keys, **own}
        heads = (path for ours in self._paths.keys() - {"status"} for path in self._paths[ours])
        self._read_names = frozenset(name for path in heads for name in (path, path.partition(".")[0]))

    def fields_of(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        """Our field -> the object's value; None if it has none. Keys may be in camelCase."""
        snaked = {names.snake(key): value for key, value in ticket.items()}
        places = (ticket,) if snaked.keys() == ticket.keys() else (ticket, snaked)
        return {ours: _filled(places, paths) for ours, paths in self._paths.items()}

    def ticket(self, body: Mapping[str, Any], fields: dict[str, Any], *, type: str) -> dict[str, Any]:
        """Our own ticket JSON; what no field of ours was made of is its extra."""
        envelope = {ours: fields.pop(ours, None) for ours in _ENVELOPE}
        rest = {k: v for k, v in body.items() if not {k, names.snake(k)} & self._read_names and not is_empty(v)}
        data: dict[str, Any] = {"extra": rest}
        for path, value in fields.items():
            _put(data, path, value)
        return {**envelope, "type": envelope["type"] or type, "data": data}


def _filled(places: tuple[Mapping[str, Any], ...], paths: tuple[str, ...]) -> Any:
    for path in paths:
        for where in places:
            found = walk(where, path)
            if found is not None and not is_empty(found):
                return found
    return None


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    """ "customer.email" goes into the object of that name; below "extra." a name may hold dots."""
    if value is None:
        return
    head, _, rest = path.partition(".")
    if rest:
        data.setdefault(head, {})[rest] = value
    else:
        data[head] = value


MOST_REMARKS: Final = 5
LEFT: Final = "left"  #: beside our own lead JSON, for `remarks`
_LONGEST_NUMBER: Final = 40  #: characters; more is a text that happens to hold digits
_ANOTHERS: Final = "a number of somebody else is not dialled; to dial it, name it: fields = { phones = … }"


def unforeseen(name: str, field: str) -> FieldError:
    """A note that a value looks like a phone number and is in no field of ours."""
    return FieldError(
        field[:80], f"reads as a phone number, and is none of the lead's: fields = {{ phones = {quoted(name)} }}"
    )


def quoted(name: str) -> str:
    """A sender's name as the configuration would have it."""
    return json.dumps(name[:80], ensure_ascii=False)


# --- loose values -----------------------------------------------------------------------------------------------


def table(value: Any) -> dict[str, Any]:
    """An object as it is, and an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def inside(payload: Any, path: str) -> dict[str, Any]:
    """The object that a form sends as JSON text in one of its fields; empty if there is none, or it is no JSON."""
    value = walk(payload, path)
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except ValueError:
            return {}
    return table(value)


def tables(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none if it is not a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def word(value: Any) -> str:
    """A text as it is, a whole number as text, and "" for everything else: for ids, and for keys of tables."""
    if type(value) is str:
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() <= 64 else ""
    return ""


def is_empty(value: Any) -> bool:
    """Whether a value is empty: null, a blank text, an empty object, a list of those. False and 0 are values."""
    if isinstance(value, str):
        return texts.is_blank(value)
    if isinstance(value, list):
        return all(map(is_empty, value))
    return value is None or value == {}


# --- answers ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Answer:
    """One field of a form as it was filled in."""

    name: str  #: as its author called it
    value: Any
    title: str = ""  #: the displayed title
    field: str = ""  #: our field, if the sender's type of it tells: "email"
    key: str = ""  #: its name in extra, if that differs
    hidden: bool = False  #: not displayed: it is a field of ours only if the source's ``fields`` say so
    names_another: bool = False  #: whether it is about another person; known once its field was sought

    @property
    def called(self) -> str:
        """Its name in extra."""
        return self.key or self.name or self.title


class AnswersSender(LeadSender):
    """A sender of forms.

    The source's ``fields``, then the field's type, then its usual name decide which field it is.

    ``fields``: our field -> a field's name or title, or several: all of them for phones, otherwise the form's first
    filled one. These are read from nowhere else. All other fields go into the lead's extra.
    """

    is_form = True
    takes_fields = True

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(locale)
        self._ours = {name: ours for ours, names in (fields or {}).items() for name in as_names(names)}
        self._named = frozenset(fields or ())

    def envelope(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The id and the time, and the type where it is not always the same. May raise `Invalid`, `Ignored`."""
        raise NotImplementedError

    def answers(self, payload: dict[str, Any]) -> Iterable[Answer]:
        """The fields of the form, in their order."""
        raise NotImplementedError

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Further values for the lead's extra: the campaign, the page. Answers take precedence."""
        return {}

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own lead JSON, and under `LEFT` the answers without a field of ours."""
        envelope = {"type": self.event_types[0], **self.envelope(payload)}
        data: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        phones: list[Any] = []
        left: list[Answer] = []
        for answer in self.answers(payload):
            if is_empty(answer.value):
                continue
            ours = self._field_of(answer)
            if not ours and not answer.hidden:
                left.append(answer)
            if ours == "phones":
                phones += answer.value if isinstance(answer.value, list) else [answer.value]
            elif ours in _ENVELOPE:
                envelope[ours] = answer.value
            elif ours and not ours.startswith(EXTRA) and ours not in data:
                data[ours] = answer.value
            else:
                extra.setdefault(ours.removeprefix(EXTRA) if ours.startswith(EXTRA) else answer.called, answer.value)
        about = {key: value for key, value in self.about(payload).items() if not is_empty(value)}
        # One text may hold several numbers, as long as it is alone.
        found = phones[0] if len(phones) == 1 else phones
        return {**envelope, "data": {**data, "phones": found, "extra": {**about, **extra}}, LEFT: left}

    def remarks(self, payload: dict[str, Any], own: dict[str, Any], *, reached: bool) -> Sequence[FieldError]:
        """Numbers that are not dialled: another person's and, if the lead has none, all that look like one."""
        left: list[Answer] = own[LEFT]
        if not left:
            return ()
        others = [a for a in left if a.names_another and self.is_phone(a.value)]
        faults = [FieldError(f"{EXTRA}{a.called}", _ANOTHERS) for a in others]
        if not own["data"]["phones"]:
            nobodys = (a for a in left if not a.names_another and self.is_phone(a.value))
            faults += [unforeseen(a.called, f"{EXTRA}{a.called}") for a in nobodys]
        return faults[:MOST_REMARKS]

    def _field_of(self, answer: Answer) -> str:
        if self._ours and (named := self._ours.get(answer.name) or self._ours.get(answer.title)):
            return named
        if answer.hidden:
            return ""
        guessed, another = names.guess_of_question(answer.name, answer.title, answer.value)
        if another:
            answer.names_another = True
            return ""
        guessed = answer.field or guessed
        return "" if guessed in self._named else guessed


_ENVELOPE = ("id", "type", "time")


def as_names(value: Any) -> Sequence[str]:
    """One name or several of a configuration, as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)
