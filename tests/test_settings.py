"""The configuration: what is right becomes settings, what is wrong is told all at once and in words one can act on."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema

from connector import configuration, guards
from connector.errors import ConfigError
from connector.options import (
    AnswersOptions,
    DispatchOptions,
    EmptyTagsOptions,
    LinksOptions,
    NoteOptions,
    TicketOptions,
    WolkvoxOptions,
    delay_s,
    seconds,
)
from connector.settings import Account, OncePer, Poll, Secret, Settings, Source, Verify

ROOT = Path(__file__).resolve().parent.parent
KEY = "whsec_" + base64.b64encode(b"a key for the tests alone").decode()


@dataclass(frozen=True)
class Spec:
    vendor: str
    options: type[Schema]
    on_unknown: str = "ask"
    contacts_people: bool = True
    results: tuple[str, ...] = ()


DESTINATIONS = {
    "wolkvox.add_record": Spec("wolkvox", WolkvoxOptions),
    "tracksale.dispatch": Spec("tracksale", DispatchOptions),
    "tracksale.fill_empty_tags": Spec("tracksale", EmptyTagsOptions, "resend"),
    "tracksale.note": Spec("tracksale", NoteOptions, "resend"),
    "tracksale.survey_links": Spec("tracksale", LinksOptions, "resend", results=("survey_link",)),
    "tracksale.answers": Spec("tracksale", AnswersOptions),
    "postcenter.close": Spec("postcenter", TicketOptions),
}
ENVIRON = {
    "WOLKVOX_TOKEN": "wolkvox-token-1",
    "TRACKSALE_TOKEN": "tracksale-token-1",
    "POSTCENTER_TOKEN": "postcenter-token-1",
    "LANDING_SECRET": KEY,
    "TICKETS_TOKEN": "tickets-token-1",
    "AMQP_URL": "amqp://guest:guest@127.0.0.1:5672/%2F",
}
DIALLER = """
[accounts.dialler]
vendor = "wolkvox"
server = "0011"
token = "${WOLKVOX_TOKEN}"
"""
SURVEYS = """
[accounts.surveys]
vendor = "tracksale"
token = "${TRACKSALE_TOKEN}"
"""
LANDING = """
[sources.landing]
mapping = "lead"
verify = { scheme = "standard-webhooks", secrets = ["${LANDING_SECRET}"] }
"""
TICKETS = """
[sources.tickets]
mapping = "ticket"
verify = { scheme = "token", header = "X-Token", secrets = ["${TICKETS_TOKEN}"] }
"""
FORM = """
[sources.form]
mapping = "form"
verify = { scheme = "path", secrets = ["s-1"] }
"""
TYPEFORM = """
[sources.typeform]
mapping = "typeform"
verify = { scheme = "typeform", secrets = ["s-1"] }
"""
DIAL = """
[[routes]]
name = "dial new leads"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
"""
SURVEY = """
[[routes]]
name = "survey closed tickets"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"
"""
NOTE = """
[[routes]]
name = "note on answers"
on = "ticket.updated"
to = "tracksale.note"
account = "surveys"
"""
LINKS = """
[[routes]]
name = "links"
on = "ticket.closed"
to = "tracksale.survey_links"
account = "surveys"
campaign_code = "52"
"""
ANSWERS = """
[[routes]]
name = "answers"
on = "lead.created"
to = "tracksale.answers"
account = "surveys"
campaign_code = "52"
"""
WHOLE = DIALLER + SURVEYS + LANDING + TICKETS + DIAL + SURVEY + NOTE


@pytest.fixture
def read(tmp_path):
    """Load a configuration text with an environment changed by keyword (None: not set)."""

    def read(text: str, **changes: str | None) -> Settings:
        path = tmp_path / "connector.toml"
        path.write_text(text, encoding="utf-8")
        environ = {name: value for name, value in {**ENVIRON, **changes}.items() if value is not None}
        return configuration.load(environ, config_path=str(path), destinations=DESTINATIONS)

    return read


@pytest.fixture
def faults(read):
    """Load what is wrong, and give its faults."""

    def faults(text: str, **changes: str | None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, **changes)
        assert all("\n" not in fault for fault in caught.value.faults)
        return caught.value.faults

    return faults


def example_environ() -> dict[str, str]:
    lines = (ROOT / "config" / "example.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# --- what is right ---


def test_the_example_configuration_works_with_the_example_environment(monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = configuration.load(example_environ(), destinations=DESTINATIONS)
    assert [route.name for route in settings.routes] == [
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
    crm = re.search(r"(?m)^# \[sources\.crm\]\n(?:# .*\n)+", text)
    more = re.search(r"(?m)(?<=^# More that a route can do:\n)(?:# .*\n)+", text)
    helpdesk = re.search(r"(?m)^# \[sources\.helpdesk\].*\n(?:# .*\n)+", text)
    for shown in (crm[0], more[0], helpdesk[0]):
        text = text.replace(shown, re.sub("(?m)^# ", "", shown))
    settings = read(text, CONNECTOR_SECRET_KEY="invented-key")
    assert [route.to for route in settings.routes[5:]] == [
        "tracksale.survey_links",
        "wolkvox.add_record",
        "tracksale.answers",
        "postcenter.close",
        "tracksale.note",
    ]
    assert settings.sources["helpdesk"].poll == Poll(call="postcenter.tickets", state="closed")
    assert settings.sources["crm"] == Source(name="crm", mapping="lead", queue="crm.leads")
    assert settings.accounts["dialler"].base_url == "https://wv0011.wolkvox.com"


def test_the_example_environment_explains_every_variable_that_is_read():
    text = (ROOT / "config" / "example.env").read_text(encoding="utf-8")
    code = (ROOT / "connector" / "configuration.py").read_text(encoding="utf-8")
    named = set(re.findall(r'"([A-Z][A-Z0-9]*_[A-Z_]+|PORT|DYNO)"', code)) - {"DEFAULT_CONFIG"}
    assert named > {"DATABASE_URL", "LOG_LEVEL"}
    assert not {name for name in named if name not in text}


def test_contact_hours_are_a_country_s_or_its_own(read):
    def hours(text):
        closed = WHOLE.replace('to = "tracksale.dispatch"', f'to = "tracksale.dispatch"\ncontact_hours = {text}')
        return read(closed).routes[1].contact_hours

    assert hours('"CO"') == guards.PRESETS["CO"]
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
    )
    assert settings.sources["landing"].verify == Verify(scheme="standard-webhooks", secrets=(Secret(KEY),))
    assert settings.routes[0].options == {
        "campaign_id": "1042",
        "campaign_status": "auto",
        "opt": (),
        "trace_field": "",
    }
    assert settings.routes[1].options == {
        "campaign_code": "52",
        "schedule": "now",
        "tags": {},
        "ninety_day_rule": False,
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
        {"id": 12, "option": "shop"},
        {"id": 11, "score": "nps", "justification": "why"},
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


# --- what is wrong ---


def test_every_fault_is_told_at_once(faults):
    text = """
