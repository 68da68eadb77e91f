"""Makes the OpenAPI document of what the web process serves: connector/web/openapi.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

import mappings
from connector.admin.deliveries import STATES
from connector.admin.groups import PERIODS
from connector.core.version import version
from connector.store.acts import What
from connector.web.api import MOST
from connector.web.documents import SOURCE_PATHS
from mappings import fields
from mappings.base import Locale
from mappings.senders import lead, ticket
from tests import http_schemas

PAYLOADS: Final = Path(__file__).parent / "payloads"
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
#: In the order in which they are tried: the first is shown.
EXAMPLES: Final = ("lead.created.json", "ticket.closed.json", "answer.detractor.json", "*.json")

ABOUT: Final = """Webhooks in, and an API beside the console: what it shows and what people do there, by the same roles.

Addresses take ids of ours (`d123`, `e45`) and nothing that may name somebody: a phone, an e-mail, a name or a
sender's id goes in the body of a search. Answers show persons masked.
Every error is `application/problem+json` (RFC 9457).

An act may bear an `Idempotency-Key`: asked again within a day with the same key and body it is not done again, and
answered as the first time (`Idempotent-Replayed: true`). An act that was refused frees its key. Reads have an `ETag`:
shown as `If-None-Match`, 304 says that nothing but the time of reading differs."""

#: Status -> what it means, wherever it is answered.
REFUSALS: Final[Mapping[str, str]] = {
    "400": "unreadable",
    "401": "the proof of origin fails, or the key is nobody's; nothing is stored",
    "403": "the agreed token is not shown; the role may not do this; or the API is closed, because nobody has a key",
    "404": "nothing is at this address, or nothing is called so",
    "405": "the address takes another method",
    "409": "an act of this `Idempotency-Key` goes on, or its end is not known; or guards keep members of the lot back",
    "411": "the length is not said",
    "413": "too large",
    "415": "of no type that is read",
    "422": "read, and invalid: kept, and sent nowhere; or an `Idempotency-Key` that was used for another act",
    "429": "more than the source may send: again after `Retry-After`",
    "503": "nothing can be stored or read now, and nothing was: again after `Retry-After`",
}


def openapi() -> str:
    """The document as it is committed."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


PAGE: Final = """# HTTP and AMQP, for programs

`make docs` writes this page. [openapi.json](../connector/web/openapi.json) (OpenAPI 3.1) and
[asyncapi.json](../connector/web/asyncapi.json) (AsyncAPI 3.0) say all of it to programs. A running service answers
`GET /api/openapi.json` and `GET /api/asyncapi.json` with its own sources and queues in them, behind a person's key.

{about}

| address | what | proof | answers |
|---|---|---|---|
{rows}

| status | meaning |
|---|---|
{refusals}

Webhooks take JSON, NDJSON, CloudEvents (structured, batch, binary), forms and, of some senders, XML: see
[senders](senders.md). Queues take the same: see [operations](operations.md). Answers may gain keys; none is renamed
or taken away without a line in the changelog.
"""


def page() -> str:
    """docs/api.md: the same, in short, for people."""
    rows = []
    for path, operations in document()["paths"].items():
        for method, told in operations.items():
            (proof,) = [next(iter(one)) for one in told.get("security", [])] or ["the source's" if "{" in path else "–"]
            answers = " ".join(sorted(told["responses"]))
            rows.append(f"| `{method.upper()} {path}` | {told['summary']} | {proof} | {answers} |")
    refusals = [f"| {status} | {said} |" for status, said in REFUSALS.items()]
    return PAGE.format(about=ABOUT.partition("\n\n")[2], rows="\n".join(rows), refusals="\n".join(refusals))


