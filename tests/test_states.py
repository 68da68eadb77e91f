"""States are said by their enums: no text of a state stands anywhere else."""

from __future__ import annotations

import ast
import re
from enum import StrEnum
from pathlib import Path

import pytest

from connector.core import states

ROOT = Path(__file__).parent.parent
ENUMS = [
    states.DeliveryState,
    states.EventState,
    states.AttemptState,
    states.AccountState,
    states.DestinationState,
    states.LotState,
]
STATES = {state.value for enum in ENUMS for state in enum}

#: Where the same word means something else: a vendor's own words, HTTP answers, the log, messages, other enums.
ELSEWHERE: dict[str, set[str]] = {
    "admin/cases.py": {"ignored"},
    "admin/obstacles.py": {"unknown"},
    "admin/explain.py": {"accepted"},
    "admin/fetches.py": {"waiting"},
    "admin/lot_acts.py": {"draft"},
    "admin/spool.py": {"waiting"},
    "cli/check.py": {"waiting"},
    "cli/demo.py": {"accepted"},
    "cli/import_.py": {"invalid", "stopped"},
    "cli/lots.py": {"unknown"},
    "cli/privacy.py": {"stopped"},
    "cli/replay.py": {"accepted"},
    "cli/run.py": {"started", "stopped"},
    "cli/status.py": {"waiting"},
    "console/done.py": {"paused"},
    "console/pages_now.py": {"gone"},
    "console/pages_more.py": {
        "blocked",
        "dead",
        "delivered",
        "paused",
        "pending",
        "sending",
        "suppressed",
        "uncertain",
    },
    "core/fields.py": {"unknown"},
    "core/openings.py": {"draft"},
    "core/outcomes.py": {"delivered"},
    "core/reasons.py": {"paused"},
    "core/version.py": {"unknown"},
    "store/helps.py": {"unknown"},
    "vendors/answers.py": {"gone"},
    "vendors/meta/api.py": {"unknown"},
    "vendors/postcenter/api.py": {"gone", "unknown"},
    "vendors/postcenter/readers.py": {"ignored", "open"},
    "vendors/postcenter/sandbox_tickets.py": {"ignored", "open"},
    "vendors/wolkvox/live_report.py": {"started"},
    "vendors/sandbox/ledger.py": {"started"},
    "vendors/tracksale/answers.py": {"invalid"},
    "vendors/tracksale/destinations.py": {"draft"},
    "vendors/tracksale/draft_lots.py": {"draft", "unknown"},
    "vendors/tracksale/options.py": {"draft"},
    "vendors/tracksale/readers.py": {"unknown"},
    "vendors/tracksale/sandbox.py": {"invalid"},
    "vendors/wolkvox/destinations.py": {"started", "stopped"},
    "vendors/wolkvox/sandbox.py": {"blocked", "started", "stopped"},
    "vendors/wolkvox/sandbox_campaigns.py": {"started"},
    "web/access_log.py": {"unknown"},
    "web/webhooks.py": {"accepted", "ignored", "invalid"},
}
MODULES = sorted(
    path
    for path in (ROOT / "connector").rglob("*.py")
    if "migrations" not in path.parts and path != ROOT / "connector/core/states.py"
)
IN_SQL = re.compile(rf"state\w*\s*(=|<>|!=|IN)\s*\(?\s*'({'|'.join(STATES)})'", re.IGNORECASE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "connector"))


def texts(path: Path) -> list[str]:
    """The texts of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone]
    return [node.value for node in nodes if isinstance(node.value, str)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_state_is_said_by_its_enum(path: Path) -> None:
    found = texts(path)
    assert not STATES.intersection(found) - ELSEWHERE.get(name_of(path), set())
    assert not [text for text in found if IN_SQL.search(text)]


def test_no_exception_outlives_its_word() -> None:
    for name, words in ELSEWHERE.items():
        assert words <= set(texts(ROOT / "connector" / name)), name


def test_a_bare_state_would_be_found() -> None:
    assert IN_SQL.search("UPDATE deliveries SET state = 'dead'")
    assert IN_SQL.search("WHERE state IN ('pending', 'dead')")
    assert not IN_SQL.search("WHERE state = :ended")


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_words_are_plain_texts(enum: type[StrEnum]) -> None:
    assert [type(word) for word in states.words(*enum)] == [str] * len(enum)
