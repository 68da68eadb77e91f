"""A day at a wolkvox that knows the documents' two calls and no other: nobody is dialled twice, nobody is forgotten."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.admin.status import status
from connector.core.reasons import Code
from connector.outbound.worker import ask_budgets
from connector.store.database import Database
from connector.store.helps import HelpState
from tests.outbound_steps import Out, code, dial, dialler, lead
from tests.recorded import documents
from tests.recorded.server import Answer, Recorder, Seen, recording, said

ROUNDS = 8
LOOK_EVERY_S = 5400
#: round -> whether the rows of its cut call have landed
CUTS = {1: True, 2: False, 5: True}

#: Why a cut call's leads wait for a person: nothing proved anything, or the help goes on failing.
OPEN_QUESTIONS = {Code.PROBE_NO_CONTROL, Code.PROBE_UNCLEAR, Code.UNKNOWN_ASKED}


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        yield found


class Day:
    """One account, whose time passes at will, and a vendor whose rows are counted here."""

    def __init__(self, database: Database, recorder: Recorder, unknown: Answer, **options: Any) -> None:
        self.unknown, self.recorder = unknown, recorder
        self.dialled: Counter[str] = Counter()
        self.cut: bool | None = None  #: the next call is cut; True: its rows land
        recorder.answers = self.answer
        more = options.pop("options", {})
        route = dial(**options)
        route = replace(route, options={**route.options, **more})
        self.out = Out(database, route, accounts=[dialler(recorder.url, licences=1)])
        ask_budgets(self.out.settings, database)

    def answer(self, seen: Seen) -> Answer:
        """add_record is known; everything else is not."""
        if ("api", "add_record") not in seen.query:
            return self.unknown
        is_cut, lands = self.cut is not None, self.cut is not False
        self.cut = None
        if lands:
            self.dialled.update(row["tel1"] for row in seen.json)
        body = {"code": "201", "error": None, "msg": "All records added", "data": [{"total_registers": len(seen.json)}]}
        return None if is_cut else said(body, 201)

    def live(self) -> None:
        """Every three hours three people come; the worker looks twice meanwhile."""
        for turn in range(ROUNDS):
            self.cut = CUTS.get(turn)
            self.out.put([lead(3 * turn + number) for number in range(1, 4)])
            for _ in range(2):
                self.out.drain()
                self.out.later(LOOK_EVERY_S)


@pytest.fixture
def database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(sqlite_template, tmp_path / "connector.db")
    database = Database(f"sqlite:///{tmp_path}/connector.db")
    yield database
    database.close()


@pytest.mark.parametrize("unknown", [said(body, status, kind) for status, kind, body in documents.UNKNOWN_CALLS])
def test_every_lead_is_dialled_once_and_cut_calls_are_left_to_a_person(
    database: Database, recorder: Recorder, unknown: Answer
) -> None:
    day = Day(database, recorder, unknown)
    day.live()
    assert max(day.dialled.values()) == 1, "nobody twice"
    assert day.out.states() == {"delivered": 3 * (ROUNDS - len(CUTS)), "uncertain": 3 * len(CUTS)}
    assert len(day.dialled) == 3 * (ROUNDS - 1), "all but those whose cut call did not land"
    assert {code(row) for row in day.out.deliveries("uncertain")} <= OPEN_QUESTIONS
    assert day.out.account().state == "open"
    [shown] = status(database, day.out.settings)["accounts"]
    assert {one["state"] for one in shown["helps"]} <= {HelpState.UNKNOWN, HelpState.NOT_THERE}


#: What the report may be like where it does not tell of this campaign.
SILENT = [
    said(b"<html/>", 404, "text/html"),
    said({"code": "404", "error": "Not Found", "msg": "No data"}, 404),
    said([]),
    said([{"campaign": "1043 - Ventas", "status": "started"}]),
]


@pytest.mark.parametrize(
    ("report", "instead"), [*((one, "start") for one in SILENT), (SILENT[0], "stop"), (SILENT[0], "hold")]
)
def test_a_campaign_whose_status_nobody_tells_is_dialled_as_its_route_says(
    database: Database, recorder: Recorder, report: Answer, instead: str
) -> None:
    """At once `status` says that it is not told; what the route says instead holds after its wait, and not before."""
    day = Day(database, recorder, report, status="auto", options={"else": instead, "status_wait": 900.0})
    day.out.put([lead(1)])
    day.out.drain()
    [shown] = status(database, day.out.settings)["accounts"]
    assert "the report does not say whether campaign 1042 is started or stopped" in str(shown["helps"])
    day.out.later(600)
    day.out.drain()
    assert day.dialled == {}
    day.out.later(400)
    day.out.drain()
    sent = [dict(one.query)["campaign_status"] for one in recorder.seen if ("api", "add_record") in one.query]
    assert sent == ([] if instead == "hold" else [instead])
    assert day.out.account().state == "open"
    day.out.later(7200)
    day.out.drain()
    assert day.out.states() == ({"pending": 1} if instead == "hold" else {"delivered": 1})
