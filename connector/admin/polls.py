"""State of the polls: the last and next run of each source, its cursor, its faults."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from connector.core import masking
from connector.core.phrases import phrase
from connector.core.settings import Poll, Settings, Source
from connector.core.times import iso
from connector.store import polls
from connector.store.polls import PollState


def poll_states(conn: Connection, settings: Settings, now: int) -> list[dict[str, Any]]:
    """Every configured poll, begun or not, and unfinished backfills."""
    stands = {stand.name: stand for stand in polls.every(conn)}
    polled = [source for source in settings.sources.values() if source.poll]
    shown = [_poll(source.name, source, stands.pop(source.name, None), now) for source in polled]
    return shown + [_poll(name, settings.sources.get(stand.source), stand, now) for name, stand in stands.items()]


def called(poll: Poll) -> str:
    """The call of a poll, and its limits."""
    return " ".join([poll.call, *(filter(None, (",".join(poll.campaign_codes), poll.state, poll.channel)))])


def _poll(name: str, source: Source | None, stand: PollState | None, now: int) -> dict[str, Any]:
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
        "error": masking.reason(stand.reason) or None if stand else None,
        "error_code": stand.reason.code if stand and stand.reason else None,
        "error_at": iso(stand.error_at) if stand else None,
    }


def came(source: Source | None) -> str:
    """How a source's events arrive, as far as the configuration shows: "polled" if by nothing else."""
    alone = source is not None and source.poll is not None and source.verify is None and not source.queue
    if alone and source and source.poll:
        return phrase("polled ({call}) by", call=called(source.poll))
    return phrase("received from")
