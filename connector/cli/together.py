"""Everything in one process: web, worker and, where a source asks for them, consumer and poller."""

from __future__ import annotations

import threading

from connector.cli.heartbeat import Heartbeat
from connector.cli.shutdown import Ending
from connector.core.settings import Settings
from connector.inbound.committer import Committer
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.inbound.spool.process import web_spool
from connector.store import database as db
from connector.store.processes import Role
from connector.vendors import destinations


class Together:
    """Web, worker and (where a source has a queue, or a poll) consumer and poller in this process.

    Raises `ConnectorError` when the port is in use or the database cannot be used; nothing has started then.
    """

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        from connector.admin.alarms.loop import AlarmLoop
        from connector.admin.hours import Counter
        from connector.admin.plans import Carrier
        from connector.admin.privacy.retention import Retention
        from connector.admin.search import Indexer
        from connector.inbound.rabbitmq.consumer import Consumer
        from connector.outbound.poller import Poller
        from connector.outbound.worker import Worker
        from connector.web.asgi import Front
        from connector.web.uvicorn_server import Served
        from connector.web.watch import create_watch
        from connector.web.wsgi import create_app

        self.database = db.Database(settings.database_url)
        self._committer = Committer(self.database, settings.hash_key)
        web = create_app(settings, self.database, destinations.name_of, self._committer)
        self._intake = web.intake
        self._spooled = web_spool(settings, self.database)
        self._web = Served(Front(web), host, port, shared=False)
        self._watch: Served | None = None
        if settings.metrics_port:
            watch = Front(create_watch(web.intake, settings, self.database))
            self._watch = Served(watch, host, settings.metrics_port, shared=False)
        self._worker = Worker(settings, self.database)
        self._retention = Retention(settings, self.database)
        self._indexer = Indexer(settings, self.database)
        self._carrier = Carrier(settings, self.database)
        self._hours = Counter(settings, self.database)
        self._alarms = AlarmLoop(settings, self.database)
        self._consumer: Consumer | None = None
        if any(source.queue for source in settings.sources.values()):
            receiver = Receiver(settings, Router(settings, destinations.name_of))
            self._consumer = Consumer(settings, self.database, receiver, self._committer)
        polled = any(source.poll for source in settings.sources.values())
        self._poller = Poller(settings, self.database) if polled else None
        asked = (Role.CONSUMER, self._consumer), (Role.POLLER, self._poller)
        roles = (Role.WEB, Role.WORKER, *(role for role, part in asked if part is not None))
        self._heartbeat = Heartbeat(settings, self.database, *roles)
        self.url = f"http://{host}:{self._web.port}"

    def start(self) -> None:
        if self._spooled is not None:
            self._spooled.start(self._intake)
        self._web.start()
        if self._watch is not None:
            self._watch.start()
        self._worker.start()
        self._retention.start()
        self._indexer.start()
        self._carrier.start()
        self._hours.start()
        self._alarms.start()
        if self._consumer is not None:
            self._consumer.start()
        if self._poller is not None:
            self._poller.start()
        self._heartbeat.start()

    def ended(self) -> bool:
        """Whether it ended by itself. Raises `ConnectorError` when the broker refuses us."""
        return self._consumer is not None and self._consumer.wait(0)

    def stop(self, ending: Ending) -> None:
        """Takes nothing more, stores and settles what is in hand. Calls in flight are waited for beside the rest."""
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
        consumer = self._consumer
        stop_consumer = [lambda: consumer.stop(ending.left_s())] if consumer is not None else []
        spooled = [self._spooled.stop] if self._spooled is not None else []
        ending.take(lambda: self._web.stop(ending.left_s()), *stop_consumer, self._committer.close, *spooled)
        for thread in calling:
            thread.join(ending.left_s())
        self._heartbeat.stop()
        if self._watch is not None:
            self._watch.stop(ending.left_s())
