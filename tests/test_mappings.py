"""Mappings by their files, and by whatever hypothesis can think of.

``tests/payloads/<mapping>/<event type>[.<variant>].json`` is a payload as it arrives, a form's fields as an object;
``….expected.json`` beside it says what becomes of it in that ``region`` and ``timezone`` (with these ``fields`` of the
source): the ``event`` and the record of each of `RENDERINGS` (or its errors), or ``errors``, or ``ignored`` and why. A
thin one is what is to be fetched, and with ``fetched`` the event all that makes. Absent and empty values are left out
there. A new sender needs only such files; those named ``….request.json`` are of tests/test_senders.py.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mappings
from mappings import reach
from mappings.base import Ignored, Invalid, Locale, Rendered, Rendering, fingerprint, lookup
from mappings.configured import payload_mapping
from mappings.events import Agent, Customer, Lead, Phone, Thin, Ticket
from mappings.records import tracksale, wolkvox
from tests.conftest import examples

PAYLOADS = Path(__file__).parent / "payloads"
#: Folders of other tests.
OTHERS = {"answers", "cases", "import", "people", "tables"}
FILES = sorted(
    file
    for file in PAYLOADS.glob("*/*.json")
    if not file.name.endswith((".expected.json", ".request.json")) and file.parent.name not in OTHERS
)

_OPT = ("utm.source", "program", "price", "number")
_TAGS = {"Canal": "channel", "Ejecutivo": "agent.name", "Programa": "program", "Origen": "extra.utm.source"}
#: name -> the destination and the account's and route's options
RENDERINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "row, national": ("wolkvox.add_record", {"dial_prefix": "9", "opt": _OPT}),
    "row, international": ("wolkvox.add_record", {"dial_prefix": "9", "opt": _OPT, "phone_format": "international"}),
    "row, e164": ("wolkvox.add_record", {"phone_format": "e164"}),
    "survey": ("tracksale.dispatch", {"tags": _TAGS}),
    "link": ("tracksale.survey_links", {"phone_format": "e164"}),
    "answer": ("tracksale.answers", {"score": "score", "justification": "comment", "tags": {"Canal": "channel"}}),
    "tags": ("tracksale.fill_empty_tags", {"tags": _TAGS, "campaign_code": "52"}),
    "note": ("tracksale.note", {"phone_format": "international", "campaign_code": "52"}),
    "close": ("postcenter.close", {}),
    "reassign": ("postcenter.reassign", {}),
}
#: Rendered of an event that says no, and of no other.
REFUSALS = {"block": ("wolkvox.add_dnc", {"dial_prefix": "9"})}


#: What an expected file says of the source, and of the vendor that was asked; the rest is what must become of it.
GIVEN = ("region", "timezone", "fields", "fetched")


def locale(region: str = "CO", timezone: str = "America/Bogota") -> Locale:
    return Locale(region, ZoneInfo(timezone))


def outcome(source: str, payload: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a payload, in the shape of the expected files; ``given`` is such a file."""
    region, timezone, fetched = given["region"], given["timezone"], given.get("fetched")
    mapping = payload_mapping(source, locale(region, timezone), given.get("fields"))
    become: dict[str, Any] = {}
    try:
        event = mapping.read(payload)
        if isinstance(event, Thin):
            become["thin"] = plain(event)
            if fetched is None:
                return become
            event = mapping.complete(payload, fetched)
    except Invalid as invalid:
        return become | {"errors": {one.field: one.message for one in invalid.errors}}
    except Ignored as ignored:
        return become | {"ignored": str(ignored)}
    renderings = RENDERINGS | (REFUSALS if event.type == "contact.refused" else {})
    records = {name: _record(event, to, options, region, timezone) for name, (to, options) in renderings.items()}
    return become | {"event": plain(event), "records": records}


