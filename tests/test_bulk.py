"""Import: what spreadsheets really write, the same again changes nothing, a kill loses nothing, live leads go first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from connector.cli.root import connector as command
from connector.core.errors import ConnectorError
from connector.core.settings import Settings, Source
from connector.inbound.files import text
from connector.inbound.files.columns import cell, wish_of
from connector.inbound.files.formats import opened, reading
from connector.inbound.files.importer import IMPORTED, SHOWN, TOLD, Bulk, Tally
from connector.inbound.files.rows import Row
from connector.inbound.files.text import LONGEST
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound.claims import Claim
from connector.store import tables
from connector.store.database import Database
from connector.store.lanes import BULK, LIVE
from connector.vendors import destinations
from connector.vendors.destinations import name_of
from connector.vendors.sandbox.exchange import Sandbox
from connector.vendors.wolkvox import destinations as wolkvox
from tests.connector_steps import World, environment, lead, ticket

FILES = Path(__file__).parent / "payloads" / "import"
PROJECT = Path(__file__).resolve().parent.parent
LEADS = Source(name="landing", mapping="lead")
TICKETS = Source(name="tickets", mapping="ticket")
FORM = Source(name="form", mapping="form", fields={"first_name": "Nombre", "phones": ["Móvil", "Fijo"], "id": "Folio"})

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file of these bytes, or of this text in UTF-8."""

    def write(given: str | bytes, name: str = "leads.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(given.encode() if isinstance(given, str) else given)
        return path

    return write


def rows(
    path: Path,
    source: Source = LEADS,
    *,
    event_type: str = "",
    encoding: str = "",
    columns: Sequence[str] = (),
    ids: str = "file",
    sheet: str = "",
) -> list[Row]:
    with opened(path, encoding) as file:
        return list(reading(file, source, event_type, wish=wish_of(columns, ids=ids), sheet=sheet))


def bodies(path: Path, source: Source = LEADS, **how: Any) -> list[Any]:
    """The payloads of a file whose rows are all readable."""
    found = rows(path, source, **how)
    assert [row.fault for row in found if row.fault] == []
    return [orjson.loads(row.raw) for row in found]


def people(path: Path, source: Source = LEADS, **how: Any) -> list[dict[str, Any]]:
    return [body["data"] for body in bodies(path, source, **how)]


def stored(database: Database, settings: Settings, path: Path, source: str = "landing", **how: str) -> Tally:
    """Imports a file."""
    importing = Bulk(settings, settings.sources[source], database, name_of)
    try:
        with opened(path) as file:
            for _ in importing.take(reading(file, settings.sources[source], **how)):
                pass
    finally:
        importing.close()
    return importing.tally


def table(count: int, first: int = 1, *, with_id: bool = False) -> str:
    """A CSV of this many leads."""
    lines = [("id," if with_id else "") + "first_name,phone,email,program"]
    for number in range(first, first + count):
        lines.append(
            (f"L-{number}," if with_id else "") + f"Ana María {number},3{number:09d},ana{number}@example.com,MBA"
        )
    return "\n".join(lines) + "\n"


def inbox(database: Database) -> list[Any]:
    with database.read() as conn:
        return list(conn.execute(select(tables.events).order_by(tables.events.c.id)))


def everything(database: Database) -> dict[str, list[str]]:
    with database.read() as conn:
        return {
            number: sorted(map(str, conn.execute(select(one)).all())) for number, one in tables.metadata.tables.items()
        }


# --- what spreadsheets write ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted(one for one in FILES.glob("*.*") if one.suffix != ".json"), ids=lambda one: one.name
)
def test_the_same_table_is_the_same_payloads_whatever_wrote_it(path: Path) -> None:
    kind = path.name.split(".")[0]
    source = TICKETS if kind == "tickets" else LEADS
    assert bodies(path, source) == json.loads((FILES / f"{kind}.expected.json").read_text())


