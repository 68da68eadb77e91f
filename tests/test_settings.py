"""The configuration: what is right becomes settings, what is wrong is told all at once and in words one can act on."""

from __future__ import annotations

import math
import re
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.config import environment, loader, tables
from connector.config.faults import Faults
from connector.core import contact_hours
from connector.core.errors import ConfigError
from connector.core.settings import Account, OncePer, Poll, Secret, Settings, Source, Verify
from connector.core.text import seconds
from connector.vendors.tracksale.options import delay_s
from tests.config_texts import (
    ANSWERS,
    DESTINATIONS,
    DIALLER,
    FORM,
    KEY,
    LANDING,
    LINKS,
    ROOT,
    SURVEYS,
    TICKETS,
    TYPEFORM,
    WHOLE,
    example_environment,
    load_text,
)


@pytest.fixture
def read(tmp_path):
    """Load a configuration text with an environment changed by keyword (None: not set)."""
    return partial(load_text, tmp_path)


@pytest.fixture
def faults(read):
    """Load what is wrong, and give its faults."""

    def faults(text: str, **changes: str | None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, **changes)
        assert all("\n" not in fault for fault in caught.value.faults)
        return caught.value.faults

    return faults


# --- what is right ---


def test_the_example_configuration_works_with_the_example_environment(monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = loader.load(example_environment(), destinations=DESTINATIONS)
    assert [route.name for route in settings.routes][:5] == [
        "dial new leads",
        "survey closed tickets",
        "tag answers",
        "note on answers",
        "call back detractors",
    ]
    assert {account.base_url for account in settings.accounts.values()} == {"http://127.0.0.1:9900"}


def test_what_the_example_shows_in_comments_works_too(read):
    text = (ROOT / "config" / "connector.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^base_url.*\n", "", text)
    environ = example_environment() | {"CONNECTOR_SECRET_KEY": "invented-key"}
    before = {route.name for route in read(text, **environ).routes}
    crm = re.search(r"(?m)^# \[sources\.crm\]\n(?:# .*\n)+", text)
    more = re.search(r"(?m)(?<=^# More that a route can do:\n)(?:# .*\n)+", text)
    helpdesk = re.search(r"(?m)^# \[sources\.helpdesk\].*\n(?:# .*\n)+", text)
    for shown in (crm[0], more[0], helpdesk[0]):
        text = text.replace(shown, re.sub("(?m)^# ", "", shown))
    settings = read(text, **environ)
    assert [route.to for route in settings.routes if route.name not in before] == [
        "tracksale.survey_links",
        "wolkvox.add_record",
        "tracksale.answers",
        "postcenter.close",
        "tracksale.note",
        "wolkvox.add_dnc",  # of the route that says no: `tell`
    ]
    assert settings.sources["helpdesk"].poll == Poll(call="postcenter.tickets", state="closed")
    assert settings.sources["crm"] == Source(name="crm", mapping="lead", queue="crm.leads")
    assert settings.accounts["dialler"].base_url == "https://wv0011.wolkvox.com"


def test_the_example_environment_explains_every_variable_that_is_read():
    text = (ROOT / "config" / "example.env").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "connector" / "config").glob("*.py"))
    named = set(re.findall(r'"([A-Z][A-Z0-9]*_[A-Z_]+|PORT|DYNO)"', code)) - {"DEFAULT_CONFIG"}
    assert named > {"DATABASE_URL", "LOG_LEVEL"}
    assert not {name for name in named if name not in text}


def test_contact_hours_are_a_country_s_or_its_own(read):
    def hours(text):
        closed = WHOLE.replace('to = "tracksale.dispatch"', f'to = "tracksale.dispatch"\ncontact_hours = {text}')
        return read(closed).routes[1].contact_hours

    assert hours('"CO"') == contact_hours.PRESETS["CO"]
    own = hours('{ weekdays = "08:00-18:30", saturday = "09:00-24:00", country = "CL" }')
    assert (own.weekdays, own.saturday, own.sunday, own.holidays, own.country) == (
        (480, 1110),
        (540, 1440),
        None,
        None,
        "CL",
    )


