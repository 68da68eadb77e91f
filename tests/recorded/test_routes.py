"""Every destination and every poll, from the event to the bytes that the recording server sees."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from connector.config import loader
from connector.outbound.poll import Polling
from connector.store import tables
from connector.store.database import Database
from connector.vendors.destinations import SPECS
from tests.recorded import documents
from tests.recorded.server import Answer, Recorder, Seen, recording, said
from tests.test_enrich import World

ACCOUNTS = """
timezone = "America/Bogota"
region = "CO"
[accounts.dialler]
vendor = "wolkvox"
server = "0011"
token = "d"
base_url = "{url}"
[accounts.surveys]
vendor = "tracksale"
token = "s"
base_url = "{url}"
[accounts.helpdesk]
vendor = "postcenter"
token = "h"
base_url = "{url}"
[sources.leads]
mapping = "lead"
verify = {{ scheme = "token", header = "X-Token", secrets = ["invented"] }}
[sources.tickets]
mapping = "ticket"
verify = {{ scheme = "token", header = "X-Token", secrets = ["invented"] }}
"""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        yield found


class Ways:
    """A configuration before the recording server."""

    def __init__(self, folder: Path, database: Database, recorder: Recorder) -> None:
        self.folder, self.database, self.recorder = folder, database, recorder
        self.world = World(database, recorder, recorder)  # type: ignore[arg-type]  # of both the address alone is used

    def configure(self, text: str) -> None:
        path = self.folder / "connector.toml"
        path.write_text(ACCOUNTS.format(url=self.recorder.url) + text)
        self.world.use(loader.load({}, config_path=str(path), destinations=SPECS))


@pytest.fixture
def ways(sqlite_template: Path, tmp_path: Path, recorder: Recorder) -> Iterator[Ways]:
    shutil.copy(sqlite_template, tmp_path / "connector.db")
    database = Database(f"sqlite:///{tmp_path}/connector.db")
    yield Ways(tmp_path, database, recorder)
    database.close()


def bodies(seen: Seen) -> Any:
    """A body as it must be, byte by byte: JSON without blanks, in the order of the documents."""
    value = seen.json
    assert seen.body == json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return value


@pytest.mark.parametrize("name", documents.DELIVERIES)
def test_what_a_destination_sends(ways: Ways, recorder: Recorder, name: str) -> None:
    one = documents.DELIVERIES[name]
    ways.configure(f'[[routes]]\nname = "r"\n{one["route"]}\n')
    recorder.answers = lambda seen: said(one["answer"], one.get("status", 200))
    ways.world.receive(one["source"], one["event"])
    ways.world.drain("dialler", "surveys", "helpdesk")
    assert ways.world.deliveries() == [("r", "delivered")]
    seen = [call for call in recorder.seen if call.path not in documents.HELPS]
    assert [(call.method, call.target) for call in seen] == [tuple(one["call"])]
    if one["body"] is None:
        assert seen[0].body == b""
    else:
        found = bodies(seen[0])
        assert found == one["body"]
        assert [*found[0]] == [*one["body"][0]] if isinstance(found, list) else [*found] == [*one["body"]]
    assert {key: seen[0].headers.get(key) for key in one["headers"]} == one["headers"]


@pytest.mark.parametrize("name", documents.POLLS)
def test_what_a_poll_asks(ways: Ways, recorder: Recorder, name: str) -> None:
    """The first look, and one for the next page where the answer names it."""
    one = documents.POLLS[name]
    ways.configure(one["source"])
    answers = iter(one["answers"])
    recorder.answers = lambda seen: _page(next(answers))
    poll = Polling(ways.world.settings, ways.database, ways.world.settings.sources["polled"])
    for _ in one["answers"]:
        with ways.database.write() as conn:
            conn.execute(update(tables.polls).values(due_at=0))
        poll.step()
    for call, wanted in zip(recorder.seen, one["calls"], strict=True):
        assert call.path == wanted["path"]
        assert {key: value for key, value in call.query if key not in ("start", "end", "from", "to")} == wanted["query"]
        assert [key for key, _ in call.query] == wanted["names"]
        assert (call.method, call.body) == ("GET", b"")


def _page(body: Any) -> Answer:
    return said(body)
