"""The same promise as the connector's without group commit: map, then one SQLite transaction for every request.

``RIVAL_DB`` names the file. WAL and ``synchronous = FULL``, as the connector has it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time

import orjson
from flask import Flask, Response, request

from mappings.base import Locale, Rendering
from mappings.records.wolkvox import Row as WolkvoxRow
from mappings.senders.lead import LeadMapping
from tests.bench import leads

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL, received_at REAL NOT NULL,
    payload BLOB NOT NULL, UNIQUE (source, key));
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, event INTEGER NOT NULL, route TEXT NOT NULL, state TEXT NOT NULL, due_at REAL NOT NULL,
    record TEXT NOT NULL, UNIQUE (event, route));
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (route, due_at, id) WHERE state = 'pending';
"""


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _store(connection: sqlite3.Connection, source: str, key: str, kind: str, raw: bytes, record: bytes) -> int:
    """1 when the event is new, 0 when it was there; durable when it returns."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        stored = connection.execute(
            "INSERT OR IGNORE INTO events (source, key, type, received_at, payload) VALUES (?, ?, ?, ?, ?)",
            (source, key, kind, time.time(), raw),
        )
        if stored.rowcount:
            connection.execute(
                "INSERT INTO deliveries (event, route, state, due_at, record) VALUES (?, 'dial', 'pending', ?, ?)",
                (stored.lastrowid, time.time(), record),
            )
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return stored.rowcount


def make_app(path: str) -> Flask:
    app = Flask("rival_commit_each")
    local = threading.local()
    locale = Locale()
    payloads = LeadMapping(locale)
    opt = ("utm.source", "program")
    records = WolkvoxRow(Rendering(locale=locale, dial_prefix="9", opt=opt))
    setup = _connect(path)
    setup.executescript(_SCHEMA)
    setup.close()

    @app.get("/livez")
    def livez() -> Response:
        return Response(b'{"status":"ok"}', mimetype="application/json")

    @app.post("/webhooks/<source>")
    def webhook(source: str) -> Response:
        raw = request.get_data()
        headers = request.headers
        message_id = headers.get("webhook-id", "")
        given = headers.get("webhook-signature", "")
        if not leads.verify(message_id, headers.get("webhook-timestamp", ""), given, raw):
            return Response(status=401)
        event = payloads.read(orjson.loads(raw))
        record = orjson.dumps(records.render(event).record)
        if not hasattr(local, "connection"):
            local.connection = _connect(path)
        new = _store(local.connection, source, message_id, event.type, raw, record)
        return Response(b'{"status":"accepted"}', status=202 if new else 200, mimetype="application/json")

    return app


app = make_app(os.environ["RIVAL_DB"])
