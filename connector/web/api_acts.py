"""The acts of ``/api``: the same functions as behind the console's buttons and the commands, refused by role as there.

A request says in its body what is meant, and why; persons stand there and in no address. What acts on many is planned
first, looked at, and then begun by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from flask import Response, request

from connector.admin import accounts, plans, suppression
from connector.admin import reveal as revealing
from connector.admin.acts import By
from connector.admin.groups import PERIODS, by_destination, causes, of_id
from connector.admin.identifiers import NotThere
from connector.admin.people import People
from connector.admin.privacy import erase_steps
from connector.admin.privacy.erase import Erased, out_of_reach
from connector.admin.redrive import redrive
from connector.admin.replay import Replay, Wish
from connector.admin.resolve import resolve, resolve_attempt
from connector.admin.unread import unread
from connector.core.errors import ConnectorError
from connector.core.log import masked
from connector.core.phrases import phrase
from connector.core.settings import Role, Settings
from connector.core.states import AccountState, PlanState
from connector.core.times import iso
from connector.store import plans as stored
from connector.store.acts import What
from connector.store.database import Database
from connector.store.plans import Plan
from connector.web.bearer import person_of
from connector.web.given import flag as flag_of
from connector.web.given import given as given_body
from connector.web.given import text as text_of
from connector.web.request import query
from connector.web.responses import reply

#: Those that change nothing: asked again they look again.
LOOKS: Final = {
    "/api/do-not-contact/check",
    "/api/events/<number>/reveal",
    "/api/lots/<account>/<campaign>/<lot>/look",
}
LANDED: Final[Mapping[str, bool]] = {"landed": True, "absent": False}


class ActsApi:
    """The views. Each raises `ConnectorError` for a body that it cannot use, `Forbidden`, `NotThere`."""

    def __init__(self, settings: Settings, database: Database, people: People) -> None:
        self._settings = settings
        self._database = database
        self._people = people

    def routes(self) -> Mapping[str, tuple[Callable[..., Response], str]]:
        """Address -> view and method."""
        return {
            "/api/accounts/<name>/pause": (self.pause, "POST"),
            "/api/accounts/<name>/resume": (self.resume, "POST"),
            "/api/deliveries/<number>/replay": (self.replay, "POST"),
            "/api/deliveries/<number>/resolve": (self.resolve, "POST"),
            "/api/attempts/<number>/resolve": (self.resolve_all, "POST"),
            "/api/events/<number>/reveal": (self.reveal, "POST"),
            "/api/do-not-contact/check": (self.check, "POST"),
            "/api/do-not-contact/add": (self.add, "POST"),
            "/api/do-not-contact/remove": (self.remove, "POST"),
            "/api/problems": (self.problems, "GET"),
            "/api/problems/<cause>/plan": (self.make_plan, "POST"),
            "/api/plans/<int:number>": (self.plan, "GET"),
            "/api/plans/<int:number>/begin": (self.begin, "POST"),
            "/api/plans/<int:number>/stop": (self.stop, "POST"),
            "/api/erase": (self.erase, "POST"),
            "/api/sources/<name>/redrive": (self.redrive, "POST"),
        }

    # One account, one delivery

    def pause(self, name: str) -> Response:
        """``{"why"}``: no call of the account starts any more."""
        accounts.pause(self._database, self._settings, name, self._by(given_body(), demand_why=True))
        return reply({"account": name, "state": AccountState.PAUSED})

    def resume(self, name: str) -> Response:
        """``{"why"}``: its calls go on, and those to its stopped destinations."""
        before = accounts.resume(self._database, self._settings, name, self._by(given_body()))
        return reply({"account": name, "state": AccountState.OPEN, "before": before.state})

    def replay(self, number: str) -> Response:
        """``{"why", "dry_run", "force"}``: sends it again; ``force``: although it was delivered, for administrators."""
        given = given_body()
        force, dry_run = flag_of(given, "force"), flag_of(given, "dry_run")
        by = self._by(given)
        by.demand(What.RESEND if force else What.REPLAY)
        wish = Wish(dry_run=dry_run, force=force, ended_too=True, late_too=True)
        changes = Replay(self._settings, self._database, by).delivery(_own(number, "d"), wish)
        return reply(
            {"changes": [one.as_json() for one in changes], "done": not dry_run and changes[0].action != "keep"}
        )

    def resolve(self, number: str) -> Response:
        """``{"how": "landed" or "absent", "why"}``: settles an uncertain one as a person found out."""
        given = given_body()
        landed, by = _landed(given), self._by(given)
        by.demand(What.LANDED)
        resolve(self._settings, self._database, _own(number, "d"), by, landed=landed)
        return reply({"resolved": 1})

    def resolve_all(self, number: str) -> Response:
        """The same for all of one call."""
        given = given_body()
        landed, by = _landed(given), self._by(given)
        by.demand(What.LANDED)
        settled = resolve_attempt(self._settings, self._database, _own(number, "a"), by, landed=landed)
        return reply({"resolved": settled})

    def reveal(self, number: str) -> Response:
        """``{"why", "words"}``: the event with its person, once the act is on record."""
        given, event = given_body(), _own(number, "e")
        why, words = text_of(given, "why"), masked(text_of(given, "words"))
        by = self._by(given)
        by.demand(What.REVEAL)
        return reply(revealing.reveal(self._database, self._settings, event, by, why, words))

    # People

    def check(self) -> Response:
        """``{"text"}``: whether a phone or an e-mail is on the list, and which deliveries adding it would end."""
        return reply(_asked(suppression.look_up(self._database, self._settings, _person(given_body()))))

    def add(self) -> Response:
        """``{"text", "why"}``: puts a person on the list."""
        given = given_body()
        return reply(_asked(suppression.add(self._database, self._settings, _person(given), self._by(given))))

    def remove(self) -> Response:
        """``{"text", "why"}``: takes a person off it."""
        given = given_body()
        return reply(_asked(suppression.remove(self._database, self._settings, _person(given), self._by(given))))

    def erase(self) -> Response:
        """``{"text"}`` counts; with ``plan`` and ``why`` it erases. Again with ``tally`` until it is over."""
        given = given_body()
        text, plan, by = _person(given), text_of(given, "plan"), self._by(given)
        tally = given.get("tally") or {}
        if not isinstance(tally, dict):
            raise ConnectorError('tally: the "tally" of the answer before, as it was')
        before = erase_steps.tally_of(tally) if tally else Erased()
        if plan:
            never_again = flag_of(given, "never_again")
            step = erase_steps.erase(
                self._settings, self._database, text, by, before, plan=plan, never_again=never_again
            )
        else:
            step = erase_steps.count(self._settings, self._database, text, by, before)
        phases = {True: ("counted", "erased"), False: ("counting", "erasing")}
        phase = phases[step.is_over][bool(plan)]
        beyond = [str(one) for one in out_of_reach(self._settings)]
        return reply({"phase": phase, "plan": step.plan or None, "tally": asdict(step.tally), "out_of_reach": beyond})

    def redrive(self, name: str) -> Response:
        """``{"why"}``: puts the messages back that the source's queue gave back."""
        by = self._by(given_body())
        return reply({"put_back": redrive(self._database, self._settings, name, by)})

    # Many

    def problems(self) -> Response:
        """``?since=24h``: what failed, by its cause."""
        since_ms = PERIODS[_since(query(request.environ))]
        found = causes(self._database, since_ms)
        shown: dict[str, Any] = {"causes": [one.as_json() for one in found.groups]}
        shown |= {"destinations": by_destination(found.groups), "looked_back_to": iso(found.looked_back_to)}
        return reply(shown | {"unread": [one.as_json() for one in unread(self._database, since_ms)]})

    def make_plan(self, cause: str) -> Response:
        """``{"since"}``: freezes what failed for this cause; nothing is sent yet."""
        given, by = given_body(), self._by({})
        by.demand(What.REPLAY)
        since_ms = PERIODS[_since(given)]
        number = plans.make(self._database, of_id(self._database, cause, since_ms), since_ms, by)
        return reply(self._plan(number), 201)

    def plan(self, number: int) -> Response:
        """How a plan stands; before it is begun, what it would do."""
        return reply(self._plan(number))

    def begin(self, number: int) -> Response:
        """``{"why"}``: begins it; once more changes nothing."""
        self._there(number)
        plans.begin(self._database, number, self._by(given_body()))
        return reply(self._plan(number))

    def stop(self, number: int) -> Response:
        """Stops it after the step under way."""
        self._there(number)
        plans.stop(self._database, number, self._by(given_body()))
        return reply(self._plan(number))

    def _there(self, number: int) -> Plan:
        with self._database.read() as conn:
            found = stored.get(conn, number) if number < 1 << 63 else None
        if found is None:
            raise NotThere(phrase("There is no such plan here."))
        return found

    def _plan(self, number: int) -> dict[str, Any]:
        plan = self._there(number)
        is_planned = plan.state == PlanState.PLANNED
        preview = plans.preview(self._database, self._settings, plan) if is_planned else None
        return {
            "plan": plan.id,
            "state": plan.state,
            "made_at": iso(plan.made_at),
            "who": plan.who,
            "why": plan.why or None,
            "destination": plan.about,
            "deliveries": len(plan.deliveries),
            "looked_at": preview.looked_at if preview else plan.done,
            "calls": plans.calls_of(self._settings, plan, preview) if preview else None,
            "sent": preview.sent if preview else plan.sent,
            "kept": {str(why): number for why, number in (preview.kept if preview else plan.kept).items()},
            "ended_at": iso(plan.ended_at),
        }

    def _by(self, given: Mapping[str, Any], *, demand_why: bool = False) -> By:
        """The person of the key, with the reason that the body gives."""
        person, why = person_of(self._people), text_of(given, "why")
        if demand_why and not why:
            raise ConnectorError('why: the next person wants to know; {"why": "…"} as JSON')
        return By(person.name, why, person.role) if person else By("nobody", why, Role.VIEWER)


def _person(given: Mapping[str, Any]) -> str:
    text = text_of(given, "text")
    if not text:
        raise ConnectorError('send {"text": "…"} as JSON: a phone or an e-mail')
    return text


def _landed(given: Mapping[str, Any]) -> bool:
    how = given.get("how")
    if not isinstance(how, str) or how not in LANDED:
        raise ConnectorError('how: "landed", or "absent": then it is sent again')
    return LANDED[how]


def _since(given: Mapping[str, Any]) -> str:
    since = given.get("since", "24h")
    if not isinstance(since, str) or since not in PERIODS:
        raise ConnectorError(f"since: one of {', '.join(PERIODS)}")
    return since


def _own(text: str, kind: str) -> int:
    """123 of "d123"."""
    digits = text[1:]
    if text[:1] != kind or not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise NotThere(f"give {kind}123: a name that this connector gave")
    return int(digits)


def _asked(found: suppression.Lookup) -> dict[str, Any]:
    return {"person": found.hint, "listed": found.listed, "stops": list(found.stops)}