def expected_of(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an expected file gives to the mapping, and what it wants of it."""
    said = json.loads(file.with_name(f"{file.stem}.expected.json").read_text())
    return said, {name: value for name, value in said.items() if name not in GIVEN}


def _record(event: Any, to: str, options: dict[str, Any], region: str, timezone: str) -> dict[str, Any]:
    try:
        rendered = mappings.RECORDS[to](Rendering(locale=locale(region, timezone), **options)).render(event)
    except Invalid as invalid:
        return {"errors": {one.field: one.message for one in invalid.errors}}
    written = {"record": {key: value for key, value in rendered.record.items() if value != ""}}
    return {**written, "notes": list(rendered.notes)} if rendered.notes else written


def plain(value: Any) -> Any:
    """Events as JSON: phones as e164, times as ISO 8601, what is empty left out."""
    if isinstance(value, Phone):
        return value.e164
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if dataclasses.is_dataclass(value):
        named = {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
        return {name: value for name, value in named.items() if value not in ("", None, [], {})}
    return value


@pytest.mark.parametrize("file", FILES, ids=lambda one: f"{one.parent.name}/{one.stem}")
def test_a_payload_becomes_what_its_expected_file_says(file: Path) -> None:
    given, wanted = expected_of(file)
    assert outcome(file.parent.name, json.loads(file.read_text()), given) == wanted


@pytest.mark.parametrize("source", mappings.PAYLOADS)
def test_every_mapping_has_files_for_its_event_types(source: str) -> None:
    made = [expected_of(file)[1] for file in FILES if file.parent.name == source]
    seen = {one[kind]["type"] for one in made for kind in ("event", "thin") if kind in one}
    assert seen == set(mappings.EVENT_TYPES[source])


def test_every_file_is_of_a_mapping() -> None:
    assert {file.parent.name for file in FILES} == set(mappings.PAYLOADS)


def test_every_record_is_rendered_by_the_files() -> None:
    assert {to for to, _ in (RENDERINGS | REFUSALS).values()} == set(mappings.RECORDS)


# --- reading ---


def read(source: str, payload: Any) -> Any:
    return payload_mapping(source, locale()).read(payload)


def lead(**data: Any) -> Any:
    return read("lead", {"type": "lead.created", "data": {"phones": ["3000000001"], **data}})


def faults(source: str, payload: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        read(source, payload)
    return {one.field: one.message for one in raised.value.errors}


@pytest.mark.parametrize("payload", [None, [], "x", 5, True])
@pytest.mark.parametrize("source", mappings.PAYLOADS)
def test_a_payload_that_is_no_object_is_invalid(source: str, payload: Any) -> None:
    assert faults(source, payload)["payload"] == "must be an object"


@pytest.mark.parametrize("source", ["lead", "ticket"])
def test_missing_parts_are_named_all_at_once(source: str) -> None:
    assert faults(source, {}) == {"type": "is missing", "data": "is missing"}
    assert faults(source, {"type": 5, "data": []}) == {
        "type": f"must be one of {', '.join(mappings.EVENT_TYPES[source])}",
        "data": "must be an object",
    }


def test_an_unknown_type_is_invalid_however_good_the_person_is() -> None:
    payload = {"type": "lead.deleted", "data": {"phones": ["3000000001", "12"]}}
    assert set(faults("lead", payload)) == {"type", "phones.1"}


def test_an_unknown_type_and_an_unreachable_person_are_told_together() -> None:
    assert set(faults("lead", {"type": "x", "data": {"phones": "12"}})) == {"type", "phones.0", "phones"}
    assert set(faults("ticket", {"type": "x", "data": {"customer": {"phone": "12"}}})) == {
        "type",
        "customer.phone",
        "ticket_id",
    }


def test_null_is_the_same_as_absent() -> None:
    names = [
        one.name
        for one in dataclasses.fields(Lead)
        if one.name not in ("id", "type", "time", "notes", "hold", "phones")
    ]
    assert lead(**dict.fromkeys(names)) == lead()


def test_one_text_may_hold_several_phones() -> None:
    assert [one.e164 for one in lead(phones="300 000 0001 / +57 300-000-0002; 3000000001").phones] == [
        "+573000000001",
        "+573000000002",
    ]


def test_a_phone_given_twice_is_dialled_once() -> None:
    assert len(lead(phones=["3000000001", "+57 300 000 0001", 573000000001]).phones) == 1


def test_a_list_of_very_many_phones_is_read_only_to_its_limit() -> None:
    read_lead = lead(phones=[f"30000{number:05}" for number in range(1000)])
    assert len(read_lead.phones) == 20
    assert read_lead.notes == ("phones.20: only the first 20 numbers are read",)


def test_an_over_long_text_is_cut_and_noted() -> None:
    read_lead = lead(address="x" * 600)
    assert read_lead.address == "x" * 500
    assert read_lead.notes == ("address: cut to 500 characters",)


def test_an_extra_that_json_cannot_carry_is_blanked_and_noted() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"x": deep}
    for extra in ({"n": 10**400}, {"s": "\ud800"}, deep):
        assert lead(extra=extra).extra == {}
        assert len(lead(extra=extra).notes) == 1


def test_notes_and_errors_never_show_a_phone_or_an_email_in_full() -> None:
    data = {"phones": ["+5730000000019", "12345"], "email": "ana.nunez@example", "callback_phone": "9000000001"}
    said = " ".join(faults("lead", {"type": "lead.created", "data": data}).values())
    said += " ".join(lead(**{**data, "phones": ["3000000001", "+573000000002 ext 9", *data["phones"]]}).notes)
    for secret in ("30000", "12345", "ana.nunez", "example", "900000"):
        assert secret not in said


# --- rendering ---


def row(event: Any, **options: Any) -> Rendered:
    return wolkvox.Row(Rendering(**options)).render(event)


CALI = Phone(57, "3000000001")
MADRID = Phone(34, "600000001")
CALLER = Lead(id="", type="lead.created", phones=(CALI,))


def test_a_row_has_all_its_fields_in_the_vendors_order() -> None:
    record = row(CALLER).record
    assert len(record) == 37
    assert [*record][:2] == ["customer_name", "customer_last_name"]
    assert [*record][11:24] == [*wolkvox.OPTS, "tel1"]
    assert [*record][-3:] == ["email", "recall_date", "recall_telephone"]


def test_a_foreign_number_is_never_dialled_as_if_national() -> None:
    with pytest.raises(Invalid) as raised:
        row(dataclasses.replace(CALLER, phones=(MADRID,)), dial_prefix="9")
    (error,) = raised.value.errors
    assert error.field == "tel1"
    assert "phone_format to international or e164" in error.message
    rendered = row(dataclasses.replace(CALLER, phones=(MADRID, CALI), callback_phone=MADRID), dial_prefix="9")
    assert rendered.record["tel1"] == rendered.record["customer_id"] == "93000000001"
    assert rendered.record["tel2"] == rendered.record["recall_telephone"] == ""
    assert [note.partition(":")[0] for note in rendered.notes] == ["callback_phone", "phones.0"]


def test_the_eleventh_phone_goes_to_tel_extra_and_no_further() -> None:
    phones = tuple(Phone(57, f"30000000{number:02}") for number in range(13))
    rendered = row(dataclasses.replace(CALLER, phones=phones))
    assert rendered.record["tel10"] == "3000000009"
    assert rendered.record["tel_extra"] == "3000000010"
    assert rendered.notes == ("phones: 2 left out: a row takes 11",)


def test_opts_are_cut_at_a_hundred_and_from_the_seventh_on_at_two_hundred() -> None:
    long = dataclasses.replace(CALLER, extra={"x": "ñ" * 300})
    rendered = row(long, opt=("x",) * 12)
    assert [len(rendered.record[name]) for name in wolkvox.OPTS] == [100] * 6 + [200] * 6
    assert len(rendered.notes) == 12


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (0, "0"),
        (2.5, "2.5"),
        (3.0, "3"),
        (float("nan"), ""),
        ("nan", ""),
        ("None", ""),
        ("  a\n b\x00 ", "a b"),
        ([1, "ñ"], '[1,"ñ"]'),
        ({"a": None}, '{"a":null}'),
        ([], ""),
        ({}, ""),
    ],
)
def test_any_value_of_extra_becomes_a_text(value: Any, text: str) -> None:
    assert row(dataclasses.replace(CALLER, extra={"x": value}), opt=("x",)).record["opt1"] == text


def test_extra_comes_before_the_events_own_fields_in_opts() -> None:
    event = dataclasses.replace(CALLER, city="Cali", zone="Sur", extra={"city": "Tuluá"})
    rendered = row(event, opt=("city", "zone", "nowhere", "notes", "__class__"))
    assert [rendered.record[f"opt{number}"] for number in range(1, 6)] == ["Tuluá", "Sur", "", "", ""]


def test_more_than_twelve_opts_or_an_unknown_phone_format_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="12"):
        wolkvox.Row(Rendering(opt=("x",) * 13))
    with pytest.raises(ValueError, match="phone_format"):
        wolkvox.Row(Rendering(phone_format="local"))


def test_a_recall_date_at_the_calendars_end_is_left_out() -> None:
    assert row(dataclasses.replace(CALLER, callback_at=datetime.min.replace(tzinfo=UTC))).record["recall_date"] == ""
    year_one = datetime(1, 2, 3, tzinfo=UTC)
    assert row(dataclasses.replace(CALLER, callback_at=year_one)).record["recall_date"] == "00010202190344"


def test_a_call_takes_fifty_tags_and_not_one_more() -> None:
    ticket = Ticket(id="", type="ticket.closed", answer_id=1, channel="email")
    assert len(_tags(ticket, 50).record["tags"]) == 50
    with pytest.raises(Invalid, match="51 tags"):
        _tags(ticket, 51)


def _tags(ticket: Ticket, count: int) -> Rendered:
    tags = {f"Tag {number}": "channel" for number in range(count)}
    return tracksale.EmptyTags(Rendering(tags=tags)).render(ticket)


def test_a_note_without_an_answer_runs_from_the_tickets_first_day_to_its_last() -> None:
    first, last = datetime(2026, 11, 1, 3, tzinfo=UTC), datetime(2026, 11, 5, 12, tzinfo=UTC)
    customer = Customer(email="ana@example.com", phone=CALI)
    ticket = Ticket(id="", type="ticket.closed", comment="Listo", customer=customer, created_at=first, updated_at=last)
    record = tracksale.Note(Rendering()).render(ticket).record
    assert record["filter"] == {"email": "ana@example.com", "start_date": "2026-10-31", "end_date": "2026-11-05"}


def answer(event: Any, **options: Any) -> Rendered:
    return tracksale.CollectedAnswer(Rendering(**{"score": "nps"} | options)).render(event)


@pytest.mark.parametrize("score", [9, 9.0, "9", " 9 ", "09"])
def test_a_score_comes_as_a_number_or_as_its_text(score: Any) -> None:
    record = answer(lead(email="a@example.com", first_name="Ana", extra={"nps": score})).record
    assert record == {"name": "Ana", "email": "a@example.com", "phone": "3000000001", "score": 9}


@pytest.mark.parametrize("score", [11, -1, 9.5, "nine", "", None, True, [9], "1e1", 10**30])
def test_what_is_no_score_from_nought_to_ten_makes_no_answer(score: Any) -> None:
    with pytest.raises(Invalid, match="a whole number from 0 to 10"):
        answer(lead(email="a@example.com", extra={"nps": score}))


def test_an_answer_without_a_name_goes_under_the_address() -> None:
    rendered = answer(lead(extra={"nps": 3}))
    assert rendered.record["name"] == rendered.record["phone"] == "3000000001"
    assert rendered.notes == ("name: the phone stands for it: an answer needs one",)


def test_an_answer_to_several_questions_keeps_their_order_and_says_what_is_missing() -> None:
    questions = (
        {"id": 11, "score": "nps", "justification": "why", "kind": "nps"},
        {"id": 12, "option": "shop"},
        {"id": 13, "comment": "more"},
    )
    extra = {"nps": 10, "why": "Rápido", "more": "Gracias"}
    rendered = answer(lead(email="a@example.com", first_name="Ana", extra=extra), score="", questions=questions)
    assert rendered.record["answers"] == [
        {"question_id": 11, "score": 10, "justification": "Rápido"},
        {"question_id": 12},
        {"question_id": 13, "comment": "Gracias"},
    ]
    assert rendered.notes == ("shop: is empty: Tracksale takes that where the question is optional",)
    with pytest.raises(Invalid) as invalid:
        answer(lead(email="a@example.com", extra={"nps": 11}), score="", questions=questions)
    assert [error.field for error in invalid.value.errors] == ["nps", "more"]


def test_only_a_ticket_of_postcenter_can_be_closed_there() -> None:
    close = mappings.RECORDS["postcenter.close"](Rendering())
    ref = "583DCB2855d0a46e438d0206"
    assert close.render(Ticket(id="", type="ticket.closed", ticket_id=ref)).record == {"ticket_id": ref.lower()}
    for event in (Ticket(id="", type="ticket.closed", ticket_id="35436"), Lead(id="", type="lead.created")):
        with pytest.raises(Invalid, match="no ticket of PostCenter"):
            close.render(event)


def test_a_note_without_anybody_says_so() -> None:
    with pytest.raises(Invalid) as raised:
        tracksale.Note(Rendering()).render(Ticket(id="", type="ticket.closed", customer=Customer(phone=MADRID)))
    assert [one.field for one in raised.value.errors] == ["comment", "customer", "created_at", "updated_at"]


# --- senders' own names ---


def said_by(source: str, payload: Any, **named: Any) -> Any:
    return payload_mapping(source, locale(), named).read(payload)


def test_what_a_source_names_is_taken_from_nowhere_else() -> None:
    payload = {"name": "Nombre del curso", "apodo": "Ana", "tel": "6013000001", "movil": "3000000001"}
    guessed = said_by("elementor", payload)
    assert (guessed.first_name, len(guessed.phones)) == ("Nombre del curso", 2)
    named = said_by("elementor", payload, first_name="apodo", phones=["movil"])
    assert (named.first_name, [phone.e164 for phone in named.phones]) == ("Ana", ["+573000000001"])
    assert named.extra == {"name": "Nombre del curso", "tel": "6013000001"}


def test_a_second_answer_to_the_same_question_goes_into_extra_under_its_own_name() -> None:
    read_lead = said_by("elementor", {"email": "ana@example.com", "correo": "otra@example.com", "Tel.": "3000000001"})
    assert (read_lead.email, read_lead.extra) == ("ana@example.com", {"correo": "otra@example.com"})


def test_a_hidden_field_is_one_of_ours_only_if_the_source_says_so() -> None:
    hidden = {"email": "ana@example.com", "tel_crm": "3000000001"}
    payload = {"event_type": "form_response", "event_id": "E", "form_response": {"hidden": hidden}}
    with pytest.raises(Invalid):
        said_by("typeform", payload)
    assert said_by("typeform", payload, phones="tel_crm").extra == {"email": "ana@example.com"}


@pytest.mark.parametrize(
    "name",
    ["Teléfono", "TELEFONO", "telefono", "Número de celular", "numero-de-celular", "WhatsApp", "Phone Number", "fone"],
)
def test_a_field_is_known_by_its_usual_name_however_it_is_written(name: str) -> None:
    assert [phone.e164 for phone in said_by("elementor", {name: "3000000001"}).phones] == ["+573000000001"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.b", 1),
        ("a[b]", 2),
        ("a", {"b": 3, "c.d": {"e": 4}, "f": [5, {"g": 6}], "h[i]": 7}),
        ("a.c.d.e", 4),
        ("a[c.d][e]", 4),
        ("a.f.0", 5),
        ("a[f][1][g]", 6),
        ("a.f.9", None),
        ("a.f.x", None),
        ("a.h.i", 7),
        ("many", ["x", "y"]),
        ("many[]", ["x", "y"]),
        ("many.1", "y"),
        ("x.y", 8),
        ("x[y]", 8),
        ("Acepto. Sí", 9),
        ("nothing", None),
        ("nothing.here", None),
        ("a.b.c", None),
        ("", None),
        ("..", None),
        ("[]", None),
    ],
)
def test_a_name_is_looked_for_as_it_is_written_and_then_as_a_path(name: str, value: Any) -> None:
    payload = {
        "a.b": 1,
        "a[b]": 2,
        "a": {"b": 3, "c.d": {"e": 4}, "f": [5, {"g": 6}], "h[i]": 7},
        "many[]": ["x", "y"],
        "x[y]": 8,
        "Acepto. Sí": 9,
    }
    assert reach.at(payload, name) == value


def test_the_first_that_is_filled_counts_but_all_the_phones() -> None:
    payload = {"a": "", "b": "ana@example.com", "c": "otra@example.com", "t": ["3000000001"], "u": "300 000 0002"}
    read_lead = said_by("form", payload, email=["a", "b", "c"], phones=["u", "x", "t"])
    assert read_lead.email == "ana@example.com"
    assert [phone.e164 for phone in read_lead.phones] == ["+573000000002", "+573000000001"]


@pytest.mark.parametrize("changed", ["uuid", "created_at"])
def test_a_conversion_has_one_id_and_the_next_has_another(changed: str) -> None:
    one = json.loads((PAYLOADS / "rd_station" / "lead.created.legacy.json").read_text())
    other = (
        {**one, "uuid": "66666666"} if changed == "uuid" else {**one, "last_conversion": {"created_at": "2026-11-21"}}
    )
    assert read("rd_station", one).id == read("rd_station", {**one, "number_conversions": "4"}).id
    assert read("rd_station", one).id != read("rd_station", other).id
    assert read("rd_station", {**one, "uuid": None}).id == ""


# --- looking into events, comparing them ---


TICKET = Ticket(
    id="T-1",
    type="ticket.closed",
    channel="email",
    agent=Agent(id="7", name="Sofía"),
    customer=Customer(phone=CALI, email="ana@example.com"),
    extra={"items": [{"name": "MBA"}], "number": "261", "utm.source": "x", "utm": {"source": "y"}, "no": False},
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("channel", "email"),
        ("agent.name", "Sofía"),
        ("agent.email", None),
        ("phone", "+573000000001"),
        ("customer.phone", "+573000000001"),
        ("customer.phone.country_code", 57),
        ("email", "ana@example.com"),
        ("items.0.name", "MBA"),
        ("items.1.name", None),
        ("items.x", None),
        ("extra.items.0.name", "MBA"),
        ("extra.utm.source", "x"),
        ("number", "261"),
        ("utm.source", "x"),
        ("no", False),
        ("notes", None),
        ("channel.upper", None),
        ("__class__", None),
        ("", None),
        ("..", None),
    ],
)
def test_a_path_leads_into_the_event_and_then_into_its_extra(path: str, value: Any) -> None:
    assert lookup(TICKET, path) == value


def test_the_phone_of_a_lead_is_its_first() -> None:
    assert lookup(dataclasses.replace(CALLER, phones=(MADRID, CALI)), "phone") == "+34600000001"
    assert lookup(dataclasses.replace(CALLER, phones=()), "phone") is None


def test_two_events_that_say_the_same_have_one_fingerprint() -> None:
    one = read(
        "lead", {"type": "lead.created", "attempt": 1, "data": {"phones": "300 000 0001", "extra": {"a": 1, "b": 2}}}
    )
    two = read("lead", {"data": {"extra": {"b": 2, "a": 1}, "phones": ["+573000000001", "1"]}, "type": "lead.created"})
    assert two.notes
    assert fingerprint(one) == fingerprint(two)
    assert len(fingerprint(one)) == 16
    for change in ({"id": "1"}, {"type": "lead.updated"}, {"city": "Cali"}, {"phones": ()}, {"extra": {"a": 1}}):
        assert fingerprint(dataclasses.replace(one, **change)) != fingerprint(one)
    assert fingerprint(TICKET) != fingerprint(dataclasses.replace(TICKET, customer=Customer(email="ana@example.com")))


# --- whatever comes ---

_any_text = st.text(st.characters(exclude_categories=()), max_size=30)
_numbers = st.integers() | st.sampled_from([10**400, -(10**25), 2**63, 573000000001]) | st.floats()
_good = st.sampled_from(
    ["3000000001", "+57 300 000 0002", "ana@example.com", "2026-11-20T15:01:02Z", "lead.created", "ticket.closed", ""]
)
_scalars = st.none() | st.booleans() | _numbers | _any_text | _good
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_any_text, inner, max_size=3), max_leaves=6
)


def _names(*kinds: Any) -> list[str]:
    return sorted({one.name for kind in kinds for one in dataclasses.fields(kind)})


_person = st.dictionaries(st.sampled_from(_names(Customer, Agent)), _json, max_size=4)
_data = st.dictionaries(st.sampled_from(_names(Lead, Ticket)), _json | _person, max_size=8)
_types = st.sampled_from([*mappings.EVENT_TYPES["lead"], *mappings.EVENT_TYPES["ticket"]])
_envelopes = st.fixed_dictionaries(
    {"type": _types | _json, "data": _data | _json}, optional={"id": _json, "time": _json, "x": _json}
)


@settings(max_examples=examples(300), deadline=None)
@given(_envelopes | _json)
def test_whatever_is_read_becomes_an_event_or_invalid(payload: Any) -> None:
    for source in ("lead", "ticket"):
        _read_anything(source, payload_mapping(source, locale()), payload, {})


def _samples(source: str) -> list[tuple[Any, dict[str, Any]]]:
    return [(json.loads(file.read_text()), expected_of(file)[0]) for file in FILES if file.parent.name == source]


SAMPLES = {source: _samples(source) for source in mappings.PAYLOADS}


@settings(max_examples=examples(150), deadline=None)
@pytest.mark.parametrize("source", mappings.PAYLOADS)
@given(data=st.data())
def test_whatever_a_sender_makes_of_its_payloads_they_become_events_or_say_why_not(
    source: str, data: st.DataObject
) -> None:
    payload, given = data.draw(st.sampled_from(SAMPLES[source]))
    mapping = payload_mapping(source, locale(given["region"]), given.get("fields"))
    for part in mapping.parts(_spoilt(data, payload)):
        _read_anything(source, mapping, part, _spoilt(data, given.get("fetched", {})))


def _spoilt(data: st.DataObject, value: Any) -> Any:
    """The value with something else somewhere in it."""
    if not isinstance(value, (dict, list)) or not value or data.draw(st.integers(0, 9)) == 0:
        return data.draw(_json)
    steps = list(value) if isinstance(value, dict) else range(len(value))
    step = data.draw(st.sampled_from(list(steps)))
    inner = _spoilt(data, value[step])
    if isinstance(value, list):
        return [*value[:step], inner, *value[step + 1 :]]
    return {**value, step: inner}


def _read_anything(source: str, mapping: Any, payload: Any, fetched: Any) -> None:
    try:
        event = mapping.read(payload)
        if isinstance(event, Thin):
            assert event.ref and event.type in mappings.EVENT_TYPES[source]
            event = mapping.complete(payload, fetched if isinstance(fetched, dict) else {})
    except Invalid as invalid:
        assert invalid.errors
        return
    except Ignored as ignored:
        assert str(ignored)
        return
    assert event.type in mappings.EVENT_TYPES[source]
    assert len(fingerprint(event)) == 16
    assert isinstance(mapping.second_key(event), str)
    json.dumps(plain(event), ensure_ascii=False).encode()
    for to in mappings.RECORDS:
        _check(to, event, Rendering(opt=("x", "email"), tags={"T": "channel"}))


_texts = st.text(max_size=150) | st.sampled_from(["", "nan", "None", "Ana Núñez"])
_phones = st.builds(Phone, st.sampled_from([57, 55, 56, 52, 1]), st.from_regex(r"[0-9]{4,14}", fullmatch=True))
_times = st.none() | st.datetimes(timezones=st.just(UTC))
_kept_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=250),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
_extras = st.dictionaries(st.sampled_from(["program", "utm", "utm.source", "price"]), _kept_json, max_size=3)
_leads = st.builds(
    lambda texts, **rest: Lead(**texts, **rest),
    st.fixed_dictionaries(
        dict.fromkeys(("id", "type", "first_name", "last_name", "id_number", "age", "email"), _texts)
    ),
    time=_times,
    phones=st.lists(_phones, max_size=13).map(tuple),
    callback_at=_times,
    callback_phone=st.none() | _phones,
    extra=_extras,
)
_tickets = st.builds(
    lambda texts, **rest: Ticket(**texts, **rest),
    st.fixed_dictionaries(dict.fromkeys(("id", "type", "number", "channel", "subject", "comment"), _texts)),
    time=_times,
    created_at=_times,
    updated_at=_times,
    agent=st.builds(Agent, name=_texts),
    customer=st.builds(Customer, name=_texts, email=_texts, phone=st.none() | _phones, identification=_texts),
    answer_id=st.none() | st.integers(1, 2**63 - 1),
    extra=_extras,
)
_renderings = st.builds(
    Rendering,
    phone_format=st.sampled_from(["national", "e164", "international"]),
    dial_prefix=st.sampled_from(["", "9"]),
    opt=st.lists(st.sampled_from(["program", "utm.source", "price", "time", "phones", "agent"]), max_size=12).map(
        tuple
    ),
    tags=st.dictionaries(
        _texts, st.sampled_from(["channel", "agent.name", "utm", "price", "time", "phones"]), max_size=4
    ),
    campaign_code=st.sampled_from(["", "52"]),
    score=st.sampled_from(["price", "program"]),
    justification=st.sampled_from(["", "channel", "utm"]),
    questions=st.sampled_from([(), ({"id": 1, "score": "price"}, {"id": 2, "option": "utm"})]),
)


@settings(max_examples=examples(300), deadline=None)
@given(_leads | _tickets, _renderings)
def test_whatever_event_is_rendered_becomes_what_the_vendor_takes_or_invalid(event: Any, rendering: Rendering) -> None:
    for to in mappings.RECORDS:
        _check(to, event, rendering)


def _check(to: str, event: Any, rendering: Rendering) -> None:
    try:
        record = mappings.RECORDS[to](rendering).render(event).record
    except Invalid as invalid:
        assert invalid.errors
        return
    orjson.dumps(record)
    _VENDOR_TAKES[to](record)


def _takes_row(record: dict[str, Any]) -> None:
    assert [*record] == [*wolkvox.RowSchema().fields]
    assert all(type(value) is str for value in record.values())
    assert not {"None", "nan", "NaN"} & set(record.values())
    assert record["tel1"] and record["customer_id"]
    assert all(len(record[name]) <= (100 if at < 6 else 200) for at, name in enumerate(wolkvox.OPTS))
    assert record["recall_date"] == "" or (len(record["recall_date"]) == 14 and record["recall_date"].isdecimal())


def _takes_customer(record: dict[str, Any]) -> None:
    assert {*record} <= {"name", "email", "identification", "phone", "tags"}
    assert record.get("email") or record.get("phone")
    assert all(record[name] and isinstance(record[name], str) for name in record if name != "tags"), (
        "what is absent is left out"
    )
    _take_tags(record["tags"])


def _takes_link_customer(record: dict[str, Any]) -> None:
    assert "identification" not in record
    _takes_customer(record)


def _takes_empty_tags(record: dict[str, Any]) -> None:
    assert ("answer_id" in record) != ("customer" in record)
    assert "customer" not in record or _is_one_person(record["customer"])
    assert 1 <= len(record["tags"]) <= 50
    _take_tags(record["tags"])


def _takes_note(record: dict[str, Any]) -> None:
    assert record["comment"]
    assert ("answer_id" in record) != ("filter" in record)
    if "filter" in record:
        rest = {
            key: value
            for key, value in record["filter"].items()
            if key not in ("start_date", "end_date", "campaign_code")
        }
        assert _is_one_person(rest)
        assert len(record["filter"]["start_date"]) == len(record["filter"]["end_date"]) == len("2026-11-20")


def _takes_answer(record: dict[str, Any]) -> None:
    assert record["name"] and (record.get("email") or record.get("phone"))
    assert all(
        record[name] and isinstance(record[name], str)
        for name in ("email", "phone", "identification")
        if name in record
    )
    assert ("score" in record) != ("answers" in record)
    assert "score" not in record or (type(record["score"]) is int and 0 <= record["score"] <= 10)
    for one in record.get("answers", [record]):
        assert "score" not in one or (type(one["score"]) in (int, str) and one["score"] != "")
        assert all(one[name] for name in ("justification", "option", "comment") if name in one)
    _take_tags(record.get("tags", []))


def _takes_ticket(record: dict[str, Any]) -> None:
    assert [*record] == ["ticket_id"]
    assert len(record["ticket_id"]) == 24


def _take_tags(tags: list[dict[str, Any]]) -> None:
    assert all(set(one) == {"name", "value"} and isinstance(one["value"], str) and one["value"] for one in tags)


def _is_one_person(whom: dict[str, Any]) -> bool:
    return len(whom) == 1 and set(whom) <= {"email", "phone", "identification"} and all(whom.values())


def _takes_numbers(record: dict[str, Any]) -> None:
    assert [*record] == ["telephones"]
    assert record["telephones"] and all(number.isascii() and number.isdigit() for number in record["telephones"])


_VENDOR_TAKES = {
    "wolkvox.add_record": _takes_row,
    "wolkvox.add_dnc": _takes_numbers,
    "tracksale.survey_links": _takes_link_customer,
    "tracksale.answers": _takes_answer,
    "postcenter.close": _takes_ticket,
    "postcenter.reassign": _takes_ticket,
    "tracksale.dispatch": _takes_customer,
    "tracksale.fill_empty_tags": _takes_empty_tags,
    "tracksale.note": _takes_note,
}


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        ("", "Muy bueno", "Muy bueno"),
        ("", 11, 11),
        ("", "5", "5"),
        ("csat", 4.0, 4),
        ("nps", "9", 9),
        ("nps", 11, None),
        ("nps", "Muy bueno", None),
        ("", True, None),
        ("", [1], None),
        ("review", "", None),
    ],
)
def test_only_nps_has_bounds_and_other_scores_go_as_they_are(kind: str, value: Any, sent: Any) -> None:
    questions = ({"id": 11, "score": "s", "kind": kind},)
    event = lead(email="a@example.com", extra={"s": value})
    if sent is None:
        with pytest.raises(Invalid):
            answer(event, score="", questions=questions)
    else:
        [said] = answer(event, score="", questions=questions).record["answers"]
        assert (said["score"], type(said["score"])) == (sent, type(sent))


TEXTS: dict[str, Any] = json.loads((PAYLOADS / "texts.json").read_text())


@pytest.mark.parametrize(("data", "row", "noted"), TEXTS.values(), ids=TEXTS)
def test_a_text_is_read_as_it_was_meant(data: dict[str, Any], row: dict[str, str], noted: str) -> None:
    """What is left out of it, or was lost, is noted with the name of the field."""
    mapping = payload_mapping("lead", Locale("CO"))
    lead = mapping.read({"type": "lead.created", "data": {"phones": "3000000001", **data}})
    assert isinstance(lead, Lead)
    record = wolkvox.Row(Rendering(locale=Locale("CO"), dial_prefix="9")).render(lead).record
    assert {name: record[name] for name in row} == row
    assert [note.partition(":")[0] for note in lead.notes] == ([noted] if noted else [])
