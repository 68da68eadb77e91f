"""The web server of a process, which may begin while the database is away: then it spools until that is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from connector.core.settings import Settings
from connector.inbound.committer import ANSWERS_S, SPOOL_AFTER_S, Committer, NotYet
from connector.inbound.spool.process import web_spool
from connector.store.database import Database
from connector.vendors import destinations

if TYPE_CHECKING:
    from connector.web.asgi import Front
    from connector.web.uvicorn_server import Served


class WebPart:
    """Has its port from the beginning. `start` first; then `store`, once the tables and the key are there."""

    def __init__(
        self, settings: Settings, database: Database, make: Callable[[Front, int], Served], port: int, *, stores: bool
    ) -> None:
        """``make`` makes a server at a port; ``stores``: the database was there, and `store` follows at once."""
        from connector.web.asgi import Front
        from connector.web.watch import create_watch
        from connector.web.wsgi import create_app

        self._database: Final = database
        self._spooled: Final = web_spool(settings, database)
        self.committer: Committer | None = None
        if stores:
            self.committer = self._committer(settings)
        app = create_app(settings, database, destinations.name_of, self.committer or NotYet())
        self._intake: Final = app.intake
        self._front: Final = Front(app)
        self.served: Final = make(self._front, port)
        self._watch_front: Front | None = None
        self._watch: Served | None = None
        if settings.metrics_port:
            self._watch_front = Front(create_watch(app.intake, settings, database))
            self._watch = make(self._watch_front, settings.metrics_port)

    def _committer(self, settings: Settings) -> Committer:
        return Committer(
            self._database, settings.hash_key, answers_s=ANSWERS_S if self._spooled is None else SPOOL_AFTER_S
        )

    def start(self) -> None:
        """Answers from now on."""
        if self._spooled is not None:
            self._spooled.start(self._intake)
        self.served.start()
        if self._watch is not None:
            self._watch.start()

    def store(self, settings: Settings) -> Committer:
        """The database is there: what comes is stored, and what is in the spool. ``settings`` have its key."""
        intake = self._intake
        if self.committer is None:
            from connector.web.watch import create_watch
            from connector.web.wsgi import create_app

            self.committer = self._committer(settings)
            app = create_app(settings, self._database, destinations.name_of, self.committer)
            intake = app.intake
            if self._spooled is not None:
                self._spooled.start(intake)
            self._front.serve(app)
            if self._watch_front is not None:
                self._watch_front.serve(create_watch(intake, settings, self._database))
        if self._spooled is not None:
            self._spooled.drain(settings, intake.receiver)
        return self.committer

    def stop(self, left_s: Callable[[], float]) -> list[Callable[[], object]]:
        """The steps, in order: nothing more is taken, what was taken is stored or spooled."""
        steps: list[Callable[[], object]] = [lambda: self.served.stop(left_s())]
        if self.committer is not None:
            steps.append(self.committer.close)
        if self._spooled is not None:
            steps.append(self._spooled.stop)
        return steps

    def stop_watch(self, left_s: float) -> None:
        """At the very end: until then somebody may ask how it goes."""
        if self._watch is not None:
            self._watch.stop(left_s)
