"""Worker processes killed while leads come: none is lost, none is sent twice, and none waits behind the dead."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.vendors.sandbox.exchange import Sandbox
from tests.recovery import Play, play, stop_in_a_call

pytestmark = pytest.mark.slow


def test_killed_workers_leave_nothing_behind(tmp_path: Path, database_url: str) -> None:
    given = Play(
        kills=2, seconds=0.2, leads=60, timeout_s=45.0, answer_s=1.0, where="after", holds="measured", in_a_call=True
    )
    with Sandbox(port=0) as sandbox:
        found = play(tmp_path, database_url, given, sandbox)
    assert (found.states, found.twice, found.there) == ({"delivered": 60}, 0, 60)
    assert found.lost_calls


def test_a_worker_that_is_stopped_in_a_call_brings_its_answer_and_holds_nothing(
    tmp_path: Path, database_url: str
) -> None:
    with Sandbox(port=0) as sandbox:
        attempts, held = stop_in_a_call(tmp_path, database_url, Play(answer_s=1.5), sandbox)
    assert (attempts, held) == ({"accepted": 1}, 0)
