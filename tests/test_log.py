"""The log: one line an entry, and nobody to be found in it."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from connector.core import log, masking
from connector.core.errors import ConfigError, StoreUnavailable
from connector.core.settings import Secret
from mappings.base import FieldError, Invalid


@pytest.fixture(autouse=True)
def _as_it_was():
    """Leave structlog and the root logger as they were found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    libraries = {name: logging.getLogger(name) for name in log._LIBRARIES}
    before = {name: (lib.handlers[:], lib.propagate, lib.level) for name, lib in libraries.items()}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, lib in libraries.items():
        lib.handlers[:], lib.propagate = before[name][:2]
        lib.setLevel(before[name][2])
    logging.captureWarnings(False)
    log._known_secrets.clear()
    structlog.reset_defaults()


@pytest.fixture
def entries(capsys):
    """What has been logged since the last look, one table a line."""

    def entries() -> list[dict]:
        captured = capsys.readouterr()
        assert captured.out == ""
        return [json.loads(line) for line in captured.err.splitlines()]

    return entries


# --- how an entry looks ---


def test_an_entry_is_one_json_line_with_utc_time_level_and_logger(entries):
    log.configure("INFO")
    log.get("deliver").info("call finished", delivery_id=12345678901, route="dial", took_ms=12.5, rows=10_000_000)
    [entry] = entries()
    assert list(entry)[:4] == ["timestamp", "level", "logger", "event"]
    assert datetime.fromisoformat(entry.pop("timestamp")).utcoffset() == UTC.utcoffset(None)
    assert entry == {
        "level": "info",
        "logger": "deliver",
        "event": "call finished",
        "delivery_id": 12345678901,
        "route": "dial",
        "took_ms": 12.5,
        "rows": 10_000_000,
    }


def test_what_is_below_the_level_is_not_printed(entries):
    early = log.get("made at import")
    log.configure("WARNING")
    early.info("quiet")
    early.warning("loud")
    assert [entry["event"] for entry in entries()] == ["loud"]
    log.configure("debug")
    early.debug("now heard")
    assert [entry["event"] for entry in entries()] == ["now heard"]


def test_what_is_said_before_configure_is_redacted_too(entries):
    structlog.reset_defaults()
    log.get("early").warning("ana@example.com")
    assert entries()[0]["event"] == "***"


def test_bound_values_travel_with_every_entry(entries):
    log.configure()
    bound = log.get("x").bind(account="dialler", phone="+573000000001")
    bound.warning("one")
    with structlog.contextvars.bound_contextvars(delivery_id=7):
        bound.warning("two")
    one, two = entries()
    assert (one["account"], one["phone"]) == ("dialler", "***")
    assert two["delivery_id"] == 7


def test_a_terminal_gets_colours(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log.configure()
    log.get("x").warning("careful", phone="+573000000001")
    assert "careful" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
    assert "3000000001" not in terminal.getvalue()


@pytest.mark.parametrize("broken", ["closed", None])
def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch, broken):
    stream = io.StringIO()
    stream.close()
    log.configure()
    monkeypatch.setattr(sys, "stderr", stream if broken else None)
    log.get("x").warning("nobody hears it")


def test_a_line_stays_one_line_whatever_it_holds(capsys):
    log.configure()
    log.get("x").warning("a\nb\x1b[31m\u2028c\ud800", value="\x00\r\n")
    assert len(capsys.readouterr().err.splitlines()) == 1


# --- what is masked ---


@pytest.mark.parametrize(
    "key",
    [
        "phone", "phones", "tel", "tel1", "tel_extra", "customer_phone", "customerPhone", "recall_telephone", "email",
        "e_mail", "customer-email", "name", "first_name", "lastName", "customer_name", "full_name", "token",
        "wolkvox-token", "accessToken", "secrets", "LANDING_SECRET", "authorization", "Authorization", "payload",
        "record", "records", "body", "raw_body", "password", "customer", "id_name",
    ],
)  # fmt: skip
def test_a_telling_name_masks_whatever_is_under_it(key):
    for value in ("Ana", b"Ana", 3000000001, ["Ana"], {"a": "Ana"}, Secret("Ana"), object()):
        assert log.redacted({key: value}) == {key: "***"}


@pytest.mark.parametrize(
    "key", ["route_name", "queue_name", "hostname", "account_name", "logger", "renamed", "telling"]
)
def test_the_names_of_our_own_things_are_shown(key):
    assert log.redacted({key: "dial new leads"}) == {key: "dial new leads"}


