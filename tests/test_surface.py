"""The whole HTTP surface as schemathesis sees it: whatever is sent, valid or not, what is answered was promised."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import BaseSchema, Case, GenerationMode

import mappings
from connector.core.settings import Secret, Source, Verify
from connector.inbound.committer import Committer
from connector.store.database import Database
from connector.store.migrate import migrate
from connector.vendors.destinations import name_of
from connector.web.documents import SOURCE_PATHS
from connector.web.wsgi import create_app
from tests import http_document
from tests.conftest import examples, settings_for

ADMIN = "invented-admin-token"
FORM = "application/x-www-form-urlencoded"
FIELDS = {"phones": ["tel", "c.d", "e[f]"], "first_name": "nombre", "id": "id", "type": "t", "extra.x": "x"}


def document() -> dict[str, Any]:
    """The document of `make docs`, with the sources of this test, and bodies that come close to what senders send."""
    told = http_document.document()
    sources = [*mappings.PAYLOADS, "field", "path", "query", "nobody"]
    key = _parameter("key", "query", {"type": "string", "enum": ["s-1", "s-2"]})
    beside = [_parameter(name, "header", {"type": "string"}) for name in ("ce-id", "X-T")]
    for path in SOURCE_PATHS:
        for method, operation in told["paths"][path].items():
            for one in operation["parameters"]:
                if one["name"] == "source":
                    one["schema"] = {"enum": sources}
                elif one["name"] == "secret":
                    one["schema"] = {"type": "string", "minLength": 1}
            if method == "post":
                operation["requestBody"] = {"content": _bodies()}
                operation["parameters"] += [key, *beside]
    del told["components"]["requestBodies"]
    return told


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "schema": schema}


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
            yield create_app(replace(known, sources=sources, admin_token=Secret(ADMIN)), database, name_of, committer)
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


def shapes_of(path: str, method: str) -> dict[str, jsonschema_rs.Validator]:
    """Status -> the schema of its JSON."""
    told = http_document.document(strict=True)
    found = {}
    for status, answer in told["paths"][path][method]["responses"].items():
        if "$ref" in answer:
            answer = told["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        for content_type, content in answer.get("content", {}).items():
            if content_type.endswith("json"):
                schema = {"components": told["components"], **content["schema"]}
                found[status] = jsonschema_rs.Draft202012Validator(schema)
    return found


@pytest.mark.xdist_group("surface")
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=lambda part: part)
def test_nothing_that_is_sent_fails_here(surface: BaseSchema, path: str, method: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN}"} if path.startswith("/api") else {}
    promised = {*document()["paths"][path][method]["responses"], "404", "405"}  # another address, another method
    shapes = shapes_of(path, method)
    valid, spoilt = (surface[path][method].as_strategy(mode) for mode in GenerationMode)

    @settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=valid | spoilt)
    def sent(case: Case) -> None:
        answer = case.call(headers=headers)
        assert str(answer.status_code) in promised
        assert answer.status_code != 503 or path == "/readyz"
        shape = shapes.get(str(answer.status_code))
        if shape is not None and method != "options":
            assert not list(shape.iter_errors(orjson.loads(answer.content))), answer.content

    sent()


def test_a_database_that_a_command_makes_is_for_its_user_alone(tmp_path: Path) -> None:
    where = tmp_path / "var" / "connector.db"
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{where}"}
    subprocess.run([sys.executable, "-m", "connector", "migrate"], env=environ, check=True, capture_output=True)
    assert where.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in where.parent.iterdir()} == {0o600}
