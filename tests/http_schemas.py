"""The JSON that `/webhooks`, `/api` and the probes answer with, as marshmallow schemas.

`make docs` makes the OpenAPI document of them, and tests hold real answers against it. No service runs any of it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from marshmallow import Schema, fields, validate

from connector.admin.deliveries import STATES as DELIVERY_STATES
from connector.admin.events import STATES as EVENT_STATES
from connector.admin.groups import PERIODS
from connector.admin.reveal import REASONS
from connector.core.alarms import KINDS, Occasion, Severity
from connector.core.settings import Role
from connector.core.states import (
    AccountState,
    AlarmState,
    AttemptState,
    DestinationState,
    EventState,
    Kind,
    LotState,
    NoticeState,
    PlanState,
    words,
)
from connector.store.acts import What
from connector.store.processes import Role as ProcessRole


def text(said: str = "", *choices: str, null: bool = False) -> fields.Field[Any]:
    limits = validate.OneOf(choices) if choices else None
    return fields.String(required=True, allow_none=null, validate=limits, metadata=_said(said))


def of(states: type[StrEnum], said: str = "") -> fields.Field[Any]:
    return text(said, *words(*states))


def moment(said: str = "", *, null: bool = False) -> fields.Field[Any]:
    return fields.DateTime(required=True, allow_none=null, metadata=_said(said))


def whole(said: str = "", *, null: bool = False) -> fields.Field[Any]:
    return fields.Integer(required=True, allow_none=null, metadata=_said(said))


def number(said: str = "", *, null: bool = False) -> fields.Field[Any]:
    return fields.Float(required=True, allow_none=null, metadata=_said(said))


def yes(said: str = "") -> fields.Field[Any]:
    return fields.Boolean(required=True, metadata=_said(said))


def one(schema: type[Schema], *, null: bool = False, required: bool = True) -> fields.Field[Any]:
    return fields.Nested(schema, required=required, allow_none=null)


def some(schema: type[Schema], said: str = "", *, required: bool = True) -> fields.Field[Any]:
    return fields.List(fields.Nested(schema), required=required, metadata=_said(said))


def texts(said: str = "", *, null: bool = False) -> fields.Field[Any]:
    return fields.List(fields.String(), required=True, allow_none=null, metadata=_said(said))


def anything(said: str, *, null: bool = False, required: bool = True) -> fields.Field[Any]:
    return fields.Dict(required=required, allow_none=null, metadata=_said(said))


def counts(said: str) -> fields.Field[Any]:
    return fields.Dict(keys=fields.String(), values=fields.Integer(), required=True, metadata=_said(said))


def _said(said: str) -> dict[str, str]:
    return {"description": said} if said else {}


# --- faults ---------------------------------------------------------------------------------------------------------


class FieldFault(Schema):
    field = text("a path: phones.0")
    message = text("what is wrong, without the value")


class Problem(Schema):
    """RFC 9457: the fault in one line that says what to do."""

    type = text()
    title = text()
    status = whole()
    detail = text()
    errors = some(FieldFault, "the fields at fault", required=False)


# --- webhooks -------------------------------------------------------------------------------------------------------


class One(Schema):
    """The answer to one event. `id` is missing of an ignored or spooled one, `deliveries` of all but
    an accepted one."""

    status = text("", "accepted", "duplicate", "ignored", "invalid", "spooled")
    id = fields.String(metadata=_said("the sender's own, else one made of the content"))
    deliveries = fields.Integer(metadata=_said("how many come of it"))
    errors = some(FieldFault, "of an invalid one", required=False)


class Many(Schema):
    """The answer to an array. One bad element harms no other."""

    accepted = whole()
    duplicate = whole()
    ignored = whole()
    invalid = whole()
    events = some(One, "in the order in which they were sent")


# --- the service ----------------------------------------------------------------------------------------------------


class Alive(Schema):
    status = text("", "alive")


class Trouble(Schema):
    """Something a person should look at. It names nobody."""

    code = text("see docs/operations.md")
    about = text("the account, destination, source or process")
    said = text()
    next = text("what to do", null=True)
    urgent = yes()


class Closed(Schema):
    name = text()
    state = text()
    reason = text(null=True)
    since = moment()


class Ready(Schema):
    """503 only while the database is away and no spool takes events: everything else can wait, and nothing is lost."""

    status = text("", "ready", "degraded", "not ready")
    database = text("", "reachable", "away")
    spool = fields.String(validate=validate.OneOf(["takes events"]), metadata=_said("while the database is away"))
    broker = fields.String(validate=validate.OneOf(["reachable", "away"]), metadata=_said("if a source has a queue"))
    accounts = some(Closed, "those that make no calls", required=False)
    destinations = some(Closed, "those that are stopped", required=False)
    problems = some(Trouble, required=False)


# --- lists ----------------------------------------------------------------------------------------------------------


class Delivery(Schema):
    """One event on its way to one destination."""

    delivery = text("d123")
    state = text("", *DELIVERY_STATES)
    reason = text("why it is where it is; persons are masked", null=True)
    reason_code = text("see docs/operations.md", null=True)
    route = text()
    account = text()
    destination = text()
    event = text("e45")
    event_id = text("as its sender calls it", null=True)
    source = text(null=True)
    type = text(null=True)
    who = text("first name, initial, two digits", null=True)
    received_at = moment(null=True)
    attempts = whole()
    created_at = moment()
    changed_at = moment()
    after = text("the delivery that it waits for", null=True)
    due_at = moment(null=True)
    expires_at = moment(null=True)


class Event(Schema):
    event = text("e45")
    event_id = text(null=True)
    source = text()
    type = text(null=True)
    state = text("", *EVENT_STATES)
    received_at = moment()
    who = text("first name, initial, two digits", null=True)
    deliveries = whole()
    why = text("the faults of an invalid one", null=True)


class Found(Schema):
    events = some(Event, "the latest first")
    looked = text("how far names were looked for; null: everywhere", null=True)
    person = text("what a phone or an e-mail is called where nobody may read it", null=True)


class Wanted(Schema):
    """What is searched for: a phone in any spelling, an e-mail, a name, an id."""

    text = fields.String(required=True, validate=validate.Length(1, 200))


# --- a story --------------------------------------------------------------------------------------------------------


class Line(Schema):
    at = moment()
    said = text()


class Attempt(Schema):
    """A call to a vendor."""

    attempt = text("a45")
    kind = text("", *words(*Kind))
    state = of(AttemptState)
    started_at = moment()
    ended_at = moment(null=True)
    seconds = number(null=True)
    deadline = moment()
    status = whole("the vendor's HTTP status", null=True)
    words = text("the vendor's, masked", null=True)
    worker = text(null=True)
    records = whole("how many travelled together")
    asks_again_at = moment(null=True)


class AttemptAndProbes(Attempt):
    probes = some(Attempt, "questions whether it landed")


class DraftLot(Schema):
    campaign = text()
    lot = text()
    account = text()
    state = text()
    since = moment()
    changed_at = moment()
    fires_at = moment(null=True)
    asked = text(null=True)
    asked_at = moment(null=True)


class Told(Schema):
    """A delivery with everything that happened to it."""

    delivery = text("d123")
    route = text()
    account = text()
    destination = text()
    state = text("", *DELIVERY_STATES)
    reason = text(null=True)
    reason_code = text(null=True)
    created_at = moment()
    changed_at = moment()
    due_at = moment(null=True)
    expires_at = moment(null=True)
    after = text("the route whose delivery goes first", null=True)
    record = anything("what is sent, masked", null=True)
    result = anything("what is kept of the vendor's answer, masked", null=True)
    record_notes = texts()
    attempts = some(AttemptAndProbes)
    allowed = fields.List(fields.Dict(), required=True, metadata=_said("why each contact was allowed; names nobody"))
    draft_lot = one(DraftLot, null=True)
    story = some(Line)
    now = text()
    next = texts("what can be done")


#: "import" is a key of theirs, and no name in Python.
ImportedFrom: type[Schema] = Schema.from_dict(
    {"import": whole("its number"), "file": text(), "line": whole(), "who": text()}, name="ImportedFrom"
)
Imported: type[Schema] = Schema.from_dict({"import": one(ImportedFrom, required=False)}, name="Imported")


class EventTold(Imported):  # type: ignore[misc, valid-type]
    event = text("e45")
    event_id = text(null=True)
    source = text()
    type = text(null=True)
    state = of(EventState)
    received_at = moment()
    occurred_at = moment(null=True)
    forgotten_at = moment(null=True)
    content_type = text(null=True)
    notes = texts("values that were dropped or blanked while reading")
    errors = some(FieldFault)
    fetches = some(Attempt, "calls that completed a thin event")
    fetched_by = text("the account", null=True)
    due_at = moment(null=True)
    waits_for_room = yes()
    had_room_at = moment(null=True)
    deliveries = some(Told)
    story = some(Line, "in time order")
    now = text()
    next = texts("what can be done")


class Explained(Schema):
    asked = text()
    at = moment()
    events = some(EventTold)
    left_out = whole("older events of the same id")


# --- status ---------------------------------------------------------------------------------------------------------


class InFlight(Schema):
    used = whole()
    limit = whole()


class Window(Schema):
    seconds = number()
    used = whole()
    limit = whole()
    left = whole()
    next_free_at = moment(null=True)


class PerLane(Schema):
    live = number()
    bulk = number()


class Budget(Schema):
    """A day's calls and their pace."""

    used = whole()
    limit = whole()
    left = whole()
    kept_for_live = whole()
    used_by_others = whole()
    vendor_limit = whole(null=True)
    obeys_vendor_limit = yes()
    told_at = moment(null=True)
    in_hand = one(PerLane)
    waits_s = one(PerLane)
    spacing_s = number("between two calls without credit", null=True)
    calls_last_hour = whole()
    lasts_until = moment("at this pace; null: a day or longer", null=True)