def test_every_table_becomes_a_frozen_value(read):
    settings = read(WHOLE)
    assert settings.accounts["dialler"] == Account(
        name="dialler",
        vendor="wolkvox",
        token=Secret("wolkvox-token-1"),
        base_url="https://wv0011.wolkvox.com",
        server="0011",
        numbers=("mobile", "fixed"),
    )
    assert settings.sources["landing"].verify == Verify(scheme="standard-webhooks", secrets=(Secret(KEY),))
    assert settings.routes[0].options == {
        "campaign_id": "1042",
        "campaign_status": "auto",
        "status_wait": 900.0,
        "else": "hold",
        "opt": (),
        "trace_field": "",
    }
    assert settings.routes[1].options == {
        "campaign_code": "52",
        "schedule": "now",
        "tags": {},
        "ninety_day_rule": False,
        "finish": "",
    }
    assert settings.routes[0].expires_after_s == 7 * 86400


def test_an_empty_file_is_an_empty_configuration(read):
    settings = read("")
    assert settings.locale.region == "CO"
    assert settings.locale.timezone == ZoneInfo("America/Bogota")
    assert (settings.accounts, settings.sources, settings.routes) == ({}, {}, ())


def test_everything_a_route_may_say_is_kept(read):
    route = read(
        WHOLE.replace(
            'campaign_id = "1042"',
            'campaign_id = 1042\ncampaign_status = "stop"\nopt = ["utm.source", "program"]\ntrace_field = "opt12"\n'
            'expires_after = "90s"\nonce_per = { key = "phone", within = "24h" }\non_unknown = "resend"\n'
            'sources = ["landing"]',
        )
    ).routes[0]
    assert route.options == {
        "campaign_id": "1042",
        "campaign_status": "stop",
        "status_wait": 900.0,
        "else": "hold",
        "opt": ("utm.source", "program"),
        "trace_field": "opt12",
    }
    assert route.sources == ("landing",)
    assert route.on == ("lead.created",)
    assert route.expires_after_s == 90
    assert route.once_per == OncePer(key="phone", within_s=86400)
    assert route.on_unknown == "resend"


def test_the_questions_of_a_campaign_keep_their_order(read):
    questions = '[{ id = 12, option = "shop" }, { id = "11", score = "nps", justification = "why" }]'
    settings = read(SURVEYS + ANSWERS + f"questions = {questions}")
    assert settings.routes[0].options["questions"] == (
        {"id": 12, "kind": "", "option": "shop"},
        {"id": 11, "kind": "", "score": "nps", "justification": "why"},
    )


def test_tickets_are_closed_with_an_account_of_their_helpdesk(read, faults):
    account = '[accounts.helpdesk]\nvendor = "postcenter"\ntoken = "${POSTCENTER_TOKEN}"\n'
    close = '[[routes]]\nname = "close"\non = "ticket.updated"\nto = "postcenter.close"\naccount = "helpdesk"\n'
    assert read(account + close).routes[0].to == "postcenter.close"
    [fault] = faults(SURVEYS + close.replace("helpdesk", "surveys"))
    assert "is an account of tracksale, and postcenter.close needs one of postcenter" in fault


def follow(after: str, *more: str, on: str = "ticket.closed") -> str:
    """A dialling route that comes after another."""
    lines = (f'name = "call"\non = "{on}"\nto = "wolkvox.add_record"\naccount = "dialler"\ncampaign_id = "1042"', *more)
    return "[[routes]]\n" + "\n".join((*lines, f'after = "{after}"' if after else "")) + "\n"


def test_a_route_may_come_after_another(read):
    settings = read(DIALLER + SURVEYS + TICKETS + LINKS + follow("links", 'opt = ["result.survey_link"]'))
    assert [(route.name, route.after) for route in settings.routes] == [("links", ""), ("call", "links")]
    assert settings.followers == {"call"}


AFTER = [
    (follow("link"), "after", 'unknown route "link", did you mean "links"?'),
    (follow("call"), "after", "goes in a circle: one of the routes has to come first"),
    (follow("third") + follow("call").replace('"call"', '"third"', 1), "after", "goes in a circle"),
    (follow("links", on="ticket.updated"), "after", 'no event goes to "links" and here'),
    (follow("links", 'sources = ["landing"]'), "after", 'no event goes to "links" and here'),
    (
        follow("links", 'opt = ["result.link"]'),
        "opt",
        'result.link does not come of "links": that brings "survey_link"',
    ),
    (follow("", 'opt = ["result.survey_link"]'), "opt", 'result.survey_link needs after = "the route that brings it"'),
    (follow("links", 'once_per = { key = "result.survey_link", within = "1h" }'), "once_per", "result is not known"),
]