def document(*, strict: bool = False) -> dict[str, Any]:
    """The document, with ``/webhooks/{source}`` for any source. ``strict``: answers may have no further keys."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        title="connector", version=version(), openapi_version="3.1.0", plugins=[plugin], info={"description": ABOUT}
    )
    assert plugin.converter is not None
    _of_our_fields(plugin)
    for schema in http_schemas.NAMED:
        spec.components.schema(_name(schema), schema=schema)
    locale = Locale()
    spec.components.schema("LeadEvent", schema=lead.LeadSchema(locale))
    spec.components.schema("TicketEvent", schema=ticket.TicketSchema(locale))
    for status, said in REFUSALS.items():
        spec.components.response(f"refused_{status}", _answer(said, "Problem", PROBLEM))
    spec.components.security_scheme("key", {"type": "http", "scheme": "bearer", "description": KEY})
    spec.components.security_scheme("metrics", {"type": "http", "scheme": "bearer", "description": METRICS})
    for path, operations in _paths():
        spec.path(path=path, operations=operations)
    made: dict[str, Any] = json.loads(json.dumps(_plain(spec.to_dict(), strict=strict)))
    made["components"]["requestBodies"] = {name: _body(name) for name in mappings.PAYLOADS}
    return made


KEY: Final = "the key of a person of `[console.people]`, or CONNECTOR_ADMIN_TOKEN"
METRICS: Final = (
    "CONNECTOR_METRICS_TOKEN or CONNECTOR_ADMIN_TOKEN, unless `[metrics]` has a port of its own or is public"
)


def _name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return {"LeadSchema": "LeadEvent", "TicketSchema": "TicketEvent"}.get(kind.__name__, kind.__name__)


#: What the loose fields of payloads are written as; null is absent. More than that is read, see docs/senders.md.
LOOSE: Final[Mapping[type[Any], Mapping[str, Any]]] = {
    fields.Text: {"type": ["string", "number", "null"]},
    fields.Identity: {"type": ["string", "number", "null"]},
    fields.Age: {"type": ["string", "number", "null"]},
    fields.Phone: {"type": ["string", "number", "null"]},
    fields.Phones: {"type": ["array", "string", "number", "null"], "items": {"type": ["string", "number", "null"]}},
    fields.Email: {"type": ["string", "null"]},
    fields.Time: {"type": ["string", "number", "null"], "examples": ["2026-11-20T15:01:02Z"]},
    fields.Whole: {"type": ["integer", "string", "null"]},
    fields.Extra: {"type": ["object", "null"], "additionalProperties": True},
    fields.OneOf: {"type": "string"},
}


def _of_our_fields(plugin: MarshmallowPlugin) -> None:
    """Has apispec write the fields of payloads."""
    assert plugin.converter is not None
    for field in LOOSE:
        plugin.map_to_openapi_type(field, "string", None)

    def told(_: Any, field: Any, **__: Any) -> dict[str, Any]:
        listed = {"enum": list(field.choices)} if isinstance(field, fields.OneOf) else {}
        return {**LOOSE.get(type(field), {}), **listed}

    plugin.converter.add_attribute_function(told)


def _plain(made: Any, *, strict: bool) -> Any:
    """Without marshmallow's defaults, which senders need not know; answers may gain keys unless ``strict``."""
    if isinstance(made, dict):
        left_out = {"default"} if strict or made.get("additionalProperties") is not False else _OPEN
        return {name: _plain(value, strict=strict) for name, value in made.items() if name not in left_out}
    return [_plain(value, strict=strict) for value in made] if isinstance(made, list) else made


_OPEN: Final = {"default", "additionalProperties"}


# --- what senders send ----------------------------------------------------------------------------------------------


def _body(kind: str) -> dict[str, Any]:
    """What a source of this mapping takes."""
    mapping = mappings.PAYLOADS[kind]
    own = {"lead": "LeadEvent", "ticket": "TicketEvent"}.get(kind)
    schema: dict[str, Any] = {"type": "object"}
    if own:
        schema = {"$ref": f"#/components/schemas/{own}"}
    taken: dict[str, Any] = {JSON: {"schema": {"oneOf": [schema, {"type": "array", "items": schema}]}}}
    if own:
        taken["application/x-ndjson"] = {"schema": {"type": "string"}}
        taken["application/cloudevents+json"] = {"schema": {"type": "object"}}
    taken["application/x-www-form-urlencoded"] = {"schema": {"type": "object"}}
    if (shown := example(kind)) is not None:
        taken[JSON]["example"] = shown
    said = f'what mapping = "{kind}" reads; it makes {", ".join(mapping.event_types)}'
    return {"description": said, "required": True, "content": taken}


