"""The message for an addressee: title, text and link, in their language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from connector.admin.alarms.sentences import TITLES, page_of, sentences
from connector.core.alarms import Occasion
from connector.core.phrases import phrase
from connector.core.settings import Addressee, Settings
from connector.core.times import iso
from connector.languages.moments import localise
from connector.store.alarms import Alarm


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``body``: as a signed webhook carries it."""

    title: str
    text: str
    link: str
    body: bytes


def message(settings: Settings, to: Addressee, alarm: Alarm, occasion: Occasion, number: int) -> Message:
    """The message of one occasion. Nobody's data: kinds, names of the configuration, counts and times."""
    zone = settings.locale.timezone
    wrong, step = sentences(alarm.kind, alarm.facts)
    title = localise(phrase("{occasion}: {said}", occasion=TITLES[occasion], said=wrong), to.language, zone)
    lines = [localise(_when(alarm), to.language, zone)]
    if occasion is not Occasion.ENDED:
        lines.insert(0, f"→ {localise(step, to.language, zone)}")
    link = link_of(settings, alarm)
    lines += [link] if link else []
    text = "\n".join(lines)
    return Message(title, text, link, orjson.dumps(_body(to, alarm, occasion, number, (title, text, link))))


def link_of(settings: Settings, alarm: Alarm) -> str:
    """The address of the console's page; "" where there is no console that others can reach."""
    is_open = settings.console is not None and settings.console.enabled
    return f"{settings.public_url}{page_of(alarm)}" if settings.public_url and is_open else ""


def _when(alarm: Alarm) -> str:
    since, ended = iso(alarm.since) or "", iso(alarm.ended_at)
    if ended:
        return phrase("from {since} until {until}", since=since, until=ended)
    return phrase("since {since}", since=since)


def _body(to: Addressee, alarm: Alarm, occasion: Occasion, number: int, words: tuple[str, str, str]) -> dict[str, Any]:
    title, text, link = words
    return {
        "type": f"alarm.{occasion.value}",
        "timestamp": iso(alarm.ended_at or alarm.seen_at),
        "data": {
            "alarm": alarm.id,
            "kind": alarm.kind,
            "about": alarm.about,
            "severity": alarm.severity.value,
            "since": iso(alarm.since),
            "ended": iso(alarm.ended_at),
            "reminder": number,
            "language": to.language,
            "title": title,
            "text": text,
            "link": link or None,
        },
    }
