"""The whole HTTP surface as schemathesis sees it: whatever is sent, valid or not, what is answered was promised."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import BaseSchema, Case, GenerationMode

import mappings
from connector.committer import Committer
from connector.db import Database, migrate
from connector.settings import Secret, Source, Verify
from connector.web import create_app
from tests.conftest import settings_for

ADMIN = "invented-admin-token"
#: Beside those of a webhook: 403 and 400 of a subscription, 503 of a service that is not ready.
PROMISED = ("200", "202", "400", "401", "403", "404", "405", "411", "413", "415", "422", "503")
FORM = "application/x-www-form-urlencoded"
FIELDS = {"phones": ["tel", "c.d", "e[f]"], "first_name": "nombre", "id": "id", "type": "t", "extra.x": "x"}


def document() -> dict[str, Any]:
    """The surface as OpenAPI 3: every path, what it takes, what it may answer."""
    answers = {status: {"description": "as documented"} for status in PROMISED}

    def asked(method: str, *parameters: dict[str, Any], body: Any = None) -> dict[str, Any]:
        operation: dict[str, Any] = {"parameters": list(parameters), "responses": answers}
        return {method: {**operation, **({"requestBody": {"content": body}} if body else {})}}

    source = _parameter("source", "path", {"enum": [*mappings.PAYLOADS, "field", "path", "query", "nobody"]})
    secret = _parameter("secret", "path", {"type": "string", "minLength": 1})
    key = _parameter("key", "query", {"type": "string", "enum": ["s-1", "s-2"]}, required=False)
    beside = [_parameter(name, "header", {"type": "string"}, required=False) for name in ("webhook-id", "ce-id", "X-T")]
    subscribed = [_parameter(f"hub.{name}", "query", {"type": "string"}, required=False) for name in _SUBSCRIPTION]
    listed = [_parameter(name, "query", {"type": "string"}, required=False) for name in ("state", "find", "limit")]
    return {
        "openapi": "3.0.3",
        "info": {"title": "connector", "version": "1"},
        "paths": {
            "/webhooks/{source}": {
                **asked("post", source, key, *beside, body=_bodies()),
                **asked("get", source, *subscribed),
            },
            "/webhooks/{source}/{secret}": asked("post", source, secret, body=_bodies()),
            "/livez": asked("get"),
            "/readyz": asked("get"),
            "/metrics": asked("get"),
            "/api/status": asked("get"),
            "/api/deliveries": asked("get", *listed),
            "/api/explain/{id}": asked("get", _parameter("id", "path", {"type": "string", "minLength": 1})),
        },
    }


_SUBSCRIPTION = ("mode", "verify_token", "challenge")


def _parameter(name: str, where: str, schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": schema}


def _bodies() -> dict[str, Any]:
    """Our own lead, what some senders' shapes are made of, and forms."""
    text, anything = {"type": "string"}, {}
    person = {"phones": {"type": "array", "items": text}, "email": text, "extra": {"type": "object"}}
    own = {"type": {"enum": ["lead.created", "ticket.closed"]}, "id": text, "data": {"properties": person}}
    theirs = dict.fromkeys(("form_response", "contact", "leads", "entry", "ticket", "freshdesk_webhook"), anything)
    theirs |= {"user_column_data": {"type": "array"}, "event_type": text, "clave": {"enum": ["s-1", "s-2"]}}
    form = dict.fromkeys(("tel", "email", "fields[email][value]", "clave", "data[phones][]"), text)
    return {
        "application/json": {"schema": {"type": "object", "properties": {**own, **theirs}}},
        FORM: {"schema": {"type": "object", "properties": form}},
    }


@contextmanager
def served() -> Iterator[Flask]:
    """The application with a source of every mapping that anybody may post to, and of each odd proof."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'connector.db'}"
        migrate(url)
        known = settings_for(url, "http://127.0.0.1:9")
        database = Database(url)
        committer = Committer(database)
        sources = {one.name: one for one in _sources()}
        try:
            yield create_app(replace(known, sources=sources, admin_token=Secret(ADMIN)), database, committer)
        finally:
            committer.close()
            database.close()


def _sources() -> Iterator[Source]:
    for name, mapping in mappings.PAYLOADS.items():
        fields = FIELDS if mapping.needs_fields else {}
        shown = Secret("s-1" if mapping.sender.handshake else "")
        account = "dialler" if mapping.fetches else ""
        yield Source(
            name=name, mapping=name, verify=Verify(scheme="none", handshake=shown), fields=fields, account=account
        )
    secrets = (Secret("s-1"),)
    yield Source(name="field", mapping="lead", verify=Verify(scheme="field", field="clave", secrets=secrets))
    yield Source(name="path", mapping="elementor", verify=Verify(scheme="path", secrets=secrets))
    yield Source(name="query", mapping="lead", verify=Verify(scheme="query", parameter="key", secrets=secrets))


OPERATIONS = [(path, method) for path, operations in document()["paths"].items() for method in operations]


@pytest.fixture(scope="module")
def surface() -> Iterator[BaseSchema]:
    """The application as schemathesis calls it."""
    with served() as app:
        app.add_url_rule("/openapi.json", "openapi", document)
        yield schemathesis.openapi.from_wsgi("/openapi.json", app)


@pytest.mark.xdist_group("surface")
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=lambda part: part)
def test_nothing_that_is_sent_fails_here(surface: BaseSchema, path: str, method: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN}"} if path.startswith("/api") else {}
    valid, spoilt = (surface[path][method].as_strategy(mode) for mode in GenerationMode)

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=valid | spoilt)
    def sent(case: Case) -> None:
        answer = case.call(headers=headers)
        assert str(answer.status_code) in PROMISED
        assert answer.status_code != 503 or path == "/readyz"

    sent()
