"""What happens in one world, drawn from a seed: who writes, what the network does, who dies, what a person decides.

A plan is a list of small things, so that a failing one can be made shorter by leaving things out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from tests.simulator.machine import Death
from tests.simulator.vendors import CLOSING, FAULTS, Fault

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
#: While things go wrong; after it nothing does, and everything must come to its end.
TROUBLE_MS: Final = 20 * MINUTE_MS
CALM_MS: Final = 240 * HOUR_MS
#: 2026-11-23, a Monday, in Bogotá: before the hours, in them, shortly before their end.
BEGINNINGS: Final = (1795433100000, 1795446000000, 1795477500000)

PROCESSES: Final = ("web", "worker-1", "worker-2")
PEOPLE: Final = 7

CONFIG: Final = """\
timezone = "America/Bogota"
region = "CO"

[contact]
law = true

[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "simulated-dialler"
licences = 1

[accounts.surveys]
vendor = "tracksale"
base_url = "http://127.0.0.1:9"
token = "simulated-surveys"
requests_per_window = 6

[accounts.desk]
vendor = "postcenter"
base_url = "http://127.0.0.1:9"
token = "simulated-desk"

[sources.desk]
mapping = "postcenter"
account = "desk"
poll = {{ call = "postcenter.tickets", state = "closed", every = "3m", since = "2026-01-01" }}

[sources.crm]
mapping = "lead"
verify = {{ scheme = "token", header = "X-Token", secrets = ["simulated-crm-token"] }}

[sources.tickets]
mapping = "ticket"
verify = {{ scheme = "token", header = "X-Token", secrets = ["simulated-tickets-token"] }}

[[routes]]
name = "dial"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "{campaign}"
campaign_status = "start"
expires_after = "60h"
purpose = "marketing"

[[routes]]
name = "survey"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"
schedule = "now"
expires_after = "60h"
purpose = "service"
channel = "email"

[[routes]]
name = "survey later"
on = "ticket.created"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "26"
schedule = "draft"
expires_after = "60h"
purpose = "service"
channel = "email"

[[routes]]
name = "call who was surveyed"
on = "ticket.closed"
sources = ["tickets"]
to = "wolkvox.add_record"
account = "dialler"
after = "survey"
campaign_id = "1043"
campaign_status = "start"
expires_after = "60h"
purpose = "service"

[[routes]]
name = "no"
on = "contact.refused"
to = "do_not_contact.add"
"""


@dataclass
class Arrival:
    """Somebody sends an event, and sends it again until it is acknowledged; or closes a ticket that is to be found."""

    at_ms: int
    kind: str  #: lead | ticket | drafted | no | closed
    person: int
    number: int
    again: bool = False  #: and once more although it was acknowledged

    def __str__(self) -> str:
        return f"at {self.at_ms} ms {self.kind} {self.number} of person {self.person}{' (twice)' if self.again else ''}"


@dataclass
class Act:
    """A person decides something. Those that need something to decide about do nothing where there is nothing."""

    at_ms: int
    kind: str  #: one of `KINDS`
    number: int

    def __str__(self) -> str:
        return f"at {self.at_ms} ms somebody does {self.kind} ({self.number})"


KINDS: Final = ("pause", "resume", "replay", "resolve", "suppress", "erase", "configure", "fire", "upgrade")


@dataclass
class Skew:
    """The machine's clock is set."""

    at_ms: int
    skew_ms: int

    def __str__(self) -> str:
        return f"at {self.at_ms} ms the clock is wrong by {self.skew_ms} ms"


@dataclass
class Plan:
    """One world."""

    seed: int
    start_ms: int
    arrivals: list[Arrival] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    skews: list[Skew] = field(default_factory=list)

    def things(self) -> list[str]:
        """In words."""
        return [str(one) for one in (*self.arrivals, *self.faults, *self.deaths, *self.acts, *self.skews)]


def drawn(seed: int, *, deaths: int = 28) -> Plan:
    """The seed's plan."""
    chance = random.Random(f"plan {seed}")
    plan = Plan(seed, chance.choice(BEGINNINGS))
    number = 0
    for person in range(PEOPLE):
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            kind = chance.choices(("lead", "ticket", "drafted", "no", "closed"), (6, 4, 1, 1, 2))[0]
            at = chance.randrange(TROUBLE_MS // 2)
            plan.arrivals.append(Arrival(at, kind, person, number, again=chance.random() < 0.2))
            number += 1
    share = chance.choice((0.0, 0.2, 0.5))
    # The worst is drawn more often: our side asks while the vendor is still at it.
    usual = [*(kind for kind in FAULTS if kind not in CLOSING), *["cut, late effect"] * 5]
    for call in range(1, 40):
        if chance.random() < share:
            plan.faults.append(Fault(call, chance.choice(CLOSING if chance.random() < 0.03 else usual)))
    for _ in range(deaths):
        victim = chance.choices(PROCESSES, (1, 2, 2))[0]
        plan.deaths.append(Death(chance.randrange(TROUBLE_MS), victim, chance.randrange(1, 14)))
    kinds = list(KINDS)
    for _ in range(chance.choice((0, 1, 3, 5))):
        kind = chance.choice(kinds)
        if kind == "upgrade":  # once
            kinds.remove(kind)
        plan.acts.append(Act(chance.randrange(TROUBLE_MS), kind, chance.randrange(PEOPLE)))
    if chance.random() < 0.2:
        plan.skews.append(Skew(chance.randrange(TROUBLE_MS), chance.choice((-1500, 700, 30_000))))
    return plan
