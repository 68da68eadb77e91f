"""Flask and Celery as most would join them: verify, publish to RabbitMQ and wait for the broker's confirm, answer 202.

``AMQP_URL`` says where the broker is, ``RIVAL_QUEUE`` which durable queue is this run's own.
"""

from __future__ import annotations

import os

from celery import Celery  # type: ignore[import-untyped]
from flask import Flask, Response, request

from tests.bench import leads

QUEUE = os.environ.get("RIVAL_QUEUE", "bench.celery")

broker = Celery("rival", broker=os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//"))
broker.conf.update(
    broker_transport_options={"confirm_publish": True},
    task_default_queue=QUEUE,
    task_default_exchange=QUEUE,
    task_default_routing_key=QUEUE,
    task_ignore_result=True,
    broker_pool_limit=int(os.environ.get("RIVAL_POOL", "32")),
    task_serializer="json",
)


def make_app() -> Flask:
    app = Flask("rival_celery")

    @app.get("/livez")
    def livez() -> Response:
        return Response(b'{"status":"ok"}', mimetype="application/json")

    @app.post("/webhooks/<source>")
    def webhook(source: str) -> Response:
        headers = request.headers
        message_id = headers.get("webhook-id", "")
        timestamp, given = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
        if not leads.verify(message_id, timestamp, given, request.get_data()):
            return Response(status=401)
        broker.send_task("deliver", args=[request.get_json()], task_id=message_id)
        return Response(b'{"status":"accepted"}', status=202, mimetype="application/json")

    return app


app = make_app()