@pytest.mark.parametrize(("separator", "decoy"), [(";", ","), (",", ";"), ("\t", ","), ("|", ",")])
def test_the_separator_is_what_makes_columns(write: Write, separator: str, decoy: str) -> None:
    path = write(f"Nombre{separator}Celular\nNúñez{decoy} Ana{separator}3000000001\nSolo{separator}3000000002\n")
    assert [person["first_name"] for person in people(path)] == [f"Núñez{decoy} Ana", "Solo"]


def test_one_column_is_enough(write: Write) -> None:
    assert [person["phones"] for person in people(write("Celular\n3000000001\n\n3000000002"))] == [
        "3000000001",
        "3000000002",
    ]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_mark_before_a_quoted_header_and_any_line_end(write: Write, mark: bytes, end: str) -> None:
    path = write(mark + f'"name","phone"{end}"Ana{end}María","3000000001"{end}'.encode())
    assert people(path) == [{"first_name": f"Ana{end}María", "phones": "3000000001"}]


def test_a_file_cut_in_the_middle_of_a_letter_keeps_the_others(write: Write) -> None:
    path = write("name,phone,city\nÍñigo,3000000001,Bogotá\nZoë,3000000002,Bogot".encode() + b"\xc3")
    assert [person["first_name"] for person in people(path)] == ["Íñigo", "Zoë"]


def test_an_encoding_that_nobody_can_guess_may_be_said(write: Write) -> None:
    path = write("name;phone\nÍñigo Peña;3000000001\n".encode("mac-roman"))
    assert people(path, encoding="mac-roman")[0]["first_name"] == "Íñigo Peña"
    with pytest.raises(ConnectorError, match="not all in utf-8"):
        rows(path, encoding="utf-8")
    for name in ("klingon", "hex"):
        with pytest.raises(ConnectorError, match="no encoding"):
            rows(path, encoding=name)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        *((" 300 ", "300"), ('="300 000"', "300 000"), ("'+57300", "+57300"), ("'til", "'til"), ("#N/A", "")),
        *(("#¡VALOR!", ""), ("#1", "#1"), ("=", "="), ("\xa0x\xa0", "x"), ("#NAME?", ""), ("#NAM", "#NAM")),
    ],
)
def test_what_only_spreadsheets_mean_is_taken_off(given: str, meant: str) -> None:
    assert cell(given) == meant


def test_a_number_that_lost_its_digits_is_nobody_s(write: Write, settings: Settings) -> None:
    importing = Bulk(settings, LEADS, None, name_of)
    list(importing.take(rows(write("phone,first_name\n3.001235E+09,Ana\n3000000001,Zoe\n"))))
    assert importing.tally.invalid == 1
    assert "phone" in str(importing.tally.faults[0]["errors"])


# --- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["phone", "PHONE", "Phone 1", "phones", "Teléfono", " Número  de celular ", "whatsapp", "tel_1"]
)
def test_a_phone_may_be_called_what_people_call_it(write: Write, header: str) -> None:
    assert people(write(f"{header},x\n3000000001,1\n"))[0]["phones"] == "3000000001"


def test_phones_come_in_the_order_of_their_numbers(write: Write) -> None:
    (person,) = people(write("phone_3,phone,tel2,Teléfono 10\n3000000003,3000000001,3000000002,3000000010\n"))
    assert person["phones"] == ["3000000001", "3000000002", "3000000003", "3000000010"]
    (case,) = bodies(write("phone 2,phone\n3000000002,3000000001\n"), TICKETS)
    assert case["data"]["customer"]["phone"] == "3000000001"


def test_our_own_name_comes_before_what_it_may_be_called_besides(write: Write) -> None:
    (person,) = people(write("Full Name,First name,Email,Correo\nAna Núñez,Ana,,ana@example.com\n"))
    assert person == {"first_name": "Ana", "email": "ana@example.com", "extra": {"full_name": "Ana Núñez"}}


def test_what_is_no_field_of_ours_is_extra_under_a_plain_name(write: Write) -> None:
    path = write("phone,Programa Académico,UTM.Source,extra.program,Program,,Город,Phone model\n1,a,b,c,d,e,f,g\n")
    names = ["programa_academico", "utm.source", "program", "program_2", "column_6", "Город", "phone_model"]
    assert people(path)[0]["extra"] == dict(zip(names, "abcdefg", strict=True))