timezone = "America/Bogotá"
region = "Colombia"
accuonts = 1

[accounts.dialler]
vendor = "wolkvox"
token = "${WOLKVOX_TOKEN}"
licences = 0

[sources.landing]
mapping = "leed"
verify = { scheme = "hmac", secrets = ["${LANDING_SECRET}"], algorithm = "md5" }

[sources.crm]
mapping = "lead"

[[routes]]
name = "dial"
on = "lead.craeted"
to = "wolkvox.add_record"
account = "dialer"
opt = ["a", "b..c"]

[[routes]]
on = "lead.created"
to = "wolkvox.addrecord"
account = "dialler"
expires_after = "1 day"
"""
    found = faults(
        text, WOLKVOX_TOKEN=None, LANDING_SECRET="", PORT="eighty", LOG_LEVEL="LOUD", DATABASE_URL="mysql://h/d"
    )
    assert sorted(found) == sorted(
        [
            "DATABASE_URL: is neither Postgres nor SQLite: write postgres://user:password@host/name "
            "or sqlite:///var/name.db",
            'PORT: "eighty" is no port: write a number up to 65535',
            'LOG_LEVEL: "LOUD" is none of "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"',
            'timezone: "America/Bogotá" is no timezone, did you mean "America/Bogota"?',
            'region: "Colombia" is no region, write a country\'s two capital letters, like "CO"',
            'accuonts: unknown key, did you mean "accounts"?',
            "accounts.dialler.token: ${WOLKVOX_TOKEN} is not set: export it or put it in the environment",
            "accounts.dialler.licences: must be a whole number of at least 1",
            'accounts.dialler.server: is required: server = "0011" (or base_url)',
            'sources.landing.mapping: unknown mapping "leed", did you mean "lead"?',
            "sources.landing.verify.secrets #1: ${LANDING_SECRET} is empty: export it or put it in the environment",
            'sources.landing.verify.header: is required: the header of the signature, like "X-Signature"',
            "sources.landing.verify.algorithm: 'md5' is unknown, use sha256, sha1, sha512",
            "sources.crm: nothing can reach it: add verify (for webhooks), queue (for RabbitMQ), poll (to ask), or"
            " several",
            'routes.dial.on: unknown event type "lead.craeted", did you mean "lead.created"?',
            'routes.dial.account: unknown account "dialer", did you mean "dialler"?',
            'routes.dial.campaign_id: is required: campaign_id = "1042"',
            'routes.dial.opt #2: must be a path like "utm.source"',
            'routes #2.name: is required, and is kept with every delivery: name = "dial new leads"',
            'routes #2.to: unknown destination "wolkvox.addrecord", did you mean "wolkvox.add_record"?',
            'routes #2.expires_after: must be a time with its unit, like "90s", "30m", "24h" or "7d"',
        ]
    )


def test_a_poll_becomes_settings(read):
    text = SURVEYS + POLLED.replace("52", '[52, "26"], every = "90s", overlap = "3d", since = 2026-11-01') + BY_CHANNEL
    found = read(text).sources
    since = datetime(2026, 11, 1, tzinfo=ZoneInfo("America/Bogota"))
    assert found["answers"].poll == Poll(
        call="tracksale.answers", every_s=90, overlap_s=3 * 86400, since=since, campaign_codes=("52", "26")
    )
    assert found["helpdesk"].poll == Poll(call="postcenter.tickets", channel="email")
    assert found["answers"].verify is None


POLLED = """
[sources.answers]
mapping = "tracksale_answer"
account = "surveys"
poll = { call = "tracksale.answers", campaign_code = 52 }
"""
BY_CHANNEL = """
[accounts.helpdesk]
vendor = "postcenter"
token = "${POSTCENTER_TOKEN}"
[sources.helpdesk]
mapping = "postcenter"
account = "helpdesk"
poll = { call = "postcenter.tickets", channel = "email" }
"""
BEGINS_AND_ENDS = 'must be when work begins and ends, like "07:00-19:00"'
WRONG = [
    # text, place, message
    (WHOLE + "ninety_day_rule = true", 'routes."note on answers".ninety_day_rule', "belongs to tracksale.dispatch"),
    (
        WHOLE + 'contact_hours = "8-20"',
        'routes."note on answers".contact_hours',
        '"8-20" has no hours that are known here (there is "CO"): write your own',
    ),
    (
        WHOLE + 'contact_hours = { weekdays = "18:00-08:00" }',
        'routes."note on answers".contact_hours.weekdays',
        "must be hours of one day",
    ),
    (
        WHOLE + 'contact_hours = { weekdays = "" }',
        'routes."note on answers".contact_hours.weekdays',
        "never open",
    ),
    (
        WHOLE + 'contact_hours = { weekdays = "08:00-18:00", country = "ZZ" }',
        'routes."note on answers".contact_hours.country',
        'the public holidays of "ZZ" are not known',
    ),
    (
        WHOLE + 'contact_hours = { weekdays = "08:00-18:00", holidays = "10:00-12:00" }',
        'routes."note on answers".contact_hours.holidays',
        "whose?",
    ),
    *(
        (
            DIALLER + f"working_hours = {hours}",
            "accounts.dialler.working_hours",
            BEGINS_AND_ENDS,
        )
        for hours in ('"7-19"', '"07:00-24:01"', '"25:00-26:00"', '"08:00-08:00"', '"07:60-19:00"', "7", '["07:00"]')
    ),
    (LANDING + 'poll = "5m"', "sources.landing.poll", "must be a table"),
    (SURVEYS + POLLED.replace("call", "cal"), "sources.answers.poll.cal", 'unknown key, did you mean "call"?'),
    (
        SURVEYS + POLLED.replace('answers"', 'answer"'),
        "sources.answers.poll.call",
        'unknown call "tracksale.answer", did you',
    ),
    (SURVEYS + POLLED.replace("52", "'5 2'"), "sources.answers.poll.campaign_code", "must be the campaign's number"),
    (SURVEYS + POLLED.replace("52", "[]"), "sources.answers.poll.campaign_code", "must be the campaign's number"),
    (SURVEYS + POLLED.replace("52", '52, state = "closed"'), "sources.answers.poll.state", "unknown key"),
    (SURVEYS + POLLED.replace("52", '52, every = "5"'), "sources.answers.poll.every", "must be a time with its unit"),
    (SURVEYS + POLLED.replace("52", "52, since = 5"), "sources.answers.poll.since", "must be a day or a moment"),
    (SURVEYS + POLLED.replace('_answer"', '"'), "sources.answers.mapping", "unknown mapping"),
    (
        SURVEYS + POLLED.replace('"tracksale_answer"', '"lead"'),
        "sources.answers.poll.call",
        'brings what "tracksale_answer" reads, not "lead"',
    ),
    (
        SURVEYS + POLLED.replace('account = "surveys"', ""),
        "sources.answers.account",
        'is required: "tracksale.answers" asks tracksale',
    ),
    (
        DIALLER + POLLED.replace("surveys", "dialler"),
        "sources.answers.account",
        '"dialler" is an account of wolkvox, and "tracksale.',
    ),
    (
        POLLED.replace("surveys", "serveys") + SURVEYS,
        "sources.answers.account",
        'unknown account "serveys", did you mean "surveys"?',
    ),
    (BY_CHANNEL.replace("channel", "chanel"), "sources.helpdesk.poll.chanel", 'unknown key, did you mean "channel"?'),
    (BY_CHANNEL.replace(', channel = "email"', ""), "sources.helpdesk.poll", "needs either state"),
    (BY_CHANNEL.replace("channel", 'state = "open", channel'), "sources.helpdesk.poll", "needs either state"),
    (
        BY_CHANNEL.replace('channel = "email"', 'state = "close"'),
        "sources.helpdesk.poll.state",
        '"close" is none of "open", "closed", "ignored", "inProgress", did you mean "closed"?',
    ),
    (
        BY_CHANNEL.replace('channel = "email"', 'state = "open", overlap = "1d"'),
        "sources.helpdesk.poll.overlap",
        "is of no use with state",
    ),
    (
        LANDING + "[sources.landing.fields]\nphones = 'b'",
        "sources.landing.fields",
        'is of no use: "lead" knows its fields; take it out',
    ),
    (FORM, "sources.form.fields", "is required: say what the sender calls our fields"),
    (FORM + "fields = {}", "sources.form.fields", "must be a table of our fields"),
    (FORM + "fields = 'phones'", "sources.form.fields", "must be a table of our fields"),
    (FORM + "fields = { phnes = 'a' }", "sources.form.fields.phnes", 'unknown field "phnes", did you mean "phones"?'),
    (FORM + "fields = { customer.email = 'a' }", 'sources.form.fields."customer.email"', "unknown field"),
    (FORM + "fields = { 'extra.' = 'a' }", 'sources.form.fields."extra."', "unknown field"),
    (FORM + "fields = { phones = [] }", "sources.form.fields.phones", "must be the sender's name of it, or a list"),
    (FORM + "fields = { phones = ['a', 5] }", "sources.form.fields.phones", "must be the sender's name of it, or a"),
    (FORM + "fields = { phones = ' ' }", "sources.form.fields.phones", "must be the sender's name of it, or a list"),
    (FORM.replace("s-1", "s/1"), "sources.form.verify.secrets #1", "may hold letters, digits and - . _ ~ only"),
    (FORM.replace("path", "field"), "sources.form.verify.field", "is required: the body's field"),
    (
        FORM.replace("path", "typform"),
        "sources.form.verify.scheme",
        'unknown scheme "typform", did you mean "typeform"?',
    ),
    (TYPEFORM.replace("}", ', header = "" }'), "sources.typeform.verify.header", "is empty"),
    (TYPEFORM.replace("}", ', parameter = "x" }'), "sources.typeform.verify.parameter", "unknown key"),
    (TYPEFORM.replace('["s-1"]', "[]"), "sources.typeform.verify.secrets", "must be a list of at least one"),
    (TYPEFORM.replace("}", ', handshake = "x" }'), "sources.typeform.verify.handshake", "is of no use: this sender"),
    (
        TYPEFORM.replace("typeform", "meta_leadgen"),
        "sources.meta_leadgen.verify.handshake",
        'is required: handshake = "${NAME}", what the sender is to show as hub.verify_token',
    ),
    (WHOLE + 'schedule = "now"', 'routes."note on answers".schedule', "belongs to tracksale.dispatch: take it out"),
    (WHOLE + 'onse_per = "x"', 'routes."note on answers".onse_per', 'unknown key, did you mean "once_per"?'),
    (WHOLE + "zzz = 1", 'routes."note on answers".zzz', "unknown key"),
    (DIALLER + 'sever = "0011"', "accounts.dialler.sever", 'unknown key, did you mean "server"?'),
    (SURVEYS + 'dial_prefix = "9"', "accounts.surveys.dial_prefix", "unknown key"),
    (LANDING.replace("secrets", "secret"), "sources.landing.verify.secret", 'unknown key, did you mean "secrets"?'),
    (LANDING.replace("secrets", "secret"), "sources.landing.verify.secrets", 'is required: secrets = ["${NAME}"]'),
    (
        DIAL + 'once_per = { kee = "phone", within = "24h" }',
        'routes."dial new leads".once_per.kee',
        'unknown key, did you mean "key"?',
    ),
    (
        DIAL + 'once_per = { key = "phone" }',
        'routes."dial new leads".once_per.within',
        'is required: a time like "24h"',
    ),
    (
        DIAL + 'once_per = { key = "a..b", within = "24h" }',
        'routes."dial new leads".once_per.key',
        'must be a path into the event, like "phone" or "utm.source"',
    ),
    (DIAL + 'once_per = "phone"', 'routes."dial new leads".once_per', "must be a table"),
    (WHOLE + DIAL, "routes #4.name", '"dial new leads" is the name of route #1 too: choose another'),
    (
        WHOLE.replace('account = "dialler"', 'account = "surveys"'),
        'routes."dial new leads".account',
        '"surveys" is an account of tracksale, and wolkvox.add_record needs one of wolkvox',
    ),
    (DIAL, 'routes."dial new leads".account', 'unknown account "dialler", and there is none'),
    (
        WHOLE.replace('on = "lead.created"', 'on = "lead.created"\nsources = ["landin"]'),
        'routes."dial new leads".sources',
        'unknown source "landin", did you mean "landing"?',
    ),
    (
        WHOLE.replace('on = "lead.created"', 'on = "lead.created"\nsources = ["tickets"]'),
        'routes."dial new leads".on',
        '"lead.created" never comes from the sources of this route',
    ),
    (
        WHOLE.replace('on = "lead.created"', "on = []"),
        'routes."dial new leads".on',
        "must be a text or a list of texts, not none",
    ),
    (
        WHOLE.replace('on = "lead.created"', 'on = ["lead.created", 3]'),
        'routes."dial new leads".on #2',
        "must be a text that is not empty",
    ),
    (
        WHOLE.replace('campaign_code = "52"', ""),
        'routes."survey closed tickets".campaign_code',
        'is required: campaign_code = "52"',
    ),
    (
        DIAL.replace('"1042"', '"10 42"'),
        'routes."dial new leads".campaign_id',
        'must be the campaign\'s number, like "1042"',
    ),
    (
        DIAL + 'campaign_status = "run"',
        'routes."dial new leads".campaign_status',
        '"run" is none of "start", "stop", "auto"',
    ),
    (
        DIAL + "opt = [" + '"a",' * 13 + "]",
        'routes."dial new leads".opt',
        "has 13 paths where at most 12 fit",
    ),
    (DIAL + 'opt = "a"', 'routes."dial new leads".opt', 'must be a list of paths, like ["utm.source", "program"]'),
    (
        DIAL + 'opt = ["a", "b"]\ntrace_field = "opt2"',
        'routes."dial new leads".trace_field',
        '"opt2" is filled by opt already: choose a later column',
    ),
    (
        SURVEY + 'schedule = "2h"',
        'routes."survey closed tickets".schedule',
        'must be "now", "draft" or a time from then, like "+2h"',
    ),
    (
        SURVEY + "tags = {" + ",".join(f't{n} = "x"' for n in range(51)) + "}",
        'routes."survey closed tickets".tags',
        "has 51 tags where 0 to 50 are allowed",
    ),
    (
        SURVEY + 'tags = { Canal = "a..b" }',
        'routes."survey closed tickets".tags.Canal',
        'must be a path like "agent.name"',
    ),
    (
        NOTE.replace("tracksale.note", "tracksale.fill_empty_tags") + "tags = {}",
        'routes."note on answers".tags',
        "has 0 tags where 1 to 50 are allowed",
    ),
    (ANSWERS, "routes.answers.score", 'needs one of the two: score = "nps" for a'),
    (
        ANSWERS + 'score = "nps"\nquestions = [{ id = 1, score = "nps" }]',
        "routes.answers.score",
        "needs one of the two",
    ),
    (
        ANSWERS + 'justification = "why"\nquestions = [{ id = 1, score = "nps" }]',
        "routes.answers.justification",
        "goes",
    ),
    (ANSWERS + "questions = []", "routes.answers.questions", "must be a list of questions"),
    (ANSWERS + "questions = [{ id = 1 }]", "routes.answers.questions #1", "needs one of score, option and comment"),
    (
        ANSWERS + 'questions = [{ id = 1, score = "nps" }, { id = "x", option = "shop", justification = "why" }]',
        "routes.answers.questions #2.id",
        "must be a whole number of at least 1",
    ),
    (
        ANSWERS + 'questions = [{ id = 1, option = "shop", justification = "why" }]',
        "routes.answers.questions #1.justification",
        "goes with a score: take it out",
    ),
    (NOTE + 'on_unknown = "retry"', 'routes."note on answers".on_unknown', '"retry" is none of "ask", "resend"'),
    (NOTE + 'expires_after = "0s"', 'routes."note on answers".expires_after', "must be a time with its unit"),
    (DIALLER + "timeout_s = 60", "accounts.dialler.timeout_s", "must be more than 60"),
    (DIALLER + "timeout_s = nan", "accounts.dialler.timeout_s", "must be a number of seconds of at least 1"),
    (SURVEYS + "window_seconds = 0", "accounts.surveys.window_seconds", "must be a number of seconds of at least 1"),
    (SURVEYS + "requests_per_window = 0", "accounts.surveys.requests_per_window", "must be a whole number of at"),
    (DIALLER + "licences = 2.5", "accounts.dialler.licences", "must be a whole number of at least 1"),
    (DIALLER + "licences = true", "accounts.dialler.licences", "must be a whole number of at least 1"),
    (DIALLER.replace('"0011"', "11"), "accounts.dialler.server", "must be a text in quotes: must be the four digits"),
    (DIALLER + 'dial_prefix = "+9"', "accounts.dialler.dial_prefix", 'must be digits in quotes, like "9"'),
    (DIALLER + 'phone_format = "E164"', "accounts.dialler.phone_format", '"E164" is none of'),
    (SURVEYS + 'base_url = "https://x.example.com/"', "accounts.surveys.base_url", "ends with a slash: take it off"),
    (SURVEYS + 'base_url = "ftp://x.example.com"', "accounts.surveys.base_url", "must be an address like"),
    (SURVEYS + 'base_url = "https://me:pw@x.example.com"', "accounts.surveys.base_url", "must be an address like"),
    (SURVEYS + 'base_url = "http://[::1"', "accounts.surveys.base_url", "must be an address like"),
    (
        DIALLER + '[accounts.twin]\nvendor = "wolkvox"\nserver = "0012"\ntoken = "${WOLKVOX_TOKEN}"',
        "accounts.twin.token",
        'is the token of account "dialler" too: use that account',
    ),
    ('[accounts.a]\nvendor = "wolkvocs"\n', "accounts.a.vendor", '"wolkvocs" is none of'),
    ('[accounts.a]\nvendor = "wolkvocs"\n', "accounts.a.token", 'is required: token = "${NAME}"'),
    ('[accounts.a]\nvendor = "wolkvox"\nserver = "0011"\ntoken = ""', "accounts.a.token", "is empty"),
    ('[accounts.a]\nvendor = "wolkvox"\nserver = "0011"\ntoken = "a b"', "accounts.a.token", "holds a space"),
    ('[accounts."a b"]\nvendor = "wolkvox"', 'accounts."a b"', "a name may hold letters"),
    ("accounts = 3", "accounts", "must be a table"),
    ("[accounts]\na = 3", "accounts.a", "must be a table"),
    ("[sources]\na = []", "sources.a", "must be a table"),
    ("[routes]\na = 3", "routes", "must be a list of tables: begin each with [[routes]]"),
    ("routes = [1]", "routes #1", "must be a table"),
    ("_schema = 3", "_schema", "unknown key"),
    ("[sources.a]\nmapping = 'lead'\nverify = 'none'", "sources.a.verify", "must be a table"),
    ("[sources.a]\nmapping = 'lead'\nverify = {}", "sources.a.verify.scheme", "is required"),
    (LANDING.replace("standard-webhooks", "hmack"), "sources.landing.verify.scheme", 'unknown scheme "hmack", did you'),
    (LANDING.replace('["${LANDING_SECRET}"]', "[]"), "sources.landing.verify.secrets", "must be a list of at least"),
    (
        LANDING.replace("${LANDING_SECRET}", ""),
        "sources.landing.verify.secrets #1",
        "is empty",
    ),
    (
        LANDING.replace("${LANDING_SECRET}", "whsec_?"),
        "sources.landing.verify.secrets #1",
        "standard-webhooks secret is no base64",
    ),
    (LANDING + 'on_invalid = "drop"', "sources.landing.on_invalid", '"drop" is none of "refuse", "park"'),
    (LANDING + 'queue = "amq.leads"', "sources.landing.queue", "must be a queue's name"),
    (LANDING + 'declare = "perhaps"', "sources.landing.declare", "must be true or false"),
    (
        "[sources.a]\nmapping='lead'\nqueue='q'\n[sources.b]\nmapping='lead'\nqueue='q.dead'",
        "sources.b.queue",
        '"q.dead" belongs to source "a" already',
    ),
    (
        DIALLER.replace("${WOLKVOX_TOKEN}", "${WOLKVOX-TOKEN}"),
        "accounts.dialler.token",
        "holds ${ without a name and }",
    ),
    (DIALLER.replace("${WOLKVOX_TOKEN}", "a\\nb"), "accounts.dialler.token", "holds a line break"),
    ('timezone = "../etc"', "timezone", '"../etc" is no timezone, write one like "America/Bogota"'),
    ('timezone = "America"', "timezone", '"America" is no timezone'),
    ("timezone = 5", "timezone", '"5" is no timezone'),
    ('region = "co"', "region", '"co" is no region'),
]


@pytest.mark.parametrize(
    ("text", "place", "message"), WRONG, ids=[f"{place}-{n}" for n, (_, place, _m) in enumerate(WRONG)]
)
def test_a_fault_says_where_it_is_and_what_to_do(faults, text, place, message):
    assert [fault for fault in faults(text) if fault.startswith(f"{place}: {message}")]


def test_one_cause_is_told_once(faults):
    text = DIALLER + 'licences = "${LICENCES}"\nbase_url = "${URL}"'
    assert faults(text, WOLKVOX_TOKEN=None) == [
        "accounts.dialler.token: ${WOLKVOX_TOKEN} is not set: export it or put it in the environment",
        "accounts.dialler.licences: ${LICENCES} is not set: export it or put it in the environment",
        "accounts.dialler.base_url: ${URL} is not set: export it or put it in the environment",
    ]


def test_a_faulty_account_is_still_known_to_its_routes(faults):
    assert faults(WHOLE, WOLKVOX_TOKEN=None) == [
        "accounts.dialler.token: ${WOLKVOX_TOKEN} is not set: export it or put it in the environment"
    ]


def test_a_quick_answer_may_be_demanded_of_a_stand_in_on_this_machine(read):
    for url in ("http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"):
        assert read(DIALLER + f'timeout_s = 2\nbase_url = "{url}"').accounts["dialler"].timeout_s == 2


def test_a_queue_needs_a_broker(faults, read):
    text = '[sources.crm]\nmapping = "lead"\nqueue = "crm.leads"'
    assert faults(text, AMQP_URL=None) == ["sources.crm.queue: needs a broker: set AMQP_URL (or CLOUDAMQP_URL)"]
    assert read(text, AMQP_URL=None, CLOUDAMQP_URL="amqps://a:b@host/v").amqp_url == Secret("amqps://a:b@host/v")


def test_no_fault_shows_the_value_of_a_variable(faults):
    text = """