@pytest.mark.parametrize(("text", "key", "message"), AFTER, ids=[message for _, _, message in AFTER])
def test_a_route_that_can_never_have_its_turn_is_a_fault(faults, text, key, message):
    links = LINKS + 'sources = ["tickets"]\n'
    found = faults(DIALLER + SURVEYS + LANDING + TICKETS + links + text)
    assert [fault for fault in found if fault.startswith(f"routes.call.{key}: {message}")], found


def test_a_field_of_the_sender_s_own_that_is_called_result_is_reached_through_extra(read):
    assert read(DIALLER + TICKETS + follow("", 'opt = ["extra.result.x"]')).routes[0].options["opt"] == (
        "extra.result.x",
    )


def test_a_note_is_resent_unless_the_route_says_ask(read):
    assert [route.on_unknown for route in read(WHOLE).routes] == ["ask", "ask", "resend"]
    assert read(WHOLE + 'on_unknown = "ask"').routes[2].on_unknown == "ask"


def test_addresses_follow_the_vendor_unless_given(read):
    accounts = read(WHOLE + '[accounts.helpdesk]\nvendor = "postcenter"\ntoken = "${POSTCENTER_TOKEN}"').accounts
    assert accounts["surveys"].base_url == "https://api.tracksale.co"
    assert accounts["surveys"].paged_base_url == "https://apiv3.track.co"
    assert accounts["helpdesk"].base_url == "https://api-cluster.postcenter.io"


def test_a_stand_in_for_tracksale_serves_its_pages_too(read):
    account = read(SURVEYS + 'base_url = "http://127.0.0.1:9900"').accounts["surveys"]
    assert account.paged_base_url == "http://127.0.0.1:9900"


@pytest.mark.parametrize(
    ("said", "meant"),
    [("", (420, 1140)), ("08:30-24:00", (510, 1440)), ("22:00-06:00", (1320, 360)), ("00:00-24:00", (0, 1440))],
)
def test_working_hours_are_of_the_timezone(read, said, meant):
    line = f'working_hours = "{said}"' if said else ""
    hours = read('timezone = "America/Santiago"' + DIALLER + line).accounts["dialler"].working_hours
    assert (hours.opens, hours.closes, hours.zone.key) == (*meant, "America/Santiago")


def test_values_from_the_environment_may_stand_anywhere(read):
    account = read(DIALLER + 'licences = "${LICENCES}"\ndial_prefix = "${PREFIX}"', LICENCES="12", PREFIX="9").accounts[
        "dialler"
    ]
    assert (account.licences, account.dial_prefix) == (12, "9")


def test_a_variables_value_is_taken_as_it_is(read):
    text = TICKETS.replace("${TICKETS_TOKEN}", "a-${TICKETS_TOKEN}-b")
    verify = read(text, TICKETS_TOKEN="${LANDING_SECRET}").sources["tickets"].verify
    assert verify.secrets == (Secret("a-${LANDING_SECRET}-b"),)


@pytest.mark.parametrize(
    ("given_verify", "expected"),
    [
        ('scheme = "none"', Verify(scheme="none")),
        ('scheme = "basic", secrets = ["me:a:b"]', Verify(scheme="basic", secrets=(Secret("me:a:b"),))),
        (
            'scheme = "query", parameter = "key", secrets = ["one", "two"]',
            Verify(scheme="query", parameter="key", secrets=(Secret("one"), Secret("two"))),
        ),
        (
            'scheme = "token", header = "Authorization", prefix = "Bearer ", secrets = ["one"]',
            Verify(scheme="token", header="Authorization", prefix="Bearer ", secrets=(Secret("one"),)),
        ),
        (
            'scheme = "hmac", header = "X-Sign", algorithm = "sha512", encoding = "base64", prefix = "v1=", '
            'signed = "{timestamp}.{id}.{body}", timestamp_header = "X-Time", id_header = "X-Id", tolerance_s = 60, '
            'secrets = ["one"]',
            Verify(
                scheme="hmac",
                header="X-Sign",
                algorithm="sha512",
                encoding="base64",
                prefix="v1=",
                signed="{timestamp}.{id}.{body}",
                timestamp_header="X-Time",
                id_header="X-Id",
                tolerance_s=60,
                secrets=(Secret("one"),),
            ),
        ),
    ],
)
def test_each_scheme_takes_its_own_keys(read, given_verify, expected):
    source = read('[sources.s]\nmapping = "lead"\nverify = { ' + given_verify + " }").sources["s"]
    assert source.verify == expected


