"""Fields: what loose values mean, and what is refused, in words that show nobody's data."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from mappings import events, fields, texts
from mappings.base import Locale
from mappings.payloads import PayloadSchema, load
from tests.conftest import examples


class Sample(PayloadSchema):
    """One field of each kind."""

    text = fields.Text(max_length=20)
    lines = fields.Text(lines=True)
    age = fields.Age()
    email = fields.Email()
    whole = fields.Whole()
    extra = fields.Extra()
    time = fields.Time()
    phone = fields.Phone()
    phones = fields.Phones()


SAMPLE = Sample(Locale())


def short(raw: Any) -> str:
    """A value as it stands in a test's name."""
    return repr(raw)[:30]


def value(name: str, raw: Any) -> Any:
    """The value of one field, which must be without a fault."""
    loaded, faults = load(SAMPLE, {name: raw})
    assert faults == ()
    return loaded[name]


def fault(name: str, raw: Any) -> str:
    """What is wrong with one value."""
    _, faults = load(SAMPLE, {name: raw})
    return "; ".join(one.message for one in faults)


def test_absent_and_null_are_the_fields_own_nothing() -> None:
    nothing = {"text": "", "lines": "", "age": "", "email": "", "whole": None, "extra": {}, "time": None}
    nothing |= {"phone": None, "phones": ()}
    assert load(SAMPLE, {}) == (nothing, ())
    assert load(SAMPLE, dict.fromkeys(nothing)) == (nothing, ())


def test_two_payloads_do_not_share_their_empty_extra() -> None:
    assert load(SAMPLE, {})[0]["extra"] is not load(SAMPLE, {})[0]["extra"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("  Ana ", "Ana"),
        ("A\x00n\x07a", "Ana"),
        ("Ana \r\n\n\tMaría\n", "Ana María"),
        ("Mari\u0301a", "María"),
        ("Ana\xa0Ruiz", "Ana Ruiz"),
        ("\ufeffAna\u200b", "Ana"),
        ("Ana\u202egnp", "Anagnp"),
        ("A\ud800na", "Ana"),
        ("\u200b", ""),
        (34, "34"),
        (34.0, "34"),
        (1.5, "1.5"),
        (-0.0, "0"),
        (1e22, "1e+22"),
        (1000000001, "1000000001"),
    ],
)
def test_a_text_is_one_clean_line(raw: Any, text: str) -> None:
    assert value("text", raw) == text


def test_line_breaks_stay_where_lines_are_meant() -> None:
    assert value("lines", "uno\r\ndos\rtres\u2028cuatro\x00\t") == "uno\ndos\ntres\ncuatro"


@pytest.mark.parametrize("raw", [True, False, [True], [{}], {}, {"a": 1}])
def test_a_text_is_no_boolean_or_object(raw: Any) -> None:
    assert fault("text", raw) == "must be text"


@pytest.mark.parametrize(
    ("raw", "text"), [([], ""), (["Ana"], "Ana"), ([None, " ", "Ana"], "Ana"), (["Ana", "Ana"], "Ana"), ([7], "7")]
)
def test_a_list_is_its_first_text_that_says_something(raw: Any, text: str) -> None:
    assert value("text", raw) == text


def test_a_list_of_different_texts_is_the_first_with_a_note() -> None:
    loaded, faults = load(SAMPLE, {"text": ["Bogotá", "Cali"]})
    assert loaded["text"] == "Bogotá"
    assert [one.message for one in faults] == ["has 2 values: the first is taken"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("O&#039;Mu&ntilde;oz", "O'Muñoz"),
        ("Ana &amp; Luis", "Ana & Luis"),
        ("m&amp;aacute;s", "más"),
        ("R&D &copy=2", "R&D &copy=2"),
        ("{{first_name}} Pérez", "Pérez"),
        ("Nan", "Nan"),
    ],
)
def test_a_text_is_what_its_entities_and_merge_fields_leave(raw: str, text: str) -> None:
    assert value("text", raw) == text


@pytest.mark.parametrize(
    "raw",
    [
        *("undefined", "null", "NULL", "N/A", "None", "-", "[object Object]", "(not set)", "{{contact.name}}"),
        *("{{a}} {{b}}", "*|FNAME|*", "[your-name]", "[first name]", "%name%", "${name}", "<%= name %>", "&nbsp;"),
    ],
)
def test_a_text_that_no_value_was_put_into_is_empty_and_told(raw: str) -> None:
    loaded, faults = load(SAMPLE, {"text": raw})
    assert loaded.get("text", "") == ""
    assert ["a program wrote it" in one.message for one in faults] == [True]


