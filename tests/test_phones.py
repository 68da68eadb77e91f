"""Phones: every way people and programs write them, who is dialled from it, and that nobody else is."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from connector.admin.privacy.person import named, person, phones, readable
from connector.core.settings import Account, Secret, Settings
from connector.inbound.refusing import ways as ways_to
from mappings.base import COSTLY, Locale, Rendering
from mappings.events import Lead, Phone
from mappings.phones import kinds, plan
from mappings.phones.countries import calling_code, region_named
from mappings.phones.hints import OUR_OWN, kind_of_name
from mappings.phones.reader import LONGEST, identities, read_phones
from mappings.phones.remarks import negative
from mappings.phones.result import Reading
from mappings.records.wolkvox import Row
from mappings.rendering import dialled_at_home
from mappings.senders.lead import LeadData, LeadMapping
from mappings.senders.ticket import TicketMapping

CASES = Path(__file__).parent / "payloads" / "phones.tsv"
#: The countries that the product knows best.
REGIONS = ["CO", "MX", "BR", "AR", "CL", "PE", "EC", "UY", "PY", "BO", "VE"]
REGIONS += ["CR", "GT", "PA", "DO", "SV", "HN", "NI", "ES", "PT", "US"]


_SECRET = Secret("0" * 64)
_ACCOUNT = Account(name="a", vendor="wolkvox", token=_SECRET, base_url="http://127.0.0.1", dial_prefix="9")


def locale(region: str = "CO") -> Locale:
    return Locale(region, dial_prefixes=("9",))


def numbers(value: Any, region: str = "CO", **beside: Any) -> list[str]:
    return [number.e164 for number in read_phones(value, locale(region), **beside).numbers]


def cases() -> list[Any]:
    with CASES.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            pytest.param(row["region"], json.loads(row["text"]), row["numbers"].split(), id=f"{row['kind']}: {number}")
            for number, row in enumerate(rows)
        ]


@pytest.mark.parametrize(("region", "text", "wanted"), cases())
def test_from_a_text_those_are_dialled_whom_it_names(region: str, text: Any, wanted: list[str]) -> None:
    reading = read_phones(text, locale(region))
    assert [number.e164 for number in reading.numbers] == wanted
    assert wanted or reading.refused


# --- what other fields say ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "text", "row", "wanted"),
    [
        ("CO", "3331234567", {"country": "MX"}, ["+523331234567"]),
        ("CO", "33 3123 4567", {"country": "México"}, ["+523331234567"]),
        ("CO", "600111222", {"country": "España"}, ["+34600111222"]),
        ("CO", "3001112233", {"country": "Bogotá, Colombia"}, ["+573001112233"]),
        ("CO", "3001112233", {"country": "🇨🇴"}, ["+573001112233"]),
        ("CO", "3001112233", {"country": "Spain"}, []),
        ("CO", "+573001112233", {"country": "Spain"}, ["+573001112233"]),
        ("CO", "573001112233", {"country": "US"}, ["+573001112233"]),
        ("CO", "8095550100", {"country": "República Dominicana"}, ["+18095550100"]),
        ("CO", "3001112233", {"country": "Latam"}, ["+573001112233"]),
        ("CO", "3331234567", {"extra": {"phone_code": "52"}}, ["+523331234567"]),
        ("CO", "3055550100", {"extra": {"phone_code": 1}}, ["+13055550100"]),
        ("CO", "3055550100", {"extra": {"indicativo": "+1"}}, ["+13055550100"]),
        ("CO", "3055550100", {"extra": {"Código de país": "Estados Unidos (+1)"}}, ["+13055550100"]),
        ("CO", "3055550100", {"extra": {"indicativo": "1"}}, []),  # of Bogotá, or of the United States
        ("CO", "3001112233", {"extra": {"indicativo": "1"}}, ["+573001112233"]),
        ("CO", "5550100", {"extra": {"indicativo": "1"}}, ["+576015550100"]),
        ("CO", "3001112233", {"extra": {"Indicativo": "57"}}, ["+573001112233"]),
        ("CO", "+5213331234567", {"extra": {"indicativo": "57"}}, ["+523331234567"]),
        ("BR", "987654321", {"extra": {"DDD": "11"}}, ["+5511987654321"]),
        ("BR", "3000-0001", {"extra": {"ddd": 11.0}}, ["+551130000001"]),
        ("BR", "8765-4321", {"extra": {"ddd_celular": "011"}}, ["+5511987654321"]),
        ("BR", "(21) 98765-4321", {"extra": {"DDD": "11"}}, ["+5521987654321"]),
        ("AR", "23456789", {"extra": {"Código de área": "11"}}, ["+541123456789"]),
        ("AR", "15 2345-6789", {"extra": {"Código de área": "011"}}, ["+5491123456789"]),
        ("MX", "31234567", {"extra": {"lada": "33"}}, ["+523331234567"]),
        ("MX", "3331234567", {"extra": {"lada": "+52"}}, ["+523331234567"]),
    ],
)
def test_a_number_is_dialled_in_the_country_that_its_row_names(
    region: str, text: str, row: dict[str, Any], wanted: list[str]
) -> None:
    assert numbers(text, region, beside=row) == wanted


def test_a_refusal_names_the_country_of_the_row() -> None:
    (why,) = read_phones("3001112233", locale(), country="España").refused
    assert "ES" in why
    assert "row" in why


@pytest.mark.parametrize(
    ("text", "region"),
    [
        *(("co", "CO"), ("COLOMBIA", "CO"), ("Perú", "PE"), ("EE. UU.", "US"), ("Brasil", "BR"), ("🇲🇽", "MX")),
        *(("CO - Colombia", "CO"), ("El Salvador", "SV")),
        *(("", ""), ("Bogotá", ""), ("Colombia o México", ""), ("x" * 10_000, "")),
    ],
)
def test_a_country_has_many_names(text: str, region: str) -> None:
    assert region_named(text) == region


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("+57", "57"),
        ("0057", "57"),
        ("(+57)", "57"),
        ("57.0", "57"),
        ("Colombia +57", "57"),
        ("+57 🇨🇴", "57"),
        ("CO", "57"),
        ("México", "52"),
        ("999", ""),
        ("", ""),
        ("N/A", ""),
    ],
)
def test_a_calling_code_has_many_forms(text: str, code: str) -> None:
    assert calling_code(text) == code


# --- foreign numbers without their + --------------------------------------------------------------------------------


def test_extra_countries_bring_their_numbers_without_a_plus() -> None:
    spain = Locale("CO", extra_countries=("ES",))
    assert numbers("34600111222") == []
    assert [number.e164 for number in read_phones("34600111222", spain).numbers] == ["+34600111222"]
    assert read_phones("56961234567", spain).numbers == ()
    assert numbers("56961234567") == ["+56961234567"]


# --- remarks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("no llamar", "NO LLAMAR", "No lo llamen más", "por favor no llamar", "no volver a llamar", "no contactar"),
        *("número equivocado", "nº errado", "não ligar", "não me ligue", "não perturbe", "não é meu", "no es de Ana"),
        *("don't call", "do not contact", "never call", "wrong number", "cliente fallecido", "DNC"),
        "no quiere que la llamen",
    ],
)
def test_a_remark_that_asks_not_to_call_needs_a_person(text: str) -> None:
    for written in (f"3001112233 ({text})", f"{text} 3001112233", f"3001112233 - {text}"):
        reading = read_phones(written, locale())
        assert reading.negative
        assert numbers(written) == ["+573001112233"]
    lead = LeadMapping(locale()).read({"type": "lead.created", "data": {"phones": f"{text} 3001112233"}})
    assert lead.hold


@pytest.mark.parametrize(
    "text",
    [
        *("llamar de noche", "no tiene whatsapp", "no es whatsapp", "No. telefono", "no contacto", "no e-mail", "Ana"),
        *("solo llamadas", "call me", "ligar depois das 18h", "No. de contacto"),
    ],
)
def test_other_remarks_hold_nobody(text: str) -> None:
    assert not negative(text)
    assert not read_phones(f"{text}: 3001112233", locale()).negative
    assert numbers(f"{text} 3001112233") == ["+573001112233"]


# --- Argentina, and the ways to dial at home ------------------------------------------------------------------------


def test_a_mobile_of_argentina_is_one_person_with_and_without_its_9() -> None:
    with_9, without = Phone(54, "91123456789"), Phone(54, "1123456789")
    assert set(identities(with_9)) == set(identities(without)) == {with_9.e164, without.e164}
    assert identities(with_9)[0] == with_9.e164
    assert identities(Phone(57, "3001112233")) == ("+573001112233",)
    ways = [set(ways_to(Lead(id="", type="lead.created", phones=(one,)))) for one in (with_9, without)]
    assert ways[0] == ways[1]


@pytest.mark.parametrize(
    ("phone", "dialled"),
    [
        (Phone(54, "91123456789"), "1123456789"),
        (Phone(54, "1147999350"), "1147999350"),
        (Phone(51, "987654321"), "987654321"),
        (Phone(51, "12345678"), "012345678"),
        (Phone(598, "99123456"), "099123456"),
        (Phone(598, "29012345"), "29012345"),
        (Phone(57, "3001112233"), "3001112233"),
    ],
)
def test_mobiles_and_fixed_lines_are_dialled_alike_at_home(phone: Phone, dialled: str) -> None:
    assert dialled_at_home(phone) == dialled


# --- properties -----------------------------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        *(
            "3001112233",
            "300 111 2233",
            "+57",
            "57",
            "0",
            "00",
            "15",
            "1",
            "9",
            "11",
            "+",
            " ",
            "-",
            "/",
            ",",
            "(",
            ")",
        ),
        *(
            "Ana",
            "ext 12",
            "x",
            "o",
            "O",
            "l",
            "y",
            "cel",
            "no llamar",
            "CC",
            "tel:",
            "@s.whatsapp.net",
            "wa.me/",
            "E+11",
        ),
        *(
            "6015550100",
            "12345678",
            "2345-6789",
            "98765-4321",
            "(11)",
            "México",
            "1)",
            "#",
            "'",
            "=",
            "2026-11-20",
            "8am",
        ),
        *(".", "\n"),
    ]
)
_TEXTS = st.lists(_PIECES | st.text("0123456789+-() ./,oOlyx", max_size=12), max_size=8).map("".join) | st.text(
    max_size=60
)
_REGIONS = st.sampled_from(REGIONS)


def digits_of(text: str) -> str:
    return "".join(str(int(one)) for one in text if one.isdecimal())


@settings(max_examples=600, deadline=None)
@given(_TEXTS, _REGIONS)
@example("3124567 PBX", "CO")
@example("1-800-555-0123 x9", "US")
def test_what_is_dialled_was_written_as_digits(text: str, region: str) -> None:
    for number in read_phones(text, Locale(region)).numbers:
        if re.search("[A-Za-z]", number.written):  # a word after a toll-free code
            assert phonenumbers.country_code_for_region(region) == 1
            continue
        assert number.written in digits_of(text)
        assert number.phone.national[-6:] == number.written[-6:]


@settings(max_examples=600, deadline=None)
@given(_TEXTS, _REGIONS)
def test_whatever_is_read_is_in_use_and_no_sentence_shows_it(text: str, region: str) -> None:
    reading = read_phones(text, Locale(region))
    for number in reading.numbers:
        assert phonenumbers.is_valid_number(phonenumbers.parse(number.e164))
        assert number.kind in kinds.KINDS.values()
        assert number.region
    said = " ".join((*reading.notes, *reading.refused, reading.negative, repr(reading) if not reading.numbers else ""))
    assert re.search(r"\d{7}", said) is None


@settings(max_examples=300, deadline=None)
@given(_TEXTS)
def test_whoever_is_dialled_from_a_text_is_suppressed_found_and_erased_by_it(text: str) -> None:
    known = Settings(secret_key=_SECRET, accounts={"a": _ACCOUNT})
    dialled = read_phones(text, Locale(dial_prefixes=("9",))).phones
    assert set(dialled) <= set(phones(text, known))
    for phone in dialled:
        somebody = person(phone.e164, known)
        assert somebody.is_of(Lead(id="", type="lead.created", phones=(phone,)))
        assert named(phone.e164, known) == phone.e164


_KINDS = [PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("style", [0, 1, 2, 3])
def test_a_number_is_read_in_every_way_to_print_it(region: str, kind: int, style: int) -> None:
    number = phonenumbers.example_number_for_type(region, kind)
    if not kinds.kind_of(number):
        pytest.skip("an example that costs extra")
    wanted = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    text = phonenumbers.format_number(number, style)
    assert numbers(text, region) == [wanted]
    for around in (
        "{}",
        "({})",
        "Cel: {}",
        "{} (Ana)",
        "{} / {}",
        "{}, {}",
        "{} y {}",
        "'{}",
        "\u200b{}\u200b",
        "{} ext 12",
    ):
        assert numbers(around.replace("{}", text), region) == [wanted]
    digits = phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]
    for around in (
        "{}@s.whatsapp.net",
        "https://wa.me/{}",
        "https://api.whatsapp.com/send?phone={}&text=1",
        "00{}",
        "%2B{}",
    ):
        assert numbers(around.format(digits), region) == [wanted]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_dialled_at_home_is_read_back(region: str, kind: int) -> None:
    number = phonenumbers.example_number_for_type(region, kind)
    phone = Phone(number.country_code, phonenumbers.national_significant_number(number))
    if kinds.kind_of(number):
        read = read_phones(dialled_at_home(phone), locale(region)).phones
        assert len(read) == 1
        assert phone.e164 in identities(read[0])


# --- cost -----------------------------------------------------------------------------------------------------------

_WORST = [
    "1 ",
    "12 ",
    "300 111 2233 ",
    "3001112233/",
    "+57 ",
    "+",
    "(",
    "1-",
    "- ",
    "a1",
    "o0",
    "no le lo ",
    "<a ",
    "%25",
]
_WORST += [
    "&amp;",
    "a@",
    "1@",
    "wa.me/",
    "sip:123@",
    ";ext=1",
    "x1",
    "1E+1 ",
    "1,111",
    "0xx",
    "cc 1 ",
    "2222 3333 ",
    "1) ",
]


@pytest.mark.parametrize("shape", _WORST)
@pytest.mark.parametrize("region", ["CO", "AR", "CR"])
def test_twice_the_text_is_twice_the_work(shape: str, region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [0]
    really = kinds.kind_of_digits

    def counted(code: int, national: str) -> str:
        asked[0] += 1
        return really(code, national)

    for module in (kinds, plan):
        monkeypatch.setattr(module, "kind_of_digits", counted)
    costs = []
    for length in (LONGEST // 4, LONGEST // 2, LONGEST):
        asked[0] = 0
        read_phones(("1" + shape * length)[:length], locale(region))
        costs.append(asked[0])
    assert costs[1] <= 2.5 * costs[0] + 50
    assert costs[2] <= 2.5 * costs[1] + 50
    assert costs[2] < 5000


def test_a_text_that_is_no_phone_field_is_not_looked_at() -> None:
    assert read_phones("3001112233 " * LONGEST, locale()).numbers == ()
    assert "characters" in read_phones("1" * (LONGEST + 1), locale()).refused[0]


def test_a_reading_of_nothing_says_nothing() -> None:
    for nothing in (None, "", " ", "\u200b\n", [], [None, " "]):
        assert read_phones(nothing, locale()) == Reading()


def test_a_person_is_found_in_whatever_the_reader_of_leads_reads() -> None:
    known = Settings(locale=Locale("BR"), secret_key=_SECRET)
    somebody = person("(11) 98765-4321", known)
    for text in (
        "551187654321@s.whatsapp.net",
        "11 8765-4321",
        "(11) 8765 4321 Ana",
        "%2B5511987654321",
        "011/8765-4321",
    ):
        payload = readable(json.dumps({"telefone": text}))
        assert somebody.may_be_in(payload)
        assert somebody.is_in(payload), text
    assert not somebody.is_in(readable('{"telefone": "11 8765-4320"}'))


def test_the_customer_of_a_ticket_is_held_alike() -> None:
    customer = {"name": "Ana", "phone": "3001112233 (no llamar)"}
    ticket = TicketMapping(locale()).read({"type": "ticket.closed", "data": {"ticket_id": "1", "customer": customer}})
    assert ticket.hold
    assert Row(Rendering()).render(ticket).hold


def test_the_row_of_a_mobile_of_argentina_can_be_dialled() -> None:
    lead = LeadMapping(Locale("AR")).read({"type": "lead.created", "data": {"phones": "+54 9 11 2345-6789"}})
    assert Row(Rendering(locale=Locale("AR"))).render(lead).record["tel1"] == "1123456789"


@given(
    st.sampled_from(REGIONS),
    st.sampled_from(range(11)),
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    st.integers(0, 14),
)
def test_a_number_s_kind_is_what_phonenumbers_says(region: str, kind: int, changed: list[int], at: int) -> None:
    """Of numbers in use and of those beside them."""
    example_number = phonenumbers.example_number_for_type(region, kind)
    base = phonenumbers.national_significant_number(example_number) if example_number else "3000000001"
    digits = (base[: at % len(base)] + "".join(map(str, changed)) + base[at % len(base) + len(changed) :]).lstrip("0")
    code = phonenumbers.country_code_for_region(region)
    number = phonenumbers.PhoneNumber(country_code=code, national_number=int(digits or 1))
    said = phonenumbers.number_type(number)
    assert kinds.kind_of_digits(code, digits or "1") == kinds.KINDS.get(said, "")
    assert kinds.any_kind_of_digits(code, digits or "1") == {**kinds.KINDS, **_COSTLY_TYPES}.get(said, "")


_COSTLY_TYPES = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
}
#: A text in Colombia, its number, and the kind that has to be named.
_COSTLY = [
    ("01-900-123-4567", "+5719001234567", "premium"),
    ("+57 1900 123 4567", "+5719001234567", "premium"),
    ("+34 803 123 456", "+34803123456", "premium"),
    ("0034 803 123 456", "+34803123456", "premium"),
    ("+55 300 123 4567", "+553001234567", "shared_cost"),
    ("+44 70 1234 5678", "+447012345678", "personal"),
    ("+870773111632", "+870773111632", "satellite"),
    ("+881612345678", "+881612345678", "satellite"),
    ("+8821612345678", "+8821612345678", "satellite"),
    ("+979123456789", "+979123456789", "international_premium"),
]


@pytest.mark.parametrize(("text", "e164", "kind"), _COSTLY)
def test_a_number_that_costs_extra_is_read_where_its_kind_is_named_alone(text: str, e164: str, kind: str) -> None:
    others = tuple(one for one in COSTLY if one != kind)
    for left_out in ((), others):
        reading = read_phones(text, Locale(costly=left_out))
        assert reading.numbers == () and reading.refused
    [number] = read_phones(text, Locale(costly=(kind,))).numbers
    assert (number.e164, number.kind) == (e164, kind)


@settings(max_examples=600, deadline=None)
@given(_TEXTS, _REGIONS)
@example("3001112233, 01 900 123 4567", "CO")
@example("3001112233México", "CO")
def test_naming_a_kind_that_costs_extra_changes_no_other_number(text: str, region: str) -> None:
    usual, all_kinds = read_phones(text, Locale(region)), read_phones(text, Locale(region, costly=COSTLY))
    assert [one for one in all_kinds.numbers if one.kind not in COSTLY] == [*usual.numbers]


@pytest.mark.parametrize(("text", "e164", "kind"), _COSTLY)
def test_a_number_that_costs_extra_is_suppressed_and_erased_whoever_named_it(text: str, e164: str, kind: str) -> None:
    known = Settings(secret_key=_SECRET, accounts={"a": _ACCOUNT})
    assert [phone.e164 for phone in phones(text, known)] == [e164], kind
    assert named(e164, known) == e164


def test_our_own_fields_are_no_hints_about_a_phone_and_are_not_read_for_any() -> None:
    assert {*LeadData(Locale()).fields} == OUR_OWN
    assert {name for name in OUR_OWN if kind_of_name(name)} == set()


@pytest.mark.parametrize(
    ("value", "wanted"),
    (
        ({"area": "300", "phone": "1234567"}, "+573001234567"),
        ({"area": "300", "phone": "3001234567"}, "+573001234567"),
        ({"country": "57", "area": "300", "phone": "1234567"}, "+573001234567"),
        ({"country": "+52", "area": "55", "phone": "12345678"}, "+525512345678"),
        ({"country": "Brasil", "ddd": "11", "numero": "912345678"}, "+5511912345678"),
        ({"areaCode": "601", "number": 3456789}, "+576013456789"),
        ({"country_code": "52", "number": "5512345678"}, "+525512345678"),
        ({"area": "", "phone": "3001234567"}, "+573001234567"),
        ({"area": "300", "phone": "+52 55 1234 5678"}, "+525512345678"),
        ({"label": "work", "value": "300 1234567"}, "+573001234567"),
        ({"full": "(300) 123-4567"}, "+573001234567"),
    ),
)
def test_a_number_in_parts_is_one_number(value: dict[str, Any], wanted: str) -> None:
    """As forms ask for them: the code of the area, or of the country, in a box of its own."""
    assert [one.e164 for one in read_phones(value, Locale("CO")).phones] == [wanted]


@pytest.mark.parametrize(
    "value", ({"label": "work"}, {}, {"phone": ""}, {"phone": None, "area": "300"}, {"phone": True})
)
def test_an_object_without_a_number_is_refused(value: dict[str, Any]) -> None:
    assert read_phones(value, Locale("CO")).refused == ("must be text or a number",)