class Share(Schema):
    """A source's part of the account's day."""

    source = text()
    used_up = yes()
    said = text()
    frees_at = moment(null=True)


class Ceiling(Schema):
    """How many people may be called in a day, by an account or of a source, in all or by prefix."""

    source = text("empty: the account's own")
    prefix = text()
    used = whole()
    most = whole()
    used_up = yes("a fifth or less is left")
    said = text()


class Help(Schema):
    name = text()
    state = text()
    since = moment(null=True)
    worked_at = moment(null=True)
    words = text(null=True)


class Account(Schema):
    account = text()
    vendor = text(null=True)
    configured = yes()
    state = of(AccountState)
    reason = text(null=True)
    reason_code = text(null=True)
    since = moment(null=True)
    held_until = moment(null=True)
    held_because = text(null=True)
    in_flight = one(InFlight, required=False)
    windows = some(Window, required=False)
    budget = one(Budget, null=True, required=False)
    shares = some(Share, required=False)
    ceilings = some(Ceiling, required=False)
    helps = some(Help, required=False)


class Destination(Schema):
    destination = text()
    account = text()
    configured = yes()
    state = of(DestinationState)
    reason = text(null=True)
    reason_code = text(null=True)
    pending = whole()
    sending = whole()
    uncertain = whole()
    dead = whole()
    waiting_for_another = whole()
    to_be_asked_about = whole()
    waiting_for_room = whole()
    held = whole("pending ones that a guard holds until a time")
    held_until = moment(null=True)
    oldest_waiting_s = number(null=True)