def test_texts_in_extra_are_mended_and_what_says_nothing_is_left_out() -> None:
    raw = {"a": "m&aacute;s", "b": "undefined", "c": {"d": ["{{x}}", "y"], "e": "none"}, "f": ""}
    assert value("extra", raw) == {"a": "más", "c": {"d": ["", "y"], "e": "none"}, "f": ""}


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), 10**400], ids=short)
def test_numbers_that_nobody_could_have_meant_are_no_text(raw: Any) -> None:
    assert fault("text", raw) == "is no usable number"


def test_an_over_long_text_keeps_its_beginning() -> None:
    loaded, faults = load(SAMPLE, {"text": "x" * 19 + " y"})
    assert loaded["text"] == "x" * 19
    assert [one.message for one in faults] == ["cut to 20 characters"]


@pytest.mark.parametrize(("raw", "age"), [(34, "34"), ("034", "34"), (34.0, "34"), ("٣٤", "34"), ("", ""), (0, "0")])
def test_an_age_is_whole_years(raw: Any, age: str) -> None:
    assert value("age", raw) == age


@pytest.mark.parametrize("raw", [131, -1, 34.5, "1" * 5000, True, "²"], ids=short)
def test_no_age(raw: Any) -> None:
    assert fault("age", raw)


@pytest.mark.parametrize("raw", ["ana@example.com", "mailto:ana@example.com", " Ana.Núñez+1@correo.example.co "])
def test_an_email_is_taken_as_it_is_written(raw: str) -> None:
    assert value("email", raw) == raw.strip().removeprefix("mailto:")


@pytest.mark.parametrize(
    "raw",
    [
        "ana",
        "ana@",
        "@example.com",
        "ana@example",
        "a na@example.com",
        "a@b@c.d",
        "a@.com",
        "a@b..c",
        "ana maria@example.com",
    ],
)
def test_no_email(raw: str) -> None:
    message = fault("email", raw)
    assert message
    assert raw not in message


@pytest.mark.parametrize(
    "raw",
    [
        *("Ana Prueba <ana@example.com>", "MAILTO:ana@example.com?subject=x", "'ana@example.com'", "ana@example.com."),
        *("correo: ana@example.com", "ana @ example.com", "ana%40example.com", "ana@example.com (trabajo)"),
        *(
            '<a href="mailto:ana@example.com">ana@example.com</a>',
            ["", "ana@example.com"],
            {"email": "ana@example.com"},
        ),
    ],
    ids=str,
)
def test_an_email_is_found_in_whatever_clothes(raw: Any) -> None:
    assert value("email", raw) == "ana@example.com"


@pytest.mark.parametrize(
    "raw", ["ana@example.com, b@example.com", "ana@example.com y b@example.com", "ana@example.com;b@example.com"]
)
def test_of_several_emails_the_first_is_taken_with_a_note(raw: str) -> None:
    loaded, faults = load(SAMPLE, {"email": raw})
    assert loaded["email"] == "ana@example.com"
    assert [one.message for one in faults] == ["holds 2 addresses: the first is taken"]


@pytest.mark.parametrize(("raw", "whole"), [(7, 7), ("7", 7), (7.0, 7), (" 7 ", 7), ("", None), (2**63 - 1, 2**63 - 1)])
def test_a_whole_number_may_come_as_text(raw: Any, whole: int | None) -> None:
    assert value("whole", raw) == whole


@pytest.mark.parametrize(
    "raw", [0, -1, 7.5, "7.5", True, [], 2**63, 10**400, "9" * 5000, float("nan"), "x", "²"], ids=short
)
def test_no_whole_number(raw: Any) -> None:
    assert fault("whole", raw) == "must be a whole number above 0"


NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        "2026-11-20T17:00:00Z",
        "2026-11-20T12:00:00-05:00",
        "2026-11-20T12:00:00-0500",
        "2026-11-20 12:00",
        "20261120T120000",
        " 2026-11-20T12:00:00.000 ",
        1795194000,
        1795194000.0,
        1795194000000,
        "1795194000",
        "1795194000000",
    ],
)
def test_every_way_to_write_one_moment_is_that_moment_in_utc(raw: Any) -> None:
    moment = value("time", raw)
    assert moment == NOON
    assert moment.tzinfo is UTC


