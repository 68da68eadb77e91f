"""How the polls stand: when each source was asked last and will be next, how far it is, what went wrong."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from connector import polls
from connector.polls import Stand
from connector.settings import Poll, Settings, Source
from connector.stories.words import iso


def told(conn: Connection, settings: Settings, now: int) -> list[dict[str, Any]]:
    """Every configured poll, begun or not, and whatever else there is: backfills that are not through."""
    stands = {stand.name: stand for stand in polls.every(conn)}
    polled = [source for source in settings.sources.values() if source.poll]
    shown = [_poll(source.name, source, stands.pop(source.name, None), now) for source in polled]
    return shown + [_poll(name, settings.sources.get(stand.source), stand, now) for name, stand in stands.items()]


def called(poll: Poll) -> str:
    """ "tracksale.answers 52", "postcenter.tickets closed"."""
    return " ".join([poll.call, *(filter(None, (",".join(poll.campaign_codes), poll.state, poll.channel)))])


def _poll(name: str, source: Source | None, stand: Stand | None, now: int) -> dict[str, Any]:
    poll = source.poll if source else None
    cursor = stand.cursor if stand else {}
    return {
        "poll": name,
        "source": source.name if source else stand.source if stand else name,
        "account": source.account if source else None,
        "call": called(poll) if poll else None,
        "configured": poll is not None,
        "every_s": poll.every_s if poll and (stand is None or stand.name == stand.source) else None,
        "polling": bool(stand and stand.held_until > now),
        "last_at": iso(stand.looked_at) if stand else None,
        "next_at": iso(max(now, stand.due_at)) if stand and poll else None,
        "reached": iso(cursor["reached"] * 1000) if "reached" in cursor else None,
        "in_a_look_since": iso(cursor["from"] * 1000) if "to" in cursor else None,
        "through_up_to": iso(cursor["at"] * 1000) if "to" in cursor else None,
        "stored": stand.stored if stand else 0,
        "faults": stand.faults if stand else 0,
        "error": stand.error if stand else None,
        "error_at": iso(stand.error_at) if stand else None,
    }


def came(source: Source | None) -> str:
    """How a source's events come, as far as the configuration tells: "polled" where nothing else brings them."""
    alone = source is not None and source.poll is not None and source.verify is None and not source.queue
    return f"polled ({called(source.poll)}) by" if alone and source and source.poll else "received from"
