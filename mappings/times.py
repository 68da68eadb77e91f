"""The time reader for every input: times as spreadsheets, forms, programs and people in es, pt and en write them.

    from mappings.times import read_time

    reading = read_time(value, locale)   # a text, a number or None; never raises
    reading.moment                       # aware and in UTC, or None
    reading.note                         # the value means "no time" ("N/A", 0, "0000-00-00"), or is impossible
    reading.fault                        # the value is a time that cannot be read for certain

Days come before months, except in the regions of the United States; if one order is impossible, the other counts. A
time without a zone is the source's own (``locale.timezone``). A day without an hour is its midnight. A text without a
year or a day ("mañana a las 3") is a fault: nothing is guessed. General parsers are no help: those that know the
languages fill in missing parts from today.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from mappings.base import Locale
from mappings.normalisation import nfkd

FIRST_YEAR, LAST_YEAR = 2000, 2049  #: what lies outside is a default of some program, or a slip of the hand
_LONGEST: Final = 120  #: characters; JavaScript's own form has 70
_MONTH_FIRST: Final = frozenset(("US", "PR", "GU", "VI", "AS", "MP"))
#: Of spreadsheets; days and hours have no zone until they are placed in one.
_DAY_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001
_FIRST_DAY, _LAST_DAY = 36_526, 54_789  #: 2000 to 2049, as spreadsheets count days
_SMALLEST_UNIX: Final = 946_684_800  #: 2000

NO_TIME: Final = "says no time, and was left out"
IMPOSSIBLE: Final = f"is out of range ({FIRST_YEAR} to {LAST_YEAR}), and was left out"
UNREADABLE: Final = "is no time that can be read for certain, as 2026-11-20T15:01:02-05:00 or 20/11/2026 15:01"


@dataclass(frozen=True, slots=True)
class TimeReading:
    """At most one of the three is set; none of them for an empty value."""

    moment: datetime | None = None
    note: str = ""
    fault: str = ""


_NOTHING: Final = TimeReading()
_NO_TIME: Final = TimeReading(note=NO_TIME)
_IMPOSSIBLE: Final = TimeReading(note=IMPOSSIBLE)
_UNREADABLE: Final = TimeReading(fault=UNREADABLE)


def read_time(value: Any, locale: Locale, *, days: bool = True) -> TimeReading:
    """The moment of a text or a number. ``days``: whether a whole JSON number may be a spreadsheet's day."""
    if isinstance(value, str):
        return _read_text(value, locale)
    if value is None:
        return _NOTHING
    if value is False:
        return _NO_TIME
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not days and isinstance(value, int) and abs(value) < _SMALLEST_UNIX:
            return _NO_TIME if value in (0, 1, -1) else _IMPOSSIBLE
        return _of_number(value, locale)
    return _UNREADABLE


# --- numbers --------------------------------------------------------------------------------------------------------


def _of_number(value: float, locale: Locale) -> TimeReading:
    """Unix seconds, milliseconds, microseconds or nanoseconds by their size, or a spreadsheet's day."""
    if isinstance(value, float) and not math.isfinite(value):
        return _UNREADABLE
    if value in (0, 1, -1):
        return _NO_TIME
    if _FIRST_DAY <= value < _LAST_DAY:
        seconds = round((value - int(value)) * 86_400)
        return _placed(_DAY_ZERO + timedelta(days=int(value), seconds=seconds), locale.timezone)
    for unit in (1, 10**3, 10**6, 10**9):
        if abs(value) < 10**11 * unit:
            return _ranged_unix(value, unit)
    return _IMPOSSIBLE


def _ranged_unix(value: float, unit: int) -> TimeReading:
    whole, rest = divmod(value, unit) if isinstance(value, int) else (value / unit, 0)
    try:
        moment = datetime.fromtimestamp(whole, UTC) + timedelta(microseconds=round(rest * 10**6 / unit))
    except (OverflowError, OSError, ValueError):
        return _IMPOSSIBLE
    return _ranged(moment)


def _placed(local: datetime, zone: tzinfo) -> TimeReading:
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        return _IMPOSSIBLE
    return _ranged(local.replace(tzinfo=zone).astimezone(UTC))


def _ranged(moment: datetime) -> TimeReading:
    return TimeReading(moment) if FIRST_YEAR <= moment.year <= LAST_YEAR else _IMPOSSIBLE


# --- texts ----------------------------------------------------------------------------------------------------------

