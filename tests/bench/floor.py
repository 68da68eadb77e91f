"""The least an endpoint can do: the same URL and proof of origin as the connector's, answered 202 and forgotten.

``FLOOR_SWITCH_S`` sets the interpreter's thread switch interval, in seconds.
"""

from __future__ import annotations

import os
import sys

from flask import Flask, Response, request

from tests.bench import leads


def make_app() -> Flask:
    app = Flask("floor")

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
            return Response(b'{"title":"unauthorized"}', status=401, mimetype="application/problem+json")
        answer = b'{"status":"accepted","id":"%s","deliveries":1}' % message_id.encode()
        return Response(answer, status=202, mimetype="application/json")

    return app


if switch_s := os.environ.get("FLOOR_SWITCH_S"):
    sys.setswitchinterval(float(switch_s))
app = make_app()
