"""The commands that stay: web, consumer and worker, alone or together; the sandbox; the demo. And `migrate`."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from connector import configuration, db, destinations
from connector.commands import face, show
from connector.committer import Committer
from connector.errors import ConnectorError
from connector.receive import Receiver
from connector.routes import Router
from connector.settings import Settings

if TYPE_CHECKING:
    from flask import Flask

    from connector.web.server import Embedded

STOP_S: Final = 25.0  #: from the signal to the end; whoever runs us kills after 30
LOOK_S: Final = 0.5

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """The first SIGTERM or SIGINT ends a process in order, the second at once."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._by_s = float("inf")
        for number in SIGNALS:
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self._asked.set()

    def wait(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Until a signal comes, or ``ended`` says so. From then on `left_s` runs."""
        while not self._asked.wait(LOOK_S) and not ended():
            pass
        self._by_s = time.monotonic() + STOP_S

    def left_s(self) -> float:
        return max(0.1, self._by_s - time.monotonic())

    def within(self, *steps: Callable[[], object]) -> None:
        """Takes the steps one after the other, and goes on without them when the time is over."""
        thread = threading.Thread(target=lambda: [step() for step in steps], name="ending", daemon=True)
        thread.start()
        thread.join(self.left_s())


def host() -> str:
    """Where web listens: everywhere on a dyno, else on this machine only, unless CONNECTOR_HOST says otherwise."""
    return os.environ.get("CONNECTOR_HOST") or ("0.0.0.0" if os.environ.get("DYNO") else "127.0.0.1")


@click.command()
def run() -> None:
    """Web, worker and (where a source has a queue) consumer in one process."""
    settings = face.settings()
    db.migrate(settings.database_url)
    ending = Ending()
    everything(settings, ending, host(), settings.port)


def everything(settings: Settings, ending: Ending, host: str, port: int) -> None:
    """All three until a signal comes. Raises `ConnectorError`, having stopped all, when the broker refuses us."""
    from connector.consumer import Consumer
    from connector.web import create_app
    from connector.worker import Worker

    database = db.Database(settings.database_url)
    committer = Committer(database)
    receiver = Receiver(settings, Router(settings, destinations.name_of))
    server = _listening(create_app(settings, database, committer), host, port)
    worker = Worker(settings, database)
    queued = any(source.queue for source in settings.sources.values())
    consumer = Consumer(settings, database, receiver, committer) if queued else None
    worker.start()
    if consumer is not None:
        consumer.start()
    show.line(f"connector listens on http://{host}:{server.port} (Ctrl-C stops it)")
    try:
        ending.wait(lambda: consumer is not None and consumer.wait(0))
    finally:
        settled = threading.Thread(target=lambda: worker.stop(ending.left_s()), daemon=True)
        settled.start()  # calls in flight may take their time: they are waited for beside the rest
        ending.within(server.stop, lambda: consumer and consumer.stop(ending.left_s()), committer.close)
        settled.join(ending.left_s())


def _listening(app: Flask, host: str, port: int) -> Embedded:
    from connector.web.server import Embedded

    try:
        server = Embedded(app, host, port)
        server.start()
    except OSError as fault:
        why = "is in use" if fault.errno == errno.EADDRINUSE else f"cannot be listened on ({fault.strerror})"
        raise ConnectorError(f"port {port} {why}: set PORT to another") from fault
    return server


@click.command()
def web() -> None:
    """Web alone: takes webhooks and stores them; a worker delivers."""
    from connector.web.server import serve

    settings = face.settings()
    db.migrate(settings.database_url)
    serve(settings, os.environ)


@click.command()
def consume() -> None:
    """The consumer alone: takes from RabbitMQ and stores; a worker delivers."""
    from connector.consumer import Consumer

    settings = face.settings()
    db.migrate(settings.database_url)
    database = db.Database(settings.database_url)
    committer = Committer(database)
    receiver = Receiver(settings, Router(settings, destinations.name_of))
    consumer = Consumer(settings, database, receiver, committer)
    ending = Ending()
    consumer.start()
    try:
        ending.wait(lambda: consumer.wait(0))
    finally:
        ending.within(lambda: consumer.stop(ending.left_s()), committer.close)


@click.command()
def work() -> None:
    """The worker alone: delivers what is stored."""
    from connector.worker import Worker

    settings = face.settings()
    db.migrate(settings.database_url)
    ending = Ending()
    worker = Worker(settings, db.Database(settings.database_url))
    worker.start()
    ending.wait()
    worker.stop(ending.left_s())


@click.command()
def migrate() -> None:
    """Creates or upgrades the database; does nothing when it is current."""
    db.migrate(configuration.database_url(os.environ))
    show.line("the database is up to date")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9900, show_default=True, help="Where it listens.")
def sandbox(port: int) -> None:
    """The three vendors, simulated: strict about every documented limit."""
    from connector.sandbox import serve

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(port)


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running, to try things out.")
def demo(keep: bool) -> None:
    """Shows everything at work, on a throw-away database and simulated vendors."""
    from connector.demo import play

    sys.exit(0 if play(keep=keep) else 1)