def example(kind: str) -> Any:
    """A payload of a sender; its persons are invented."""
    for pattern in EXAMPLES:
        for path in sorted((PAYLOADS / kind).glob(pattern)):
            return json.loads(path.read_text(encoding="utf-8"))
    return None


def _paths() -> Iterator[tuple[str, dict[str, Any]]]:
    source = _parameter("source", "path", {"type": "string"}, "the name of a source that takes webhooks")
    secret = _parameter("secret", "path", {"type": "string"}, "where the secret is the end of the address")
    event_id = _parameter("webhook-id", "header", {"type": "string"}, "the event's id, if its sender signs it")
    asked = [_parameter(f"hub.{one}", "query", {"type": "string"}) for one in ("mode", "verify_token", "challenge")]
    origin = _parameter("WebHook-Request-Origin", "header", {"type": "string"}, "who asks for permission to send")
    shaken = {
        "summary": "sends back the text of a sender that subscribes and shows the agreed token",
        "parameters": [source, *asked],
        **_answers({"200": ("text/plain", None)}, "400 403 404 405"),
    }
    permitted = {
        "summary": "permission to send, as CloudEvents' senders ask for it",
        "parameters": [source, origin],
        **_answers({"200": (None, None)}, "400 404 405"),
    }
    yield SOURCE_PATHS[0], {"post": _take(source, event_id), "get": shaken, "options": permitted}
    yield SOURCE_PATHS[1], {"post": _take(source, secret, event_id)}
    yield "/livez", {"get": {"summary": "the process answers", **_answers({"200": (JSON, "Alive")})}}
    ready = {"200": (JSON, "Ready"), "503": (JSON, "Ready")}
    yield (
        "/readyz",
        {"get": {"summary": "it can store or spool events", **_behind("metrics"), **_answers(ready, "401")}},
    )
    shown = _answers({"200": ("text/plain", None)}, "401")
    yield "/metrics", {"get": {"summary": "figures for Prometheus", **_behind("metrics"), **shown}}
    yield from _api()


