"""The tables. Times are unix milliseconds by the database's clock; the constraints carry the promises.

inbox: `events`. outbox: `deliveries` (small rows, rewritten often) with `records` (large rows, written once). The log
of calls: `attempts`. What is known of the outside: `accounts`, `destinations`, `campaign_reports`, `lots`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

#: SQLite's rowid is the cheapest key there is, and only an INTEGER column is one.
Id = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),  #: as the sender calls it, or a hash of the body
    Column("key", Text),  #: what makes a copy a copy; NULL on invalid rows, so that a corrected copy is welcome
    Column("type", Text, nullable=False),
    Column("state", Text, nullable=False),  #: accepted | waiting | ignored | invalid
    Column("received_at", BigInteger, nullable=False),
    Column("occurred_at", BigInteger),  #: the event's own time
    Column("content_type", Text, nullable=False),
    Column("payload", Text, nullable=False),  #: what replay maps again; a data: URL when the bytes were no text
    Column("fingerprint", Text),  #: of the mapped event: a second payload under one id is compared by it
    Column("errors", Text),  #: JSON [{"field","message"}] of an invalid payload
    Column("notes", Text),  #: JSON list: what reading dropped or blanked
    Column("account", Text),  #: of a thin event: who is asked for the rest
    Column("due_at", BigInteger),  #: waiting: when to ask (again)
    Column("attempts", Text),  #: of a thin event: the calls made to fetch it, ",12,45"
    Column("fetched", Text),  #: JSON: what they brought, by name
    Column("second_key", Text),  #: of a thin event, once fetched: the lead or the ticket's state it turned out to be
    Column("forgotten_at", BigInteger),  #: from then on nothing of the person is here but keyed hashes
    UniqueConstraint("source", "key", name="uq_events_source_key"),
    sqlite_autoincrement=True,
)

Index(
    "ix_events_waiting",
    events.c.account,
    events.c.due_at,
    events.c.id,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)
Index(
    "uq_events_second_key",
    events.c.source,
    events.c.second_key,
    unique=True,
    sqlite_where=text("second_key IS NOT NULL"),
    postgresql_where=text("second_key IS NOT NULL"),
)
Index(
    "ix_events_keyless",
    events.c.event_id,
    sqlite_where=text("key IS NULL"),
    postgresql_where=text("key IS NULL"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event", BigInteger, nullable=False),
    Column("route", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("state", Text, nullable=False),  #: pending | sending | delivered | uncertain | suppressed | dead
    Column("lane", SmallInteger, nullable=False),  #: see outbox.LIVE …
    Column("split", BigInteger),  #: members of a refused batch that are sent together again, to find the bad one
    Column("due_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("attempt", BigInteger),  #: the last attempt it was a member of
    Column("attempts", Text, nullable=False),  #: all of them, ",12,45"
    Column("once_key", Text),  #: keyed hash of route and once_per value
    Column("reason", Text),  #: why it is in this state, in words for a person
    Column("checked_at", BigInteger),  #: when the vendor last agreed to this person's being contacted
    UniqueConstraint("event", "route", name="uq_deliveries_event_route"),
    sqlite_autoincrement=True,
)

Index(
    "ix_deliveries_due",
    deliveries.c.destination,
    deliveries.c.lane,
    deliveries.c.due_at,
    deliveries.c.id,
    sqlite_where=text("state = 'pending'"),
    postgresql_where=text("state = 'pending'"),
)
Index(
    "ix_deliveries_attempt",
    deliveries.c.attempt,
    sqlite_where=text("state IN ('sending', 'uncertain')"),
    postgresql_where=text("state IN ('sending', 'uncertain')"),
)
Index(
    "ix_deliveries_once_key",
    deliveries.c.once_key,
    sqlite_where=text("once_key IS NOT NULL"),
    postgresql_where=text("once_key IS NOT NULL"),
)
Index(
    "ix_deliveries_troubled",
    deliveries.c.state,
    deliveries.c.updated_at,
    sqlite_where=text("state IN ('uncertain', 'suppressed', 'dead')"),
    postgresql_where=text("state IN ('uncertain', 'suppressed', 'dead')"),
)

records = Table(
    "records",
    metadata,
    Column("delivery", Id, primary_key=True, autoincrement=False),
    Column("record", Text, nullable=False),  #: JSON, as it will be sent; "" when there is none (yet)
    Column("notes", Text),  #: JSON list: what rendering cut or left out
    Column("contact", Text),  #: keyed hash of the person's first phone or e-mail
    Column("contacts", Text),  #: JSON list: those of all their phones and e-mails, where there are several
    Column("after", Text),  #: the route of the same event whose delivery this one waits for, or has waited for
    Column("result", Text),  #: JSON: what the vendor answered for it, as far as routes after it may want it
)
# Here and not on the deliveries: every claim and every settling would write this index anew, at a random place.
Index("ix_records_contact", records.c.contact)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("kind", Text, nullable=False),  #: send | probe | report | fetch | budget | check | poll
    Column("state", Text, nullable=False),  #: started | accepted | rejected | not_sent | unknown
    Column("worker", Text, nullable=False),
    Column("records", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    #: until when it occupies a slot, and from when its windows run out: the deadline, once finished the finish.
    #: NULL when it was provably not sent: then it counts nowhere.
    Column("ended_at", BigInteger),
    Column("status", Integer),  #: HTTP
    Column("words", Text),  #: what the vendor or the network said
    Column("about", BigInteger),  #: probe: the unknown attempt it asks about
    Column("probe_at", BigInteger),  #: unknown: when to ask (again); NULL: nothing left to ask
    Column("probed", Text),  #: JSON: answers so far
    sqlite_autoincrement=True,
)

Index("ix_attempts_usage", attempts.c.account, attempts.c.ended_at)
Index(
    "ix_attempts_started",
    attempts.c.account,
    attempts.c.deadline,
    sqlite_where=text("state = 'started'"),
    postgresql_where=text("state = 'started'"),
)
Index(
    "ix_attempts_probe",
    attempts.c.account,
    attempts.c.probe_at,
    sqlite_where=text("probe_at IS NOT NULL"),
    postgresql_where=text("probe_at IS NOT NULL"),
)

Index(
    "ix_attempts_about",
    attempts.c.about,
    sqlite_where=text("about IS NOT NULL"),
    postgresql_where=text("about IS NOT NULL"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),  #: open | paused | blocked
    Column("reason", Text),
    Column("since", BigInteger, nullable=False),
    Column("hold_until", BigInteger, nullable=False),  #: no call before; 0: none
    Column("hold_reason", Text),
    Column("faults", Integer, nullable=False),  #: account faults in a row, for the exponential wait
    Column("calls_since_bulk", Integer, nullable=False),
    # Where a day's calls are spread over the working day (see pacing.Credit):
    Column("live_credit", Float),  #: calls in hand at `credit_at`; NULL: no call was asked for yet
    Column("bulk_credit", Float),
    Column("credit_at", BigInteger),
    Column("rate", Float),  #: calls for each ms of working time, worked out at `rate_at`
    Column("rate_at", BigInteger),
    # What the vendor says of the day's budget:
    Column("others", Integer),  #: calls that other programs made with the token, when it was told
    Column("told_limit", Integer),  #: the day's calls by the vendor's own count
    Column("told_at", BigInteger),
    Column("ask_at", BigInteger),  #: when to ask (again); NULL: never asked
)

destinations = Table(
    "destinations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("state", Text, nullable=False),  #: open | stopped
    Column("reason", Text),
    Column("since", BigInteger, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),  #: for rotation
    Column("claimed_lane", SmallInteger, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),  #: 0: never
    Column("refusals", Text, nullable=False),  #: JSON: words of lone records refused since something was accepted
)

do_not_contact = Table(
    "do_not_contact",
    metadata,
    Column("hash", Text, primary_key=True),  #: keyed hash of a phone or an e-mail
    Column("hint", Text, nullable=False),  #: what may be shown of it
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)

campaign_reports = Table(
    "campaign_reports",
    metadata,
    Column("account", Text, primary_key=True),
    Column("asked_at", BigInteger, nullable=False),  #: when the vendor was last asked, answered or not
    Column("read_at", BigInteger, nullable=False),  #: when `statuses` was true
    Column("statuses", Text, nullable=False),  #: JSON {"1042": "started"}
    Column("rows", Text),  #: JSON: the vendor's own rows, for whoever wants to see them
)

polls = Table(
    "polls",
    metadata,
    Column("name", Text, primary_key=True),  #: the source; of a backfill with its days behind it
    Column("source", Text, nullable=False),
    Column("what", Text, nullable=False),  #: JSON of what is asked for: where that changes, the cursor begins anew
    Column("cursor", Text, nullable=False),  #: JSON: how far it is; see `connector.pages`
    Column("seen", Text),  #: the ids of a list that comes whole every time, as it was last; compressed
    Column("begun_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),  #: no page is read before
    Column("holder", Text),  #: who reads one now
    Column("held_until", BigInteger, nullable=False),  #: from then on anybody may; 0: nobody does
    Column("looked_at", BigInteger),  #: when the last whole look was through
    Column("stored", BigInteger, nullable=False),  #: how many events it has brought
    Column("faults", Integer, nullable=False),  #: in a row
    Column("error", Text),  #: why the last page could not be read; NULL once one was
    Column("error_at", BigInteger),
)

lots = Table(
    "lots",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("state", Text, nullable=False),  #: draft | fired | discarded | gone
    Column("changed_at", BigInteger, nullable=False),
    Column("asked", Text),  #: fire | discard: what a person asked for, until it is known to be done, or not done
    Column("asked_at", BigInteger),
    Column("asked_until", BigInteger),  #: from then on the vendor's list tells whether it was done
    Column("fires_at", BigInteger),  #: when the vendor is to send it
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
    Column("erase", SmallInteger, nullable=False),  #: 1: a person asked for it; 0: it is old enough
)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
