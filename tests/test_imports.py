"""Imported files as things: each row's line and fate, and corrected rows that take the place of others."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from connector.admin.explain import explain
from connector.admin.imports import correctable, list_imports, number_of, show
from connector.cli.root import connector as command
from connector.core.errors import ConnectorError
from connector.core.settings import Settings
from connector.inbound.files.columns import NO_WISH
from connector.inbound.files.formats import opened, reading
from connector.inbound.files.importer import Bulk, Tally
from connector.inbound.files.recording import Upload
from connector.inbound.files.replacing import Corrected
from connector.store import tables
from connector.store.database import Database
from connector.vendors.destinations import name_of

TABLE = """Nombre;Teléfono móvil;Correo;Programa
Ana Núñez;3001112233;ana@example.com;MBA
Luis;123;;X
Zoe;;zoe@example.com;Z
"""


def imported(settings: Settings, database: Database, path: Path) -> Tally:
    source = settings.sources["landing"]
    with opened(path) as given:
        rows = reading(given, source, wish=NO_WISH)
        upload = Upload.begin(
            database, kind="events", source=source.name, name=path.name, who="ana", known=rows.understanding
        )
        bulk = Bulk(settings, source, database, name_of, upload)
        for _ in bulk.take(rows):
            pass
        bulk.close()
        upload.end({"rows": bulk.tally.rows, "accepted": bulk.tally.accepted}, whole=True)
    return bulk.tally


def fates(database: Database, number: int) -> dict[int, str]:
    """Line -> fate."""
    return {row["line"]: row["fate"] for row in show(database, number)["rows"]}


def corrected(
    database: Database, path: Path, number: int, fate: str = "", more: dict[str, str] | None = None, **cells: str
) -> Path:
    """The file that --csv prints, with these cells of every row changed, and one row ``more``."""
    titles, *rows = correctable(database, number, fate)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerow(titles)
    for row in rows:
        changed = dict(zip(titles, row, strict=True))
        writer.writerow((changed | cells).values())
    if more:
        writer.writerow([more.get(title, "") for title in titles])
    path.write_text(out.getvalue(), encoding="utf-8-sig")
    return path


@pytest.fixture
def leads(settings: Settings, database: Database, tmp_path: Path) -> Path:
    path = tmp_path / "leads.csv"
    path.write_text(TABLE, encoding="utf-8")
    imported(settings, database, path)
    return path


def newest(database: Database) -> int:
    found: int = list_imports(database, 1)[0]["import"]
    return found


def test_a_file_keeps_its_name_its_columns_and_what_each_row_became(
    settings: Settings, database: Database, leads: Path
) -> None:
    one = list_imports(database, 1)[0]
    assert (one["file"], one["source"], one["who"]) == ("leads.csv", "landing", "ana")
    assert {"field": "phones", "column": "Teléfono móvil"} in one["columns"]
    assert {"field": None, "column": "Programa"} in one["columns"]
    assert one["counts"] == {"rows": 3, "accepted": 2} and one["ended_at"]
    assert fates(database, newest(database)) == {2: "pending", 3: "invalid", 4: "dead"}
    assert show(database, newest(database))["fates"] == {"invalid": 1, "dead": 1, "pending": 1}
    [dead] = show(database, newest(database), "dead")["rows"]
    assert "no phone to dial" in dead["why"]
    [event] = explain(database, settings, dead["event"])["events"]
    assert event["import"] == {"import": newest(database), "file": "leads.csv", "line": 4, "who": "ana"}
    assert "line 4 of leads.csv" in event["story"][0]["said"]


def test_the_same_file_again_has_rows_that_were_stored_before(
    settings: Settings, database: Database, leads: Path
) -> None:
    first = newest(database)
    before = [row["event"] for row in show(database, first)["rows"] if row["fate"] != "invalid"]
    imported(settings, database, leads)
    rows = show(database, newest(database))["rows"]
    assert newest(database) != first
    assert [row["event"] for row in rows if row["stored"] == "duplicate"] == before


def test_corrected_rows_take_the_place_of_those_they_were(
    settings: Settings, database: Database, leads: Path, tmp_path: Path
) -> None:
    first = newest(database)
    for fate, phone in (("dead", "3001112244"), ("invalid", "3001112255")):
        tally = imported(settings, database, corrected(database, tmp_path / f"{fate}.csv", first, fate, phones=phone))
        assert (tally.accepted, tally.left) == (1, 0)
        assert set(fates(database, newest(database)).values()) == {"pending"}
    assert fates(database, first) == {2: "pending", 3: "replaced", 4: "replaced"}
    with database.read() as conn:
        states = dict(conn.execute(select(tables.deliveries.c.state, tables.deliveries.c.reason_code)).all())
        extras = conn.execute(select(tables.events.c.payload).order_by(tables.events.c.id.desc()).limit(1)).scalar()
    assert states["suppressed"] == "replaced" and "dead" not in states
    assert "was_line" not in str(extras) and "replaces" not in str(extras)


def test_a_row_that_is_as_it_was_replaces_nothing(
    settings: Settings, database: Database, leads: Path, tmp_path: Path
) -> None:
    first = newest(database)
    tally = imported(settings, database, corrected(database, tmp_path / "same.csv", first, "dead"))
    assert (tally.duplicate, tally.accepted) == (1, 0)
    assert fates(database, first)[4] == "dead"


def test_a_row_that_is_still_bad_leaves_the_old_one_where_it_was(
    settings: Settings, database: Database, leads: Path, tmp_path: Path
) -> None:
    first = newest(database)
    eva = {"first_name": "Eva", "phones": "3001112266"}
    path = corrected(database, tmp_path / "bad.csv", first, "dead", eva, first_name="Zoé")
    imported(settings, database, path)
    assert fates(database, first)[4] == "dead"


@pytest.mark.parametrize("state", ["delivered", "sending", "uncertain"])
def test_what_the_vendor_may_have_is_not_replaced(
    settings: Settings, database: Database, leads: Path, tmp_path: Path, state: str
) -> None:
    first = newest(database)
    with database.write() as conn:
        dead = tables.deliveries.c.state == "dead"
        conn.execute(update(tables.deliveries).where(dead).values(state=state))
    tally = imported(settings, database, corrected(database, tmp_path / "late.csv", first, state, phones="3001112277"))
    assert (tally.left, tally.accepted) == (1, 0)
    assert f"is {state}" in tally.faults[0]["errors"][0]["message"]
    assert fates(database, first)[4] == state
    assert set(fates(database, newest(database)).values()) == {"left"}


def test_the_columns_that_tell_how_a_row_was_are_hidden_only_beside_the_one_that_names_it() -> None:
    marked = Corrected(["Replaces", "was_why", "phones"])
    assert (marked.event(["e12", "no", "3"]), list(marked.cells(["e12", "no", "3"]))) == (12, ["", "", "3"])
    assert marked.event(["12", "no", "3"]) is None and marked.event([]) is None
    plain = Corrected(["was_why", "phones"])
    assert (plain.event(["e1", "3"]), plain.cells(["no", "3"])) == (None, ["no", "3"])


@pytest.mark.parametrize("text", ["x", "", "-1", "1e9", "٣", "9" * 30])
def test_what_is_no_number_of_an_import_is_said_in_one_line(text: str) -> None:
    with pytest.raises(ConnectorError, match="connector imports lists them"):
        number_of(text)


def test_the_commands_show_them(settings: Settings, tmp_path: Path) -> None:
    def run(*args: str) -> Any:
        return CliRunner().invoke(command, args, env={"CONNECTOR_CONFIG": str(tmp_path / "none.toml")})

    assert run("imports", "show", "1", "--json", "--csv").exit_code == 2
    assert run("imports", "show").exit_code == 2
    assert run("imports").exit_code == 1
