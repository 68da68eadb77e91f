"""Files as people, CRMs, forms and diallers write them: every table is read, or refused in a line that says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from connector.admin.privacy.people_file import PeopleFile
from connector.cli.root import connector
from connector.core.errors import ConnectorError
from connector.core.settings import Settings, Source
from connector.inbound.files.columns import wish_of
from connector.inbound.files.encodings import single_byte_codec
from connector.inbound.files.formats import opened, reading
from connector.inbound.files.headers import meaning
from connector.inbound.files.importer import Bulk
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.store.arrivals import Arrival
from connector.vendors import destinations
from connector.vendors.destinations import name_of
from mappings.base import Locale
from mappings.configured import payload_mapping
from mappings.events import Lead
from tests.outbound_steps import dial, dialler

TABLES = Path(__file__).parent / "payloads" / "tables"
CASES: dict[str, Any] = json.loads((TABLES / "cases.json").read_text())
TITLES: dict[str, Any] = json.loads((TABLES / "titles.json").read_text())
LEADS = Source(name="landing", mapping="lead")
Write = Callable[..., Path]


@pytest.fixture
def settings() -> Settings:
    accounts = {"dialler": dialler(dial_prefix="9")}
    return Settings(accounts=accounts, sources={"landing": LEADS}, routes=(dial(),))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(given: str | bytes, name: str = "leads.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(given if isinstance(given, bytes) else given.encode())
        return path

    return write


def imported(path: Path, settings: Settings, *columns: str, sheet: str = "") -> tuple[list[Arrival], Any]:
    """What a file's rows become, without a database. Raises `ConnectorError` where nothing would be stored."""
    receiver = Receiver(settings, Router(settings, destinations.name_of))
    arrivals: list[Arrival] = []
    with opened(path) as file:
        rows = reading(file, LEADS, wish=wish_of(columns), sheet=sheet)
        kept = list(rows)
        list(Bulk(settings, LEADS, None, name_of).take(kept))
    for row in kept:
        assert not row.fault, row.fault
        arrivals += receiver.arrivals(LEADS, row.raw, content_type=row.content_type, headers={})[0]
    return arrivals, rows


def record(arrival: Arrival) -> dict[str, Any]:
    (delivery,) = arrival.deliveries
    assert delivery.record, delivery.reason
    found: dict[str, Any] = orjson.loads(delivery.record)
    return found


def agrees(want: dict[str, str], arrival: Arrival) -> None:
    found = record(arrival)
    assert {name: found[name] for name in want} == want


# --- tables ---------------------------------------------------------------------------------------------------------


def test_every_file_beside_the_cases_is_one_of_them() -> None:
    assert {path.name for path in TABLES.iterdir()} - {"cases.json", "titles.json"} == set(CASES)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "rows" in case])
def test_a_table_is_read_as_its_people_mean_it(name: str, settings: Settings) -> None:
    case = CASES[name]
    arrivals, rows = imported(TABLES / name, settings)
    assert len(arrivals) == len(case["rows"])
    for want, arrival in zip(case["rows"], arrivals, strict=True):
        agrees(want, arrival)
    for want, arrival in zip(case.get("extra", ()), arrivals, strict=False):
        assert json.loads(arrival.payload)["data"].get("extra", {}) == want
    for moment, arrival in zip(case.get("times", ()), arrivals, strict=False):
        assert datetime.fromtimestamp(arrival.occurred_at / 1000, UTC) == datetime.fromisoformat(moment)
    assert case.get("warning", "") in " ".join(rows.warnings)
    assert bool(rows.warnings) == ("warning" in case)


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        ("Teléfono\n3001112233\n", ""),
        ("Teléfono\n\n3001112233\n3001112234\n", ""),
        ("Teléfono\tNombre\n3001112233\tAna\n", "\t"),
        ("Teléfono;Nombre\n3001112233;Ana\n", ";"),
    ],
)
def test_a_separator_is_named_only_where_one_stands(
    content: str, separator: str, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(content, encoding="utf-8")
    arrivals, rows = imported(path, settings)
    assert rows.separator == separator
    assert all(record(one)["tel1"] for one in arrivals)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "error" in case])
def test_a_file_that_cannot_be_read_is_refused_in_a_line_that_says_why(name: str, settings: Settings) -> None:
    with pytest.raises(ConnectorError) as fault:
        imported(TABLES / name, settings)
    assert CASES[name]["error"] in str(fault.value)
    assert "\n" not in str(fault.value) and "3000000001" not in str(fault.value)