_NUMBER: Final = re.compile(r"-?\d{1,20}(?:[.,]\d{1,12})?")
_TICKS: Final = re.compile(r"\\?/Date\((-?\d{1,16})(?:[+-]\d{4})?\)\\?/")
_COMPACT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?")
_ZERO: Final = re.compile(r"0{1,4}[-/. ]0{1,2}[-/. ]0{1,4}(?:[t ]0{1,2}:00(?::00(?:\.0+)?)?z?)?|1900-01-00.{0,20}")
_NONE_WORDS: Final = frozenset(
    (
        *("n/a", "na", "n.a.", "none", "null", "nil", "nan", "nat", "undefined", "-", "--", "---", "?", ".", "x", "no"),
        *("nao", "sin fecha", "sem data", "ninguna", "ninguno", "nenhum", "nenhuma", "no aplica", "nao se aplica"),
        *(
            "invalid date",
            "fecha invalida",
            "tbd",
            "por definir",
            "a definir",
            "pendiente",
            "no date",
            "nunca",
            "never",
        ),
        *("(null)", "[null]", "false", "empty", "vacio", "sin definir", "no definida", "no definido", "no tiene"),
    )
)
_ANY_TIME_WORDS: Final = frozenset(
    (
        *("ahora", "ahora mismo", "ya", "lo antes posible", "lo mas pronto posible", "cuanto antes", "inmediatamente"),
        *("inmediato", "de inmediato", "agora", "agora mesmo", "o quanto antes", "o mais rapido possivel", "imediato"),
        *("imediatamente", "now", "asap", "as soon as possible", "immediately", "right now", "anytime", "any time"),
        *("cualquier hora", "a cualquier hora", "cualquier momento", "en cualquier momento", "qualquer hora"),
        *("a qualquer hora", "qualquer horario", "cualquier horario", "en cualquier horario", "indiferente"),
        *("cuando sea", "cuando quieran", "cuando puedan", "todo el dia", "o dia todo", "all day", "whenever"),
        *("urgente", "urgent", "hoy mismo", "hoje mesmo", "sin preferencia", "sem preferencia", "no preference"),
    )
)
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "enero ene january jan janeiro",
            "febrero feb february fevereiro fev",
            "marzo mar march marco",
            "abril abr april apr",
            "mayo may maio mai",
            "junio jun june junho",
            "julio jul july julho",
            "agosto ago august aug",
            "septiembre sep sept september setiembre set setembro",
            "octubre oct october outubro out",
            "noviembre nov november novembro",
            "diciembre dic december dec dezembro dez",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH: Final = "(" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\.?"
_OF: Final = r"(?:\s*(?:de|del|do|of|/|-|,)\s*|\s+)"  #: between a day, its month and its year
_YEAR: Final = r"((?:19|20)\d\d|\d\d(?!\d|:))"

_DATES: Final = (
    ("ymd", re.compile(r"((?:19|20)\d\d)\s*([-/.])\s*(\d{1,2})\s*\2\s*(\d{1,2})(?![\d])t?")),
    ("dmy", re.compile(rf"(\d{{1,2}})\s*([-/.])\s*(\d{{1,2}})\s*\2\s*{_YEAR}(?!\d)")),
    ("d_month_y", re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th|[°oa]|er|ro)?{_OF}?{_MONTH}{_OF}{_YEAR}(?!\d)")),
    ("month_d_y", re.compile(rf"{_MONTH}{_OF}(\d{{1,2}})(?:st|nd|rd|th|[º°ª])?{_OF}{_YEAR}(?!\d)")),
    ("y_month_d", re.compile(rf"((?:19|20)\d\d){_OF}{_MONTH}{_OF}(\d{{1,2}})(?!\d)")),
    (
        "ctime",
        re.compile(rf"{_MONTH}\s+(\d{{1,2}})\s+(\d{{1,2}}:\d\d(?::\d\d)?(?: [a-z]{{2,4}})?)\s+((?:19|20)\d\d)(?!\d)"),
    ),
)
_CLOCK: Final = re.compile(
    r"(\d{1,2})(?:\s*[:h.]\s*(\d{2})(?:\s*[:m.]\s*(\d{2})s?(?:[.,](\d{1,9}))?)?"
    r"|(?=\s*(?:h|[ap]\s?\.?\s?m\b|de la|da |del ))|(?<=12)(?=\s*m\b))"
    r"\s*(?:hs\b\.?|hrs\b\.?|horas\b|hours\b|h\b\.?|min\b)?"
    r"\s*([ap])?(?(5)\s?\.?\s?m\b\.?|)"
)
_NOON: Final = re.compile(r"^\s*m\b\.?|^\s*(?:del? (?:mediodia|meio[ -]dia)|do meio[ -]dia|noon)\b")
#: Words for an hour.
_HOURS: Final = re.compile(
    r"^(?:(?:al|ao) )?(?:mediodia|medio dia|meio[ -]dia|noon|midday|(medianoche|meia[ -]noite|midnight))\b"
)
_HALF: Final = re.compile(
    r"^\s*(?:de|da|del|in|at|por|pela)\s+(?:la\s+|the\s+)?(manana|manha|madrugada|morning|tarde|afternoon|noche|noite|evening|night)\b"
)
_OFFSET: Final = re.compile(r"^\s*(?:gmt|utc|z)?\s*([+-])\s*(\d{1,2}):?(\d\d)?\b")
_SAID_AGAIN: Final = re.compile(r"^ (?:utc|gmt|z)\b")  #: behind the offset, as Go prints it: +0000 UTC
_ZONE_NAME: Final = re.compile(r"^\s*([a-z]{1,5})\b")
_REGION_NAME: Final = re.compile(r"\[?\b([a-z]{3,12}(?:/[a-z_]{2,30}){1,2})\b\]?")
_PARENTHESIS: Final = re.compile(r"\([^()]{0,60}\)")
#: "hora estándar de Colombia", "hora de México": the country's name
_HOUR_OF: Final = re.compile(
    r"\s+hora(?: (?:estandar|oficial|legal|local|central|de verano))*(?: (?:de|del|en))?\s*([a-z ]{0,40})$"
)
_WEEKDAY: Final = re.compile(
    r"\b(?:lunes|martes|miercoles|jueves|viernes|sabado|domingo|lun|mie|jue|vie|sab|dom"
    r"|(?:segunda|terca|quarta|quinta|sexta)(?:[ -]feira)?|seg|ter|qua|qui|sex"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tues?|wed|thur?s?|fri|sat|sun)\b\.?,?"
    r"|\bmar\b\.?,"
)
_FILLER: Final = re.compile(
    r"^[\s,;.|-]*(?:(?:a las?|as|at|del?|do|el|dia|em|on|desde|hora|fecha|data|the)\b[\s,;.:]*)*"
)
#: Names of zones as programs and people of the two Americas write them -> hours from UTC.
_ZONES: Final = {
    name: int(hours)
    for hours, names in (
        entry.split(" ", 1)
        for entry in (
            *("0 utc gmt z wet", "1 cet west bst", "2 cest", "-2 brst", "-3 art brt uyt clst pyst"),
            *("-4 edt ast bot vet clt amt pyt", "-5 est cdt cot pet ect", "-6 cst mdt", "-7 mst pdt", "-8 pst"),
        )
    )
    for name in names.split()
}


