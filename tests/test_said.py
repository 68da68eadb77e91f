"""Every command prints in the reader's language: over a database with something in each state, no English is left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from connector.cli.root import connector as command
from connector.core import states
from tests.configured_world import environ, world
from tests.connector_steps import World, lead, ticket

__all__ = ["environ", "world"]

#: Short words of which every English sentence has one, and no Spanish or Portuguese sentence.
ENGLISH = re.compile(
    r"\b(the|is|are|was|were|has|have|not|of|with|and|from|its|it|by|until|since|which|that|this|what|when|where|who|why|"
    r"nothing|nobody|waits?|sent|left|yet|then|there|state|reason|account|destination|delivery|deliveries|events?|route|"
    r"source|received|attempts|warning|fault|skipped|finding|field|value|rows|fate|line|now|oldest|open|pending|dead|"
    r"uncertain|delivered|suppressed|invalid|ignored|accepted|unknown|never|yes|campaign|status|name)\b",
    re.IGNORECASE,
)
#: What vendors said, what the configuration names, what is typed, and names of tables and keys; and faults of fields,
#: which are stored with the event as its sender was told them.
GIVEN = re.compile(
    r"“[^”]*”|\"[^\"]*\"|'[^']*'|\[[^\]]*\]|`[^`]*`|--[a-z-]+|connector [a-z]+( [a-z]+)?(?-i:( [A-Z|]+)*)"
    r"|\((HTTP)?[^)]*\)|[a-z_]+/[^ ]+|[a-z]+\.[a-z_.]+|\S+_\S+|\S+@\S+|Times are.*"
    r"|\b(dial|call|survey|close|note|tag)[a-z]* [a-z ]+?(?=  |$)"
    r"|\b(landing|form|tickets|answers|dialler|surveys|helpdesk)\b|(?-i:\b[A-Z_]{4,}\b)"
    r"|\b(phones|type)[.\d]*: .*|all records has been added successfully",
    re.IGNORECASE,
)


def left_in_english(text: str) -> list[str]:
    return [line for line in text.splitlines() if ENGLISH.search(GIVEN.sub(" ", line))]


@pytest.fixture
def lived(world: World, tmp_path: Path, environ: dict[str, str]) -> World:
    """Something in every state that a list shows."""
    world.receive("landing", *(lead(number) for number in range(1, 5)))
    world.receive("landing", lead(5, phones=[], email=""), lead(6) | {"type": "lead.updated"})
    world.receive("tickets", ticket(1), ticket(2, "ticket.opened"))
    world.step()
    world.step()
    (tmp_path / "leads.csv").write_text("nombre;telefono\nAna;3000000009\nLuz;12\nEva;3000000010\n", encoding="utf-8")
    return world


def typed(tmp_path: Path) -> dict[str, list[str]]:
    """What is typed, in this order; each must end well or badly, but in words of the reader."""
    return {
        "import": ["import", "landing", str(tmp_path / "leads.csv")],
        "import again": ["import", "landing", str(tmp_path / "leads.csv")],
        "import dry": ["import", "landing", str(tmp_path / "leads.csv"), "--dry-run"],
        "import nothing": ["import", "nobody", str(tmp_path / "leads.csv")],
        "imports": ["imports"],
        "import shown": ["imports", "show", "1"],
        "import missing": ["imports", "show", "99"],
        "status": ["status"],
        "check": ["check", "--offline"],
        "events": ["events"],
        "no event": ["events", "--find", "zzzzz"],
        "deliveries": ["deliveries"],
        "no delivery": ["deliveries", "--find", "zzzzz"],
        "no time": ["deliveries", "--since", "mañana"],
        "explain": ["explain", "L-1"],
        "explain waiting": ["explain", "L-4"],
        "explain nothing": ["explain", "L-99"],
        "pause": ["pause", "dialler"],
        "status paused": ["status"],
        "resume": ["resume", "dialler"],
        "resume again": ["resume", "dialler"],
        "pause nobody": ["pause", "nobody"],
        "alarms": ["alarms"],
        "alarms test": ["alarms", "test"],
        "pace": ["pace"],
        "replay": ["replay", "--delivery", "d1", "--dry-run"],
        "replay dead": ["replay", "--state", "dead", "--dry-run"],
        "replay wrongly": ["replay", "--state", "dead", "--force"],
        "replay nothing": ["replay", "--delivery", "d99", "--yes"],
        "resolve": ["resolve", "d1", "--landed"],
        "resolve both": ["resolve", "d1", "--landed", "--resend"],
        "may": ["may", "300 000 0001"],
        "may nobody": ["may", "nadie"],
        "person": ["person", "300 000 0001"],
        "suppress": ["suppress", "add", "300 000 0001"],
        "suppress again": ["suppress", "add", "300 000 0001", "300 000 0077"],
        "suppressed": ["suppress", "list"],
        "may not": ["may", "300 000 0001"],
        "lists": ["suppress", "lists"],
        "unsuppress": ["suppress", "remove", "300 000 0077", "300 000 0078"],
        "erase dry": ["erase", "300 000 0002", "--dry-run"],
        "erase asks": ["erase", "300 000 0002"],
        "erase": ["erase", "300 000 0002", "--yes"],
        "purge": ["purge", "--older-than", "1d", "--dry-run"],
        "purge wrongly": ["purge", "--older-than", "ayer"],
        "campaigns": ["campaigns"],
        "nps": ["nps"],
        "lots": ["lots"],
        "migrate": ["migrate"],
        "rekey": ["rekey"],
        "map": ["map", "--from", "e1"],
        "map nothing": ["map", "--from", "e99"],
        "backfill": ["backfill", "landing", "--from", "2026-10-01", "--to", "2026-10-02"],
        "redrive": ["redrive", "landing"],
        "init": ["init", str(tmp_path / "mine"), "--yes"],
        "init again": ["init", str(tmp_path / "mine"), "--yes"],
        "send": ["send", "nobody", "--sample"],
    }


@pytest.mark.parametrize("language", ["es", "pt"])
def test_no_command_prints_english(lived: World, environ: dict[str, str], tmp_path: Path, language: str) -> None:
    found: list[str] = []
    for what, args in typed(tmp_path).items():
        result: Result = CliRunner().invoke(command, ["--lang", language, *args], env=environ)
        told = re.sub(r"(?m)^(Usage|Try).*\n?", "", result.output)
        found += [f"{what}: {line}" for line in left_in_english(told)]
    assert not found, "\n".join(found)


def test_every_state_has_a_word_in_every_language() -> None:
    named = {
        one.value
        for kind in (states.EventState, states.DeliveryState, states.AccountState, states.DestinationState)
        for one in kind
    }
    assert named <= {*states.WORDS}
