"""The console's Flask class and the shared objects of its views: settings, database, people, sessions, snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from flask import Flask, current_app

from connector.admin.people import People, Tries
from connector.console.company import Company
from connector.console.session import Sessions
from connector.console.snapshot import Snapshot
from connector.core.settings import Settings
from connector.store.database import Database

TEMPLATES: Final = Path(__file__).parent / "templates"
ASSETS: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


#: Name -> what makes the document that describes this service to programs.
Documents = Mapping[str, Callable[[Settings], Mapping[str, Any]]]


class ConsoleApp(Flask):
    """Flask without its own session: the gate reads ours."""

    def __init__(self, settings: Settings, database: Database, documents: Documents) -> None:
        super().__init__("connector.console", static_folder=None, template_folder=str(TEMPLATES))
        self.settings = settings
        self.database = database
        self.documents = documents
        self.people = People(settings.people)
        oidc = settings.console.oidc if settings.console else None
        self.company = Company(oidc) if oidc else None
        self.sessions = Sessions(settings.hash_key, self.people, oidc=oidc)
        self.tries = Tries()
        self.snapshot = Snapshot(settings, database)
        self.assets = {name: (TEMPLATES.parent / "assets" / name).read_bytes() for name in ASSETS}
        self.stamp = hashlib.sha256(b"".join(self.assets.values())).hexdigest()[:12]


def here() -> ConsoleApp:
    """The application of this request."""
    return cast("ConsoleApp", current_app)