def _read_text(text: str, locale: Locale) -> TimeReading:
    text = text.strip()
    if not text:
        return _NOTHING
    if len(text) > _LONGEST:
        return _UNREADABLE
    if text[0].isdigit() and (found := _iso(text, locale)):
        return found
    return _read_plain(_plain(text), locale)


def _iso(text: str, locale: Locale) -> TimeReading | None:
    if text.isdigit() and len(text) != 8:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return _IMPOSSIBLE
    return TimeReading((moment if moment.tzinfo else moment.replace(tzinfo=locale.timezone)).astimezone(UTC))


#: Signs that stand for a hyphen or a minus.
_DASHES: Final = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))


def _plain(text: str) -> str:
    """Lower case without accents and apostrophes, plain digits, plain blanks."""
    text = nfkd(text).translate(_DASHES)
    text = "".join(c for c in text if not unicodedata.combining(c) and (c.isprintable() or c.isspace()))
    return " ".join(text.strip("'\"`´’ ").casefold().split())


def _read_plain(text: str, locale: Locale) -> TimeReading:
    if text in _NONE_WORDS or text in _ANY_TIME_WORDS or _ZERO.fullmatch(text):
        return _NO_TIME
    if _NUMBER.fullmatch(text):
        return _of_digits(text, locale)
    if match := _TICKS.fullmatch(text.replace("/date", "/Date")):
        return _ranged_unix(int(match[1]), 1000)
    if (found := _iso(text.upper(), locale)) is not None:
        return found
    return _of_parts(text, locale)


def _of_digits(text: str, locale: Locale) -> TimeReading:
    """A number that is a text: a day of a spreadsheet, unix time, or a date without anything between its parts."""
    if len(text) in (8, 12, 14) and text.isdecimal() and (match := _COMPACT.fullmatch(text)):
        parts = [int(part or 0) for part in match.groups()]
        if 1900 < parts[0] < 2100 and (moment := _moment(*parts)):
            return _placed(moment, locale.timezone)
        if len(text) == 8 and (moment := _moment(int(text[4:]), int(text[2:4]), int(text[:2]))):
            return _placed(moment, locale.timezone)
    whole, _, rest = text.replace(",", ".").partition(".")
    return _of_number(float(f"{whole}.{rest}") if rest.strip("0") else int(whole), locale)


