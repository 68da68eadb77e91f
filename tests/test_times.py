"""Times: what spreadsheets, forms, programs and people write, and what nobody may guess."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.base import Locale, Rendering
from mappings.records.wolkvox import Row
from mappings.senders.lead import LeadMapping
from mappings.times import FIRST_YEAR, LAST_YEAR, TimeReading, read_time
from tests.conftest import examples

CASES = Path(__file__).parent / "payloads" / "times.tsv"
BOGOTA = Locale("CO", ZoneInfo("America/Bogota"))
MIAMI = Locale("US", ZoneInfo("America/New_York"))


def local(reading: TimeReading, locale: Locale = BOGOTA) -> str:
    """As the data file has it."""
    if reading.moment:
        return f"{reading.moment.astimezone(locale.timezone):%Y-%m-%d %H:%M:%S}"
    return "none" if reading.note else "unreadable"


def cases() -> list[Any]:
    with CASES.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [pytest.param(json.loads(row["value"]), row["local"], id=row["value"]) for row in rows]


@pytest.mark.parametrize(("value", "wanted"), cases())
def test_a_time_is_read_as_it_is_written_where_the_source_is(value: Any, wanted: str) -> None:
    assert local(read_time(value, BOGOTA)) == wanted


@pytest.mark.parametrize(
    ("value", "in_bogota", "in_miami"),
    [
        ("05/06/2026", "2026-06-05", "2026-05-06"),
        ("5/6/26 3:00 PM", "2026-06-05", "2026-05-06"),
        ("21/12/2026", "2026-12-21", "2026-12-21"),
        ("12/21/2026", "2026-12-21", "2026-12-21"),
    ],
)
def test_days_come_first_but_in_the_united_states(value: str, in_bogota: str, in_miami: str) -> None:
    assert local(read_time(value, BOGOTA))[:10] == in_bogota
    assert local(read_time(value, MIAMI), MIAMI)[:10] == in_miami


@pytest.mark.parametrize("value", ["", None, "  ", "\t"])
def test_nothing_says_nothing(value: Any) -> None:
    assert read_time(value, BOGOTA) == TimeReading()


@pytest.mark.parametrize(
    "value", [0, 1, 46346, -1, 10**5, "1970-01-01T00:00:00Z", "2062-11-20T10:00:00Z", 1e300, -1e10]
)
def test_an_event_of_an_impossible_time_is_of_now_and_told(value: Any) -> None:
    lead = LeadMapping(BOGOTA).read({"type": "lead.created", "time": value, "data": {"phones": "3000000001"}})
    assert lead.time is None
    assert lead.notes
    assert not lead.hold


@pytest.mark.parametrize(
    "value", ["mañana a las 3", "tomorrow", "31/02/2026", "10:00", True, {}, "el lunes por la tarde"]
)
def test_a_wish_that_cannot_be_read_needs_a_person(value: Any) -> None:
    data = {"phones": "3000000001", "callback_at": value}
    lead = LeadMapping(BOGOTA).read({"type": "lead.created", "data": data})
    assert lead.callback_at is None
    assert lead.hold == lead.notes
    rendered = Row(Rendering()).render(lead)
    assert rendered.hold
    assert rendered.record["tel1"] == "3000000001"


@pytest.mark.parametrize(
    "value", ["N/A", "0000-00-00", 0, "lo antes posible", "indiferente", "sin fecha", "2062-01-01"]
)
def test_no_wish_holds_nobody(value: Any) -> None:
    data = {"phones": "3000000001", "callback_at": value}
    lead = LeadMapping(BOGOTA).read({"type": "lead.created", "data": data})
    assert lead.callback_at is None
    assert lead.notes
    assert not lead.hold


_MOMENTS = st.datetimes(datetime.fromisoformat("2001-01-01"), datetime.fromisoformat("2048-12-31")).map(
    lambda at: at.replace(microsecond=0, second=0)
)
_MONTHS = ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre"]
_MONTHS += ["noviembre", "diciembre"]
_WRITTEN = {
    "iso": lambda at: at.isoformat(),
    "day first": lambda at: f"{at:%d/%m/%Y %H:%M}",
    "twelve hours": lambda at: f"{at:%d-%m-%Y %I:%M} {'a. m.' if at.hour < 12 else 'p. m.'}",
    "words": lambda at: f"{at.day} de {_MONTHS[at.month - 1]} de {at.year}, {at:%H:%M} hs",
    "wolkvox": lambda at: f"{at:%Y%m%d%H%M%S}",
    "spreadsheet": lambda at: repr((at - datetime.fromisoformat("1899-12-30")) / timedelta(days=1)),
    "javascript": lambda at: f"{at:%a %b %d %Y %H:%M:%S} GMT-0500 (hora estándar de Colombia)",
    "unix": lambda at: int((at.replace(tzinfo=UTC) + timedelta(hours=5)).timestamp()),
    "microseconds": lambda at: int((at.replace(tzinfo=UTC) + timedelta(hours=5)).timestamp() * 10**6),
}


@settings(max_examples=examples(150), deadline=None)
@given(_MOMENTS, st.sampled_from(sorted(_WRITTEN)))
def test_a_moment_is_read_back_from_every_way_to_write_it(at: datetime, form: str) -> None:
    assert local(read_time(_WRITTEN[form](at), BOGOTA)) == f"{at:%Y-%m-%d %H:%M:%S}"


@settings(max_examples=examples(500), deadline=None)
@given(
    st.text(max_size=40)
    | st.text("0123456789/-:. apmdeT", max_size=30)
    | st.integers()
    | st.floats()
    | st.from_regex(
        r"[0-9]{1,4}[-/. ](de )?([0-9]{1,2}|dic|marzo)[-/. ](de )?[0-9]{2,4}[ ,T]{0,2}[0-9:apm. ]{0,12}", fullmatch=True
    )
)
def test_whatever_is_read_is_a_moment_of_these_years_in_utc(value: Any) -> None:
    reading = read_time(value, BOGOTA)
    assert [bool(said) for said in (reading.moment, reading.note, reading.fault)].count(True) <= 1
    if reading.moment:
        assert reading.moment.tzinfo is UTC
        assert FIRST_YEAR <= reading.moment.year <= LAST_YEAR


@pytest.mark.parametrize("value", ["1" * 10**6, "21/12/2026 " * 10**5, "(" * 10**6, "lunes " * 10**5])
def test_a_long_text_is_not_looked_at(value: str) -> None:
    assert read_time(value, BOGOTA).fault
