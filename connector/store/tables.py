"""The tables. Times are unix milliseconds by the database's clock; the constraints carry the guarantees.

inbox: `events`. outbox: `deliveries` (small rows, rewritten often) with `records` (large rows, written once). The log
of calls: `attempts`. State of the vendors: `accounts`, `destinations`, `campaign_reports`, `lots`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
    text,
)

from connector.core.states import AccountState, AttemptState, DeliveryState, DestinationState, EventState, LotState
from connector.store.alarm_tables import alarm_notices as alarm_notices
from connector.store.alarm_tables import alarms as alarms
from connector.store.answer_tables import api_answers as api_answers
from connector.store.counting_tables import WAY_BEGINS as WAY_BEGINS
from connector.store.counting_tables import contacts as contacts
from connector.store.counting_tables import country_calls as country_calls
from connector.store.counting_tables import once_keys as once_keys
from connector.store.counting_tables import source_calls as source_calls
from connector.store.encrypted_column import Encrypted, EncryptedList, EncryptedWords
from connector.store.hour_tables import hours as hours
from connector.store.schema import Id, has, partial, states_sql
from connector.store.schema import metadata as metadata

# --- conditions -----------------------------------------------------------------------------------------------------
# The condition of each partial index, named once and used by name everywhere: with a bound value, or in other words,
# neither planner can prove that the index applies.

IS_WAITING = text(states_sql("events.state", EventState.WAITING))
HAS_SECOND_KEY = text("second_key IS NOT NULL")
HAS_NO_KEY = text("events.key IS NULL")
WAS_LIMITED = text("events.released_at IS NOT NULL")
IS_PENDING = text(states_sql("deliveries.state", DeliveryState.PENDING))
IN_HAND = text(states_sql("deliveries.state", DeliveryState.SENDING, DeliveryState.UNCERTAIN))
TROUBLED = text(states_sql("deliveries.state", DeliveryState.UNCERTAIN, DeliveryState.SUPPRESSED, DeliveryState.DEAD))
HAS_ONCE_KEY = text("once_key IS NOT NULL")
IS_STARTED = text(states_sql("attempts.state", AttemptState.STARTED))
TO_PROBE = text("attempts.probe_at IS NOT NULL")
HAS_ABOUT = text("attempts.about IS NOT NULL")
HAS_DELIVERY = text("delivery IS NOT NULL")
HAS_EVENT = text("event IS NOT NULL")


def _narrowed(index: TextClause, state: DeliveryState) -> TextClause:
    """The index's condition first, then the rest of the query's."""
    return text(f"{index.text} AND {states_sql('deliveries.state', state)}")


IS_CLAIMED = _narrowed(IN_HAND, DeliveryState.SENDING)
IS_UNCERTAIN = _narrowed(IN_HAND, DeliveryState.UNCERTAIN)
IS_DEAD = _narrowed(TROUBLED, DeliveryState.DEAD)
IS_SUPPRESSED = _narrowed(TROUBLED, DeliveryState.SUPPRESSED)


events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),  #: as the sender calls it, or a hash of the body
    Column("key", Text),  #: what makes a copy a copy; NULL on invalid rows, so that a corrected copy is welcome
    Column("type", Text, nullable=False),
    Column("state", Text, nullable=False),  #: `core.states.EventState`
    Column("received_at", BigInteger, nullable=False),
    Column("occurred_at", BigInteger),  #: the event's own time
    Column("content_type", Text, nullable=False),
    Column(
        "payload", Encrypted("events.payload"), nullable=False
    ),  #: what replay maps again; a data: URL when the bytes were no text
    Column("fingerprint", Text),  #: of the mapped event: a second payload under one id is compared by it
    #: JSON [{"field","message"}] of an invalid payload
    Column("errors", EncryptedList("events.errors", '[{"field":"","message":"', '"}]')),
    Column("notes", EncryptedList("events.notes")),  #: JSON list: what reading dropped or blanked
    Column("account", Text),  #: of a thin event: the account that fetches the rest
    Column("due_at", BigInteger),  #: waiting: when to fetch (again)
    Column("attempts", Text),  #: of a thin event: the calls made to fetch it, ",12,45"
    Column("fetched", Encrypted("events.fetched")),  #: JSON: the fetched parts, by name
    Column("second_key", Text),  #: of a thin event, once fetched: the lead or the ticket's state it turned out to be
    Column("forgotten_at", BigInteger),  #: from then on nothing of the person is here but keyed hashes
    #: when its source's limit let it pass; 0: it still waits for that; NULL: it never waited
    Column("released_at", BigInteger),
    has("events", EventState),
    UniqueConstraint("source", "key", name="uq_events_source_key"),
    sqlite_autoincrement=True,
)

Index(
    "ix_events_waiting",
    events.c.account,
    events.c.due_at,
    events.c.id,
    **partial(IS_WAITING),
)
Index(
    "ix_events_waiting_turn",
    events.c.account,
    events.c.source,
    events.c.due_at,
    events.c.id,
    **partial(IS_WAITING),
)
Index(
    "uq_events_second_key",
    events.c.source,
    events.c.second_key,
    unique=True,
    **partial(HAS_SECOND_KEY),
)
Index("ix_events_keyless", events.c.event_id, **partial(HAS_NO_KEY))
Index("ix_events_released", events.c.source, events.c.released_at, events.c.id, **partial(WAS_LIMITED))

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event", BigInteger, nullable=False),
    Column("route", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("state", Text, nullable=False),  #: `core.states.DeliveryState`
    Column("lane", SmallInteger, nullable=False),  #: see outbox.LIVE …
    Column("split", BigInteger),  #: members of a refused batch that are sent together again, to find the bad one
    Column("due_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("attempt", BigInteger),  #: the last attempt it was a member of
    Column("attempts", Text, nullable=False),  #: all of them, ",12,45"
    Column("once_key", Text),  #: keyed hash of route and once_per value; of phones the first
    Column("reason", Text),  #: sentence of an earlier release; NULL if there is a code
    Column("checked_at", BigInteger),  #: when the vendor last agreed to this person's being contacted
    Column("reason_code", Text),  #: why it is in this state: `core.reasons.Code`
    Column("reason_facts", Text),  #: JSON: the facts of the code
    Column("place", Text),  #: where the person's phones may be: see `connector.core.places`; "" without a phone
    Column("turn", Integer),  #: number of its source, see `turns`; NULL: of an earlier release
    #: the mark of the rule by which its numbers were judged; NULL: it calls nobody, or is of an earlier release
    Column("rule", Integer),
    has("deliveries", DeliveryState),
    UniqueConstraint("event", "route", name="uq_deliveries_event_route"),
    sqlite_autoincrement=True,
)

Index(
    "ix_deliveries_due",
    deliveries.c.destination,
    deliveries.c.lane,
    deliveries.c.due_at,
    deliveries.c.id,
    **partial(IS_PENDING),
)
_WHOSE_TURN = (deliveries.c.destination, deliveries.c.lane, deliveries.c.turn, deliveries.c.due_at, deliveries.c.id)
Index("ix_deliveries_turn", *_WHOSE_TURN, **partial(IS_PENDING))
Index("ix_deliveries_attempt", deliveries.c.attempt, **partial(IN_HAND))
Index("ix_deliveries_once_key", deliveries.c.once_key, **partial(HAS_ONCE_KEY))
Index(
    "ix_deliveries_troubled",
    deliveries.c.state,
    deliveries.c.updated_at,
    deliveries.c.id,
    deliveries.c.destination,
    deliveries.c.reason_code,
    **partial(TROUBLED),
)

records = Table(
    "records",
    metadata,
    Column("delivery", Id, primary_key=True, autoincrement=False),
    Column(
        "record", Encrypted("records.record"), nullable=False
    ),  #: JSON, as it will be sent; "" if there is none (yet)
    Column("notes", EncryptedList("records.notes")),  #: JSON list: what rendering cut or left out
    Column("contact", Text),  #: keyed hash of the person's first phone or e-mail
    Column("contacts", Text),  #: JSON list: those of all their phones and e-mails, where there are several
    Column("after", Text),  #: the route of the same event whose delivery blocks this one, or has blocked it
    Column(
        "result", Encrypted("records.result")
    ),  #: JSON: the vendor's answer for it, as far as later routes may need it
    Column("consent", Text),  #: JSON: proof of consent and the wished time, without a person in it
)
# Here and not on the deliveries: every claim and every settlement would rewrite this index at a random place.
Index("ix_records_contact", records.c.contact)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("kind", Text, nullable=False),  #: `core.states.Kind`
    Column("state", Text, nullable=False),  #: `core.states.AttemptState`
    Column("worker", Text, nullable=False),
    Column("records", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    #: until when it occupies a slot, and from when its windows run out: the deadline, once finished the finish.
    #: NULL when it was provably not sent: then it counts nowhere.
    Column("ended_at", BigInteger),
    Column("status", Integer),  #: HTTP
    Column("words", EncryptedWords("attempts.words")),  #: the words of the vendor or the network
    Column("about", BigInteger),  #: probe: the unknown attempt it asks about
    Column("probe_at", BigInteger),  #: unknown: when to probe (again); NULL: nothing left to probe
    Column("probed", Text),  #: JSON: answers so far
    has("attempts", AttemptState),
    sqlite_autoincrement=True,
)

Index("ix_attempts_usage", attempts.c.account, attempts.c.ended_at)
Index(
    "ix_attempts_started",
    attempts.c.account,
    attempts.c.deadline,
    **partial(IS_STARTED),
)
Index(
    "ix_attempts_probe",
    attempts.c.account,
    attempts.c.probe_at,
    **partial(TO_PROBE),
)

Index(
    "ix_attempts_about",
    attempts.c.about,
    **partial(HAS_ABOUT),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),  #: `core.states.AccountState`
    Column("reason", Text),
    Column("since", BigInteger, nullable=False),
    Column("hold_until", BigInteger, nullable=False),  #: no call before this time; 0: none
    Column("hold_reason", Text),
    Column("faults", Integer, nullable=False),  #: account faults in a row, for the exponential wait
    Column("calls_since_bulk", Integer, nullable=False),
    Column("fetched_source", Text),  #: the source of the thin event that was fetched last, while several wait
    # Where a day's calls are spread over the working day (see pacing.Credit):
    Column("live_credit", Float),  #: credit at `credit_at`; NULL: no call was made yet
    Column("bulk_credit", Float),
    Column("credit_at", BigInteger),
    Column("rate", Float),  #: calls for each ms of working time, worked out at `rate_at`
    Column("rate_at", BigInteger),
    # The vendor's report of the day's budget:
    Column("others", Integer),  #: calls of other programs with the token at that time
    Column("told_limit", Integer),  #: the day's calls by the vendor's own count
    Column("told_at", BigInteger),
    Column("ask_at", BigInteger),  #: when to read it (again); NULL: never read
    Column("reason_code", Text),  #: as of deliveries
    Column("reason_facts", Text),
    Column("hold_reason_code", Text),
    Column("hold_reason_facts", Text),
    has("accounts", AccountState),
)

destinations = Table(
    "destinations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("state", Text, nullable=False),  #: `core.states.DestinationState`
    Column("reason", Text),
    Column("since", BigInteger, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),  #: for rotation
    Column("claimed_lane", SmallInteger, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),  #: 0: never
    #: JSON: words of lone records refused since something was accepted
    Column("refusals", EncryptedList("destinations.refusals"), nullable=False),
    Column("claimed_turn", Integer),  #: the source that was served last, while several wait
    Column("checked_turn", Integer),  #: the same of pre-checks
    Column("reason_code", Text),  #: as of deliveries
    Column("reason_facts", Text),
    has("destinations", DestinationState),
)

do_not_contact = Table(
    "do_not_contact",
    metadata,
    Column("hash", Text, primary_key=True),  #: keyed hash of a phone or an e-mail
    Column("hint", Text, nullable=False),  #: the masked form
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("channels", Text),  #: ",voice,sms,": only these; NULL: all
)

registries = Table(
    "registries",
    metadata,
    Column("name", Text, primary_key=True),
    Column("of", BigInteger, nullable=False),  #: the day of its newest file; 0: none was imported completely
    Column("begun", Integer, nullable=False),  #: the number of the last import, whole or not
    Column("current", Integer, nullable=False),  #: that of the last whole one
    Column("floor", Integer, nullable=False),  #: entries that no import since this one named are off
    Column("size", Integer, nullable=False),  #: people on it, as they were counted at its end
    Column("changed_at", BigInteger, nullable=False),
)

registry_entries = Table(
    "registry_entries",
    metadata,
    Column("registry", Text, primary_key=True),
    Column("hash", Text, primary_key=True),
    Column("first", Integer, nullable=False),  #: the import that brought it
    Column("last", Integer, nullable=False),  #: the last that named it
    Column("since", BigInteger, nullable=False),  #: the day of its first file, or of the registry's answer
    Column("listed", SmallInteger, nullable=False),  #: 0: the registry was asked and does not list the person
    sqlite_with_rowid=False,
)

#: Why the contacts of a call were allowed, without a person in it: one row for all who share a reason.
call_proofs = Table(
    "call_proofs",
    metadata,
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("proof", Text, nullable=False),  #: JSON
    Column("deliveries", Text, nullable=False),  #: JSON list of ids
    Column("consents", Text),  #: JSON {"12": …}: see `records.consent`
)

#: The same as earlier releases wrote it, a row for each contact.
contact_proofs = Table(
    "contact_proofs",
    metadata,
    Column("delivery", Id, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("proof", Text, nullable=False),  #: JSON
)

campaign_reports = Table(
    "campaign_reports",
    metadata,
    Column("account", Text, primary_key=True),
    Column("asked_at", BigInteger, nullable=False),  #: when the vendor was last called, answered or not
    Column("read_at", BigInteger, nullable=False),  #: when `statuses` was true
    Column("statuses", Text, nullable=False),  #: JSON {"1042": "started"}
    Column("rows", Text),  #: JSON: the vendor's own rows, for display
)

#: Whether a vendor's helps work: calls that nothing depends on. See `connector.store.helps`.
helps = Table(
    "helps",
    metadata,
    Column("account", Text, primary_key=True),
    Column("name", Text, primary_key=True),  #: "token_info", "find_record 1042", "campaign 1042"
    Column("state", Text, nullable=False),  #: works | unknown | not there
    Column("since", BigInteger, nullable=False),  #: when it came to this state
    Column("asked_at", BigInteger, nullable=False),
    Column("worked_at", BigInteger),  #: when it last worked
    Column("words", EncryptedWords("helps.words"), nullable=False),  #: the vendor's words when it failed
)

polls = Table(
    "polls",
    metadata,
    Column("name", Text, primary_key=True),  #: the source; of a backfill with its days behind it
    Column("source", Text, nullable=False),
    Column("what", Text, nullable=False),  #: JSON of the question; if it changes, the cursor starts again
    Column("cursor", Text, nullable=False),  #: JSON: how far it is; see `connector.pages`
    Column("seen", Text),  #: the ids of a list that comes whole every time, as it was last; compressed
    Column("begun_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),  #: no page is read before
    Column("holder", Text),  #: who reads one now
    Column("held_until", BigInteger, nullable=False),  #: end of the lease; 0: not leased
    Column("looked_at", BigInteger),  #: when the last complete run ended
    Column("stored", BigInteger, nullable=False),  #: how many events it has brought
    Column("faults", Integer, nullable=False),  #: in a row
    Column("error", Text),  #: sentence of an earlier release
    Column("error_at", BigInteger),
    Column("reason_code", Text),  #: why the last page could not be read; NULL once one was
    Column("reason_facts", Text),
)

lots = Table(
    "lots",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("state", Text, nullable=False),  #: `core.states.LotState`
    Column("changed_at", BigInteger, nullable=False),
    Column("asked", Text),  #: fire | discard: an operator's order, until it is known to be done or not done
    Column("asked_at", BigInteger),
    Column("asked_until", BigInteger),  #: from then on the vendor's list tells whether it was done
    Column("fires_at", BigInteger),  #: when the vendor is to send it
    has("lots", LotState),
    UniqueConstraint("account", "campaign", "code", name="uq_lots_code"),
    sqlite_autoincrement=True,
)

lot_deliveries = Table(
    "lot_deliveries",
    metadata,
    Column("delivery", Id, primary_key=True, autoincrement=False),
    Column("lot", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),  #: when it was put there
)
Index("ix_lot_deliveries_lot", lot_deliveries.c.lot)

forgetting = Table(
    "forgetting",
    metadata,
    Column("event", Id, primary_key=True, autoincrement=False),  #: to be forgotten as soon as nothing of it is in hand
    Column("erase", SmallInteger, nullable=False),  #: 1: erased on request; 0: purged by age
)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

#: Decisions of operators. Rows are appended, never changed or deleted; they hold no personal data.
acts = Table(
    "acts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),  #: CONNECTOR_WHO, else the system's user
    Column("what", Text, nullable=False),  #: see `store.acts.What`
    Column("delivery", BigInteger),
    Column("event", BigInteger),
    Column("account", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("number", BigInteger),
    Column("why", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index(
    "ix_acts_delivery",
    acts.c.delivery,
    **partial(HAS_DELIVERY),
)
Index(
    "ix_acts_event",
    acts.c.event,
    **partial(HAS_EVENT),
)
Index("ix_acts_at", acts.c.at)

processes = Table(
    "processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("roles", Text, nullable=False),  #: of `store.processes.Role`, with spaces between
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("config", Text, nullable=False),  #: hash of the configuration file it runs with
    Column("since", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  #: its last sign of life
    Column("stopped_at", BigInteger),  #: when it ended in order
)

#: Written behind the events, so that nothing is slower to store for it.
search_keys = Table(
    "search_keys",
    metadata,
    Column("hash", Text, primary_key=True),  #: keyed hash of a phone, an e-mail or a sender's own id
    Column("event", Id, primary_key=True, autoincrement=False),
)

#: Files that were imported. What is kept of one is its name, its titles and counts: no cell of it.
imports = Table(
    "imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),  #: events | suppression
    Column("source", Text, nullable=False),  #: "" for a do-not-contact file
    Column("name", Text, nullable=False),  #: of the file, without its folder
    Column("who", Text, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  #: NULL while it runs, and for good when it was interrupted
    Column("titles", Text, nullable=False),  #: JSON: [[our field, or "", the column's title], …]
    Column("counts", Text, nullable=False),  #: JSON: what the import said at its end
    sqlite_autoincrement=True,
)
import_rows = Table(
    "import_rows",
    metadata,
    Column("id", Id, primary_key=True),
    Column("upload", Id, nullable=False),  #: the import
    Column("line", BigInteger, nullable=False),
    Column("event", Id),  #: what the row became; NULL for a row that was left out
    Column("status", Text, nullable=False),  #: accepted | duplicate | ignored | waiting | invalid | left
    Column("replaced_by", Id),  #: the event of the corrected row
    Column("why", EncryptedWords("import_rows.why")),  #: of a row that was left out
    sqlite_autoincrement=True,
)
Index("ix_import_rows_import", import_rows.c.upload, import_rows.c.line)
Index(
    "ix_import_rows_event",
    import_rows.c.event,
    **partial(HAS_EVENT),
)

#: Many deliveries that a person chose together, to be sent again in steps.
plans = Table(
    "plans",
    metadata,
    Column("id", Id, primary_key=True),
    Column("made_at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("about", Text, nullable=False),  #: the destination
    Column("deliveries", Text, nullable=False),  #: JSON list of ids, frozen when the plan was made
    Column("state", Text, nullable=False),  #: `core.states.PlanState`
    Column("why", Text, nullable=False),
    Column("done", Integer, nullable=False),  #: deliveries processed so far
    Column("sent", Integer, nullable=False),
    Column("kept", Text, nullable=False),  #: JSON: why others stayed as they are -> how many
    Column("lease_until", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    sqlite_autoincrement=True,
)