def _take(*parameters: dict[str, Any]) -> dict[str, Any]:
    """An event, or many."""
    said = "stores an event, or an array of them; the answer comes when they are durable"
    content = {JSON: {"schema": {}}, "application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
    one_or_many = [_reference("One"), _reference("Many")]
    expected = {"type": "object", "description": "what its sender expects to be answered"}
    shapes = {"200": {"anyOf": [*one_or_many, expected]}, "202": {"oneOf": one_or_many}}
    answers = _answers({}, "400 401 404 405 411 413 415 422 429 503")["responses"]
    for status, meant in (
        ("200", "seen before, or known and wanted by nobody"),
        ("202", "stored, or spooled while the database is away"),
    ):
        answers[status] = {"description": meant, "content": {JSON: {"schema": shapes[status]}}}
    body = {"required": True, "content": content}
    return {"summary": said, "parameters": list(parameters), "requestBody": body, "responses": answers}


def _api() -> Iterator[tuple[str, dict[str, Any]]]:
    text = {"type": "string"}
    filters = [
        _parameter("state", "query", {"type": "string", "enum": list(STATES)}),
        _parameter("event", "query", {"type": "string", "pattern": "^([0-9a-f]{6}-)?e[0-9]{1,18}$"}, "of this event"),
        _parameter("since", "query", text, "changed since: 24h, today, 10:05, 2026-11-20T10:00"),
        _parameter("until", "query", text, "changed before: as since"),
        *(_parameter(name, "query", text) for name in ("destination", "route", "source")),
        _parameter("cause", "query", text, "a reason code"),
        _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": MOST}),
        _parameter("before", "query", {"type": "string", "pattern": "^([0-9]{1,15}\\.)?[0-9]{1,18}$"}, "of a Link"),
    ]
    own = _parameter("id", "path", {"type": "string", "pattern": "^([0-9a-f]{6}-)?[de][0-9]{1,18}$"}, "d123 or e45")
    closed = "400 401 403 404 503"
    yield "/api/status", {"get": _read("how everything stands", "Status", "401 403 503")}
    listed = _read("deliveries, the latest first", "Delivery", "400 401 403 503", many=True)
    yield "/api/deliveries", {"get": {**listed, "parameters": filters}}
    yield "/api/explain/{id}", {"get": {**_read("the whole story", "Explained", closed), "parameters": [own]}}
    number = _parameter("number", "path", {"type": "string", "pattern": "^a[0-9]{1,18}$"}, "a45")
    yield (
        "/api/attempts/{number}",
        {"get": {**_read("one call to a vendor", "Call", "401 403 404 503"), "parameters": [number]}},
    )
    person = _parameter("person", "path", {"type": "string", "pattern": "^p-[0-9a-f]{32}$"}, "p- and a search's person")
    events = _read("the events of one person", "Events", "401 403 404 503")
    yield "/api/people/{person}", {"get": {**events, "parameters": [person]}}
    route = _parameter("route", "query", text, "of this route only")
    yield (
        "/api/pace",
        {"get": {**_read("how soon leads are delivered", "Pace", "401 403 404 503"), "parameters": [route]}},
    )
    before = _parameter(
        "before", "query", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "the older of another answer"
    )
    acts = _read("who decided what; a viewer's own", "History", "400 401 403 503")
    narrowed = [
        _parameter("who", "query", text, "a person of the configuration; a viewer sees their own"),
        _parameter("what", "query", {"type": "string", "enum": [*What]}),
        _parameter("account", "query", text),
        _parameter("since", "query", {"type": "string", "enum": list(PERIODS)}),
    ]
    yield "/api/history", {"get": {**acts, "parameters": [before, *narrowed]}}
    asked = {"required": True, "content": {JSON: {"schema": _reference("Simulation")}}}
    fate = _read("what would happen if this came; nothing is stored", None, "400 401 403 411 413 503")
    yield "/api/simulate", {"post": {**fate, "requestBody": asked}}
    wanted = {"required": True, "content": {JSON: {"schema": _reference("Wanted")}}}
    found = _read("events by a phone, an e-mail, a name or an id", "Found", "400 401 403 411 413 503")
    yield "/api/search", {"post": {**found, "requestBody": wanted}}
    yield from _acts()
    for name, said in (("openapi", "this document, with the configured sources"), ("asyncapi", "of the queues")):
        yield f"/api/{name}.json", {"get": _read(said, None, "401 403")}


def _acts() -> Iterator[tuple[str, dict[str, Any]]]:
    delivery, attempt, event = (
        _parameter("number", "path", {"type": "string", "pattern": f"^{kind}[0-9]{{1,18}}$"}, f"{kind}123")
        for kind in "dae"
    )
    name = _parameter("name", "path", {"type": "string"}, "of an account")
    cause = _parameter("cause", "path", {"type": "string", "pattern": "^[0-9a-f]{12}$"}, "the id of a cause")
    plan = _parameter("number", "path", {"type": "integer", "minimum": 0}, "of a plan")
    since = _parameter("since", "query", {"type": "string", "enum": list(PERIODS)})
    yield "/api/accounts/{name}/pause", {"post": _act("no call of it starts any more", "Standing", "Why", name)}
    yield "/api/accounts/{name}/resume", {"post": _act("its calls go on", "Standing", "Why", name)}
    yield "/api/deliveries/{number}/replay", {"post": _act("sends it again", "Replayed", "Again", delivery)}
    settled = "settles an uncertain one as a person found out"
    yield "/api/deliveries/{number}/resolve", {"post": _act(settled, "Resolved", "Outcome", delivery)}
    yield "/api/attempts/{number}/resolve", {"post": _act("the same for all of a call", "Resolved", "Outcome", attempt)}
    revealed = "the event with its person, unmasked; that somebody looked is kept"
    yield "/api/events/{number}/reveal", {"post": _act(revealed, None, "Look", event, keyed=False)}
    people = "/api/do-not-contact"
    asked = "whether a person is on the list, and what adding them would end"
    yield f"{people}/check", {"post": _act(asked, "Listed", "Named", keyed=False)}
    yield f"{people}/add", {"post": _act("puts a person on the list", "Listed", "NamedWhy")}
    yield f"{people}/remove", {"post": _act("takes a person off the list", "Listed", "NamedWhy")}
    failed = _read("what failed, by its cause", "Causes", "400 401 403 503")
    yield "/api/problems", {"get": {**failed, "parameters": [since]}}
    planned = _act("freezes what failed for it; nothing is sent yet", "Plan", "Period", cause, done="201")
    yield "/api/problems/{cause}/plan", {"post": planned}
    stands = _read("how a plan stands, and what it would do", "Plan", "401 403 404 503")
    yield "/api/plans/{number}", {"get": {**stands, "parameters": [plan]}}
    yield "/api/plans/{number}/begin", {"post": _act("begins it; once more changes nothing", "Plan", "Why", plan)}
    yield "/api/plans/{number}/stop", {"post": _act("stops it after the step under way", "Plan", "Why", plan)}
    source = _parameter("name", "path", {"type": "string"}, "of a source with a queue")
    back = "puts the messages back that its queue gave back"
    yield "/api/sources/{name}/redrive", {"post": _act(back, "PutBack", "Why", source)}
    yield from _lots()
    erased = "counts what names a person; with the plan of that it is forgotten: again until it is over"
    yield "/api/erase", {"post": _act(erased, "Erasing", "Erasure")}


def _lots() -> Iterator[tuple[str, dict[str, Any]]]:
    parts = [_parameter(name, "path", {"type": "string"}) for name in ("account", "campaign", "lot")]
    yield "/api/lots", {"get": _read("the draft lots that this database knows", "Lots", "401 403 503")}
    lot = "/api/lots/{account}/{campaign}/{lot}"
    looked = "the lot as its vendor has it now, and whom guards keep back"
    yield f"{lot}/look", {"post": _act(looked, "Lot", "AtTime", *parts, keyed=False)}
    fired = "surveys everybody in it, if it is as it was shown"
    yield f"{lot}/fire", {"post": _act(fired, "LotActed", "ToFire", *parts)}
    discarded = "takes everybody out of it, if it is as it was shown"
    yield f"{lot}/discard", {"post": _act(discarded, "LotActed", "Shown", *parts)}


def _act(
    said: str, schema: str | None, body: str, *parameters: dict[str, Any], done: str = "200", keyed: bool = True
) -> dict[str, Any]:
    """``keyed``: asked again with its `Idempotency-Key` it is not done again."""
    refused = "400 401 403 404 409 411 413 422 503" if keyed else "400 401 403 404 411 413 503"
    asked = {"required": body not in ("Why", "Period", "Again", "AtTime")}
    asked |= {"content": {JSON: {"schema": _reference(body)}}}
    made = {"summary": said, **_behind("key"), "requestBody": asked, **_answers({done: (JSON, schema)}, refused)}
    given = [*parameters, *([ONCE] if keyed else [])]
    return {**made, "parameters": given} if given else made


def _read(said: str, schema: str | None, refused: str, *, many: bool = False) -> dict[str, Any]:
    made = {"summary": said, **_behind("key"), **_answers({"200": (JSON, schema)}, refused)}
    content = made["responses"]["200"]
    content["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "of reads: show it as If-None-Match"}}
    if many:
        content["content"][JSON]["schema"] = {"type": "array", "items": content["content"][JSON]["schema"]}
    return made


def _behind(scheme: str) -> dict[str, Any]:
    return {"security": [{scheme: []}]}


def _answers(good: Mapping[str, tuple[str | None, str | None]], refused: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status, (content_type, schema) in good.items():
        made[status] = _answer("as it says" if status != "503" else REFUSALS["503"], schema, content_type)
    return {
        "responses": made | {status: {"$ref": f"#/components/responses/refused_{status}"} for status in refused.split()}
    }


def _answer(said: str, schema: str | None, content_type: str | None) -> dict[str, Any]:
    if content_type is None:
        return {"description": said}
    shape = _reference(schema) if schema else {"type": "object"} if content_type == JSON else {"type": "string"}
    return {"description": said, "content": {content_type: {"schema": shape}}}


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _parameter(name: str, where: str, schema: dict[str, Any], said: str = "") -> dict[str, Any]:
    described = {"description": said} if said else {}
    return {"name": name, "in": where, "required": where == "path", "schema": schema, **described}


ONCE: Final = _parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "maxLength": 257, "pattern": r'^("[!#-~]{1,255}"|[!#-~]{1,255})$'},
    "your name of this act: asked again within a day with the same body, the first answer is given again",
)