class Poll(Schema):
    poll = text()
    source = text()
    account = text(null=True)
    call = text(null=True)
    configured = yes()
    every_s = number(null=True)
    polling = yes()
    last_at = moment(null=True)
    next_at = moment(null=True)
    reached = moment(null=True)
    in_a_look_since = moment(null=True)
    through_up_to = moment(null=True)
    stored = whole()
    faults = whole()
    error = text(null=True)
    error_code = text(null=True)
    error_at = moment(null=True)


class Fetching(Schema):
    account = text()
    waiting = whole()
    oldest_since = moment(null=True)
    oldest_waiting_s = number(null=True)
    calls_24h = counts("by how they ended")


class EventCounts(Schema):
    accepted = whole()
    ignored = whole()
    invalid = whole()
    waiting = whole()
    complete = yes("false: only the newest are counted")


class Speed(Schema):
    """From arrival to the vendor's yes, live deliveries only."""

    sample = whole()
    p50_s = number(null=True)
    p95_s = number(null=True)


class Left(Schema):
    route = text()
    account = text()
    destination = text()
    number = whole()
    why = text()
    still_sent = yes()


class Process(Schema):
    roles = fields.List(fields.String(validate=validate.OneOf(words(*ProcessRole))), required=True)
    host = text()
    pid = whole()
    version = text()
    since = moment()
    seen_at = moment()
    alive = yes()
    configuration_current = yes()


class Act(Schema):
    """What somebody decided."""

    at = moment()
    who = text()
    what = of(What)
    delivery = text(null=True)
    event = text(null=True)
    account = text(null=True)
    about = text(null=True)
    before = text(null=True)
    number = whole(null=True)
    why = text(null=True)
    said = text()


class Notice(Schema):
    """What one addressee of an alarm was told, or is to be."""

    addressee = text()
    occasion = of(Occasion)
    state = of(NoticeState)
    sent_at = moment(null=True)
    tries = whole()
    why = text("why the last try failed", null=True)