def test_nothing_is_nothing_under_any_name():
    values = {"phone": None, "email": "", "token": False, "records": 150, "body_bytes": 10_000_000}
    assert log.redacted(values) == values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call +57 300 000 0001 now", "call *** now"),
        ("(604) 300-0001", "***"),
        ("+5730… (6 digits) is too short for CO", "+5730… (6 digits) is too short for CO"),
        ("tel=5730000001&x=1", "tel=***&x=1"),
        ("write to ana.nuñez+x@example.com.", "write to ***"),
        ("find?email=ana%40example.com", "***"),
        ("<ana@example.com>", "<***>"),
        ("Authorization: bearer abc.def", "Authorization: bearer ***"),
        ("Authorization: Key abcdef", "Authorization: Key ***"),
        ("{'wolkvox-token': 'abcdef'}", "{'wolkvox-token': '***'}"),
        ("wolkvox-token: abcdef", "wolkvox-token: ***"),
        ("sent Bearer abcdef twice", "sent Bearer *** twice"),
        ("Basic dXNlcjpwYXNzd29yZA==", "Basic ***"),
        ("GET /x?google_key=abc&token=def", "GET /x?google_key=***&token=***"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
        ('{"first_name": "Ana María", "x": 1}', '{"first_name": "*** María", "x": 1}'),
        ("amqp://guest:pa@ss@127.0.0.1:5672/x", "amqp://***@127.0.0.1:5672/x"),
        ("http://192.168.100.200:8000/x", "http://192.168.100.200:8000/x"),
        ("2026-11-21T01:21:33.123456Z", "2026-11-21T01:21:33.123456Z"),
        ("due 2026-11-21 01:21:33+00:00", "due 2026-11-21 01:21:33+00:00"),
        ("2026-11-21 3000000001", "2026-11-21 ***"),
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("400 of 10000 rows in 12.5 s", "400 of 10000 rows in 12.5 s"),
        ("EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)", None),
        ("accounts.dialler.token: ${WOLKVOX_TOKEN} is not set", None),
    ],
)
def test_a_text_loses_its_persons_and_keeps_its_sense(text, expected):
    assert log.masked(text) == (text if expected is None else expected)


def test_a_secret_that_is_known_is_never_printed(entries):
    log.configure(secrets=[Secret("tangerine-42"), Secret("x")])
    log.get("x").warning("the vendor says tangerine-42 is wrong", seen=["tangerine-42x"])
    [entry] = entries()
    assert entry["event"] == "the vendor says *** is wrong"
    assert entry["seen"] == ["***x"]


def test_what_a_vendor_said_is_shown_by_its_vocabulary(entries):
    log.configure("INFO")
    said = "HTTP 400 row 1: Ana Pérez ana@example.com tel 573004440077 is wrong"
    log.get("x").warning("call settled", words=said)
    [entry] = entries()
    assert entry["words"] == masking.of_others(said) == "HTTP 400 row 1: *** tel *** is wrong"
    log.get("x").warning("call settled", words=None)
    assert entries()[0]["words"] is None


def test_an_object_shows_its_type_only():
    @dataclass
    class Person:
        name: str

    class Colour(Enum):
        RED = "ana@example.com"

    assert log.redacted(Person("Ana")) == "<Person>"
    assert log.redacted(Colour.RED) == "***"
    assert log.redacted(b"Ana") == "<3 bytes>"
    assert log.redacted({"phone 3000000001": 1}) == {"phone ***": 1}
    assert log.redacted(UUID(int=0)) == str(UUID(int=0))
    assert log.redacted(float("nan")) == "nan"


@given(st.sampled_from(["x", "a@", "1 ", "a-", "token", "'", "1.", "://", "%40", "(+", "bearer ", "2026-11-21"]))
def test_a_hostile_text_costs_little(part):
    started = time.process_time()
    log.masked(part * 4000)
    assert time.process_time() - started < 2


def test_what_is_long_or_deep_is_cut():
    deep: list = []
    deep.append(deep)
    assert "***" in json.dumps(log.redacted(deep))
    assert len(log.redacted("x" * 100_000)) == 4000
    assert len(log.redacted([1] * 100_000)) == 100


phones = st.from_regex(r"\+?[0-9]{2}[ .-]?[0-9]{3}[ .-]?[0-9]{3}[ .-]?[0-9]{2}[ .-]?[0-9]{2}", fullmatch=True)
arabic = st.text("٠١٢٣٤٥٦٧٨٩０１２３４５６７８９", min_size=7, max_size=12)
whole_numbers = st.integers(10**6, 10**14)
people = st.emails() | phones | arabic | whole_numbers | whole_numbers.map(float)
joints = st.text(st.characters(exclude_categories=["Nd", "Cs"]), max_size=12)
plain_keys = st.sampled_from(["event_", "source", "detail", "why", "reason", "state", "value", "a b", "phone", "url"])


def inside(person):
    """A person, anywhere: within a text, a list, a table, a key, an exception."""
    alone = person if isinstance(person, int | float) else st.nothing()
    text = st.builds("{}{}{}".format, joints, st.just(person), joints)
    leaf = (st.just(alone) | text) if not isinstance(person, str) else text
    errors = st.one_of(st.sampled_from([ValueError, StoreUnavailable, KeyError, OSError]))
    leaf = leaf | st.builds(lambda kind, said: kind(said), errors, text)
    nested = st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=2)
            | st.dictionaries(plain_keys, inner, min_size=1, max_size=2)
            | st.builds(lambda key, value: {key: value}, text, inner)
        ),
        max_leaves=4,
    )
    return st.tuples(st.just(person), nested)


