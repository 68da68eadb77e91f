"""The sandbox's control interface under ``/_sandbox/``: what it recorded, and what it shall do.

Never counted as calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, Protocol
from urllib.parse import unquote

from connector.vendors.sandbox.faults import Fault, Faults
from connector.vendors.sandbox.ledger import Call, Ledger
from connector.vendors.sandbox.limits import AllLimits
from connector.vendors.sandbox.messages import Reply, Request, json_reply

PREFIX = "/_sandbox/"
LAST_CALLS = 1000


class Sandbox(Protocol):
    """The parts of the sandbox that the commands need; the simulated vendors are its attributes by name."""

    limits: AllLimits
    ledger: Ledger
    faults: Faults

    def reset(self) -> None:
        """Forgets what callers brought."""

    def state(self, last_calls: int) -> dict[str, Any]:
        """Everything in numbers."""

    def __getattr__(self, name: str) -> Any: ...


def command(sandbox: Sandbox, request: Request) -> Reply:
    """Executes a request under ``/_sandbox/``. 400: invalid; 404: unknown."""
    name, _, rest = request.path.removeprefix(PREFIX).partition("/")
    found = COMMANDS.get((request.method, name))
    if found is None:
        known = sorted(f"{method} {PREFIX}{word}" for method, word in COMMANDS)
        return json_reply({"error": "no such command", "commands": known}, 404)
    try:
        return json_reply(found(sandbox, request, unquote(rest)))
    except KeyError as missing:
        return json_reply({"error": f"{missing.args[0]} is not there"}, 404)
    except (ValueError, TypeError) as wrong:
        return json_reply({"error": str(wrong)}, 400)


def elsewhere(sandbox: Sandbox, request: Request) -> Reply:
    """A caller followed a redirect; with a token that is worse."""
    carried = any(request.headers.get(name) for name in ("wolkvox-token", "Authorization"))
    sandbox.ledger.breach(
        Call("redirect", "", 0.0), "redirect", f"a redirect was followed {'with' if carried else 'without'} the token"
    )
    return json_reply({"carried_token": carried})


def _state(sandbox: Sandbox, request: Request, _: str) -> Any:
    last = request.query.get("calls", str(LAST_CALLS))
    if not (last.isascii() and last.isdigit()):
        raise ValueError("calls is how many of the last calls to show")
    return sandbox.state(int(last))


def _rows(sandbox: Sandbox, request: Request, campaign_id: str) -> Any:
    return _some(sandbox.wolkvox.rows(campaign_id), request.query.get("fields", ""))


def _some(rows: list[dict[str, Any]], names: str) -> list[dict[str, Any]]:
    """Only the named fields, when any are named: ``?fields=customer_id,opt12``."""
    fields = [name for name in names.split(",") if name]
    return [{name: row[name] for name in fields} for row in rows] if fields else rows


def _duplicates(sandbox: Sandbox, _: Request, campaign_id: str) -> Any:
    return sandbox.wolkvox.duplicates(campaign_id)


def _customers(sandbox: Sandbox, _: Request, code: str) -> Any:
    return sandbox.tracksale.customers(code)


def _notes(sandbox: Sandbox, _: Request, __: str) -> Any:
    return sandbox.tracksale.notes


def _tags(sandbox: Sandbox, _: Request, __: str) -> Any:
    return {str(answer_id): tags for answer_id, tags in sandbox.tracksale.tags.items()}


def _faults(sandbox: Sandbox, _: Request, __: str) -> Any:
    return sandbox.faults.shown()


def _add_faults(sandbox: Sandbox, request: Request, _: str) -> Any:
    """One fault, or a list of them: the fields of `Fault`."""
    entries = request.payload if isinstance(request.payload, list) else [request.payload]
    sandbox.faults.add(*[_called(Fault, _object(fault)) for fault in entries])
    return sandbox.faults.shown()


def _clear_faults(sandbox: Sandbox, _: Request, __: str) -> Any:
    sandbox.faults.clear()
    return []


def _add_campaign(sandbox: Sandbox, request: Request, _: str) -> Any:
    """{"vendor":"wolkvox","campaign_id","status","name"} or {"vendor":"tracksale","code","name","main_channel"}."""
    values = _object(request.payload)
    vendor = values.pop("vendor", "wolkvox")
    if vendor not in ("wolkvox", "tracksale"):
        raise ValueError("vendor is wolkvox or tracksale")
    _called((sandbox.wolkvox if vendor == "wolkvox" else sandbox.tracksale).add_campaign, values)
    return sandbox.state(0)[vendor]["campaigns"]


def _answers(sandbox: Sandbox, _: Request, __: str) -> Any:
    return sandbox.tracksale.answers


def _add_answer(sandbox: Sandbox, request: Request, answer_id: str) -> Any:
    """Adds one; with an id in the path, changes fields of that one."""
    values = _object(request.payload)
    if not answer_id:
        return {"answer_id": sandbox.tracksale.add_answer(**values)}
    sandbox.tracksale.change_answer(int(answer_id), **values)
    return {"answer_id": int(answer_id)}


def _add_ticket(sandbox: Sandbox, request: Request, _: str) -> Any:
    """{"number", "channel"} and fields of a ticket."""
    return {"ticket_id": _called(sandbox.postcenter.add_ticket, _object(request.payload))}


def _survey_links(sandbox: Sandbox, _: Request, __: str) -> Any:
    return sandbox.tracksale.survey_links


def _reset(sandbox: Sandbox, _: Request, __: str) -> Any:
    sandbox.reset()
    return {"status": "reset"}


def _limits(sandbox: Sandbox, _: Request, __: str) -> Any:
    return sandbox.limits.shown()


def _change_limits(sandbox: Sandbox, request: Request, _: str) -> Any:
    sandbox.limits.change(**_object(request.payload))
    return sandbox.limits.shown()


def _solve_captcha(sandbox: Sandbox, _: Request, __: str) -> Any:
    sandbox.tracksale.solve_captcha()
    return {"status": "solved"}


def _called(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Calls it with these fields of a body. Raises ValueError that names an unknown field, or one that is missing."""
    taken = signature(function).parameters.values()
    known = [one.name for one in taken if one.kind is not Parameter.VAR_KEYWORD]
    if len(known) == len(taken) and (unknown := sorted(values.keys() - set(known))):
        raise ValueError(f"{unknown[0]} is unknown; there are {', '.join(known)}")
    demanded = [one.name for one in taken if one.default is Parameter.empty and one.kind is not Parameter.VAR_KEYWORD]
    if missing := [name for name in demanded if name not in values]:
        raise ValueError(f"{missing[0]} is missing")
    return function(**values)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")
    return dict(value)


COMMANDS: Mapping[tuple[str, str], Callable[[Sandbox, Request, str], Any]] = {
    ("GET", "state"): _state,
    ("GET", "rows"): _rows,
    ("GET", "duplicates"): _duplicates,
    ("GET", "customers"): _customers,
    ("GET", "notes"): _notes,
    ("GET", "tags"): _tags,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "campaigns"): _add_campaign,
    ("GET", "answers"): _answers,
    ("POST", "answers"): _add_answer,
    ("GET", "survey_links"): _survey_links,
    ("POST", "tickets"): _add_ticket,
    ("POST", "reset"): _reset,
    ("GET", "limits"): _limits,
    ("POST", "limits"): _change_limits,
    ("DELETE", "captcha"): _solve_captcha,
}