def test_id_type_and_time_are_the_event_s(write: Write) -> None:
    path = write("ID,Type,Time,phone\nL-7,lead.updated,2026-11-20T15:01:02Z,1\n8,Caliente,,1\n")
    first, second = bodies(path, ids="global")
    assert {key: first[key] for key in ("id", "type", "time")} == {
        "id": "L-7",
        "type": "lead.updated",
        "time": "2026-11-20T15:01:02Z",
    }
    assert second == {"id": "8", "type": "lead.created", "data": {"phones": "1", "extra": {"type": "Caliente"}}}


def test_rows_that_do_not_say_are_of_the_type_that_is_asked_for(write: Write) -> None:
    path = write("email,type\na@example.com,\nb@example.com,ticket.updated\n")
    assert [one["type"] for one in bodies(path, TICKETS, event_type="ticket.closed")] == [
        "ticket.closed",
        "ticket.updated",
    ]
    with pytest.raises(ConnectorError, match="must be one of"):
        rows(path, LEADS, event_type="ticket.closed")


def test_a_form_gets_its_columns_by_the_names_its_fields_have(write: Write) -> None:
    path = write("NOMBRE;movil;FIJO;folio;otra\nAna;3000000001;;F-1;x\n")
    assert bodies(path, FORM) == [{"Nombre": "Ana", "Móvil": "3000000001", "Folio": "F-1", "otra": "x"}]
    twice = write("móvil,móvil,nombre\n3000000001,3000000002,Ana\n")
    assert bodies(twice, FORM) == [{"Móvil": ["3000000001", "3000000002"], "Nombre": "Ana"}]


def test_a_mapping_of_tables_reads_what_its_form_would_send(write: Write, settings: Settings) -> None:
    for source in (FORM, Source(name="site", mapping="elementor")):
        receiver = Receiver(
            Settings(accounts=settings.accounts, sources={source.name: source}, routes=settings.routes),
            Router(settings, destinations.name_of),
        )
        (row,) = rows(write("Nombre;Móvil\nAna;3000000001\n"), source)
        ((arrival,), _) = receiver.arrivals(source, row.raw, content_type=row.content_type, headers={})
        assert arrival.state != "invalid"


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        *(("", "empty"), (" \n\n\n", "empty"), ("Ana,3000000001\nLuis,3000000002\n", "header row")),
        *(("name,city\nAna,Cali\n", "phone, email"), ('"name,phone\nAna,3000000001\n', "header row")),
        *(
            (b"PK\x03\x04\x14\x00", "archive that cannot be read"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", "save it as .xlsx"),
            (b"\x1f\x8b\x08", "cannot be unpacked"),
        ),
        (b"\x00\x01\x02\x00" * 9, "no text file"),
    ],
)
def test_what_is_no_table_is_told_in_a_line_without_showing_anybody(
    write: Write, given: str | bytes, words: str
) -> None:
    with pytest.raises(ConnectorError, match=words) as fault:
        rows(write(given))
    assert "Ana" not in str(fault.value)
    assert "3000000001" not in str(fault.value)


def test_a_mapping_that_reads_no_tables_says_so(write: Write) -> None:
    with pytest.raises(ConnectorError, match="reads no tables"):
        rows(write("phone\n1\n"), Source(name="ads", mapping="typeform"))
    with pytest.raises(ConnectorError, match="as the fields of"):
        rows(write("phone\n1\n"), FORM)


def test_a_quote_that_never_closes_spoils_its_own_row_only(write: Write) -> None:
    lines = table(3000).splitlines()
    lines[1000] = '"' + lines[1000]
    lines[2000] = '"' + lines[2000]
    lines[2400] = lines[2400].replace("Ana", '"Ana" la')
    lines[2500] = lines[2500].replace("MBA", '"MBA\n2"')
    found = rows(write("\n".join(lines)))
    assert [(row.line, "quote" in row.fault) for row in found if row.fault] == [(1001, True), (2001, True)]
    assert len(found) == 3000
    assert [row.line for row in found[2498:2501]] == [2500, 2501, 2503]


