"""What a route's ``when`` may say, where a source's loose values come from, and what is closed to it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from connector.core.errors import ConfigError
from connector.core.settings import Condition
from tests.config_texts import DIAL, DIALLER, FORM, LANDING, TICKETS, load_text

BOGOTA = ZoneInfo("America/Bogota")
NAMED = 'fields = { phones = "celular", "extra.program" = "programa", city = "ciudad" }\n'


@pytest.fixture
def read(tmp_path):
    """Load a configuration text."""
    return partial(load_text, tmp_path)


def routed(when: str) -> str:
    return DIALLER + LANDING + DIAL + f"when = {when}\n"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ('{ city = "Bogotá" }', Condition(path="city", among=("Bogotá",))),
        ('{ "extra.program" = ["MBA", "Derecho"] }', Condition(path="extra.program", among=("MBA", "Derecho"))),
        ('{ extra.program = "MBA" }', Condition(path="extra.program", among=("MBA",))),
        ("{ extra.score = { from = 7 } }", Condition(path="extra.score", start=7)),
        ('{ "extra.score" = { from = 7, to = 9.5 } }', Condition(path="extra.score", start=7, end=9.5)),
        ("{ email = { exists = true } }", Condition(path="email", exists=True)),
        ('{ utm.campaign = { like = "black*" } }', Condition(path="utm.campaign", like=("black*",))),
        ('{ city = { not = ["Cali", "Pasto"] } }', Condition(path="city", unlike=("Cali", "Pasto"))),
        ("{ extra.news = true }", Condition(path="extra.news", among=(True,))),
        ("{ time = { from = 2026-11-01 } }", Condition(path="time", start=datetime(2026, 11, 1, tzinfo=BOGOTA))),
        (
            '{ time = { to = "2026-11-01T08:00+00:00" } }',
            Condition(path="time", end=datetime.fromisoformat("2026-11-01T08:00+00:00")),
        ),
    ],
)
def test_a_condition_is_a_path_and_what_it_must_lead_to(read, text, condition):
    assert read(routed(text)).routes[0].when == (condition,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "must be a table of paths"),
        ('"MBA"', "must be a table of paths"),
        ("{ city = [] }", "must be a text, a number"),
        ('{ city = "" }', "must be a text, a number"),
        ("{ extra.score = { form = 7, to = 8 } }", 'unknown test "form", did you mean "from"?'),
        ('{ extra.score = { from = "seven" } }', "from and to must be a number or a moment"),
        ("{ extra.score = { from = 7, to = 2026-11-01 } }", "from and to must both be numbers"),
        ('{ email = { exists = "yes" } }', "exists must be true or false"),
        ("{ city = { like = 7 } }", "like must be a text"),
        ('{ "result.survey_link" = "x" }', "result is not known when routes are chosen"),
        ('{ "extra..x" = "x" }', "must be a path into the event"),
    ],
)
def test_a_faulty_condition_says_what_it_needs(read, text, said):
    with pytest.raises(ConfigError, match="when") as caught:
        read(routed(text))
    assert said in str(caught.value)


def test_a_path_that_no_source_of_the_route_names_is_a_fault(read):
    text = DIALLER + FORM + NAMED + DIAL + 'when = { "extra.programa" = "MBA" }\n'
    with pytest.raises(ConfigError, match=r'none of this route\'s sources names it, did you mean "extra.program"\?'):
        read(text)
    for path in ("extra.program", "program", "city", "phone", "time", "phones.0"):
        assert read(text.replace("extra.programa", path)).routes[0].when[0].path == path


def test_a_source_that_takes_whatever_is_sent_may_hold_any_path(read):
    assert read(DIALLER + FORM + NAMED + LANDING + DIAL + 'when = { "extra.other" = "MBA" }\n').routes[0].when


def test_otherwise_needs_another_route_to_the_same_operation(read):
    with pytest.raises(ConfigError, match=r'no other route does "wolkvox.add_record"'):
        read(DIALLER + LANDING + DIAL + "otherwise = true\n")
    both = DIAL + 'when = { city = "Cali" }\n' + DIAL.replace("dial new leads", "rest") + "otherwise = true\n"
    assert [route.otherwise for route in read(DIALLER + LANDING + both).routes] == [False, True]


def test_a_source_has_a_region_a_timezone_and_other_countries_of_its_own(read):
    own = 'region = "MX"\ntimezone = "America/Mexico_City"\nextra_countries = ["US", "CO"]\n'
    settings = read(DIALLER + LANDING + own + TICKETS)
    locale = settings.sources["landing"].locale
    assert (locale.region, locale.timezone.key, locale.extra_countries) == ("MX", "America/Mexico_City", ("US", "CO"))
    assert settings.sources["tickets"].locale is None
    assert settings.locale.region == "CO"


def test_what_is_closed_is_said_of_helpdesks_only(read):
    zendesk = LANDING.replace('mapping = "lead"', 'mapping = "zendesk"')
    assert read(DIALLER + zendesk + 'closed = ["solved", "Resuelto"]\n').sources["landing"].closed == (
        "solved",
        "Resuelto",
    )
    with pytest.raises(ConfigError, match="closed: is of no use"):
        read(DIALLER + LANDING + 'closed = "solved"\n')
