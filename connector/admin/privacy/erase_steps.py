"""Forgets one person in steps of a moment, for callers that cannot wait for a whole database: counted, then erased.

Nothing is kept between two steps: the caller gives back what the step before said, and any process may take the next
one. What was counted is needed to erase: it proves that its caller was told how much goes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer

from connector.admin import suppression
from connector.admin.acts import By, record
from connector.admin.privacy.erase import Erased, Erasing
from connector.admin.privacy.person import person
from connector.core import keyed_hash
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.store.acts import What
from connector.store.database import Database

STEP_S: Final = 1.5
GOOD_FOR_S: Final = 3600  #: what was counted; steps of a large database take their time
TALLY: Final = tuple(one.name for one in fields(Erased))


class NotCounted(ConnectorError):  # noqa: N818 - a refusal, not a fault
    """The person is to be counted first, by the one who erases."""


@dataclass(frozen=True, slots=True)
class Step:
    """The count so far. ``plan``: proves to `erase` that it was counted to the end; "" before."""

    is_over: bool
    tally: Erased
    plan: str = ""


def count(settings: Settings, database: Database, text: str, by: By, before: Erased) -> Step:
    """Counts for a moment. ``before``: the tally of the step before. Raises `ConnectorError`, `Forbidden`."""
    by.demand(What.ERASE)
    erasing = _erasing(settings, database, text, dry_run=True)
    is_over = _run(erasing, before.read)
    plan = _signer(settings).dumps(_whom(settings, text, by)) if is_over else ""
    return Step(is_over, _together(before, erasing.erased), str(plan))


def erase(
    settings: Settings, database: Database, text: str, by: By, before: Erased, *, plan: str, never_again: bool = False
) -> Step:
    """Erases for a moment. ``plan``: of `count`; ``never_again``: puts the person on the do-not-contact list, too.

    Raises `ConnectorError` without a reason, `NotCounted`, `Forbidden`.
    """
    by.demand(What.ERASE)
    if not by.why.strip():
        raise ConnectorError(phrase("Say why: it is kept with your name."))
    _demand_counted(settings, text, by, plan)
    erasing = _erasing(settings, database, text, dry_run=False)
    if before.read == 0 and never_again:
        suppression.add(database, settings, text, by)
    is_over = _run(erasing, before.read)
    if before.read == 0 or erasing.erased.events:
        record(database, by.act(What.ERASE, number=erasing.erased.events))
    return Step(is_over, _together(before, erasing.erased), plan)


def tally_of(given: Mapping[str, Any]) -> Erased:
    """The tally that a caller gives back; what is no number counts as none."""
    numbers = {name: str(given.get(name, "0")) for name in TALLY}
    are_counts = {name: text.isascii() and text.isdigit() and len(text) < 19 for name, text in numbers.items()}
    return Erased(**{name: int(text) if are_counts[name] else 0 for name, text in numbers.items()})


def _erasing(settings: Settings, database: Database, text: str, *, dry_run: bool) -> Erasing:
    return Erasing(settings, database, person(text, settings), dry_run=dry_run)


def _run(erasing: Erasing, after: int) -> bool:
    """Whether it came to the end within its time."""
    until = time.monotonic() + STEP_S
    for _ in erasing.run(after):
        if time.monotonic() >= until and 0 < erasing.erased.read < erasing.erased.of:
            return False
    return True


def _together(before: Erased, found: Erased) -> Erased:
    added = {name: getattr(before, name) + getattr(found, name) for name in TALLY if name not in ("read", "of")}
    return Erased(**added, read=max(before.read, found.read), of=max(before.of, found.of))


def _demand_counted(settings: Settings, text: str, by: By, plan: str) -> None:
    try:
        counted = _signer(settings).loads(plan, max_age=GOOD_FOR_S)
    except BadData:
        counted = None
    if counted != _whom(settings, text, by):
        raise NotCounted(phrase("Count first what would go: this person was not counted by you within the last hour."))


def _whom(settings: Settings, text: str, by: By) -> list[str | None]:
    """The person, without showing them, and who asks."""
    return [keyed_hash.digest(settings.hash_key, "erase", person(text, settings).value), by.who]


def _signer(settings: Settings) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.hash_key, salt="erase")