region = "${LEAKED}"
timezone = "${LEAKED}"
[accounts.dialler]
vendor = "${LEAKED}"
token = "x y"
phone_format = "${LEAKED}"
[sources.a]
mapping = "${LEAKED}"
on_invalid = "${LEAKED}"
verify = { scheme = "hmac", header = "X-Sign", algorithm = "${LEAKED}", secrets = ["s"] }
[[routes]]
name = "r"
on = "${LEAKED}"
to = "${LEAKED}"
account = "x-${LEAKED}"
"""
    found = faults(text, LEAKED='s3cr3t"-value')
    assert len(found) >= 9
    assert not [fault for fault in found if "s3cr3t" in fault]
    assert any(fault.startswith('sources.a.mapping: unknown mapping "${LEAKED}", known are "') for fault in found)


def test_a_short_value_does_not_garble_the_words_around_it(faults):
    text = DIALLER + 'licences = "${N}"\nphone_format = "${N}"' + DIAL.replace('campaign_id = "1042"', "")
    assert faults(text, N="1") == [
        'accounts.dialler.phone_format: "${N}" is none of "national", "e164", "international"',
        'routes."dial new leads".campaign_id: is required: campaign_id = "1042"',
    ]


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = str(tmp_path / "none.toml")
    with pytest.raises(ConfigError) as caught:
        configuration.load({"PORT": "x", "CONNECTOR_CONFIG": path}, destinations=DESTINATIONS)
    assert caught.value.faults == [
        'PORT: "x" is no port: write a number up to 65535',
        f"{path}: no such file or directory: name the configuration file in CONNECTOR_CONFIG",
    ]


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"a = " + b"[" * 3000, b"a" * 50, b"a = 1\na = 2", b"\x00"])
def test_a_file_that_is_no_toml_is_one_fault(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        configuration.load({}, config_path=str(path), destinations=DESTINATIONS)
    assert [fault.startswith(f"{path}: is not TOML: ") for fault in caught.value.faults] == [True]


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
    faults = configuration.Faults()
    filled = configuration._fill(document, {"A": "b"}, faults)
    parts = configuration._parts(filled, DESTINATIONS, faults)
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
        ("sqlite:///var/x.db", "sqlite:///var/x.db"),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
        ("", "sqlite:///var/connector.db"),
    ],
)
def test_a_database_is_written_as_people_write_it(url, expected):
    assert configuration.database_url({"DATABASE_URL": url}) == expected


@pytest.mark.parametrize(
    "url", ["mysql://h/n", "postgresql+psycopg2://h/n", "sqlite://", "sqlite:///:memory:", "postgres://h", "nonsense"]
)
def test_another_database_is_refused_without_showing_the_address(url):
    with pytest.raises(ConfigError) as caught:
        configuration.database_url({"DATABASE_URL": url})
    assert caught.value.faults[0].startswith("DATABASE_URL: ")
    assert url not in caught.value.faults[0].replace("sqlite:///", "")


def test_a_password_in_an_address_is_never_shown():
    with pytest.raises(ConfigError) as caught:
        configuration.database_url({"DATABASE_URL": "postgres://me:hunter2@host:port/x"})
    assert "hunter2" not in str(caught.value)


def test_sqlite_on_a_dyno_must_be_asked_for():
    with pytest.raises(ConfigError, match="a dyno loses its disk every day"):
        configuration.database_url({"DYNO": "web.1"})
    assert configuration.database_url({"DYNO": "web.1", "CONNECTOR_ALLOW_SQLITE": "1"})
    assert configuration.database_url({"DYNO": "web.1", "DATABASE_URL": "postgres://h/n"})


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