def digits(text: str) -> str:
    return re.sub(r"\D", "", text)


@given(people.flatmap(inside))
def test_no_person_comes_out_in_full(found):
    person, value = found
    printed = json.dumps(log.redacted({"value": value}), ensure_ascii=False)
    whole = str(int(person)) if isinstance(person, int | float) else person
    assert whole not in printed
    assert len(digits(whole)) < 7 or "@" in whole or digits(whole) not in digits(printed)


@given(people.flatmap(inside), st.sampled_from(["event", "error", "x"]))
def test_no_person_comes_out_of_a_logger(found, key):
    person, value = found
    stream, before = io.StringIO(), sys.stderr
    sys.stderr = stream
    try:
        log.configure()
        logger = log.get("x")
        logger.warning(value) if key == "event" else logger.warning("said", **{key: value})
        logging.getLogger("pika").warning("%s", value if isinstance(value, str) else person)
    finally:
        sys.stderr = before
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    whole = str(int(person)) if isinstance(person, int | float) else person
    printed = [{key: value for key, value in json.loads(line).items() if key != "timestamp"} for line in lines]
    assert not [entry for entry in printed if whole in json.dumps(entry, ensure_ascii=False)]


@given(st.text() | st.binary() | st.integers() | st.floats() | st.lists(st.text()), st.text())
def test_whatever_comes_can_be_printed(value, key):
    json.dumps(log.redacted({key: value}, key), allow_nan=False)


# --- exceptions ---


def failing(error: BaseException) -> None:
    local = "a local value"
    assert local
    raise error


def test_our_own_error_is_its_type_and_its_words(entries):
    log.configure()
    try:
        failing(StoreUnavailable("the database is away, tell ana@example.com"))
    except StoreUnavailable:
        log.get("x").exception("not stored")
    [entry] = entries()
    assert entry["error"] == "StoreUnavailable: the database is away, tell ***"
    assert "trace" not in entry


def test_an_unexpected_error_shows_where_but_no_values(entries):
    log.configure()
    try:
        failing(RuntimeError("cannot say 'Ana' [SQL: INSERT ('Ana')]"))
    except RuntimeError as error:
        log.get("x").error("broken", exc_info=error)
    [entry] = entries()
    assert entry["error"] == "RuntimeError: cannot say ***"
    assert re.search(r"/tests/test_log\.py:\d+ failing$", entry["trace"][-1])
    assert "a local value" not in json.dumps(entry)
    assert "Ana" not in json.dumps(entry)


def test_the_cause_is_told(entries):
    log.configure()
    error = ConfigError(["DATABASE_URL: is wrong"])
    error.__cause__ = OSError(2, "No such file or directory", "var/connector.db")
    log.get("x").error("no start", exc_info=error)
    [entry] = entries()
    assert entry["error"] == "ConfigError: DATABASE_URL: is wrong"
    assert entry["caused_by"] == "FileNotFoundError: [Errno 2] No such file or directory: 'var/connector.db'"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError(), "ValueError"),
        (KeyError("Ana"), "KeyError: ***"),
        (Invalid((FieldError("tel1", "+5730… is too short"),)), "Invalid: tel1: +5730… is too short"),
        (RuntimeError("duplicate key\nDETAIL: Key (name)=(Ana) exists"), "RuntimeError: duplicate key"),
        (RuntimeError("gone (x)[parameters: ('Ana',)]"), "RuntimeError: gone (x)"),
    ],
)
def test_an_error_is_said_in_one_line(error, expected):
    assert log.error_text(error) == expected


# --- the libraries ---


@pytest.mark.parametrize("name", ["pika.adapters", "urllib3.connectionpool", "uvicorn.error", "sqlalchemy.engine"])
def test_libraries_log_the_same_way_from_warning_on(entries, name):
    library = logging.getLogger(name)
    library.setLevel(logging.NOTSET)  # whoever served in this process may have set another
    log.configure("DEBUG")
    library.info("not this")
    library.warning("Retrying %s for %s", "https://me:pw@host/x", "ana@example.com")
    [entry] = entries()
    assert (entry["level"], entry["logger"]) == ("warning", name)
    assert entry["event"] == "Retrying https://***@host/x for ***"


def test_a_library_error_is_told_like_ours(entries):
    log.configure()
    try:
        failing(ValueError("bad 'Ana'"))
    except ValueError:
        logging.getLogger("pika").exception("callback failed")
    log.Bridge().emit(logging.LogRecord("pika", logging.ERROR, "", 1, "%d rows", ("many",), None))
    failed, unformatted = entries()
    assert (failed["error"], failed["trace"][-1].split()[-1]) == ("ValueError: bad ***", "failing")
    assert unformatted["event"] == "%d rows"


def test_warnings_of_python_are_logged(entries):
    log.configure()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way of +573000000001", DeprecationWarning, stacklevel=1)
    assert "3000000001" not in json.dumps(entries())


def test_configuring_twice_prints_once(entries):
    log.configure()
    log.configure()
    logging.getLogger("pika").warning("once")
    assert len(entries()) == 1
