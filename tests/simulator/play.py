"""One play: the plan's world from its beginning to its end, and what broke in it."""

from __future__ import annotations

import gc
import logging
import random
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from unittest import mock

from connector.config.loader import load
from connector.core import log
from connector.core.settings import Settings
from connector.outbound import calls, claims
from connector.store import processes
from connector.vendors import destinations
from tests.simulator.databases import copied
from tests.simulator.invariants import Broken, Judge
from tests.simulator.kept import receivers_kept
from tests.simulator.machine import Machine, Stuck, clocks_of
from tests.simulator.orders import former_release
from tests.simulator.scenario import CALM_MS, CONFIG, TROUBLE_MS, Plan, drawn
from tests.simulator.vendors import CAMPAIGNS, Vendors
from tests.simulator.world import SWEEP_S, SwitchedDatabase, World

MOST_STEPS = 12_000


@dataclass
class Played:
    """What became of a plan."""

    plan: Plan
    broken: str = ""
    deaths: int = 0
    steps: int = 0
    calls: int = 0
    effects: int = 0
    story: list[str] = field(default_factory=list)


def play(plan: Plan, template: str) -> Played:
    """On a copy of the database ``template`` (a URL). Raises nothing for what breaks: it is in ``broken``."""
    played = Played(plan)
    random.seed(plan.seed)
    machine = Machine(random.Random(f"machine {plan.seed}"), plan.start_ms, deaths=_copies(plan))
    vendors = Vendors(machine, plan.faults, calm_ms=TROUBLE_MS)
    with copied(template) as url, _uncollected():
        database = SwitchedDatabase(url, machine)
        try:
            with ExitStack() as stack:
                stack.enter_context(clocks_of(machine))
                stack.enter_context(vendors.patched())
                stack.enter_context(database.announcing())
                stack.enter_context(mock.patch.object(secrets, "token_hex", _hex))
                world = World(plan, machine, vendors, database, [settings(one) for one in CAMPAIGNS])
                for calling in (claims, calls):
                    stack.enter_context(mock.patch.object(calling, "worker_name", world.worker_name))
                stack.enter_context(mock.patch.object(processes, "ALIVE_MS", round(2000 * SWEEP_S)))
                stack.enter_context(former_release(world))
                receivers_kept(stack)
                judge = Judge(world)
                machine.after_step = judge.after_step
                world.start()
                try:
                    machine.run(CALM_MS, MOST_STEPS, world.is_over)
                except Stuck:
                    judge.of_erasures()
                    raise
                judge.at_the_end()
        except (Broken, Stuck) as broken:
            played.broken = str(broken)
        except Exception as surprise:
            played.broken = f"{type(surprise).__name__}: {surprise}"
            logging.getLogger(__name__).debug("surprise", exc_info=surprise)
        finally:
            machine.end()
            database.close()
    played.deaths, played.steps, played.calls = len(machine.died), machine.steps, vendors.calls
    played.effects, played.story = len(vendors.effects), machine.told
    return played


@contextmanager
def _uncollected() -> Iterator[None]:
    """Looking for garbage again and again costs a tenth of a play, which leaves little of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _copies(plan: Plan) -> list:
    return [type(one)(one.at_ms, one.victim, one.points) for one in plan.deaths]


def _hex(count: int = 16) -> str:
    return random.randbytes(count).hex()


@cache
def settings(campaign: str) -> Settings:
    """The simulated installation's, which dials by this campaign."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "connector.toml"
        path.write_text(CONFIG.format(campaign=campaign))
        environ = {"CONNECTOR_SECRET_KEY": "simulated " * 5, "CONNECTOR_CONFIG": str(path)}
        return load(environ, destinations=destinations.SPECS)


def prepare(template: str) -> None:
    """Before the first world of a process: what the product logs of a thousand worlds is nobody's reading, and what is
    loaded when it is first needed (which draws from chance, too) must be there, or the first world is another one.
    """
    log.configure("CRITICAL")
    logging.disable(logging.CRITICAL)
    play(drawn(0), template)
    gc.collect()
    gc.freeze()