def test_a_bare_date_is_midnight_where_the_source_is() -> None:
    assert value("time", "2026-11-20") == datetime(2026, 11, 20, 5, tzinfo=UTC)
    santiago = Sample(Locale("CL", ZoneInfo("America/Santiago")))
    assert load(santiago, {"time": "2026-11-20"})[0]["time"] == datetime(2026, 11, 20, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        *("soon", "2026-13-01", "31/02/2026", "12:00", "1" * 5000, True, [], {}),
        *("0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        *(float("nan"), float("inf"), 10**400, 1e300, -1e300, 1e17, -1e10),
    ],
    ids=short,
)
def test_no_time(raw: Any) -> None:
    assert fault("time", raw)


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("+57 300 000 0001", "CO", "+573000000001"),
        ("0057 300 000 0001", "CO", "+573000000001"),
        ("00573000000001", "CO", "+573000000001"),
        ("300-000-0001", "CO", "+573000000001"),
        ("(300) 000 0001", "CO", "+573000000001"),
        ("573000000001", "CO", "+573000000001"),
        (573000000001, "CO", "+573000000001"),
        (3000000001, "CO", "+573000000001"),
        (3000000001.0, "CO", "+573000000001"),
        ("3000000001.0", "CO", "+573000000001"),
        ("３００ ０００ ０００１", "CO", "+573000000001"),
        ("\u202a+57 300 000 0001\u202c", "CO", "+573000000001"),
        ("tel:+57-300-000-0001", "CO", "+573000000001"),
        ("601 555 0100", "CO", "+576015550100"),
        ("1 555 0100", "CO", "+576015550100"),
        ("(1) 234 5678", "CO", "+576012345678"),
        ("+57 4 234 5678", "CO", "+576042345678"),
        ("005511900000001", "BR", "+5511900000001"),
        ("(011) 90000-0001", "BR", "+5511900000001"),
        ("0 15 21 90000-0001", "BR", "+5521900000001"),
        ("+55 11 3000-0001", "BR", "+551130000001"),
        ("9 9000 0001", "CL", "+56990000001"),
        ("09 9000 0001", "CL", "+56990000001"),
        ("+56 2 2000 0001", "CL", "+56220000001"),
        ("55 1000 0001", "MX", "+525510000001"),
        ("+52 1 55 1000 0001", "MX", "+525510000001"),
        ("044 55 1000 0001", "MX", "+525510000001"),
        ("01 55 1000 0001", "MX", "+525510000001"),
        ("+39 06 1234 5678", "CO", "+390612345678"),
    ],
)
def test_a_phone_is_read_as_people_write_it_there(raw: Any, region: str, e164: str) -> None:
    phone = fields.read_phone(raw, region)
    assert phone is not None
    assert phone.e164 == e164


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("+57300000", "+5730… (6 digits) is too short for CO"),
        ("+573000000001234", "+5730… (13 digits) is too long for CO"),
        ("234 5678", "+5723… (7 digits) lacks its area code in CO"),
        ("900 000 0001", "+5790… (10 digits) is no number in use in CO"),
        ("+999 123 456", "a number of 9 digits has no known country code"),
        ("ana@example.com", "is no phone number"),
        ("5", "a text with 1 digits is no phone number"),
        (True, "must be text or a number"),
        ({"label": "3000000001"}, "must be text or a number"),
        (float("nan"), "is no phone number"),
        (10**400, "is no phone number"),
    ],
    ids=short,
)
def test_a_bad_phone_is_named_by_its_fault_and_masked(raw: Any, message: str) -> None:
    assert fault("phone", raw) == message


@pytest.mark.parametrize(
    "raw", [" " * 10**6, "\n" + " " * 10**6 + "x", "\n" * 10**6, "1" * 10**6, "a@" * 10**6], ids=short
)
def test_a_giant_text_costs_no_more_than_its_length(raw: str) -> None:
    started = process_time()
    load(SAMPLE, dict.fromkeys(SAMPLE.fields, raw))
    assert process_time() - started < 20, "a cost that grows with the square would take hours"


