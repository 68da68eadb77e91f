"""State of the spool, for a person: opens the file, or asks the broker."""

from __future__ import annotations

from typing import Any

from connector.core.phrases import joined, phrase
from connector.core.settings import Settings
from connector.core.spool import SpoolUnavailable
from connector.core.times import iso


def state(settings: Settings) -> dict[str, Any] | None:
    """Its kind, what waits and what is set aside; "fault" if it cannot be seen. None where none is configured."""
    if settings.spool is None:
        return None
    from connector.inbound.spool.process import spool_of  # only where there is one: it loads what reads payloads

    spool = spool_of(settings, settings.spool)
    found: dict[str, Any] = {
        "kind": settings.spool.kind,
        "waiting": None,
        "aside": None,
        "oldest_at": None,
        "fault": "",
    }
    try:
        held = spool.held()
    except SpoolUnavailable as fault:
        return {**found, "fault": str(fault)}
    finally:
        spool.close()
    oldest = iso(held.oldest_at) if held.oldest_at is not None else None
    return {**found, "waiting": held.waiting, "aside": held.aside, "oldest_at": oldest}


def holds(found: dict[str, Any]) -> bool:
    """Whether something is in it, as far as is known."""
    return bool(found["fault"] or found["waiting"] or found["aside"])


def is_in_use(settings: Settings) -> bool:
    """Whether something of somebody may be in it."""
    found = state(settings)
    return found is not None and holds(found)


def in_words(found: dict[str, Any]) -> str:
    """Its state in a sentence."""
    if found["fault"]:
        return phrase("the spool cannot be seen: {fault}", fault=found["fault"])
    requests = "the spool holds {waiting} requests that wait for the database"
    messages = "the spool holds {waiting} messages of requests that wait for the database"
    sentence = phrase(requests if found["kind"] == "file" else messages, waiting=found["waiting"])
    aside = phrase("; {aside} could not be stored and are set aside", aside=found["aside"]) if found["aside"] else ""
    return joined([sentence, aside])