def _of_parts(text: str, locale: Locale) -> TimeReading:
    """A date, then perhaps an hour and a zone, with the words that people put around them."""
    text = _PARENTHESIS.sub(" ", text)
    zone, text = _region_zone(text)
    if hour := _HOUR_OF.search(text):
        from mappings.phones.countries import region_named

        if region_named(hour[1].strip()) not in ("", locale.region):
            return _UNREADABLE
        text = text[: hour.start()]
    text = _WEEKDAY.sub(" ", text, count=1)
    text = text[_FILLER.match(text).end() :]  # type: ignore[union-attr]
    for form, pattern in _DATES:
        if match := pattern.match(text):
            return _of_date(form, match, text[match.end() :], zone, locale)
    # An hour first: 15:00 21/12/2026
    clock = _CLOCK.match(text)
    if clock and clock.end() < len(text) and (":" in clock[0] or clock[5]):
        rest = text[clock.end() :]
        rest = rest[_FILLER.match(rest).end() :]  # type: ignore[union-attr]
        for form, pattern in _DATES[:-1]:
            if match := pattern.match(rest):
                return _of_date(form, match, f" {clock[0]} {rest[match.end() :]}", zone, locale)
    return _UNREADABLE


def _region_zone(text: str) -> tuple[tzinfo | None, str]:
    """The zone that a text names by its IANA name: 2026-12-21T15:00:00-05:00[America/Bogota]."""
    match = _REGION_NAME.search(text)
    if not match or match[1].split("/")[0] in _MONTHS or match[1].split("/")[1] in _MONTHS:
        return None, text
    name = "/".join("_".join(part.capitalize() for part in piece.split("_")) for piece in match[1].split("/"))
    try:
        return ZoneInfo(name), text.replace(match[0], " ")
    except (OSError, ValueError, KeyError):
        return None, text


def _of_date(form: str, match: re.Match[str], rest: str, zone: tzinfo | None, locale: Locale) -> TimeReading:
    day = _day(form, match, locale.region)
    if day is None:
        return _UNREADABLE
    if form == "ctime":
        rest = f" {match[3]}{rest}"
    clock = _clock(rest)
    if clock is None:
        return _UNREADABLE
    since_midnight, rest = clock
    offset = _zone(rest)
    if offset is None and rest.strip(" .,;)]|-"):
        return _UNREADABLE
    return _placed(day + since_midnight, offset or zone or locale.timezone)


def _day(form: str, match: re.Match[str], region: str) -> datetime | None:
    if form == "ymd":
        return _moment(int(match[1]), int(match[3]), int(match[4]))
    if form == "dmy":
        one, two, year = int(match[1]), int(match[3]), _year(match[4])
        orders = ((two, one), (one, two)) if region in _MONTH_FIRST else ((one, two), (two, one))
        return next((found for day, month in orders if (found := _moment(year, month, day))), None)
    if form == "d_month_y":
        return _moment(_year(match[3]), _MONTHS[match[2]], int(match[1]))
    if form == "y_month_d":
        return _moment(int(match[1]), _MONTHS[match[2]], int(match[3]))
    return _moment(_year(match[match.lastindex or 3]), _MONTHS[match[1]], int(match[2]))


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _moment(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime | None:
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - placed by `_placed`
    except ValueError:
        return None


def _clock(rest: str) -> tuple[timedelta, str] | None:
    """The time of day after a date, and the rest of the text; None if there is no such time."""
    bare = rest[_FILLER.match(rest).end() :]  # type: ignore[union-attr]
    bare = bare.removeprefix("t")
    if word := _HOURS.match(bare):
        return timedelta(hours=0 if word[1] else 12), bare[word.end() :]
    match = _CLOCK.match(bare)
    if not match:
        return (timedelta(), rest)
    hour, minute, second = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    after, half = bare[match.end() :], match[5] or ""
    if noon := _NOON.match(after):
        after, half = after[noon.end() :], "p"
    if part := _HALF.match(after):
        after = after[part.end() :]
        half = half or ("a" if part[1] in ("manana", "manha", "madrugada", "morning") else "p")
    if half and not 1 <= hour <= 12:
        half = "" if half == "p" and 12 < hour < 24 else half
        if half:
            return None if hour else (timedelta(minutes=minute), after)
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and minute + second):
        return None
    micro = int((match[4] or "0")[:6].ljust(6, "0"))
    return timedelta(hours=hour, minutes=minute, seconds=min(second, 59), microseconds=micro), after


def _zone(rest: str) -> tzinfo | None:
    if match := _OFFSET.match(rest):
        hours, minutes = int(match[2]), int(match[3] or 0)
        if hours > 14 or minutes > 59 or _SAID_AGAIN.sub("", rest[match.end() :]).strip(" .,;)]"):
            return None
        offset = timedelta(hours=hours, minutes=minutes)
        return timezone(offset if match[1] == "+" else -offset)
    match = _ZONE_NAME.match(rest)
    if match and match[1] in _ZONES and not rest[match.end() :].strip(" .,;)]"):
        return timezone(timedelta(hours=_ZONES[match[1]]))
    return None
