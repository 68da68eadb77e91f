"""reasons as codes and facts, and two kinds of calls that were both called check

The rules below read the sentences of release 0002 as they were then. They are frozen: whatever is reworded later, old
rows are read by these. Rows are read and written in steps of some thousands, by primary key. A process of the release
before that still runs goes on writing its sentences, which readers show as they are.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AT_ONCE = 5_000

Facts = dict[str, Any]
Coded = tuple[str, Facts]

_LAPSED = "no answer was recorded before the deadline: the worker died or was frozen"
_RESOLVE = "`connector resolve`"
_REST = " (the rest was forgotten)"
_NOTHING = "what was said of it was forgotten"


def _said(words: str) -> Facts:
    """A fault of ours or a vendor's words, with the HTTP status that they begin with."""
    if words == _LAPSED:
        return {"because": {"code": "lapsed", "facts": {}}}
    if words.startswith(("not sent", "no answer")):
        return {"fault": words}
    status = re.match(r"(?:HTTP )?(\d{3})\b", words)
    facts: Facts = {"status": int(status[1])} if status else {}
    forgotten = words == _NOTHING or words.endswith(_REST)
    return facts if forgotten or not words else facts | {"words": words}


def _numbered(name: str, number: str) -> Facts:
    return {name: int(number)}


def _behind(route: str, state: str, said: str | None) -> Facts:
    facts: Facts = {"route": route, "state": state}
    if said:
        code, behind = delivery(state, said)
        facts["because"] = {"code": code, "facts": behind}
    return facts


#: (how the sentence is, its code, its facts made of what was matched)
_RULES: tuple[tuple[str, str, Callable[..., Facts]], ...] = (
    (r"expired: its contact hours began only after.*", "expired.hours", dict),
    (r"expired\b.*", "expired", dict),
    (r"erased on request", "erased", dict),
    (r"once_per: the same person is in delivery d(\d+)", "once", lambda n: _numbered("other", n)),
    (r"once_per had the same person in delivery d(\d+)", "once.forgotten", lambda n: _numbered("other", n)),
    (r"once_per\b.*", "once.forgotten", dict),
    (r"held until (.+): outside the contact hours \((.*)\)", "hours.held", lambda u, h: {"until": u, "hours": h}),
    (r"on the do-not-contact list", "suppression_list", dict),
    (r"do_not_contact\b.*", "suppression_list", dict),
    (r"ninety_day_rule: what Tracksale said.*", "precheck.stale", dict),
    (r"ninety_day_rule\b.*", "ninety_days", dict),
    (r"asked in vain: (.*)", "precheck.failed", _said),
    (r"it comes after “([^”]*)”, which ended (\w+)(?:: (.*))?", "before.ended", _behind),
    (
        r"it comes after “([^”]*)”, which ended (\w+) \(the rest was forgotten\)",
        "before.ended",
        lambda r, s: _behind(r, s, None),
    ),
    (r"it comes after “([^”]*)”, to which this event did not go.*", "before.absent", lambda r: {"route": r}),
    (r"the delivery before it ended unsent", "copy.freed", dict),
    (r"no record can be made of it(?:: (.*)| \(the rest was forgotten\))?", "no_record", lambda w: _said(w or "")),
    (
        r"its batch of (\d+) was refused \((.*)\); halved.*",
        "batch.halved",
        lambda n, w: _numbered("size", n) | _said(w),
    ),
    (
        r"its batch of (\d+) was refused \((.*)\); tried.*",
        "batch.sampled",
        lambda n, w: _numbered("size", n) | _said(w),
    ),
    (r"a person must look first(?:: (.*)| \(the rest was forgotten\))", "person.first", lambda w: _said(w or "")),
    (r"its batch of (\d+) was refused\b.*", "batch.halved", lambda n: _numbered("size", n)),
    (r"refused \((.*)\); kept until.*", "refusal.kept", _said),
    (r"refused \(the rest was forgotten\)", "refusal.kept", dict),
    (re.escape(_LAPSED), "lapsed", dict),
    (r"(.*); the vendor is asked", "unknown.asked", _said),
    (rf"(.*); the vendor cannot be asked: {_RESOLVE}", "unknown.kept", _said),
    (r"(.*); sent again, as its route says", "unknown.resent", _said),
    (r"the vendor was asked: it has this record", "probe.landed", dict),
    (r"the vendor was asked: it had not landed; sent again", "probe.absent", dict),
    (r"the vendor has some of the batch and not all\b.*", "probe.disagrees", dict),
    (r"no one in the batch is new to this destination\b.*", "probe.nobody_new", dict),
    (r"not in the vendor's report after several looks\b.*", "probe.not_seen", dict),
    (rf"(.*): {_RESOLVE}", "probe.unclear", lambda w: {"words": w}),
    (r"replayed", "replayed", dict),
    (r"a person says it landed", "resolved.landed", dict),
    (r"a person says it did not land; sent again", "resolved.absent", dict),
    (r"its draft lot was discarded by a person on (\S+)", "lot.discarded", lambda d: {"day": d}),
    (r"(.*): an attempt before had landed", "vendor.landed_before", _said),
)
_COMPILED = [(re.compile(rule, re.DOTALL), code, facts) for rule, code, facts in _RULES]

