"""The calendars of this process: public holidays and time zones, their versions and their age."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Final
from zoneinfo import TZPATH

from connector.core.phrases import phrase

HOLIDAYS: Final = phrase("public holidays")
ZONES: Final = phrase("time zones")
OLD_AFTER_DAYS: Final = 365
#: Paraguay's clock (2024) and that of Aysén in Chile (2025) are wrong in versions before this one.
LEAST_ZONES: Final = "2025b"

#: A release of `holidays` and its day. The package does not name the day; it is released every two weeks.
_RELEASE: Final = (109, date(2026, 11, 17))
_EVERY: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Calendar:
    """One holiday calendar. ``since``: its approximate release date; None if the version does not say."""

    name: str
    version: str
    since: date | None

    def warning(self, today: date) -> str:
        """The fault of the calendar as a sentence; "" if there is none."""
        if self.name == ZONES and self.version < LEAST_ZONES:
            said = (
                "time zones {version}: older than {least}, and the clocks of Paraguay and southern Chile are wrong in"
                " them: update tzdata on this machine, or set PYTHONTZPATH to an empty text, so that the Python package"
                " is read"
            )
            return phrase(said, version=self.version or phrase("of an unknown version"), least=LEAST_ZONES)
        if self.since is not None and (today - self.since).days > OLD_AFTER_DAYS:
            said = "{calendar} {version}: more than a year old; update the package"
            return phrase(said, calendar=self.name, version=self.version)
        return ""


def public_holidays() -> Calendar:
    """The installed release of `holidays`."""
    from importlib import metadata  # slow to load

    version = metadata.version("holidays")
    found = re.match(r"0\.(\d+)", version)
    since = _RELEASE[1] + (int(found[1]) - _RELEASE[0]) * _EVERY if found else None
    return Calendar(HOLIDAYS, version, since)


def time_zones() -> Calendar:
    """The data of `zoneinfo`: the machine's own if there is one, otherwise the package `tzdata`."""
    return Calendar(ZONES, _zones_version(), None)


def _zones_version() -> str:
    for folder in map(Path, TZPATH):
        if not (folder / "America/Bogota").is_file():
            continue
        for name in ("tzdata.zi", "+VERSION"):
            if (folder / name).is_file():
                with (folder / name).open() as file:
                    first = file.readline().removeprefix("# version").strip()
                if first:
                    return first
        return ""
    return str(import_module("tzdata").IANA_VERSION)
