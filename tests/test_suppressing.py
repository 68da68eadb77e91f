"""`connector suppress`: people however they are written, kept as hashes that nobody can read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from connector.cli.root import connector
from connector.core.errors import ConnectorError
from connector.core.settings import Secret
from connector.inbound.router import Router
from connector.outbound.worker import prepare
from connector.store import suppression_list
from connector.store.database import Database
from connector.store.tables import do_not_contact as table
from connector.vendors.destinations import name_of
from mappings.events import Phone
from tests.outbound_steps import Out, accepted, dial, lead, note

CONFIGURATION = """
[accounts.surveys]
vendor = "tracksale"
base_url = "http://127.0.0.1:9"
token = "invented"

[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "invented"
dial_prefix = "9"

[sources.open]
mapping = "lead"
verify = { scheme = "none" }

[[routes]]
name = "dial 1042"
sources = ["open"]
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "start"

[[routes]]
name = "note"
sources = ["open"]
on = "lead.created"
to = "tracksale.note"
account = "surveys"
text = "extra.program"
"""


@pytest.fixture
def run(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "connector.toml").write_text(CONFIGURATION)
    monkeypatch.setenv("CONNECTOR_CONFIG", str(tmp_path / "connector.toml"))
    monkeypatch.setenv("DATABASE_URL", database_url.replace("postgresql+psycopg", "postgresql"))
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", "invented-key")
    return lambda *words: CliRunner().invoke(connector, ["suppress", *words])


@pytest.fixture
def rows(database: Database) -> Any:
    def read() -> list[str]:
        with database.read() as conn:
            return list(conn.execute(select(table.c.hash).order_by(table.c.hash)).scalars())

    return read


def test_one_person_however_written_is_one_entry(run: Any, rows: Any) -> None:
    assert "1 added" in run("add", "300 000 0001", "--reason", "asked by phone").output
    for again in ("+57 300-000-0001", "(300) 0000001", "93000000001"):
        assert "0 added, 1 were on the list already" in run("add", again).output
    assert "1 added" in run("add", "Zoë.Núñez@Example.com").output
    assert len(rows()) == 2
    listed = json.loads(run("list", "--json").output)
    assert {(one["hint"], one["reason"]) for one in listed} == {
        ("+57 *** *** **01", "asked by phone"),
        ("z***@***.com", ""),
    }
    assert "1 removed" in run("remove", "+573000000001").output
    gone = run("remove", "+573000000001")
    assert gone.exit_code == 1 and "not on the list" in gone.output
    assert len(rows()) == 1


def test_nothing_that_names_a_person_is_kept_or_said(run: Any, database: Database) -> None:
    said = run("add", "+573000000001", "ana@example.com").output + run("list").output
    with database.read() as conn:
        kept = str([tuple(row) for row in conn.execute(select(table))])
    for text in (said, kept):
        assert "3000000001" not in text and "ana@" not in text


def test_what_is_no_person_is_refused_without_repeating_it(run: Any, rows: Any) -> None:
    refused = run("add", "12")
    assert refused.exit_code == 1 and "neither a phone number nor an e-mail" in refused.output
    assert rows() == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_a_file_in_any_encoding_gives_all_that_it_names_once(
    run: Any, rows: Any, tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "no llamar.csv"
    file.write_bytes(
        'Teléfono;Correo\r\n"300 000 0001";ana@example.com\r\n+57 3000000002;\r\nnadie\r\n'.encode(encoding)
    )
    first, second = run("import", str(file), "--reason", "2026 list"), run("import", str(file))
    assert first.exit_code == 1 and "3 added, 0 were" in first.output, first.output
    assert "line 4: " in first.output, "nobody can be read there"
    assert "0 added, 3 were" in second.output
    assert len(rows()) == 3


def test_a_document_number_is_not_taken_for_a_phone(run: Any, rows: Any, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(
        'Cédula,"Apellidos, Nombres",Teléfono 2,E-mail\n'
        '79456123,"Núñez, Ana",300 000 0001,\n'
        '52890123,"Paz, Zoë",,z@example.com\n'
    )
    assert "2 added" in run("import", str(file)).output
    assert sorted(one["hint"] for one in json.loads(run("list", "--json").output)) == [
        "+57 *** *** **01",
        "z***@***.com",
    ]
    (tmp_path / "ids.csv").write_text("cedula;fecha\n79456123;20261127\n")
    refused = run("import", str(tmp_path / "ids.csv"))
    assert refused.exit_code == 1 and "no column of ids.csv is called a phone or an e-mail" in refused.output
    (tmp_path / "plain.txt").write_text("300 000 0009\n")
    assert "1 added" in run("import", str(tmp_path / "plain.txt")).output, "without a first line of names, every cell"


def test_a_file_that_names_nobody_or_is_not_there_is_said(run: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("nobody here\n")
    assert run("import", str(tmp_path / "empty.txt")).exit_code == 1
    assert run("import", str(tmp_path / "none.txt")).exit_code == 2


def test_without_a_key_nobody_is_put_on_the_list(run: Any, rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONNECTOR_SECRET_KEY")
    refused = run("add", "+573000000001")
    assert refused.exit_code == 1 and "CONNECTOR_SECRET_KEY" in refused.output
    assert rows() == []


@pytest.fixture
def out(database: Database) -> Out:
    """Deliveries under the key that the commands have."""
    out = Out(database, dial(), note(on=("lead.created",)))
    keyed = replace(out.settings, secret_key=Secret("invented-key"))
    out.router = Router(keyed, name_of)
    return out


def test_the_command_and_the_claim_mean_the_same_person(run: Any, out: Out) -> None:
    run("add", "300 000 0001")
    out.put([lead(1), lead(2)])
    out.claimed()
    assert [row.reason_code for row in out.deliveries("suppressed")] == ["suppression_list"]
    assert [row.state for row in out.deliveries() if row.route == "dial 1042"] == ["suppressed", "sending"]


def test_whoever_is_added_is_told_what_that_stops(run: Any, out: Out) -> None:
    out.put([lead(1), lead(2, phones=(Phone(57, "3000000002"), Phone(57, "6012345678"))), lead(3)])
    dialled = [row.id for row in out.deliveries() if row.route == "dial 1042"]
    said = run("add", "601 234 5678", "300 000 0003").output
    assert f"2 pending to them end suppressed when their turn comes: d{dialled[1]}, d{dialled[2]}" in said, (
        "by a second phone too; and a note reaches nobody"
    )
    assert "pending" not in run("add", "300 000 0009").output


def test_whoever_is_added_is_told_which_vendor_has_them(run: Any, out: Out) -> None:
    out.works()
    out.put([lead(1), lead(2)])
    out.settle(out.claimed(), accepted())
    said = run("add", "300 000 0001").output
    [first, _] = [row.id for row in out.deliveries() if row.route == "dial 1042"]
    assert f"may still contact them: dialler/wolkvox.add_record/1042 (d{first}); take them out there" in said
    assert "vendors have" not in run("add", "300 000 0009").output


def test_a_list_made_with_another_key_is_never_passed_over(
    run: Any, rows: Any, out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("add", "300 000 0001")
    for key in ("another-key", ""):
        keyed = replace(out.settings, secret_key=Secret(key))
        with pytest.raises(ConnectorError, match="set the old one again"):
            prepare(keyed, out.database, out.places)
    prepare(replace(out.settings, secret_key=Secret("invented-key")), out.database, out.places)
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", "another-key")
    checked = CliRunner().invoke(connector, ["check", "--json"])
    assert checked.exit_code == 1 and suppression_list.OTHER_KEY in checked.output
    for words in (("add", "300 000 0002"), ("remove", "300 000 0001")):
        refused = run(*words)
        assert refused.exit_code == 1 and "set the old one again" in refused.output
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", "invented-key")
    assert run("remove", "300 000 0001").exit_code == 0
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", "another-key")
    assert "1 added" in run("add", "300 000 0002").output, "with nobody on it, a list may be begun with any key"
    assert len(rows()) == 1
