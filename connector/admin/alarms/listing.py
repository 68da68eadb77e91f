"""Alarms as status, lists and the console show them, with the notices to their addressees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from connector.admin.alarms.sentences import page_of, sentences
from connector.core.states import NoticeState
from connector.core.times import iso
from connector.store import alarms
from connector.store.alarms import Alarm, Notice

LISTED: Final = 50


def current(conn: Connection) -> list[dict[str, Any]]:
    """The alarms that people know of now, the oldest first."""
    return _shown(conn, alarms.begun(conn))


def past(conn: Connection, most: int = LISTED, before: int | None = None) -> list[dict[str, Any]]:
    """The alarms that are over, the latest first. ``before``: the number of an alarm."""
    return _shown(conn, alarms.ended(conn, most, before))


def unsent(conn: Connection) -> list[dict[str, Any]]:
    """The notices that could not be sent yet: they are tried again."""
    return [
        {"alarm": one.alarm, **_notice(one), "next_try_at": iso(one.due_at)} for one in alarms.unsent(conn) if one.words
    ]


def _shown(conn: Connection, some: Sequence[Alarm]) -> list[dict[str, Any]]:
    notices: dict[int, list[Notice]] = defaultdict(list)
    for one in alarms.notices_of(conn, [alarm.id for alarm in some]):
        notices[one.alarm].append(one)
    return [_alarm(one, notices[one.id]) for one in some]


def _alarm(alarm: Alarm, notices: Sequence[Notice]) -> dict[str, Any]:
    sentence, step = sentences(alarm.kind, alarm.facts)
    return {
        "alarm": alarm.id,
        "kind": alarm.kind,
        "about": alarm.about,
        "state": alarm.state.value,
        "severity": alarm.severity.value,
        "said": sentence,
        "next": step,
        "since": iso(alarm.since),
        "begun_at": iso(alarm.begun_at),
        "ended_at": iso(alarm.ended_at),
        "page": page_of(alarm),
        "notices": [_notice(one) for one in notices if one.state is not NoticeState.REPLACED],
    }


def _notice(one: Notice) -> dict[str, Any]:
    return {
        "addressee": one.addressee,
        "occasion": one.occasion.value,
        "state": one.state.value,
        "sent_at": iso(one.sent_at),
        "tries": one.tries,
        "why": one.words or None,
    }
