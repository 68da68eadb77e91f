"""The commands that stay: web, consumer, worker and poller, alone or together."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from connector.cli import app, beginning, output, supervisor
from connector.cli.heartbeat import Heartbeat
from connector.cli.shutdown import Ending
from connector.cli.together import Together
from connector.cli.web_part import WebPart
from connector.core import log
from connector.core.memory import keep_what_is_loaded
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.inbound.committer import Committer
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.store import database as db
from connector.store.processes import Role
from connector.vendors import destinations

if TYPE_CHECKING:
    from connector.web.uvicorn_server import Served


@click.command()
def run() -> None:
    """All of it in one process.

    Web and worker; consumer and poller only where a source has a queue, or a poll.

    \b
    connector run
    PORT=8080 connector run
    """
    from connector.web.sockets import address

    settings = app.starting()
    there = beginning.ready_or_waits(settings)
    ending = Ending()
    together = Together(there or settings, *address(settings, os.environ), stores=there is not None)
    try:
        together.listen()
        output.line(phrase("connector listens on {url} (Ctrl-C stops it)", url=together.url))
        there = there or beginning.ready_in_time(settings, ending)
        if there is not None:
            together.begin(there)
            keep_what_is_loaded()
            ending.wait(together.ended)
    finally:
        together.stop(ending)


@click.command()
def web() -> None:
    """Takes webhooks and stores them.

    A worker delivers.

    \b
    connector web
    WEB_CONCURRENCY=2 connector web
    """
    from connector.web.sockets import address, free_port
    from connector.web.uvicorn_server import Served

    settings = app.starting()
    count = supervisor.number(os.environ, "WEB_CONCURRENCY")
    there = beginning.ready_or_waits(settings)
    host, port = address(settings, os.environ)
    port = free_port(host, port)
    if settings.metrics_port:
        free_port(host, settings.metrics_port)
    log.get("web").info("listening", url=f"http://{host}:{port}")
    supervisor.serve(partial(_web, settings, there, partial(Served, host=host), port), count, name="web")
    log.get("web").info("stopped")


def _web(settings: Settings, there: Settings | None, make: Callable[..., Served], port: int, ending: Ending) -> None:
    """One of several servers: the system shares the connections out. ``there``: with the key of the database."""
    from connector.admin.alarms.loop import AlarmLoop

    database = db.Database(settings.database_url)
    web = WebPart(there or settings, database, lambda front, at: make(front, port=at), port, stores=there is not None)
    web.start()
    closing: list[Callable[[], object]] = []
    try:
        there = there or beginning.ready_in_time(settings, ending)
        if there is not None:
            web.store(there)
            alarms, heartbeat = AlarmLoop(there, database), Heartbeat(there, database, Role.WEB)
            closing += [lambda: alarms.stop(ending.left_s()), heartbeat.stop]
            alarms.start()
            heartbeat.start()
            ending.wait(web.served.ended)
    finally:
        ending.take(*web.stop(ending.left_s), *closing, lambda: web.stop_watch(ending.left_s()), database.close)


@click.command()
def consume() -> None:
    """Takes from RabbitMQ and stores.

    A worker delivers.

    \b
    connector consume
    """
    from connector.inbound.rabbitmq.consumer import queued

    settings = app.starting()
    if not any(source.queue for source in settings.sources.values()):
        # The Procfile starts every process: one without work waits, as its end would end the others.
        ending = Ending()
        log.get("consumer").warning("no source has a queue: nothing to consume until one has, and this is restarted")
        ending.wait()
        return
    queued(settings)
    count = supervisor.number(os.environ, "CONSUMER_CONCURRENCY")
    there = beginning.ready_or_waits(settings)
    supervisor.serve(partial(_consume, settings, there), count, name="consumer")


def _consume(settings: Settings, there: Settings | None, ending: Ending) -> None:
    """One of several consumers: the broker shares the messages out."""
    from connector.admin.alarms.loop import AlarmLoop
    from connector.inbound.rabbitmq.consumer import Consumer

    there = there or beginning.ready_in_time(settings, ending)
    if there is None:
        return
    database = db.Database(there.database_url)
    committer = Committer(database, there.hash_key)
    consumer = Consumer(there, database, Receiver(there, Router(there, destinations.name_of)), committer)
    consumer.start()
    alarms, heartbeat = AlarmLoop(there, database), Heartbeat(there, database, Role.CONSUMER)
    alarms.start()
    heartbeat.start()
    try:
        ending.wait(lambda: consumer.wait(0))
    finally:
        stops = (lambda: alarms.stop(ending.left_s()), heartbeat.stop)
        ending.take(lambda: consumer.stop(ending.left_s()), committer.close, *stops)


@click.command()
def work() -> None:
    """Delivers what is stored.

    \b
    connector work
    """
    settings, ending = app.starting(), Ending()
    there = beginning.ready_or_waits(settings) or beginning.ready_in_time(settings, ending)
    if there is not None:
        _work(there, ending)


def _work(settings: Settings, ending: Ending) -> None:
    from connector.admin.alarms.loop import AlarmLoop
    from connector.admin.hours import Counter
    from connector.admin.plans import Carrier
    from connector.admin.privacy.retention import Retention
    from connector.admin.search import Indexer
    from connector.outbound.worker import Worker

    database = db.Database(settings.database_url)
    # Its first sign comes before it prepares: an older worker must not undo what this one's configuration corrects.
    heartbeat = Heartbeat(settings, database, Role.WORKER)
    heartbeat.start()
    try:
        worker = Worker(settings, database)
    except BaseException:
        heartbeat.stop()
        raise
    retention = Retention(settings, database)
    indexer, carrier = Indexer(settings, database), Carrier(settings, database)
    hours = Counter(settings, database)
    alarms = AlarmLoop(settings, database)
    worker.start()
    retention.start()
    indexer.start()
    carrier.start()
    hours.start()
    alarms.start()
    log.get("worker").info("started", accounts=len(settings.accounts))
    ending.wait()
    # No purge may hold a lock while the last calls are settled, so it is told first; it ends after its step.
    retention.stop(0)
    indexer.stop(0)
    carrier.stop(0)
    hours.stop(0)
    alarms.stop(0)
    worker.stop(ending.left_s())
    retention.stop(ending.left_s())
    indexer.stop(ending.left_s())
    carrier.stop(ending.left_s())
    hours.stop(ending.left_s())
    alarms.stop(ending.left_s())
    heartbeat.stop()
    log.get("worker").info("stopped")


@click.command()
def poll() -> None:
    """Reads what vendors do not send by themselves.

    A worker delivers what it brings.

    \b
    connector poll
    """
    settings, ending = app.starting(), Ending()
    there = beginning.ready_or_waits(settings) or beginning.ready_in_time(settings, ending)
    if there is not None:
        _poll(there, ending)


def _poll(settings: Settings, ending: Ending) -> None:
    from connector.admin.alarms.loop import AlarmLoop
    from connector.outbound.poller import Poller

    database = db.Database(settings.database_url)
    poller, heartbeat = Poller(settings, database), Heartbeat(settings, database, Role.POLLER)
    alarms = AlarmLoop(settings, database)
    poller.start()
    alarms.start()
    heartbeat.start()
    log.get("poller").info("started")
    ending.wait()
    alarms.stop(0)
    poller.stop(ending.left_s())
    alarms.stop(ending.left_s())
    heartbeat.stop()
    log.get("poller").info("stopped")
