"""What senders send over HTTP, through a broker and in several steps becomes what is right: see `scenarios`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector.vendors.sandbox.exchange import Sandbox
from tests import outbound_steps, scripted_vendor
from tests.broker import broker as broker_fixture
from tests.scenarios import running
from tests.scripted_vendor import Vendor

broker, sandbox, vendor = broker_fixture, outbound_steps.sandbox, scripted_vendor.vendor
SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.json"))


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_what_is_sent_becomes_what_is_right(
    file: Path, request: pytest.FixtureRequest, sqlite_url: str, sandbox: Sandbox, vendor: Vendor, tmp_path: Path
) -> None:
    scenario: dict[str, Any] = json.loads(file.read_text())
    is_queued = any("message" in step for step in scenario["steps"])
    queue = request.getfixturevalue("broker") if is_queued else None
    with running(scenario, url=sqlite_url, sandbox=sandbox, vendor=vendor, broker=queue, folder=tmp_path) as it:
        for step in scenario["steps"]:
            it.play(step)
        become = it.become(sandbox)
    for name, right in scenario["want"].items():
        if name in ("said", "asked"):
            assert all(one in str(become[name]) for one in right), become[name]
        else:
            assert become[name] == right, become
