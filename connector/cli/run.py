"""The commands that stay: web, consumer, worker and poller, alone or together."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from connector.cli import app, output, supervisor
from connector.cli.heartbeat import Heartbeat
from connector.cli.shutdown import Ending
from connector.cli.together import Together
from connector.core import log
from connector.core.settings import Settings
from connector.inbound.committer import Committer
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.inbound.spool.process import web_spool
from connector.store import database as db
from connector.store import migrate as migration
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
    migration.migrate(settings.database_url)
    settings = app.keyed(settings)
    ending = Ending()
    together = Together(settings, *address(settings, os.environ))
    together.start()
    output.line(f"connector listens on {together.url} (Ctrl-C stops it)")
    try:
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
    migration.migrate(settings.database_url)
    settings = app.keyed(settings)
    host, port = address(settings, os.environ)
    port = free_port(host, port)
    if settings.metrics_port:
        free_port(host, settings.metrics_port)
    log.get("web").info("listening", url=f"http://{host}:{port}")
    supervisor.serve(partial(_web, settings, partial(Served, host=host), port), count, name="web")
    log.get("web").info("stopped")


def _web(settings: Settings, make: Callable[..., Served], port: int, ending: Ending) -> None:
    """One of several servers: the system shares the connections out."""
    from connector.admin.alarms.loop import AlarmLoop
    from connector.web.asgi import Front
    from connector.web.watch import create_watch
    from connector.web.wsgi import create_app

    database = db.Database(settings.database_url)
    committer = Committer(database, settings.hash_key)
    web = create_app(settings, database, destinations.name_of, committer)
    served = make(Front(web), port=port)
    spooled = web_spool(settings, database)
    watch = settings.metrics_port and make(
        Front(create_watch(web.intake, settings, database)), port=settings.metrics_port
    )
    if spooled is not None:
        spooled.start(web.intake)
    served.start()
    if watch:
        watch.start()
    alarms, heartbeat = AlarmLoop(settings, database), Heartbeat(settings, database, Role.WEB)
    alarms.start()
    heartbeat.start()
    try:
        ending.wait(served.ended)
    finally:
        stops: list[Callable[[], object]] = [served.stop, committer.close]
        stops += [spooled.stop] if spooled is not None else []
        stops += [
            lambda: alarms.stop(ending.left_s()),
            heartbeat.stop,
            *([watch.stop] if watch else []),
            database.close,
        ]
        ending.take(*stops)


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
    migration.migrate(settings.database_url)
    settings = app.keyed(settings)
    supervisor.serve(partial(_consume, settings), count, name="consumer")


def _consume(settings: Settings, ending: Ending) -> None:
    """One of several consumers: the broker shares the messages out."""
    from connector.admin.alarms.loop import AlarmLoop
    from connector.inbound.rabbitmq.consumer import Consumer

    database = db.Database(settings.database_url)
    committer = Committer(database, settings.hash_key)
    consumer = Consumer(settings, database, Receiver(settings, Router(settings, destinations.name_of)), committer)
    consumer.start()
    alarms, heartbeat = AlarmLoop(settings, database), Heartbeat(settings, database, Role.CONSUMER)
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
    from connector.admin.alarms.loop import AlarmLoop
    from connector.admin.hours import Counter
    from connector.admin.plans import Carrier
    from connector.admin.privacy.retention import Retention
    from connector.admin.search import Indexer
    from connector.outbound.worker import Worker

    settings = app.starting()
    migration.migrate(settings.database_url)
    settings = app.keyed(settings)
    ending = Ending()
    database = db.Database(settings.database_url)
    worker, retention = Worker(settings, database), Retention(settings, database)
    indexer, carrier = Indexer(settings, database), Carrier(settings, database)
    hours = Counter(settings, database)
    alarms, heartbeat = AlarmLoop(settings, database), Heartbeat(settings, database, Role.WORKER)
    worker.start()
    retention.start()
    indexer.start()
    carrier.start()
    hours.start()
    alarms.start()
    heartbeat.start()
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
    from connector.admin.alarms.loop import AlarmLoop
    from connector.outbound.poller import Poller

    settings = app.starting()
    migration.migrate(settings.database_url)
    settings = app.keyed(settings)
    ending = Ending()
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