def test_settings_print_no_secret(read):
    settings = read(WHOLE, DATABASE_URL="postgres://me:hunter2-hunter2@db/x", CONNECTOR_ADMIN_TOKEN="admin-token-1")
    printed = repr(settings)
    assert not [secret for secret in settings.secrets if secret.reveal() in printed]
    assert "hunter2" not in printed
    assert {secret.reveal() for secret in settings.secrets} >= {KEY, "wolkvox-token-1", "admin-token-1"}


# --- anything ---

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["lead", "${A}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "vendor",
        "token",
        "server",
        "mapping",
        "verify",
        "scheme",
        "secrets",
        "name",
        "on",
        "to",
        "account",
        "tags",
        "opt",
    ]
)
words = st.sampled_from(["wolkvox", "tracksale", "hmac", "wolkvox.add_record", "tracksale.dispatch", "lead.created"])
table = st.dictionaries(keys, words | json_like, max_size=8)
documents = st.fixed_dictionaries(
    {},
    optional={
        "accounts": json_like | st.dictionaries(st.text(max_size=5), table, max_size=2),
        "sources": json_like | st.dictionaries(st.text(max_size=5), table, max_size=2),
        "routes": json_like | st.lists(table | json_like, max_size=3),
        "timezone": json_like,
        "region": json_like,
        "_schema": json_like,
    },
)


@given(documents)
def test_whatever_the_file_says_the_outcome_is_settings_or_faults(document):
    faults = Faults()
    filled = loader._fill(document, {"A": "b"}, faults)
    parts = tables.read_tables(filled, DESTINATIONS, faults)
    lines = faults.lines()
    assert all(re.match(r".+: .", line, re.DOTALL) and line.isprintable() for line in lines)
    if not lines:
        Settings(**parts)


# --- the environment ---


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p%40x@h:5433/n?sslmode=require", "postgresql+psycopg://u:p%40x@h:5433/n?sslmode=require"),
        ("postgresql://u@h/n", "postgresql+psycopg://u@h/n"),
        ("postgresql+psycopg://h/n", "postgresql+psycopg://h/n"),
        (
            "postgres://u:p,q@one:5433,two/n?target_session_attrs=read-write",
            "postgresql+psycopg://u:p%2Cq@/n?host=one%2Ctwo&port=5433%2C5432&target_session_attrs=read-write",
        ),
        ("postgres://[::1]:5433,[::2]/n", "postgresql+psycopg:///n?host=%3A%3A1%2C%3A%3A2&port=5433%2C5432"),
        ("sqlite:///var/x.db", "sqlite:///var/x.db"),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
        ("", "sqlite:///var/connector.db"),
    ],
)
def test_a_database_is_written_as_people_write_it(url, expected):
    assert environment.database_url({"DATABASE_URL": url}) == expected


@pytest.mark.parametrize(
    "url",
    [
        "mysql://h/n",
        "postgresql+psycopg2://h/n",
        "sqlite://",
        "sqlite:///:memory:",
        "postgres://h",
        "postgres://h,i",
        "postgres://h:x,i/n",
        "postgres://h,,i/n",
        "nonsense",
    ],
)
def test_another_database_is_refused_without_showing_the_address(url):
    with pytest.raises(ConfigError) as caught:
        environment.database_url({"DATABASE_URL": url})
    assert caught.value.faults[0].startswith("DATABASE_URL: ")
    assert url not in caught.value.faults[0].replace("sqlite:///", "")


def test_a_password_in_an_address_is_never_shown():
    with pytest.raises(ConfigError) as caught:
        environment.database_url({"DATABASE_URL": "postgres://me:hunter2@host:port/x"})
    assert "hunter2" not in str(caught.value)


def test_sqlite_on_a_dyno_must_be_asked_for():
    with pytest.raises(ConfigError, match="a dyno loses its disk every day"):
        environment.database_url({"DYNO": "web.1"})
    assert environment.database_url({"DYNO": "web.1", "CONNECTOR_ALLOW_SQLITE": "1"})
    assert environment.database_url({"DYNO": "web.1", "DATABASE_URL": "postgres://h/n"})