def test_an_empty_phone_is_none() -> None:
    assert value("phone", " ") is None
    assert value("phones", "") == value("phones", ["", None, " "]) == ()


def test_an_extension_is_left_out_and_told() -> None:
    loaded, faults = load(SAMPLE, {"phone": "300 000 0001 ext. 12", "phones": ["300 000 0002 x34", "3000000001"]})
    assert loaded["phone"] == events.Phone(57, "3000000001")
    assert loaded["phones"] == (events.Phone(57, "3000000002"), events.Phone(57, "3000000001"))
    assert [one.field for one in faults] == ["phone", "phones.0"]


def test_the_good_phones_of_a_list_outlive_the_bad_ones() -> None:
    loaded, faults = load(SAMPLE, {"phones": ["12", "3000000001", None, {}, "300 000 0001"]})
    assert loaded["phones"] == (events.Phone(57, "3000000001"),)
    assert [one.field for one in faults] == ["phones.0", "phones.3"]


_REGIONS = st.sampled_from(["CO", "BR", "CL", "MX", "AR", "US", "IT"])
_SHAPES = st.from_regex(r"(\+|00|0|tel:)?[0-9 ().\-]{0,20}( ?(ext\.?|x|;ext=) ?[0-9]{1,4})?", fullmatch=True)
_WHATEVER = (
    st.text(max_size=30)
    | st.text(st.characters(exclude_categories=()), max_size=300)
    | _SHAPES
    | st.integers()
    | st.floats()
    | st.none()
    | st.booleans()
    | st.lists(st.integers(), max_size=2)
)


@settings(max_examples=examples(500), deadline=None)
@given(_WHATEVER, _REGIONS)
@example("+", "CO")
@example("00", "CO")
@example("tel:;phone-context=", "CO")
@example("tel:3000000001;phone-context=+57", "CO")
def test_whatever_is_read_as_a_phone_is_a_number_in_use_or_a_fault(raw: Any, region: str) -> None:
    try:
        phone = fields.read_phone(raw, region)
    except ValidationError as fault:
        assert all(re.search(r"\d{7}", str(one)) is None for one in fault.messages)
        return
    if phone is not None:
        assert re.fullmatch(r"\+[0-9]{5,17}", phone.e164)
        assert phonenumbers.is_valid_number(phonenumbers.parse(phone.e164))


@settings(max_examples=examples(200), deadline=None)
@given(_REGIONS, st.integers(0, 9999), st.sampled_from([0, 1, 2, 3]))
def test_a_number_in_use_is_read_in_every_way_to_print_it(region: str, last: int, style: int) -> None:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    number.national_number += last
    if phonenumbers.is_valid_number(number):
        phone = fields.read_phone(phonenumbers.format_number(number, style), region)
        assert phone is not None
        assert phone.e164 == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@settings(max_examples=examples(300), deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SAMPLE.fields)), _WHATEVER | st.dictionaries(st.text(), st.text())))
def test_whatever_is_loaded_is_of_its_fields_own_kind(payload: dict[str, Any]) -> None:
    loaded, _ = load(SAMPLE, payload)
    for name in ("text", "lines", "age", "email"):
        text = loaded.get(name, "")
        assert text == fields.clean(text, lines=True)
        text.encode()
        assert "\x00" not in text
    time = loaded.get("time")
    assert time is None or time.tzinfo is UTC
    assert all(isinstance(one, events.Phone) for one in loaded.get("phones", ()))


@settings(max_examples=examples(1000), deadline=None)
@given(st.text(st.characters(max_codepoint=0x17F), max_size=12))
@example("Núñez Peña")
@example("MuÃ±oz")
@example("N/A")
@example("Ana undefined")
def test_a_text_that_is_taken_for_plain_is_what_the_thorough_way_makes_of_it(text: str) -> None:
    field = fields.Text()
    if texts.is_plain(text):
        assert field._noted(text, field._text(text)) == text.strip()


def test_every_printable_letter_of_latin_languages_is_read_the_short_way() -> None:
    seldom = "ÃâÂÅ"  # what another encoding makes of UTF-8 begins with these
    letters = [
        chr(code) for code in range(0x20, 0x100) if chr(code).isalnum() and chr(code) not in seldom + "ªº²³¹¼½¾µ"
    ]
    assert [one for one in letters if not texts.is_plain(one)] == []
