"""The commands that stay: web, consumer, worker and poller, alone or together; the sandbox; the demo. And `migrate`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from connector import configuration, db, destinations, log
from connector.commands import face, processes, show
from connector.commands.ending import Ending
from connector.committer import Committer
from connector.receive import Receiver
from connector.routes import Router
from connector.settings import Settings

if TYPE_CHECKING:
    from connector.web.front import Front
    from connector.web.served import Served


class Together:
    """Web, worker and (where a source has a queue, or a poll) consumer and poller in this process.

    Raises `ConnectorError` when the port is in use or the database cannot be used; nothing has started then.
    """

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        from connector.consumer import Consumer
        from connector.poller import Poller
        from connector.web import create_app
        from connector.web.embedded import Embedded
        from connector.worker import Worker

        self.database = db.Database(settings.database_url)
        self._committer = Committer(self.database, settings.hash_key)
        self._web = Embedded(create_app(settings, self.database, self._committer), host, port)
        self._worker = Worker(settings, self.database)
        self._consumer: Consumer | None = None
        if any(source.queue for source in settings.sources.values()):
            receiver = Receiver(settings, Router(settings, destinations.name_of))
            self._consumer = Consumer(settings, self.database, receiver, self._committer)
        polled = any(source.poll for source in settings.sources.values())
        self._poller = Poller(settings, self.database) if polled else None
        self.url = f"http://{host}:{self._web.port}"

    def start(self) -> None:
        self._web.start()
        self._worker.start()
        if self._consumer is not None:
            self._consumer.start()
        if self._poller is not None:
            self._poller.start()

    def ended(self) -> bool:
        """Whether it ended by itself. Raises `ConnectorError` when the broker refuses us."""
        return self._consumer is not None and self._consumer.wait(0)

    def stop(self, ending: Ending) -> None:
        """Takes nothing more, stores and settles what is in hand. Calls in flight are waited for beside the rest."""
        callers = [self._worker.stop, *([self._poller.stop] if self._poller is not None else [])]
        calling = [threading.Thread(target=lambda stop=stop: stop(ending.left_s()), daemon=True) for stop in callers]
        for thread in calling:
            thread.start()
        consumer = self._consumer
        stop_consumer = [lambda: consumer.stop(ending.left_s())] if consumer is not None else []
        ending.take(lambda: self._web.stop(ending.left_s()), *stop_consumer, self._committer.close)
        for thread in calling:
            thread.join(ending.left_s())


@click.command()
def run() -> None:
    """All of it in one process.

    Web and worker; consumer and poller only where a source has a queue, or a poll.
    """
    from connector.web.ports import address

    settings = face.settings()
    db.migrate(settings.database_url)
    ending = Ending()
    together = Together(settings, *address(settings, os.environ))
    together.start()
    show.line(f"connector listens on {together.url} (Ctrl-C stops it)")
    try:
        ending.wait(together.ended)
    finally:
        together.stop(ending)


@click.command()
def web() -> None:
    """Takes webhooks and stores them.

    A worker delivers.
    """
    from connector.web.ports import address, free_port
    from connector.web.served import Served

    settings = face.settings()
    count = processes.number(os.environ, "WEB_CONCURRENCY")
    db.migrate(settings.database_url)
    host, port = address(settings, os.environ)
    port = free_port(host, port)
    log.get("web").info("listening", url=f"http://{host}:{port}")
    processes.serve(partial(_web, settings, partial(Served, host=host, port=port)), count, name="web")
    log.get("web").info("stopped")


def _web(settings: Settings, make: Callable[[Front], Served], ending: Ending) -> None:
    """One of several servers: the system shares the connections out."""
    from connector.web import create_app
    from connector.web.front import Front

    database = db.Database(settings.database_url)
    committer = Committer(database, settings.hash_key)
    served = make(Front(create_app(settings, database, committer)))
    served.start()
    try:
        ending.wait(served.ended)
    finally:
        ending.take(served.stop, committer.close, database.close)


@click.command()
def consume() -> None:
    """Takes from RabbitMQ and stores.

    A worker delivers.
    """
    from connector.consumer import queued

    settings = face.settings()
    queued(settings)
    count = processes.number(os.environ, "CONSUMER_CONCURRENCY")
    db.migrate(settings.database_url)
    processes.serve(partial(_consume, settings), count, name="consumer")


def _consume(settings: Settings, ending: Ending) -> None:
    """One of several consumers: the broker shares the messages out."""
    from connector.consumer import Consumer

    database = db.Database(settings.database_url)
    committer = Committer(database, settings.hash_key)
    consumer = Consumer(settings, database, Receiver(settings, Router(settings, destinations.name_of)), committer)
    consumer.start()
    try:
        ending.wait(lambda: consumer.wait(0))
    finally:
        ending.take(lambda: consumer.stop(ending.left_s()), committer.close)


@click.command()
def work() -> None:
    """Delivers what is stored."""
    from connector.worker import Worker

    settings = face.settings()
    db.migrate(settings.database_url)
    ending = Ending()
    worker = Worker(settings, db.Database(settings.database_url))
    worker.start()
    ending.wait()
    worker.stop(ending.left_s())


@click.command()
def poll() -> None:
    """Asks vendors for what they do not send.

    A worker delivers what it brings.
    """
    from connector.poller import Poller

    settings = face.settings()
    db.migrate(settings.database_url)
    ending = Ending()
    poller = Poller(settings, db.Database(settings.database_url))
    poller.start()
    ending.wait()
    poller.stop(ending.left_s())


@click.command()
def migrate() -> None:
    """Creates or upgrades the database.

    Does nothing when it is current.
    """
    db.migrate(configuration.database_url(os.environ))
    show.line("the database is up to date")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9900, show_default=True, help="Where it listens.")
def sandbox(port: int) -> None:
    """The three vendors, simulated.

    Strict about every documented limit.
    """
    from connector.sandbox import serve

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(port)


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running, to try things out.")
@click.option("--full", is_flag=True, help="The whole circle too: ticket, survey, low answer, call back, note.")
def demo(keep: bool, full: bool) -> None:
    """Shows everything at work.

    On a throw-away database and simulated vendors.
    """
    from connector.demo import play

    sys.exit(0 if play(keep=keep, full=full) else 1)
