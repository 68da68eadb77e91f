"""Persons in a stored payload become invented ones, the same for the same, and nothing of the real ones is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connector.admin.cases import Case, case_of
from connector.admin.stored import StoredEvent
from connector.cli.root import connector as command
from connector.core.payload import Payload
from connector.core.settings import Settings, Source
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.store import inbox
from connector.store.database import Database
from connector.store.migrate import migrate
from connector.vendors.destinations import name_of
from tests.config_texts import DIAL, DIALLER, ENVIRON

FIELDS = {
    "first_name": "nombre",
    "last_name": "apellido",
    "phones": "tel",
    "email": "correo",
    "extra.mensaje": "mensaje",
}
REAL = ("Beltr", "Mónica", "MONICA", "monica", "4456789", "445-6789", "3158000", "gmail", "Mu&ntilde;oz", "Muñoz")


def case(mapping: str, payload: Any, fetched: Any = None, **source: Any) -> Case:
    settings = Settings(sources={"s": Source(name="s", mapping=mapping, **source)})
    return case_of(settings, StoredEvent(1, settings.sources["s"], Payload(payload), fetched, 0))


def test_a_person_is_another_one_everywhere_and_is_read_alike() -> None:
    made = case(
        "form",
        {
            "nombre": "Mónica Beltrán",
            "apellido": "O&#039;Mu&ntilde;oz",
            "tel": "+57 (310) 445-6789",
            "correo": "Mónica <monica.beltran@gmail.com>",
            "mensaje": "Soy MONICA, mi cel 310 4456789 o 3158000 fax; escriban a monica.beltran@gmail.com",
            "json": '{"quien": "M\\u00f3nica", "tel": "573104456789"}',
            "id": "998877665544",
        },
        fields=FIELDS | {"id": "id"},
    )
    text = json.dumps([made.payload, made.expected], ensure_ascii=False)
    assert not [one for one in REAL if one in text]
    assert made.differs == ""
    event = made.expected["event"]
    assert event["id"] == "998877665544"
    [phone] = event["phones"]
    assert phone[3:6] == "310" and phone[6:] in made.payload["mensaje"].replace(" ", "")
    assert event["email"] in event["extra"]["mensaje"]
    assert event["first_name"].split()[0].upper() in event["extra"]["mensaje"]


@pytest.mark.parametrize(
    ("mapping", "payload", "real"),
    [
        ("zendesk", {"ticket_id": 1, "requester": "Camila <camila@corp.co>", "status": "Solved"}, "amila"),
        (
            "elementor",
            {
                "fields[a][title]": "Nombre",
                "fields[a][value]": "Camila",
                "fields[b][type]": "tel",
                "fields[b][title]": "Teléfono de tu referido",
                "fields[b][value]": "3201112299",
                "fields[c][type]": "tel",
                "fields[c][value]": "3104456789",
            },
            "1112299",
        ),
        ("adf", {"adf": {"prospect": {"customer": {"contact": {"name": "Camila", "phone": "3104456789"}}}}}, "4456789"),
        ("form", {"nombre": "Camila", "tel": "310 445 67899 casa"}, "67899"),
        ("form", {"nombre": "Camila", "tel": "3104456789", "cedula": "1020304050", "direccion": "Cra 7 # 1"}, "304050"),
        ("form", {"nombre": "Camila", "tel": "3104456789", "mensaje": "llamar a mi mamá Yolanda Triana"}, "Triana"),
        ("form", {"nombre": "Luz", "tel": "3104456789", "mensaje": "me llamo Luz, esposa del Sr. Otoniel"}, "Otoniel"),
        ("form", {"nombre": "Camila", "tel": "3104456789", "mensaje": "Cami quiere un crédito"}, "Cami "),
        (
            *("form", {"nombre": "A", "tel": "3104456789", "correo": "otoniel.z@corp.co", "mensaje": "soy otoniel"}),
            "toniel",
        ),
        (
            "adf",
            {
                "adf": {
                    "prospect": {
                        "customer": {
                            "contact": {"name": "Luz", "phone": "3104456789", "address": {"street": "Cra 9 # 8-76"}},
                            "comments": "vive en Cra 9 # 8-76",
                        }
                    }
                }
            },
            "8-76",
        ),
    ],
)
def test_nothing_real_is_left(mapping: str, payload: Any, real: str) -> None:
    made = case(mapping, payload, fields=FIELDS if mapping == "form" else {})
    assert real not in json.dumps([made.payload, made.expected])
    assert made.differs == ""


def test_what_was_fetched_is_of_the_same_invented_person() -> None:
    thin = {"eventId": 1, "occurredAt": 1796000000000, "subscriptionType": "contact.creation", "objectId": 501}
    contact = {"id": "501", "properties": {"firstname": "Camila", "phone": "3104456789", "email": "camila@corp.co"}}
    made = case("hubspot", thin, {"contact": contact})
    assert made.expected["event"]["email"] == made.expected["fetched"]["contact"]["properties"]["email"]
    assert "amila" not in json.dumps([made.payload, made.expected])
    assert made.payload == thin


# --- the commands ---------------------------------------------------------------------------------------------------

FORM = """
[sources.form]
mapping = "form"
verify = { scheme = "path", secrets = ["s-1"] }
fields = { first_name = "nombre", phones = "tel", "extra.program" = "programa" }
"""


@pytest.fixture
def stored(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A database with one event, e1, and the environment of a configuration with two routes that choose."""
    migrate(sqlite_url)
    routes = DIAL + 'when = { program = "MBA" }\n' + DIAL.replace("dial new leads", "the rest") + "otherwise = true\n"
    config = tmp_path / "connector.toml"
    config.write_text(DIALLER + FORM + routes)
    environ = {**ENVIRON, "DATABASE_URL": sqlite_url, "CONNECTOR_CONFIG": str(config), "CONNECTOR_SECRET_KEY": "k"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings = Settings(sources={"form": Source(name="form", mapping="form", fields=FIELDS)})
    receiver = Receiver(settings, Router(settings, name_of))
    body = json.dumps({"nombre": "Camila", "tel": "3104456789", "programa": "Derecho"}).encode()
    arrivals, _ = receiver.arrivals(settings.sources["form"], body, content_type="application/json", headers={})
    database = Database(sqlite_url)
    with database.write() as conn:
        inbox.store(conn, arrivals)
    database.close()
    return environ


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, arguments)
    return done.exit_code, done.output