def test_retention_says_how_long_personal_data_is_kept(read):
    kept = read('[retention]\npurge_after = "90d"\n', CONNECTOR_SECRET_KEY="k").retention
    assert (kept.purge_after_s, kept.every_s) == (90 * 86400, 3600)
    assert read('[retention]\npurge_after = "1d"\nevery = "10m"\n', CONNECTOR_SECRET_KEY="k").retention.every_s == 600
    assert read("").retention is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[retention]\n", 'retention.purge_after: is required: purge_after = "90d"'),
        ('[retention]\npurge_after = "90"\n', "retention.purge_after: must be a time with its unit"),
        ('[retention]\npurge_after = "90d"\never = "1h"\n', 'retention.ever: unknown key, did you mean "every"?'),
        ('retention = "90d"\n', "retention: must be a table"),
    ],
)
def test_a_wrong_retention_is_named(faults, text, fault):
    (said,) = faults(text, CONNECTOR_SECRET_KEY="k")
    assert said.startswith(fault)


def test_retention_needs_the_key_of_the_hashes_that_stay(faults):
    (said,) = faults('[retention]\npurge_after = "90d"\n')
    assert said.startswith("retention: needs CONNECTOR_SECRET_KEY")


def test_the_environment_is_read_whole(read):
    settings = read(
        "",
        PORT="8080",
        LOG_LEVEL="debug",
        CONNECTOR_PUBLIC_URL="https://connector.example.com/",
        CONNECTOR_SECRET_KEY="k" * 32,
        CONNECTOR_ADMIN_TOKEN="admin",
    )
    assert (settings.port, settings.log_level) == (8080, "DEBUG")
    assert settings.public_url == "https://connector.example.com"
    assert settings.secret_key == Secret("k" * 32)
    assert settings.admin_token == Secret("admin")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "８０"),
        ("AMQP_URL", "http://host"),
        ("AMQP_URL", "amqp://"),
        ("AMQP_URL", "amqp://h:99999"),
        ("CONNECTOR_PUBLIC_URL", "connector.example.com"),
        ("LOG_LEVEL", "warn"),
    ],
)
def test_a_wrong_variable_is_named(faults, variable, value):
    assert [fault.split(": ")[0] for fault in faults("", **{variable: value})] == [variable]


# --- senders ---


def test_a_senders_own_scheme_is_spelt_out_and_may_be_changed(read):
    changed = TYPEFORM.replace("}", ', algorithm = "sha512" }')
    assert read(changed).sources["typeform"].verify == Verify(
        scheme="hmac",
        secrets=(Secret("s-1"),),
        header="Typeform-Signature",
        algorithm="sha512",
        encoding="base64",
        prefix="sha256=",
    )
    assert read(FORM.replace("path", "rd_station").replace("}", ', parameter = "k" }') + "fields = { phones = 'a' }")


def test_a_source_names_its_fields_with_quotes_or_without(read):
    names = 'fields = { phones = ["tel", "c[1]"], "extra.a.b" = "x.y", extra.c = "c" }'
    fields = read(FORM + names).sources["form"].fields
    assert fields == {"phones": ("tel", "c[1]"), "extra.a.b": "x.y", "extra.c": "c"}


def test_the_handshake_is_a_secret_like_the_others(read):
    meta = TYPEFORM.replace("typeform", "meta_leadgen").replace("}", ', handshake = "shown" }')
    account = 'account = "graph"\n[accounts.graph]\nvendor = "meta"\ntoken = "t"\n'
    settings = read(meta + account)
    assert settings.sources["meta_leadgen"].verify.handshake == Secret("shown")
    assert Secret("shown") in settings.secrets
    assert "shown" not in repr(settings)


# --- times ---


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("30m", 1800), ("24h", 86400), ("7d", 604800)])
def test_a_time_has_a_unit(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "24", "h", "1w", "-1h", "1.5h", "0h", "1h30m", "9" * 400 + "d", "99999d", "२h"])
def test_a_time_without_sense_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(text) or "^$"):
        seconds(text)


@given(st.integers(1, 3650))
def test_a_schedule_is_a_delay_from_the_claim(days):
    assert delay_s(f"+{days}d") == days * 86400
    assert delay_s("now") == 0
    assert delay_s("draft") is None
    assert math.isfinite(delay_s(f"+{days}s"))
