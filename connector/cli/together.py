"""Everything in one process: web, worker and, where a source asks for them, consumer and poller."""

from __future__ import annotations

import threading

from connector.cli.heartbeat import Heartbeat
from connector.cli.shutdown import Ending
from connector.cli.web_part import WebPart
from connector.core.settings import Settings
from connector.inbound.committer import Committer
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.store import database as db
from connector.store.processes import Role
from connector.vendors import destinations


class Together:
    """Web, worker and (where a source has a queue, or a poll) consumer and poller in this process.

    `listen` first, then `begin` once the database is there. Raises `ConnectorError` when the port is in use or the
    database cannot be used; nothing has started then.
    """

    def __init__(self, settings: Settings, host: str, port: int, *, stores: bool = True) -> None:
        """``stores``: the database was there, and `begin` follows at once."""
        from connector.web.uvicorn_server import Served

        self.database = db.Database(settings.database_url)
        self._web = WebPart(
            settings, self.database, lambda front, at: Served(front, host, at, shared=False), port, stores=stores
        )
        self._rest: _Rest | None = None
        self.url = f"http://{host}:{self._web.served.port}"
        if stores:
            assert self._web.committer is not None
            self._rest = _Rest(settings, self.database, self._web.committer)

    def listen(self) -> None:
        """Answers webhooks from now on."""
        self._web.start()

    def begin(self, settings: Settings) -> None:
        """The database is there."""
        committer = self._web.store(settings)
        if self._rest is None:
            self._rest = _Rest(settings, self.database, committer)
        self._rest.start()

    def ended(self) -> bool:
        """Whether it ended by itself. Raises `ConnectorError` when the broker refuses us."""
        consumer = None if self._rest is None else self._rest.consumer
        return consumer is not None and consumer.wait(0)

    def stop(self, ending: Ending) -> None:
        """Takes nothing more, stores and settles what is in hand. Calls in flight are waited for beside the rest."""
        calling = [] if self._rest is None else self._rest.stop_calling(ending)
        consumer = None if self._rest is None else self._rest.consumer
        stop_web, *store = self._web.stop(ending.left_s)
        ending.take(stop_web, *([lambda: consumer.stop(ending.left_s())] if consumer is not None else []), *store)
        for thread in calling:
            thread.join(ending.left_s())
        if self._rest is not None:
            self._rest.heartbeat.stop()
        self._web.stop_watch(ending.left_s())


class _Rest:
    """All but the web server."""

    def __init__(self, settings: Settings, database: db.Database, committer: Committer) -> None:
        from connector.admin.alarms.loop import AlarmLoop
        from connector.admin.hours import Counter
        from connector.admin.plans import Carrier
        from connector.admin.privacy.retention import Retention
        from connector.admin.search import Indexer
        from connector.inbound.rabbitmq.consumer import Consumer
        from connector.outbound.poller import Poller
        from connector.outbound.worker import Worker

        has_queue = any(source.queue for source in settings.sources.values())
        polls = any(source.poll for source in settings.sources.values())
        optional = (Role.CONSUMER, has_queue), (Role.POLLER, polls)
        roles = (Role.WEB, Role.WORKER, *(role for role, is_asked in optional if is_asked))
        # Its first sign comes before the worker prepares: an older one must not undo what this configuration corrects.
        self.heartbeat = Heartbeat(settings, database, *roles)
        self.heartbeat.start()
        try:
            self._worker = Worker(settings, database)
        except BaseException:
            self.heartbeat.stop()
            raise
        self._retention = Retention(settings, database)
        self._indexer = Indexer(settings, database)
        self._carrier = Carrier(settings, database)
        self._hours = Counter(settings, database)
        self._alarms = AlarmLoop(settings, database)
        self.consumer: Consumer | None = None
        if has_queue:
            receiver = Receiver(settings, Router(settings, destinations.name_of))
            self.consumer = Consumer(settings, database, receiver, committer)
        self._poller = Poller(settings, database) if polls else None

    def start(self) -> None:
        self._worker.start()
        self._retention.start()
        self._indexer.start()
        self._carrier.start()
        self._hours.start()
        self._alarms.start()
        if self.consumer is not None:
            self.consumer.start()
        if self._poller is not None:
            self._poller.start()

    def stop_calling(self, ending: Ending) -> list[threading.Thread]:
        """Stops the threads that make calls; they end after their current call."""
        callers = [
            self._worker.stop,
            self._retention.stop,
            self._indexer.stop,
            self._carrier.stop,
            self._hours.stop,
            self._alarms.stop,
            *([self._poller.stop] if self._poller is not None else []),
        ]
        calling = [threading.Thread(target=lambda stop=stop: stop(ending.left_s()), daemon=True) for stop in callers]
        for thread in calling:
            thread.start()
        return calling