@pytest.mark.parametrize("case", TITLES["tables"].values(), ids=TITLES["tables"])
def test_a_title_is_known_however_people_write_it(case: dict[str, Any], settings: Settings, write: Write) -> None:
    account = settings.accounts["dialler"]
    locale = Locale(case.get("region", "CO"), dial_prefixes=("9",))
    e164 = replace(account, phone_format="e164", dial_prefix="") if "region" in case else account
    here = replace(settings, locale=locale, accounts={"dialler": e164})
    (arrival,), _ = imported(write(case["text"]), here)
    agrees(case["row"], arrival)


@pytest.mark.parametrize("case", TITLES["forms"].values(), ids=TITLES["forms"])
def test_a_table_is_read_in_whatever_form_it_is_written(case: dict[str, Any], settings: Settings, write: Write) -> None:
    """Separators, quotes, encodings, lines around the rows, and JSON's many ways to write a table. {}: of nobody."""
    path = write(case["text"].encode(case.get("encoding", "utf-8")), case.get("file", "leads.csv"))
    arrivals, _ = imported(path, settings)
    assert len(arrivals) == len(case["rows"])
    for want, arrival in zip(case["rows"], arrivals, strict=True):
        if want:
            agrees(want, arrival)
        else:
            assert not arrival.deliveries


def test_whoever_is_dialled_from_a_table_is_suppressed_by_it(settings: Settings, write: Write) -> None:
    """The same file as leads and as a list of people: no number is read from it by the one and not by the other."""
    for case in TITLES["tables"].values():
        path = write(case["text"])
        locale = Locale(case.get("region", "CO"), dial_prefixes=("9",))
        account = replace(settings.accounts["dialler"], phone_format="e164", dial_prefix="")
        arrivals, _ = imported(path, replace(settings, locale=locale, accounts={"dialler": account}))
        with opened(path) as file:
            listed = {one for line in PeopleFile(file, locale) for one in line.people}
        for arrival in arrivals:
            event = payload_mapping("lead", locale).read(json.loads(arrival.payload))
            assert isinstance(event, Lead)
            assert {phone.e164 for phone in event.phones} <= listed, case["text"]


