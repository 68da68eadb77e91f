"""The shortest story: things are left out of a plan as long as it still breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.simulator.scenario import Plan

LISTS = ("deaths", "faults", "acts", "skews", "arrivals")
#: Plays that the search may take.
MOST_PLAYS = 120


def shrunk(plan: Plan, breaks: Callable[[Plan], bool]) -> Plan:
    """A part of the plan that breaks too. Halves are tried first, then single things."""
    left = MOST_PLAYS
    for name in LISTS:
        size = max(1, len(getattr(plan, name)) // 2)
        while size and left > 0:
            things, at = getattr(plan, name), 0
            while at < len(things) and left > 0:
                left -= 1
                shorter = replace(plan, **{name: [*things[:at], *things[at + size :]]})
                if breaks(shorter):
                    plan, things = shorter, getattr(shorter, name)
                else:
                    at += size
            size //= 2
    return plan