class Untold(Notice):
    alarm = whole()
    next_try_at = moment()


class Alarm(Schema):
    """Something that people are told of."""

    alarm = whole()
    kind = text("", *KINDS)
    about = text()
    state = of(AlarmState)
    severity = of(Severity)
    said = text()
    next = text()
    since = moment()
    begun_at = moment()
    ended_at = moment(null=True)
    page = text("of the console")
    notices = some(Notice)


class AlarmsNow(Schema):
    now = some(Alarm)
    untold = some(Untold, "what could not be sent yet")


class Status(Schema):
    at = moment()
    accounts = some(Account)
    destinations = some(Destination)
    polls = some(Poll)
    fetching = some(Fetching)
    events_24h = one(EventCounts)
    suppressed_24h = counts("by guard, how many deliveries it ended")
    speed_24h = one(Speed)
    left_configuration = some(Left, "deliveries whose route or account is gone")
    problems = some(Trouble, "the worst first")
    alarms = one(AlarmsNow)
    processes = some(Process)
    acts_24h = some(Act)


#: Every schema with a place of its own in the document.
class Member(Schema):
    delivery = text("d123")
    event = text("e45")
    state = text("", *DELIVERY_STATES)


class Call(AttemptAndProbes):
    account = text()
    destination = text(null=True)
    about = text("of a probe: the call that it asks about", null=True)
    members = some(Member, "what it took, as far as it is found")


class Events(Schema):
    events = some(Event, "the latest first")
    looked = text("null: everywhere", null=True)


class Cell(Schema):
    weekday = whole("0: Monday, in the configured time zone")
    hour = whole()
    p50_s = number("null: too few to say", null=True)
    p95_s = number(null=True)
    sent_p50_s = number("since the sender's own time", null=True)
    sent_p95_s = number(null=True)
    number = whole()


class Pace(Schema):
    at = moment()
    days = whole()
    route = text(null=True)
    routes = texts("of which anything was counted")
    cells = some(Cell, "by the hour in which leads came")
    last_24h = fields.List(fields.Dict(), required=True, metadata=_said("hour by hour: what came, by its state"))


class History(Schema):
    acts = some(Act, "the latest first")
    older = whole("where the next answer begins; null: at the end", null=True)


class Simulation(Schema):
    """An event that did not come."""

    source = fields.String(required=True, metadata=_said("a configured source"))
    payload = fields.String(required=True, metadata=_said("as its sender sends it"))
    at = fields.String(metadata=_said("when: as since; now if left out"))


# --- acts -----------------------------------------------------------------------------------------------------------


def optional(said: str) -> fields.Field[Any]:
    return fields.String(validate=validate.Length(0, 200), metadata=_said(said))


class Why(Schema):
    """Kept with the person's name; phones and e-mails in it are masked."""

    why = optional("a reason, in words")


class Again(Why):
    dry_run = fields.Boolean(metadata=_said("tells what would happen, and changes nothing"))
    force = fields.Boolean(metadata=_said("although it was delivered: for administrators"))


class Outcome(Why):
    how = fields.String(
        required=True, validate=validate.OneOf(("landed", "absent")), metadata=_said("absent: it is sent again")
    )


class Look(Schema):
    why = fields.String(required=True, validate=validate.OneOf(tuple(REASONS)), metadata=_said("kept on record"))
    words = optional("of the reason other")


class Named(Schema):
    text = fields.String(
        required=True, validate=validate.Length(1, 200), metadata=_said("a phone in any spelling, or an e-mail")
    )


class NamedWhy(Named, Why):
    pass


class Period(Schema):
    since = fields.String(validate=validate.OneOf(tuple(PERIODS)))


class Tally(Schema):
    events = whole("forgotten, or to be")
    deliveries = whole("settled ones that lose their data")
    ended = whole("waiting ones that end unsent")
    in_hand = whole("forgotten once they are settled")
    uncertain = whole("of those in hand")
    read = whole("events that were searched")
    of = whole("events there are")


class Erasure(NamedWhy):
    plan = fields.String(validate=validate.Length(0, 800), metadata=_said("of what was counted: then it erases"))
    tally = fields.Nested(Tally, metadata=_said("of the answer before, while it is not over"))
    never_again = fields.Boolean(metadata=_said("puts the person on the do-not-contact list, too"))


