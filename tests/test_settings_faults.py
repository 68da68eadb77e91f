"""What is wrong in a configuration is told all at once, and in words one can act on."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from connector.config import loader
from connector.core.errors import ConfigError
from connector.core.settings import Poll, Secret
from tests.config_texts import (
    ANSWERS,
    DESTINATIONS,
    DIAL,
    DIALLER,
    FORM,
    LANDING,
    NOTE,
    SURVEY,
    SURVEYS,
    TYPEFORM,
    WHOLE,
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
            "accounts.dialler.token: ${WOLKVOX_TOKEN} is not set: write it into .env, or export it",
            "accounts.dialler.licences: must be a whole number of at least 1",
            'accounts.dialler.server: is required: server = "0011" (or base_url)',
            'sources.landing.mapping: unknown mapping "leed", did you mean "lead"?',
            "sources.landing.verify.secrets #1: ${LANDING_SECRET} is empty: write it into .env, or export it",
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
        SURVEY + "tags = {" + ",".join(f't{number} = "x"' for number in range(51)) + "}",
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
    ("text", "place", "message"), WRONG, ids=[f"{place}-{number}" for number, (_, place, _m) in enumerate(WRONG)]
)
def test_a_fault_says_where_it_is_and_what_to_do(faults, text, place, message):
    assert [fault for fault in faults(text) if fault.startswith(f"{place}: {message}")]


def test_one_cause_is_told_once(faults):
    text = DIALLER + 'licences = "${LICENCES}"\nbase_url = "${URL}"'
    assert faults(text, WOLKVOX_TOKEN=None) == [
        "accounts.dialler.token: ${WOLKVOX_TOKEN} is not set: write it into .env, or export it",
        "accounts.dialler.licences: ${LICENCES} is not set: write it into .env, or export it",
        "accounts.dialler.base_url: ${URL} is not set: write it into .env, or export it",
    ]


def test_a_faulty_account_is_still_known_to_its_routes(faults):
    assert faults(WHOLE, WOLKVOX_TOKEN=None) == [
        "accounts.dialler.token: ${WOLKVOX_TOKEN} is not set: write it into .env, or export it"
    ]


def test_a_quick_answer_may_be_demanded_of_a_stand_in_on_this_machine(read):
    for url in ("http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"):
        assert read(DIALLER + f'timeout_s = 2\nbase_url = "{url}"').accounts["dialler"].timeout_s == 2


def test_a_queue_needs_a_broker(faults, read):
    text = '[sources.crm]\nmapping = "lead"\nqueue = "crm.leads"'
    assert faults(text, AMQP_URL=None) == ["sources.crm.queue: needs a broker: set AMQP_URL (or CLOUDAMQP_URL)"]
    assert read(text, AMQP_URL=None, CLOUDAMQP_URL="amqps://a:b@host/v").amqp_url == Secret("amqps://a:b@host/v")


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ('[spool]\nkind = "queue"', {"AMQP_URL": None}, "spool.kind: needs a broker: set AMQP_URL"),
        ("[spool]", {"AMQP_URL": None, "DYNO": "web.1"}, "spool.kind: a dyno loses its disk every day"),
        ('[sources.crm]\nmapping = "lead"\nqueue = "connector.spool"\n[spool]', {}, "spool.queue: is a source's queue"),
        ('[spool]\nkind = "memory"', {}, "spool.kind: "),
        ('[spool]\nmax_size = "1"', {}, "spool.max_size: "),
    ],
)
def test_a_spool_that_would_keep_nothing_is_a_fault(faults, text, environ, said):
    postgres = {"DATABASE_URL": "postgres://a@127.0.0.1/b"}
    assert any(fault.startswith(said) for fault in faults(text, **postgres, **environ))


def test_a_spool_is_a_queue_where_there_is_a_broker(read):
    assert read("[spool]").spool.kind == "queue"
    assert read("[spool]", AMQP_URL=None).spool.kind == "file"
    assert read("", AMQP_URL=None).spool is None


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


@pytest.mark.parametrize("vendor", ["tracksale", "lost", ""])
def test_a_no_is_told_only_to_a_vendor_that_blocks_numbers(faults, vendor):
    text = (
        SURVEYS.replace('"tracksale"', f'"{vendor}"')
        + """
[[routes]]
name = "said no"
on = "lead.refused"
to = "do_not_contact.add"
tell = ["surveys"]
"""
    )
    told = f'routes."said no".tell: "surveys" is an account of {vendor}: only wolkvox can be told'
    found = [fault for fault in faults(text) if ".tell" in fault]
    assert found == ([told] if vendor else [])


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = str(tmp_path / "none.toml")
    with pytest.raises(ConfigError) as caught:
        loader.load({"PORT": "x", "CONNECTOR_CONFIG": path}, destinations=DESTINATIONS)
    assert caught.value.faults == [
        'PORT: "x" is no port: write a number up to 65535',
        f"{path}: no such file or directory: name the configuration file in CONNECTOR_CONFIG",
    ]


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"a = " + b"[" * 3000, b"a" * 50, b"a = 1\na = 2", b"\x00"])
def test_a_file_that_is_no_toml_is_one_fault(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        loader.load({}, config_path=str(path), destinations=DESTINATIONS)
    assert [fault.startswith(f"{path}: is not TOML: ") for fault in caught.value.faults] == [True]
