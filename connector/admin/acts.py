"""Acts of operators: written by every function that decides, shown by explain and status."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.errors import ConnectorError
from connector.core.log import masked
from connector.core.phrases import Phrase, joined, names, phrase
from connector.core.reasons import Reason
from connector.core.settings import Role
from connector.core.states import state_word
from connector.core.times import iso
from connector.store import acts
from connector.store.acts import Act, What
from connector.store.database import Database, now_ms
from mappings.fields import clean

#: Who may do what: what cannot be taken back is an administrator's.
NEEDS: Final[Mapping[What, Role]] = {
    **dict.fromkeys(What, Role.OPERATOR),
    What.RESEND: Role.ADMIN,
    What.ERASE: Role.ADMIN,
    What.PURGE: Role.ADMIN,
    What.EXPORT: Role.VIEWER,
    What.EXPORT_ACTS: Role.ADMIN,
}
ROLES: Final[Mapping[Role, Phrase]] = {
    Role.VIEWER: phrase("a viewer"),
    Role.OPERATOR: phrase("an operator"),
    Role.ADMIN: phrase("an administrator"),
}
LONGEST: Final = 200  #: letters of a reason that are kept
TOLD: Final = 20  #: acts that status shows


class Forbidden(ConnectorError):  # noqa: N818 - a refusal, not a fault
    """The person's role does not let them do it."""


@dataclass(frozen=True, slots=True)
class By:
    """The person who decides, and the reason. Phones and e-mails in the reason are masked before it is kept."""

    who: str
    why: str = ""
    role: Role = Role.ADMIN  #: who runs commands on the machine may do everything

    def may(self, what: What) -> bool:
        """Whether the role lets them."""
        return self.role.covers(NEEDS[what])

    def demand(self, what: What) -> None:
        """Raises `Forbidden` when the role does not let them."""
        if not self.may(what):
            raise Forbidden(
                phrase("{role} may do this: you are {mine}", role=ROLES[NEEDS[what]], mine=ROLES[self.role])
            )

    def act(self, what: What, **about: Any) -> Act:
        """The row of a decision; ``about`` as in `Act`. Raises `Forbidden`.

        Every act is made here before its transaction ends, so that nothing is done by who may not.
        """
        self.demand(what)
        return Act(what=what, who=_short(self.who) or "somebody", why=_short(masked(clean(self.why))), **about)


def _short(text: str) -> str:
    return " ".join(text.split())[:LONGEST]


def stood(state: str, reason: Reason | None) -> str:
    """The state of a delivery before the change: "dead: 400", "suppressed: expired". Without words of a vendor."""
    if reason is None:
        return state
    return f"{state}: {reason.facts.get('status') or reason.code}"


def record(database: Database, act: Act) -> None:
    """Writes an act without a transaction of its own: the decision is carried out already."""
    with database.write() as conn:
        acts.append(conn, [act], now_ms(conn))


# --- telling --------------------------------------------------------------------------------------------------------


def story_lines(conn: Connection, event: int, deliveries: Collection[int]) -> list[dict[str, Any]]:
    """The lines of a story about acts."""
    return [{"at": iso(row.at), "said": _line(row)} for row in acts.of_deliveries(conn, event, deliveries)]


def lines_of_accounts(conn: Connection, names: Collection[str], since: int, until: int) -> list[dict[str, Any]]:
    """Pauses and resumptions while something waited, as lines of its story."""
    return [{"at": iso(row.at), "said": sentence(row)} for row in acts.of_accounts(conn, names, since, until)]


def latest(conn: Connection, since: int) -> list[dict[str, Any]]:
    """The latest acts, newest first, as JSON values."""
    return [as_json(row) for row in acts.latest(conn, since, TOLD)]


def _line(row: Any) -> str:
    name = f"d{row.delivery}" if row.delivery is not None else f"e{row.event}"
    return joined([f"{name}: ", sentence(row)])


def sentence(row: Any) -> str:
    """ "ana paused dialler: maintenance until 14:00"."""
    template, facts = SAID.get(row.what, UNKNOWN), _facts(row)
    did = Phrase(template.format_map(facts), template, {name: facts[name] for name in names(template)})
    return joined([f"{row.who} ", did, _before(row.before), f": {row.why}" if row.why else ""])


def _before(stood_: str) -> str:
    """ "; it was dead: 400" of what `stood` has kept."""
    state, _, why = stood_.partition(": ")
    return phrase("; it was {before}", before=joined([state_word(state), why], ": ")) if state else ""


def _facts(row: Any) -> dict[str, Any]:
    """The facts that a sentence may name."""
    return {"account": row.account, "about": row.about, "number": row.number or 0}


#: An act that a later release wrote.
UNKNOWN: Final = phrase("did something that this release does not know")
#: The act of the person who is named before it.
SAID: Final[Mapping[What, str]] = {
    What.REPLAY: "had it sent again (replay)",
    What.RESEND: "had it sent a second time (replay --force)",
    What.LANDED: "said that it had landed (resolve --landed)",
    What.NOT_LANDED: "said that it had not landed, and had it sent again (resolve --resend)",
    What.PAUSE: "paused {account}",
    What.RESUME: "resumed {account}",
    What.SUPPRESS: "put {number:,} on the do-not-contact list",
    What.UNSUPPRESS: "took {number:,} off the do-not-contact list",
    What.ERASE: "had a person erased, from {number:,} events",
    What.PURGE: "purged {number:,} old events",
    What.FIRE: "fired draft lot {about} of {account}",
    What.DISCARD: "discarded draft lot {about} of {account}",
    What.REDRIVE: "put {number:,} dead-lettered messages of {about} back",
    What.IMPORT: "imported {number:,} rows for {about}",
    What.BACKFILL: "read the past of {about}",
    What.REVEAL: "looked at the person's data",
    What.EXPORT: "took a list of deliveries as a file",
    What.EXPORT_ACTS: "took the history as a file",
}


def as_json(row: Any) -> dict[str, Any]:
    """An act as lists of acts show it."""
    return {
        "at": iso(row.at),
        "who": row.who,
        "what": row.what,
        "delivery": None if row.delivery is None else f"d{row.delivery}",
        "event": None if row.event is None else f"e{row.event}",
        "account": row.account or None,
        "about": row.about or None,
        "before": row.before or None,
        "number": row.number,
        "why": row.why or None,
        "said": _line(row) if row.delivery is not None or row.event is not None else sentence(row),
    }