class Standing(Schema):
    account = text()
    state = of(AccountState)
    before = fields.String(validate=validate.OneOf(words(*AccountState)))


class Changed(Schema):
    event = text("e45")
    delivery = text(null=True)
    route = text(null=True)
    destination = text(null=True)
    action = text("", "accept", "add", "renew", "resend", "keep")
    why = text(null=True)


class Replayed(Schema):
    changes = some(Changed, "that of the delivery first, then those of deliveries that wait for it")
    done = yes("whether it goes out again")


class Resolved(Schema):
    resolved = whole("how many deliveries")


class Listed(Schema):
    person = text("masked")
    listed = yes()
    stops = texts("waiting deliveries that end unsent because of it")


class Cause(Schema):
    id = text("of its plan's address")
    state = text("", *DELIVERY_STATES)
    destination = text()
    said = text()
    number = whole()
    first_at = moment()
    last_at = moment()
    by_time = fields.List(fields.Integer(), required=True, metadata=_said("how many in each twelfth of the time"))


class Unread(Schema):
    id = text()
    source = text()
    fault = text("without a person")
    number = whole()
    first_at = moment()
    last_at = moment()
    events = texts("e45: the newest of them")


class KnownLot(Schema):
    account = text()
    campaign = text()
    lot = text()
    state = of(LotState)
    ours = whole("deliveries of ours in it")
    changed_at = moment()
    asked = text("fire or discard, while it is not known whether that was done", null=True)
    fires_at = moment(null=True)


class Lots(Schema):
    lots = some(KnownLot, "as this database knows them, the latest first")


class KeptBack(Schema):
    delivery = text("d123")
    why = text()
    until = moment("null: for good", null=True)


class Lot(Schema):
    """A draft lot as its vendor has it now."""

    account = text()
    campaign = text()
    lot = text()
    state = of(LotState)
    customers = whole("null: not said by the vendor", null=True)
    created = text("as the vendor writes it")
    ours = whole("put there by the connector")
    others = whole("put there by others", null=True)
    may_not_be_contacted = some(KeptBack, "members that a guard keeps back")
    others_listed = whole("of others, and on the do-not-contact list")


class AtTime(Why):
    at = optional("when it is to be fired; empty: now")


class Shown(Schema):
    """The lot as it was shown: if it is another by now, nothing is done."""

    customers = fields.Integer(required=True, allow_none=True, validate=validate.Range(0))
    created = fields.String(required=True, validate=validate.Length(0, 200))
    why = optional("a reason, in words")


class ToFire(Shown):
    at = optional("when; empty: now")
    anyway = fields.Boolean(metadata=_said("although a guard keeps somebody back: with a reason"))


class LotActed(Schema):
    lot = text()
    state = of(LotState)
    customers = whole(null=True)


class FailedThere(Schema):
    destination = text()
    number = whole()
    causes = whole("how many different ones")
    last_at = moment()


class PutBack(Schema):
    put_back = whole("how many messages")


class Causes(Schema):
    causes = some(Cause, "the most frequent first")
    destinations = some(FailedThere, "the same by destination, the most frequent first")
    unread = some(Unread, "events that could not be read, the most frequent fault first")
    looked_back_to = moment("null: all of the time asked for", null=True)


class Plan(Schema):
    """Many deliveries to be sent again: frozen when planned, begun by a person, carried out by a worker."""

    plan = whole()
    state = of(PlanState)
    made_at = moment()
    who = text()
    why = text(null=True)
    destination = text()
    deliveries = whole()
    looked_at = whole("of them; planned: by way of trial")
    calls = whole("planned: that it takes of its account, at least; null: it cannot be sent any more", null=True)
    sent = whole("planned: would be")
    kept = counts("why others stay as they are")
    ended_at = moment(null=True)


class Erasing(Schema):
    phase = text("", "counting", "counted", "erasing", "erased")
    plan = text("what erasing asks for; null while it counts", null=True)
    tally = one(Tally)
    out_of_reach = texts("what else may name the person, and is not ours to clear")


NAMED: Final[tuple[type[Schema], ...]] = (
    *(Problem, One, Many, Alive, Ready, Delivery, Found, Wanted, Explained, Status),
    *(Call, Events, Pace, History, Simulation),
    *(Why, Again, Outcome, Look, Named, NamedWhy, Period, Erasure),
    *(Lots, Lot, AtTime, Shown, ToFire, LotActed),
    *(PutBack, Standing, Replayed, Resolved, Listed, Causes, Plan, Erasing),
)
ROLES: Final = words(*Role)