@pytest.mark.parametrize("title", TITLES["aside"])
def test_a_column_of_other_numbers_dials_nobody(title: str, settings: Settings, write: Write) -> None:
    (arrival,), _ = imported(write(f'celular,"{title}"\n3000000001,3000000002\n'), settings)
    found = record(arrival)
    assert [found[name] for name in ("tel1", "tel2", "customer_name", "recall_telephone")] == [
        "93000000001",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize(("title", "field"), TITLES["meanings"].items())
def test_a_title_means_one_field_or_none(title: str, field: str) -> None:
    found = meaning(title)
    assert (found.field if found else "") == field


@given(st.text(max_size=60))
def test_any_title_means_something_or_nothing(title: str) -> None:
    meaning(title)


@pytest.mark.parametrize("codec", ["cp1252", "cp850", "mac_roman"])
@pytest.mark.parametrize(
    "text", ["teléfono", "Íñigo Núñez", "São Paulo", "Conceição", "PEÑA GARCÍA", "Bogotá", "Zoë Muñoz, Medellín"]
)
def test_an_encoding_is_known_by_its_letters(codec: str, text: str) -> None:
    raw = text.encode(codec)
    assert raw.decode(single_byte_codec([raw]), "replace") == text


# --- what a person says of a file -----------------------------------------------------------------------------------


def test_a_column_may_be_named(settings: Settings, write: Write) -> None:
    path = write("Quién;Línea directa;Otra cosa\nAna;3000000001;x\n")
    with pytest.raises(ConnectorError, match="--columns"):
        imported(path, settings)
    (arrival,), rows = imported(path, settings, "phones=Línea directa", "first_name=quien")
    agrees({"tel1": "93000000001", "customer_name": "Ana"}, arrival)
    assert rows.understanding.read == [("first_name", "Quién"), ("phones", "Línea directa")]
    assert rows.understanding.aside == ["Otra cosa"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [("phones=Nothing", "has no column"), ("phones", "is no “field=column”"), ("colour=Celular", "no field of ours")],
)
def test_a_column_that_cannot_be_is_refused(columns: str, words: str, settings: Settings, write: Write) -> None:
    with pytest.raises(ConnectorError, match=words):
        imported(write("Celular,x\n3000000001,1\n"), settings, columns)


def test_a_column_may_be_left_aside(settings: Settings, write: Write) -> None:
    (arrival,), _ = imported(write("Celular,Fijo\n3000000001,6015550100\n"), settings, "-=Fijo")
    assert record(arrival)["tel2"] == ""


def test_a_sheet_may_be_named(settings: Settings) -> None:
    (arrival,), _ = imported(TABLES / "two-sheets.xlsx", settings, sheet="Febrero")
    agrees({"tel1": "93000000002"}, arrival)
    with pytest.raises(ConnectorError, match="no sheet of two-sheets"):
        imported(TABLES / "two-sheets.xlsx", settings, sheet="Marzo")


def test_objects_that_know_more_than_the_first_ones_keep_it(settings: Settings, write: Write) -> None:
    people = [{"telefono": f"3{number:09d}", "nombre": "Ana"} for number in range(1, 80)]
    people.append({"telefono": "3000000099", "correo": "ana@example.com", "curso": "MBA"})
    arrivals, _ = imported(write(json.dumps(people), "leads.json"), settings)
    agrees({"tel1": "93000000099", "email": "ana@example.com"}, arrivals[-1])
    assert json.loads(arrivals[-1].payload)["data"]["extra"] == {"curso": "MBA"}


def test_somebody_above_the_titles_is_not_lost(write: Write) -> None:
    path = write("3000000009,Luz\ntelefono,nombre\n3000000001,Ana\n")
    with opened(path) as file:
        rows = list(reading(file, LEADS))
    assert [(row.line, row.fault) for row in rows] == [(1, "stands above the column titles"), (3, "")]


def test_titles_that_come_again_are_nobody(settings: Settings, write: Write) -> None:
    arrivals, _ = imported(write("telefono,nombre\n3000000001,Ana\ntelefono,nombre\n3000000002,Zoe\n"), settings)
    assert len(arrivals) == 2


# --- people who must not be contacted -------------------------------------------------------------------------------

PEOPLE = Path(__file__).parent / "payloads" / "people"
LISTS: dict[str, Any] = json.loads((PEOPLE / "cases.json").read_text())


@pytest.fixture
def suppress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run(*words: str, region: str = "CO") -> Result:
        (tmp_path / "connector.toml").write_text(
            f'region = "{region}"\n[sources.open]\nmapping = "lead"\nverify = {{ scheme = "none" }}\n'
        )
        return CliRunner().invoke(connector, ["suppress", *words])

    monkeypatch.setenv("CONNECTOR_CONFIG", str(tmp_path / "connector.toml"))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/list.db")
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", "invented-key")
    assert CliRunner().invoke(connector, ["migrate"]).exit_code == 0
    return run


@pytest.mark.parametrize("name", LISTS)
def test_everybody_whom_a_file_names_is_on_the_list(name: str, suppress: Callable[..., Result]) -> None:
    case = LISTS[name]
    result = suppress("import", str(PEOPLE / name), region=case["region"])
    assert (result.exit_code, f"{case['count']} added" in result.output) == (0, True), result.output
    if "is" in case:
        assert "0 added, 1 were on the list already" in suppress("add", case["is"], region=case["region"]).output


@pytest.mark.parametrize(
    ("text", "added", "told"),
    [
        ("telefono,nombre\n3000000001,Ana\n12,Zoe\n,Luz\n", 1, ["line 3: ", "line 4: names nobody"]),
        ("telefono\n3000000001 / 300000000\n", 1, ["line 2: "]),
        ("correo\nana@example\n", 0, ["line 2: an e-mail address cannot be read"]),
        ("telefono,Obs\n3000000001,llamar al 3000000002\n", 1, ["the column “Obs” is not read", "(line 2)"]),
        ('telefono\n3000000001\n"3000000002\n', 1, ["line 3: has a quote"]),
        ("3000000009,Eva\ntelefono,nombre\n3000000001,Ana\n", 1, ["line 1: stands above"]),
        ("3109999999;3000000001\n3109999998;3000000002\n", 0, ["may be phones, or documents"]),
        ("cedula,nombre\n3109999999,Ana\n", 0, ["no column of list.csv is called a phone or an e-mail"]),
    ],
)
def test_who_cannot_be_read_is_told_by_line_and_by_the_exit_code(
    text: str, added: int, told: list[str], suppress: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(text)
    result = suppress("import", str(tmp_path / "list.csv"))
    assert result.exit_code == 1
    assert all(words in result.output for words in told), result.output
    assert "3000000002" not in result.output
    assert f"{added} on the list" in suppress("list").output


def test_lines_without_titles_name_people(suppress: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("3000000001\nana@example.com\n3000000002, 3000000003\n")
    assert "4 added" in suppress("import", str(tmp_path / "list.txt")).output


def test_every_sheet_of_a_workbook_names_people(suppress: Callable[..., Result]) -> None:
    assert "2 added" in suppress("import", str(TABLES / "two-sheets.xlsx")).output


def test_numbers_without_a_code_may_be_another_country_s(suppress: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("telefone\n(11) 98765-4321\n")
    assert "1 added" in suppress("import", str(tmp_path / "list.csv"), "--region", "br").output
    assert "0 added" in suppress("add", "+5511987654321").output
    assert "--region" in suppress("import", str(tmp_path / "list.csv"), "--region", "xx").output
