"""The ticket of PostCenter's document: its customer has no address, and it is closed and reassigned all the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from connector.admin.explain import explain
from connector.config import loader
from connector.outbound.poll import Polling
from connector.store import tables
from connector.store.database import Database
from connector.vendors.destinations import SPECS
from tests.recorded import documents
from tests.recorded.server import Answer, Recorder, Seen, recording, said
from tests.test_enrich import World

TICKET = documents.TICKET
CONFIG = """
[accounts.helpdesk]
vendor = "postcenter"
token = "invented"
base_url = "{url}"
[accounts.surveys]
vendor = "tracksale"
token = "invented"
base_url = "{url}"
[sources.tickets]
mapping = "postcenter"
account = "helpdesk"
poll = {{ call = "postcenter.tickets", state = "closed", every = "5m" }}
verify = {{ scheme = "token", header = "X-Token", secrets = ["invented-token"] }}
[sources.own]
mapping = "ticket"
verify = {{ scheme = "token", header = "X-Token", secrets = ["invented-token"] }}
[[routes]]
name = "close"
on = "ticket.closed"
to = "postcenter.close"
account = "helpdesk"
[[routes]]
name = "reassign"
on = "ticket.closed"
to = "postcenter.reassign"
account = "helpdesk"
[[routes]]
name = "survey"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"
"""
CLOSED: list[str] = []  #: what the poll by state is answered
NOTIFIED = {"event": "ticket_closed", "ticket_id": TICKET["id"]}
POSTED = {
    "id": "T-1",
    "type": "ticket.closed",
    "data": {"ticket_id": TICKET["id"], "customer": {"name": "Carlos Palma"}},
}


def answer(seen: Seen) -> Answer:
    """As the document does."""
    if "/state/" in seen.path:
        return said({"tickets": CLOSED, "status": 200})
    if seen.path.endswith("/messages/"):
        return said({"status": 200, "messages": documents.MESSAGES})
    return said({"status": 200, "message": "Ok"} if seen.method == "POST" else TICKET)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        found.answers = answer
        yield found


@pytest.fixture
def world(sqlite_template: Path, tmp_path: Path, recorder: Recorder) -> Iterator[World]:
    shutil.copy(sqlite_template, tmp_path / "connector.db")
    database = Database(f"sqlite:///{tmp_path}/connector.db")
    world = World(database, recorder, recorder)  # type: ignore[arg-type]  # of both the address alone is used
    (tmp_path / "connector.toml").write_text(CONFIG.format(url=recorder.url))
    world.use(loader.load({}, config_path=str(tmp_path / "connector.toml"), destinations=SPECS))
    yield world
    database.close()


def bring(world: World, how: str) -> None:
    if how == "polled":
        polled(world)
    elif how == "notified":
        world.receive("tickets", NOTIFIED)
    else:
        world.receive("own", POSTED)
    world.drain("helpdesk", "surveys")


def polled(world: World) -> None:
    """Closed between two looks: what was closed before the first one is the past."""
    poll = Polling(world.settings, world.database, world.settings.sources["tickets"])
    CLOSED.clear()
    assert poll.step().through
    CLOSED.append(TICKET["id"])
    with world.database.write() as conn:
        conn.execute(update(tables.polls).values(due_at=0))
    assert poll.step().stored == 1


def surveyed(world: World) -> dict[str, Any]:
    """What is told of the survey that nobody gets."""
    [event] = explain(world.database, world.settings, "e1")["events"]
    [told] = [one for one in event["deliveries"] if one["route"] == "survey"]
    return told


@pytest.mark.parametrize("how", ["polled", "notified", "posted"])
def test_the_document_s_own_ticket_is_closed_and_reassigned_and_nobody_is_surveyed(
    world: World, recorder: Recorder, how: str
) -> None:
    bring(world, how)
    assert dict(world.deliveries()) == {"close": "delivered", "reassign": "delivered", "survey": "dead"}
    posted = [(one.target, one.body, one.headers["content-length"]) for one in recorder.seen if one.method == "POST"]
    path = f"/v2/ticket/{TICKET['id']}"
    assert sorted(posted) == [(f"{path}/close/", b"", "0"), (f"{path}/reassign/", b"", "0")]
    assert not recorder.of("/v2/campaign/52/dispatch")
    assert "no e-mail and no usable phone: a survey needs one" in surveyed(world)["reason"]


def test_what_the_ticket_and_its_messages_say_is_kept(world: World) -> None:
    bring(world, "polled")
    with world.database.read() as conn:
        fetched = conn.execute(select(tables.events.c.fetched)).scalar_one()
    assert documents.MESSAGES[0]["content"] in json.dumps(json.loads(fetched), ensure_ascii=False)
