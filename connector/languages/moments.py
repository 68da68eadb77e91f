"""Sentences for people who read them away from the console: their language, and the times of one zone."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from connector.languages.catalogue import catalogue

_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


def localise(text: str, language: str, zone: ZoneInfo) -> str:
    """A phrase in a language; its times as "2026-11-30 10:01" in the zone."""
    return _ISO.sub(lambda found: moment(found[0], zone), catalogue(language).say(text))


def moment(iso: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(zone):%Y-%m-%d %H:%M}"