def test_a_stored_payload_is_mapped_by_the_configuration_of_today(stored: dict[str, Any]) -> None:
    code, said = run("map", "--from", "e1", "--json")
    assert code == 0, said
    [event] = json.loads(said)["events"]
    assert event["event"]["extra"] == {"program": "Derecho"}
    assert [one["route"] for one in event["deliveries"]] == ["the rest"]
    assert event["routes"] == [
        {"route": "dial new leads", "takes": False, "why": "program is “Derecho”, and must be “MBA”"},
        {"route": "the rest", "takes": True, "why": None},
    ]
    code, said = run("map", "--from", "e1")
    assert code == 0 and "program is “Derecho”" in said.replace("\n", "")


def test_a_stored_payload_becomes_a_pair_of_files_once(stored: dict[str, Any], tmp_path: Path) -> None:
    code, said = run("cases", "add", "e1", "law", "--folder", str(tmp_path / "cases"))
    assert code == 0, said
    kept = json.loads((tmp_path / "cases/form/law.json").read_text())
    expected = json.loads((tmp_path / "cases/form/law.expected.json").read_text())
    assert kept["programa"] == "Derecho" and kept["nombre"] != "Camila"
    assert expected["event"]["first_name"] == kept["nombre"]
    assert expected["fields"]["phones"] == "tel"
    code, said = run("cases", "add", "e1", "law", "--folder", str(tmp_path / "cases"))
    assert code == 1 and "is there already" in said


def test_in_a_project_the_files_go_where_the_project_proves_them(stored: dict[str, Any], tmp_path: Path) -> None:
    code, said = run("cases", "add", "e1", "law")
    assert code == 0, said
    assert sorted(one.name for one in (tmp_path / "samples/form").iterdir()) == ["law.expected.json", "law.json"]
    code, said = run("new", "test", "form")
    assert code == 0 and "law.json: as it must be" in said
    expected = tmp_path / "samples/form/law.expected.json"
    expected.write_text(expected.read_text().replace("Derecho", "Medicina"))
    code, said = run("new", "test", "form")
    assert code == 1 and "extra.program should be 'Medicina'" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("map",), "give a SOURCE and a FILE"),
        (("map", "--from", "e9"), 'there is no event "e9" here'),
        (("map", "--from", "e1", "nobody"), 'no source is called "nobody"'),
        (("cases", "add", "e1", "../x"), "is no name of a file"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(stored: dict[str, Any], arguments: tuple[str, ...], said: str) -> None:
    code, told = run(*arguments)
    assert code and said in told