#: What no rule knows are a vendor's words for the state that the delivery is in.
_BY_STATE = {
    "dead": "vendor.refused",
    "suppressed": "vendor.duplicate",
    "delivered": "vendor.said",
    "pending": "sent.again",
    "uncertain": "unknown.record",
}


def delivery(state: str, text: str) -> Coded:
    """The code and the facts of a delivery's reason."""
    for rule, code, facts in _COMPILED:
        if (found := rule.fullmatch(text)) is not None:
            return code, facts(*found.groups())
    return _BY_STATE.get(state, "other"), _said(text)


_BLOCKS = (
    (r"an answer that is not known \((.*)\): look at what the vendor changed, then resume", "blocked.unknown_answer"),
    (r"(.*): check the account's token.*, then resume", "blocked.credentials"),
    (r"(.*): solve the CAPTCHA .*, then resume", "blocked.captcha"),
    (r"(.*): free records or buy licences .*, then resume", "blocked.licences"),
)


def account(state: str, text: str) -> Coded:
    """The code and the facts of why an account is paused or blocked."""
    if state == "paused":
        return "paused", {"note": text}
    for rule, code in _BLOCKS:
        if (found := re.fullmatch(rule, text, re.DOTALL)) is not None:
            return code, _said(found[1])
    return "other", {"words": text}


def hold(_state: str, text: str) -> Coded:
    """The code and the facts of why an account is held."""
    facts = _said(text)
    if "fault" in facts:
        return "held.network", facts
    failed = facts.get("status", 0) >= 500 or " failed (" in text or "cannot be read" in text
    return "held.server" if failed else "held.rate", facts


def destination(_state: str, text: str) -> Coded:
    """The code and the facts of why a destination is stopped."""
    rule = r"(.*?) accepted nothing yet and refused (\d+) lone records \((.*)\): check .* `connector resume (.*)`"
    found = re.fullmatch(rule, text, re.DOTALL)
    if found is None:
        return "other", {"words": text}
    name, count, words, account_ = found.groups()
    return "destination.stopped", {"destination": name, "account": account_, "count": int(count)} | _said(words)


def poll(faults: int, text: str) -> Coded:
    """The code and the facts of why the last page of a poll could not be read."""
    return ("poll.failed", _said(text)) if faults else ("poll.waits", {"fault": text})


def _columns(table: str, *names: str) -> None:
    for name in names:
        op.add_column(table, sa.Column(name, sa.Text(), nullable=True))


def _steps(table: sa.TableClause, key: Any, text: Any, state: Any) -> Iterator[list[Any]]:
    """The rows with a sentence, in the order of their keys."""
    conn, after = op.get_bind(), None
    while True:
        query = sa.select(key, text, state).where(text.is_not(None)).order_by(key).limit(_AT_ONCE)
        rows = conn.execute(query if after is None else query.where(key > after)).all()
        if not rows:
            return
        after = rows[-1][0]
        yield list(rows)


def _code(name: str, key: str, text: str, state: str, prefix: str, coded: Callable[[Any, str], Coded]) -> None:
    """Writes code and facts beside the sentences of a table, and takes these out."""
    code, facts = f"{prefix}_code", f"{prefix}_facts"
    table = sa.table(name, *(sa.column(column) for column in (key, text, state, code, facts)))
    c = table.c
    statement = sa.update(table).where(c[key] == sa.bindparam("row"))
    statement = statement.values({text: None, code: sa.bindparam("code"), facts: sa.bindparam("facts")})
    for rows in _steps(table, c[key], c[text], c[state]):
        made = [(row, coded(of, said)) for row, said, of in rows]
        op.get_bind().execute(
            statement,
            [
                {"row": row, "code": one, "facts": json.dumps(known, ensure_ascii=False) if known else None}
                for row, (one, known) in made
            ],
        )


def upgrade() -> None:
    for table in ("deliveries", "accounts", "destinations", "polls"):
        _columns(table, "reason_code", "reason_facts")
    _columns("accounts", "hold_reason_code", "hold_reason_facts")
    _code("deliveries", "id", "reason", "state", "reason", delivery)
    _code("accounts", "name", "reason", "state", "reason", account)
    _code("accounts", "name", "hold_reason", "state", "hold_reason", hold)
    _code("destinations", "name", "reason", "state", "reason", destination)
    _code("polls", "name", "error", "faults", "reason", poll)
    op.execute("UPDATE attempts SET kind = 'credentials' WHERE kind = 'check' AND destination = account || '/check'")
    op.execute("UPDATE attempts SET kind = 'precheck' WHERE kind = 'check'")