def test_a_quote_at_the_last_row_takes_nothing_along(write: Write) -> None:
    found = rows(write('phone,name\n3000000001,Ana\n3000000002,"Luis\n3000000003,Zoë\n'))
    assert [bool(row.fault) for row in found] == [False, True, False]
    assert found[1].raw == b'3000000002,"Luis\n'


def test_a_row_with_more_cells_than_columns_is_kept_as_it_stands(write: Write) -> None:
    found = rows(write("phone,name\n1,Ana,,\n2,Luis,Cali\n3\n"))
    assert [row.fault for row in found] == ["", "has 3 cells, and there are 2 columns: quote what holds a “,”", ""]
    assert (found[1].line, found[1].raw, found[1].content_type) == (3, b"2,Luis,Cali\n", "text/csv")


def test_a_huge_cell_or_line_is_bounded(write: Write) -> None:
    found = rows(write(f"phone,name\n1,{'x' * 200_000}\n2,Ana\n"))
    assert [bool(row.fault) for row in found] == [True, False]
    with pytest.raises(ConnectorError, match="line 2"):
        rows(write("phone\n" + "1" * (LONGEST + 9)))


# --- JSON -----------------------------------------------------------------------------------------------------------


LEAD_LINES = "".join(json.dumps(lead(number), ensure_ascii=False) + "\n" for number in range(1, 4))
LEAD_LIST = [lead(number) for number in range(1, 4)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("a.ndjson", LEAD_LINES), ("a.jsonl", "\n \r\n" + LEAD_LINES), ("a.json", LEAD_LINES), ("a", LEAD_LINES)),
        ("a.json", json.dumps(LEAD_LIST)),
        ("a.json", "\n " + json.dumps(LEAD_LIST, indent=2, ensure_ascii=False) + " \n\n"),
        ("a.jsonl", json.dumps(LEAD_LIST, indent=1)),
        ("a.json", "\n".join(json.dumps(one, indent=2) for one in LEAD_LIST)),
        ("a.export", json.dumps(LEAD_LIST, indent=2)),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_json_is_read_in_every_shape_it_is_saved_in(write: Write, name: str, text: str, encoding: str) -> None:
    assert bodies(write(text.encode(encoding), name)) == LEAD_LIST


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_elements_are_found_wherever_the_file_is_cut_while_reading(
    write: Write, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(text, "_CHUNK", chunk)
    given = [{"a": 'x"]}\\', "b": [[], {}, 'é,\\"']}, {"ü": "\u2028"}, 17, None, "s", [1, [2]], {}]
    path = write(json.dumps(given, ensure_ascii=False, indent=1), "a.json")
    assert bodies(path) == given
    assert [row.line for row in rows(path)] == [2, 10, 13, 14, 15, 16, 22]
    objects = [one for one in given if isinstance(one, dict)]
    assert bodies(write("\n\n".join(json.dumps(o, indent=1) for o in objects), "a.json")) == objects


def test_a_broken_element_harms_no_other(write: Write) -> None:
    found = rows(write('[{"id": 1,},\n {"id": 2},\n {id: 3}, {"id": 4}, nul]', "a.json"))
    assert [(row.line, row.raw) for row in found] == [
        *((1, b'{"id": 1,}'), (2, b'{"id": 2}'), (3, b"{id: 3}"), (3, b'{"id": 4}'), (3, b"nul"))
    ]
    found = rows(write('{"id":\n 1}\n oops \n{"id": 2}', "a.json"))
    assert [(row.line, row.raw) for row in found] == [(1, b'{"id":\n 1}'), (3, b"oops"), (4, b'{"id": 2}')]


@pytest.mark.parametrize(
    ("text", "words", "before"),
    [
        ('[{"id": 1},\n{"id": "2', "line 2: it was cut off", 1),
        ('[{"id": 1}', "cut off", 0),
        ('[{"id": 1}] [2]', "goes on after the end", 1),
        ('{"id":\n 1}\n{"id": 2} oops', "goes on", 2),
        ("[" + '"' + "x" * (LONGEST + 300_000), "over 10,000,000 bytes", 0),
    ],
)
def test_json_that_stops_short_gives_what_came_before(write: Write, text: str, words: str, before: int) -> None:
    found = []
    with opened(write(text, "a.json")) as file, pytest.raises(ConnectorError, match=words):
        found.extend(reading(file, LEADS))  # list.extend keeps what came before the fault
    assert len(found) == before


def test_an_empty_array_is_no_rows(write: Write) -> None:
    assert rows(write("[ ]", "a.json")) == []
    with pytest.raises(ConnectorError, match="holds no JSON"):
        rows(write("nothing", "a.json"))
    with pytest.raises(ConnectorError, match="--type is for tables"):
        rows(write("[]", "a.json"), event_type="lead.created")


def test_the_elements_of_a_large_file_are_never_held_together(write: Write) -> None:
    path = write("[" + ",".join(json.dumps(lead(number)) for number in range(20_000)) + "]", "a.json")
    tracemalloc.start()
    with opened(path) as file:
        count = sum(1 for _ in reading(file, LEADS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert path.stat().st_size > 4_000_000
    assert peak < 2_500_000


# --- storing --------------------------------------------------------------------------------------------------------


def test_the_same_file_again_changes_nothing(database: Database, settings: Settings, write: Write) -> None:
    """Rows with and without ids, invalid ones, two of one id, a spoiled one."""
    text = (
        "id,phone,name,city\n,3000000001,Ana,Cali\nL-2,3000000002,Luis,\nL-2,3000000009,Eva,\nL-4,12,Bad,\n,,Nobody,\n"
    )
    path = write(text + '"L-6,3000000006,Zoë,\n,3000000001,Ana,Cali\nL-8,3000000008,Íñigo,,x\n')
    first = stored(database, settings, path)
    assert (first.rows, first.accepted, first.duplicate, first.invalid, first.deliveries) == (8, 3, 1, 4, 3)
    assert [fault["line"] for fault in first.faults] == [5, 6, 7, 9]
    assert [fault["errors"][0]["field"] for fault in first.faults] == ["phones.0", "phones", "row", "row"]
    before = everything(database)
    again = stored(database, settings, path)
    assert everything(database) == before
    assert (again.rows, again.accepted, again.duplicate, again.invalid) == (8, 0, 4, 4)
    assert again.faults == first.faults


def test_an_id_made_of_the_content_holds_for_good(database: Database, settings: Settings, write: Write) -> None:
    world = World(settings, database)
    stored(database, settings, write(table(3)))
    world.later(400 * 86400)
    assert stored(database, settings, write(table(3))).duplicate == 3
    assert all(row.event_id.startswith(IMPORTED) and row.event_id == row.key for row in inbox(database))


def test_it_does_not_depend_on_how_the_file_was_saved(database: Database, settings: Settings, write: Write) -> None:
    assert stored(database, settings, write("phone,name,city\n3000000001,Íñigo,Cali\n")).accepted == 1
    other = write(";city;Teléfono;NOMBRE\r\n\r\n;Cali; 3000000001;Íñigo\r\n".encode("cp1252"))
    assert stored(database, settings, other).duplicate == 1


def test_json_without_an_id_is_known_again_by_its_content(database: Database, settings: Settings, write: Write) -> None:
    anonymous = [{key: value for key, value in lead(number).items() if key != "id"} for number in (1, 2)]
    assert stored(database, settings, write(json.dumps(anonymous), "a.json")).accepted == 2
    turned = "\n".join(json.dumps(dict(reversed(one.items()))) for one in anonymous)
    assert stored(database, settings, write(turned, "a.ndjson")).duplicate == 2


def test_the_same_content_of_another_source_is_another_event(
    database: Database, settings: Settings, write: Write
) -> None:
    text = "email,phone,type\na@example.com,3000000001,"
    assert stored(database, settings, write(f"{text}\n")).accepted == 1
    assert stored(database, settings, write(f"{text}ticket.closed\n"), "tickets").accepted == 1
    assert len({row.key for row in inbox(database)}) == 2


def test_a_lead_that_came_as_a_webhook_is_not_imported_again(
    database: Database, settings: Settings, write: Write
) -> None:
    World(settings, database).receive("landing", lead(1), lead(2))
    tally = stored(database, settings, write(json.dumps([lead(1), lead(2, city="Cali"), lead(3)]), "a.json"))
    assert (tally.duplicate, tally.invalid, tally.accepted) == (1, 1, 1)


def test_a_row_corrected_is_welcome(database: Database, settings: Settings, write: Write) -> None:
    assert stored(database, settings, write("id,phone\nL-1,12\nL-2,3000000002\n")).invalid == 1
    assert stored(database, settings, write("id,phone\nL-1,3000000001\nL-2,3000000002\n")).accepted == 1
    assert Counter(row.state for row in inbox(database)) == {"invalid": 1, "accepted": 2}


def test_a_row_that_a_change_of_configuration_made_valid_is_stored(
    database: Database, settings: Settings, write: Write
) -> None:
    from dataclasses import replace
    from zoneinfo import ZoneInfo

    from mappings.base import Locale

    abroad = replace(settings, locale=Locale("US", ZoneInfo("America/Bogota")))
    path = write("id,phone\nL-1,300 0000001\nL-2,+16465550123\n")
    assert stored(database, abroad, path).invalid == 1
    assert stored(database, settings, path).accepted == 1
    assert stored(database, settings, path).duplicate == 2


def test_what_is_kept_as_invalid_tells_its_bytes_and_why(database: Database, settings: Settings, write: Write) -> None:
    stored(database, settings, write('phone,name\n3000000001,"Ana\n12,Luis\n3000000003,Zoe\n'))
    stored(database, settings, write('{"id": "x"\n{"a": 1}\n' + json.dumps(lead(4)), "a.ndjson"))
    invalid = [row for row in inbox(database) if row.state == "invalid"]
    kept = [(row.payload, row.content_type) for row in invalid]
    assert kept[0] == ('3000000001,"Ana\n', "text/csv")
    assert kept[2] == ('{"id": "x"', "application/json")
    assert [row.key for row in invalid] == [None] * 4
    assert all(orjson.loads(row.errors) for row in invalid)


def test_nothing_is_stored_of_a_file_that_is_plainly_the_wrong_one(
    database: Database, settings: Settings, write: Write
) -> None:
    path = write("\n".join(json.dumps(ticket(number)) for number in range(600)), "a.ndjson")
    with pytest.raises(ConnectorError, match="nothing is stored: not one of the first 500"):
        stored(database, settings, path)
    assert inbox(database) == []
    assert stored(database, settings, path, "tickets").accepted == 600


def test_what_came_before_a_fault_is_stored(database: Database, settings: Settings, write: Write) -> None:
    whole = json.dumps([lead(number) for number in range(700)])
    with pytest.raises(ConnectorError, match="cut off"):
        stored(database, settings, write(whole[:-30], "a.json"))
    assert len(inbox(database)) == 699
    assert stored(database, settings, write(whole, "a.json")).accepted == 1


def test_a_nul_or_half_a_letter_in_a_cell_is_stored(database: Database, settings: Settings, write: Write) -> None:
    path = write(b"phone,name\n3000000001,A\0na\n3000000002,\x81\xff\n")
    assert stored(database, settings, path).accepted == 2
    before = everything(database)
    assert stored(database, settings, path).accepted == 0
    assert everything(database) == before


def test_the_tally_tells_what_will_not_be_sent(database: Database, settings: Settings, write: Write) -> None:
    path = write("phone,time,age,type\n3000000001,2020-01-01,34,\n3000000002,,x,\n3000000003,,,lead.updated\n")
    tally = stored(database, settings, path)
    assert (tally.accepted, tally.ignored, tally.expired, tally.noted) == (2, 1, 1, 1)


# --- behind what is live --------------------------------------------------------------------------------------------


def test_a_live_lead_overtakes_a_bulk_backlog(
    database: Database, settings: Settings, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backlog is several calls long, and older."""
    monkeypatch.setattr(wolkvox, "ROWS_PER_CALL", 100)
    world = World(settings, database)
    stored(database, settings, write(table(700)))
    world.receive("landing", lead(9001))
    live = world.deliveries()[-1]
    assert (live.lane, {row.lane for row in world.deliveries()[:-1]}) == (LIVE, {BULK})
    assert isinstance(world.claim(), Claim)
    sending = {row.id for row in world.deliveries("sending")}
    assert live.id in sending
    assert len(sending) == 100


# --- the command ----------------------------------------------------------------------------------------------------


Run = Callable[..., Result]
CRM = '[accounts.crm]\nvendor = "hubspot"\ntoken = "invented"\n'


@pytest.fixture
def environ(tmp_path: Path, database_url: str, sandbox: Sandbox) -> dict[str, str]:
    ads = '\n[sources.ads]\nmapping = "hubspot"\nverify = { scheme = "none" }\naccount = "crm"\n'
    return environment(tmp_path, database_url, sandbox.url, more=f"{ads}{CRM}")


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    return lambda *args, **more: CliRunner().invoke(command, ["import", *map(str, args)], env=environ | more)


def failed(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("connector: ")
    assert all(word in line for word in words), line


def test_it_says_in_a_line_what_became_of_the_file(run: Run, write: Write) -> None:
    path = write("Nombre;Celular\nÍñigo;3000000001\nZoë;12\n".encode("cp1252"))
    result = run("landing", path)
    assert (result.exit_code, result.stderr) == (0, "")
    *columns, summary, advice, bad = result.stdout.splitlines()
    assert columns == ["The titles are on line 1.", "  phones      “Celular”", "  first_name  “Nombre”"]
    assert summary == "leads.csv (cp1252, “;”): 2 rows: 1 stored, 1 invalid; 1 deliveries"
    assert bad.startswith("line 3: phones")
    assert "numbers without a country code are read as those of CO" in advice
    assert "1 stored before, 1 invalid; 0 deliveries" in run("landing", path).stdout


def test_the_first_bad_rows_are_told_and_the_others_counted(run: Run, write: Write) -> None:
    result = run("landing", write("phone\n3000000001\n" + "12\n13\n14\n" * 5))
    assert result.exit_code == 0
    assert result.stdout.count("\nline ") == TOLD
    assert "… and 5 more invalid rows" in result.stdout


def test_phones_of_another_country_are_hinted_at(run: Run, write: Write) -> None:
    brazilian = "nome;telefone;email\nAna;11 3456-7891;\nCarla;11 3456-7890;\n"
    hint = "numbers without a country code are read as those of CO"
    refused = run("landing", write(brazilian.encode()))
    assert (refused.exit_code, hint in refused.stderr, "phones.0" in refused.stderr) == (1, True, True)
    told = run("landing", write((brazilian + "Luis;3000000001;\n").encode())).stdout
    assert f"2 rows have a phone that is no number; {hint}" in told
    assert hint not in run("landing", write(b"phone,name\n3000000002,Ana\n,Zoe\n")).stdout


def test_the_summary_as_json(run: Run, write: Write) -> None:
    path = write("phone\tname\n3000000001\tAna\n\tZoë\n".encode("utf-16"))
    told = json.loads(run("landing", path, "--json").stdout)
    assert told.pop("seconds") >= 0
    (error,) = told.pop("errors")
    assert (error["line"], error["errors"][0]["field"]) == (3, "phones")
    how: dict[str, Any] = {"source": "landing", "file": str(path), "dry_run": False, "encoding": "utf-16"}
    read = [{"column": "phone", "field": "phones"}, {"column": "name", "field": "first_name"}]
    how |= {"separator": "\t", "columns": read, "aside": [], "warnings": []}
    rows = {"rows": 2, "accepted": 1, "duplicate": 0, "ignored": 0, "waiting": 0, "invalid": 1, "left": 0}
    assert told.pop("import") == 1
    assert told == {**how, **rows, "deliveries": 1, "dead": 0, "expired": 0, "unread_phones": 0, "noted": 0}


def test_a_dry_run_shows_the_first_rows_and_stores_nothing(
    run: Run, write: Write, database: Database, tmp_path: Path
) -> None:
    path = write(table(20, with_id=True) + "L-99,,,\n")
    nowhere = f"sqlite:///{tmp_path}/not/there.db"
    told = json.loads(run("landing", path, "--dry-run", "--json", DATABASE_URL=nowhere).stdout)
    assert (told["dry_run"], told["accepted"], told["invalid"], len(told["shown"])) == (True, 20, 1, SHOWN)
    assert told["shown"][0]["deliveries"][0]["record"]["customer_name"] == "Ana María 1"
    plain = run("landing", path, "--dry-run", "--ids", "global", DATABASE_URL=nowhere)
    assert "20 would be stored, 1 invalid" in plain.stdout
    assert "line 2, L-1 lead.created: accepted" in plain.stdout
    assert not (tmp_path / "not").exists()
    assert inbox(database) == []


def test_every_fault_is_one_line(run: Run, write: Write, tmp_path: Path) -> None:
    good = write(table(1))
    failed(run("landing", tmp_path / "none.csv"), 2, "there is no file")
    failed(run("landing", tmp_path), 2, "is a directory")
    failed(run("landin", good), 1, "no source is called", "landing")
    failed(run("ads", good), 1, "reads no tables")
    failed(run("landing", write("", "empty.csv")), 1, "header row")
    failed(run("landing", good, "--type", "ticket.closed"), 1, "--type must be one of")
    failed(run("landing", good, DATABASE_URL=f"sqlite:///{tmp_path}/new.db"), 1, "run `connector migrate`")
    assert run("landing").exit_code == 2
    assert run("landing", good, "--nothing").exit_code == 2


def test_a_fault_on_the_way_says_that_going_on_is_safe(run: Run, write: Write) -> None:
    path = write(json.dumps([lead(number) for number in range(3)])[:-9], "a.json")
    failed(run("landing", path), 1, "cut off", "the same command goes on")


# --- real processes -------------------------------------------------------------------------------------------------


@pytest.fixture
def started(environ: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts an import as a process of its own."""
    processes: list[subprocess.Popen[str]] = []

    def start(*args: object) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        argv = [sys.executable, "-m", "connector", "import", *map(str, args)]
        processes.append(subprocess.Popen(argv, env=os.environ | environ, cwd=PROJECT, text=True, **pipes))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def count_of(database: Database, of: Any) -> int:
    with database.read() as conn:
        return conn.execute(select(func.count()).select_from(of)).scalar_one()


@pytest.mark.slow
@pytest.mark.parametrize("with_id", [False, True])
def test_a_kill_half_way_loses_nothing_and_doubles_nothing(
    database: Database, started: Callable[..., subprocess.Popen[str]], write: Write, with_id: bool
) -> None:
    path = write(table(6000, with_id=with_id))
    process = started("landing", path)
    end = time.monotonic() + 120
    while count_of(database, tables.events) < 1500:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = count_of(database, tables.events)
    assert 1500 <= kept < 6000
    told = json.loads(started("landing", path, "--json").communicate(timeout=400)[0])
    assert (told["rows"], told["duplicate"], told["accepted"]) == (6000, kept, 6000 - kept)
    for each in (tables.events, tables.deliveries, tables.records):
        assert count_of(database, each) == 6000


def peak_kb(process: subprocess.Popen[str]) -> int:
    """The most memory that the process ever had, looked at until it ends."""
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        peak = max([peak, *map(int, found)])
        time.sleep(0.03)
    return peak


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_many_rows_take_no_more_memory_than_a_few(
    database: Database, started: Callable[..., subprocess.Popen[str]], write: Write
) -> None:
    few = started("landing", write(table(4_000, first=900_000), "few.csv"))
    small = peak_kb(few)
    large = started("landing", write(table(24_000)), "--json")
    peak = peak_kb(large)
    told = json.loads(large.communicate()[0])
    assert (few.returncode, large.returncode) == (0, 0)
    assert (told["accepted"], told["deliveries"]) == (24_000, 24_000)
    assert peak < small + 6_000, f"{small} kB for 4,000 rows, {peak} kB for 24,000"
