"""Any table of persons, in any form that it may be written in: nobody in it is lost, by an import or by a list."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.admin.privacy.people_file import PeopleFile
from connector.core.settings import Settings, Source
from connector.inbound.files.formats import opened, reading
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.vendors import destinations
from mappings.base import Locale
from tests.outbound_steps import dial, dialler
from tests.workbooks import write_xlsx

LEADS = Source(name="landing", mapping="lead")
SETTINGS = Settings(accounts={"dialler": dialler()}, sources={"landing": LEADS}, routes=(dial(),))
TITLES = ("Nombre", "Cédula", "Celular", "Correo", "Ciudad")
#: Encodings in which a spreadsheet or an old program writes, and what it can say in each.
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
WORDS = ("Ana", "José", "Begoña", "Núñez", "María", "Ñandú", "Óscar", "Peña")
PREFIXES = ("300", "301", "302", "310", "311", "313", "315", "320", "321")  #: of mobiles in Colombia
CITIES = ("Bogotá", "Medellín", "Cali", "Ibagué")


@dataclass(frozen=True)
class Person:
    """A row: the number as it is written, and in E.164; "" where what is written is none."""

    cells: tuple[str, ...]
    phone: str


@st.composite
def persons(draw: st.DrawFn) -> Person:
    name = " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)))
    document = str(draw(st.integers(10_000_000, 1_199_999_999)))
    national = f"{draw(st.sampled_from(PREFIXES))}{draw(st.integers(0, 9_999_999)):07d}"
    forms = (
        national,
        f"+57 {national[:3]} {national[3:]}",
        f"57{national}",
        f"{national[:3]}-{national[3:6]}-{national[6:]}",
        f"{national}.0",
        f"'{national}",
        f"({national[:3]}) {national[3:]}",
        f"Cel: {national}",
        national[:-3],
        "no tiene",
    )
    form = draw(st.integers(0, len(forms) - 1))
    good = form < len(forms) - 2
    return Person(
        (name, document, forms[form], "", draw(st.sampled_from(CITIES))),
        f"+57{national}" if good else "",
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Person], str]:
    """Persons, one of them who can be called at least: a file of nobody is refused; and how they are written."""
    people = draw(st.lists(persons(), min_size=1, max_size=8).filter(lambda found: any(one.phone for one in found)))
    return people, draw(st.sampled_from([*ENCODINGS, "xlsx"]))


def write(folder: Path, people: Sequence[Person], how: str, separator: str, *, quoted: bool) -> Path:
    rows = [TITLES, *(one.cells for one in people)]
    if how == "xlsx":
        write_xlsx(folder / "people.xlsx", rows)
        return folder / "people.xlsx"
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(rows)
    path = folder / "people.csv"
    path.write_bytes(text.getvalue().encode(how))
    return path


def imported(path: Path) -> dict[int, list[str]]:
    """Line -> the phones of the lead that the row becomes."""
    receiver = Receiver(SETTINGS, Router(SETTINGS, destinations.name_of))
    found: dict[int, list[str]] = {}
    with opened(path) as file:
        for row in reading(file, LEADS):
            arrivals, _ = receiver.arrivals(LEADS, row.raw, content_type=row.content_type, headers={})
            found[row.line] = [delivery.record or "" for one in arrivals for delivery in one.deliveries]
    return found


@settings(max_examples=60)
@given(tables(), st.sampled_from(",;\t|"), st.booleans())
def test_everybody_in_a_table_is_imported_and_suppressed_or_told_by_line(
    table: tuple[list[Person], str], separator: str, quoted: bool
) -> None:
    people, how = table
    with TemporaryDirectory() as folder:
        path = write(Path(folder), people, how, separator, quoted=quoted)
        rows = imported(path)
        with opened(path) as file:
            lines = {one.line: one for one in PeopleFile(file, Locale("CO"))}
    assert [*rows] == [*range(2, len(people) + 2)]
    for line, one in enumerate(people, start=2):
        listed = lines[line]
        if one.phone:
            assert one.phone in listed.people
            assert any(one.phone[3:] in record for record in rows[line])
        else:
            assert listed.fault
            assert not any(rows[line])
        assert f"+57{one.cells[1]}" not in listed.people, "a document is no phone"
