"""Limits on the times of events: a clock may be wrong, and a form accepts any day."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from mappings.events import Event, Lead

AHEAD: Final = timedelta(minutes=5)  #: how far an event's own time may be ahead of our clock
CALLBACK_AHEAD: Final = timedelta(days=60)  #: how far ahead a requested call time may be


def believed(event: Event, now: datetime | None = None) -> Event:
    """The event without times that are too far ahead, and with a note for each."""
    if now is None and _is_past(event):
        return event
    now = now or datetime.fromtimestamp(time.time(), UTC)
    notes: list[str] = []
    if event.time is not None and event.time > now + AHEAD:
        notes.append(f"time: {event.time:%Y-%m-%d %H:%M} is ahead of our clock, and is left out")
        event = replace(event, time=None)
    if isinstance(event, Lead) and event.callback_at is not None and event.callback_at > now + CALLBACK_AHEAD:
        note = (
            f"callback_at: {event.callback_at:%Y-%m-%d} is more than {CALLBACK_AHEAD.days} days ahead, and is left out"
        )
        notes.append(note)
        event = replace(event, callback_at=None)
    return replace(event, notes=(*event.notes, *notes)) if notes else event


def _is_past(event: Event) -> bool:
    """Whether it certainly has no time ahead of now: most events, which are asked twice."""
    if isinstance(event, Lead) and event.callback_at is not None:
        return False
    return event.time is None or event.time.timestamp() <= time.time()
