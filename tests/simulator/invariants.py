"""What must be true after every step, and at the end."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from connector.admin.explain import explain
from connector.core.settings import Settings
from connector.core.states import EventState
from connector.store import tables
from connector.store.outbox import SETTLED
from tests.simulator.vendors import CAMPAIGNS, DRAFT, FIRE, VENDOR_S, Effect
from tests.simulator.world import BOGOTA, CLOSED, OPERATIONS, World, email_of, event_id, phone_of

#: From its claim until a call may take effect: our own deadline, and the vendor's 60 s.
NEVER = 1 << 62
AFTER = "call who was surveyed"
#: An erasure is a few transactions: what waits ends in them, and nobody has to wait for a call.
ERASED_MS = 30_000
IN_HAND_MS = int((65 + VENDOR_S + 5) * 1000)


class Broken(AssertionError):  # noqa: N818 - the product is
    """The product broke its promise."""


class Judge:
    """Of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._seen = 0

    def after_step(self) -> None:
        """What can be seen at the vendors."""
        world = self.world
        if breaches := world.vendors.ledger.breaches:
            raise Broken(f"a vendor's limit or rule is broken: {breaches[0].rule}: {breaches[0].detail}")
        for effect in world.vendors.effects[self._seen :]:
            self._seen += 1
            for way in effect.people:
                self._judge(way, effect.operation, effect.at_ms)
            self._judge_campaign(effect)

    def _judge(self, way: str, operation: str, at_ms: int) -> None:
        world = self.world
        person = next(number for number in range(100) if way in (phone_of(number), email_of(number)))
        # Who is in a lot at the vendor is out of our hands: nobody knows any more that they were erased.
        erased = NEVER if operation == FIRE else self._erased_for_good(person)
        no = min(world.noes.get(person, NEVER), erased)
        if at_ms > no + IN_HAND_MS:
            raise Broken(f"person {person} is contacted ({operation}) {(at_ms - no) / 1000:.0f} s after a no")
        local = datetime.fromtimestamp((at_ms - world.machine.skew_ms) / 1000, UTC).astimezone(BOGOTA)
        minute = local.hour * 60 + local.minute
        if operation.startswith("wolkvox.add_record") and not 7 * 60 <= minute + 1 <= 19 * 60 + IN_HAND_MS // 60000 + 1:
            raise Broken(f"person {person} is called at {local:%a %H:%M}")
        same = [one for one in world.vendors.effects if one.operation == operation and way in one.people]
        wanted = self._wanted(person, operation)
        if len(same) > wanted:
            raise Broken(f"person {person} is contacted {len(same)} times ({operation}); {wanted} events asked for it")
        today = [one for one in same if abs(one.at_ms - at_ms) < 8 * 3600_000]
        if operation == OPERATIONS["dial"] and len(today) > 1 and not world.machine.skew_ms:
            raise Broken(f"person {person} is called {len(today)} times in a day")

    def _judge_campaign(self, effect: Effect) -> None:
        """Once every process has the corrected campaign, nobody is dialled by the mistyped one."""
        world = self.world
        others = {one for one in CAMPAIGNS if one != campaign_of(world.settings)}
        if effect.campaign in others and world.machine.now_ms > world.configured_ms + IN_HAND_MS:
            raise Broken(f"somebody is dialled by the campaign of before ({effect.campaign})")

    def _erased_for_good(self, person: int) -> int:
        """When the person was erased, unless somebody wrote of them again since, or a ticket of theirs was found."""
        erased = self.world.erased.get(person, NEVER)
        begun = self.world.plan.start_ms
        theirs = [one for one in self.world.plan.arrivals if one.person == person]
        wrote = [NEVER if one.kind == CLOSED else begun + one.at_ms for one in theirs]
        return NEVER if any(at > erased - IN_HAND_MS for at in wrote) else erased

    def _wanted(self, person: int, operation: str) -> int:
        """How often the events that were sent ask for it at the most."""
        kinds = Counter(one.kind for one in self.world.plan.arrivals if one.person == person)
        tickets = kinds["ticket"] + (kinds["closed"] if operation == OPERATIONS["survey"] else 0)
        if operation in (DRAFT, FIRE):
            return kinds["drafted"]
        return kinds["lead"] if operation == OPERATIONS["dial"] else tickets

    def of_erasures(self) -> None:
        """Who is being erased has nothing left that waits to be sent. Asked where a play finds no end."""
        world = self.world
        late = {one for one, at in world.erasing.items() if world.machine.wall_ms() > at + ERASED_MS}
        for row in world.rows(tables.deliveries, "pending") if late - world.erased.keys() else ():
            arrival = world.arrival_of(row)
            if arrival is not None and arrival.person in late - world.erased.keys():
                raise Broken(f"person {arrival.person} is erased, and d{row.id} still waits to be sent to them")

    def at_the_end(self) -> None:
        """Nothing that was acknowledged is lost, everything has come to its end, and each can be explained."""
        world = self.world
        known = world.rows(tables.events)
        if len(world.acknowledged) + len(world.closed_tickets) != len(world.plan.arrivals):
            raise Broken("an event was never acknowledged")
        for arrival in world.plan.arrivals:
            found = [row for row in known if world.is_of(arrival, row.event_id)]
            if not found and arrival.person not in world.erased:
                raise Broken(f"{event_id(arrival)} was acknowledged, or is there to be found, and is lost")
            if len(found) > 1:
                raise Broken(f"{event_id(arrival)} is stored {len(found)} times")
        ways = Counter(row.event for row in world.rows(tables.deliveries))
        for row in known:
            came = world.arrival_named(row.event_id)
            if row.state == EventState.WAITING:
                raise Broken(f"e{row.id} still waits for its parts at the end")
            if came is not None and ways[row.id] != {"ticket": 2}.get(came.kind, 1):
                raise Broken(f"{event_id(came)} has {ways[row.id]} deliveries")
        for row in world.rows(tables.deliveries):
            self._ended(row)
        started = world.rows(tables.attempts, "started")
        if started:
            raise Broken(f"attempt a{started[0].id} was started and never ended")
        self._told(known)

    def _ended(self, one: Any) -> None:
        world, state, number = self.world, one.state, one.id
        if state not in (*SETTLED, "uncertain"):
            raise Broken(f"d{number} is still {state} at the end")
        if one.route == AFTER and state == "delivered":
            self._came_after(one)
        arrival = world.arrival_of(one)
        if arrival is None or arrival.person in world.erased:
            return
        operation = OPERATIONS.get(one.route)
        if (
            one.route != "no"
            and state == "delivered"
            and not [effect for effect in world.effects_of(one) if effect.operation == operation]
        ):
            raise Broken(f"d{number} is called delivered, and the vendor has nothing of it")

    def _came_after(self, one: Any) -> None:
        """What comes after another delivery is sent once that one is delivered."""
        before = next(
            row for row in self.world.rows(tables.deliveries) if row.event == one.event and row.route == "survey"
        )
        if before.state != "delivered":
            raise Broken(f"d{one.id} was sent after d{before.id}, which is {before.state}")

    def _told(self, known: list[Any]) -> None:
        world = self.world
        machine_points = world.database.read
        try:
            world.database.read = world.database.aside  # type: ignore[method-assign]
            for row in known:
                told = explain(world.database, world.settings, f"e{row.id}")
                if not told:
                    raise Broken(f"e{row.id} cannot be explained")
        finally:
            world.database.read = machine_points  # type: ignore[method-assign]


def campaign_of(settings: Settings) -> str:
    """By which leads are dialled."""
    return next(str(one.options["campaign_id"]) for one in settings.routes if one.name == "dial")
