"""A sender made of a caught payload: what is guessed, what is written, and that it keeps what it promises."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

import mappings
from connector.admin.new_sender.guess import guess
from connector.admin.new_sender.writing import with_line
from connector.cli.root import connector as command
from connector.cli.send import kept_sample
from connector.core.errors import ConnectorError
from connector.core.settings import Source, Verify
from connector.inbound.captured import captured
from mappings.base import Locale
from mappings.translated import inside

PROJECT = Path(__file__).resolve().parent.parent
LOCALE = Locale("CO", ZoneInfo("America/Bogota"))
#: What a form provider posts: its answers are the JSON text of one field of a multipart form.
ANSWERS = {
    "slug": "submit/243",
    "q3_nombreCompleto": {"first": "María José", "last": "Quintero Peña"},
    "q4_correoElectronico": "mjq@correo.example",
    "q5_telefonoCelular": {"full": "(315) 222-3344"},
    "q6_programa": "MBA",
    "event_id": "1764",
}
FIELDS = {"formID": "243310984722051", "submissionID": "607123", "ip": "190.1.2.3", "rawRequest": json.dumps(ANSWERS)}
BOUNDARY = "----WebKitFormBoundaryX"
MULTIPART = (
    "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in FIELDS.items()
    )
    + f"--{BOUNDARY}--\r\n"
)
REQUEST = f"POST /hook HTTP/1.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n{MULTIPART}"
NESTED = {
    "id": "evt_9",
    "sent_at": "2026-11-30T10:00:00Z",
    "contact": {"name": "Ana Núñez", "phone": "+57 300 111 2233", "email": "ana@correo.example"},
    "course": "MBA",
}
CAUGHT: dict[str, tuple[str, str]] = {
    "multipart": ("caught.http", REQUEST),
    "multipart_body": ("body.txt", MULTIPART),
    "nested": ("body.json", json.dumps(NESTED)),
    "form": ("body.txt", "nombre=Ana+N%C3%BA%C3%B1ez&celular=3001112233&correo=ana%40correo.example&pagina=home"),
    "xml": (
        "body.xml",
        "<lead><id>77</id><customer><firstname>Ana</firstname><phone>3001112233</phone></customer></lead>",
    ),
    "request": ("caught.http", f"content-type: application/json\n\n{json.dumps(NESTED)}\n"),
}


def paths(payload: dict[str, Any]) -> dict[str, list[str]]:
    return {ours: [one.path for one in values] for ours, values in guess(payload, LOCALE).fields.items()}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A folder as `connector init` makes it; what it adds to the tables of mappings is taken out again."""
    tables = (mappings.PAYLOADS, mappings.EVENT_TYPES, mappings.PROOFS)
    before, environ = [dict(one) for one in tables], dict(os.environ)
    folder = tmp_path / "mine"
    made = CliRunner().invoke(command, ["init", str(folder), "--yes"])
    assert made.exit_code == 0, made.output
    yield folder
    for one, was in zip(tables, before, strict=True):
        one.clear()
        one.update(was)  # type: ignore[arg-type]
    os.environ.clear()  # commands have read the project's .env into it
    os.environ.update(environ)


@pytest.fixture
def run(project: Path) -> Callable[..., Result]:
    def run(*args: str) -> Result:
        environ = {"CONNECTOR_CONFIG": str(project / "config" / "connector.toml")}
        return CliRunner().invoke(command, args, env=environ)

    return run


def test_values_are_guessed_by_their_names_in_json_inside_a_field_too() -> None:
    found = guess(FIELDS | {"pretty": "x"}, LOCALE)
    assert {ours: (one[0].inside, one[0].path) for ours, one in found.fields.items()} == {
        "id": ("", "submissionID"),
        "first_name": ("rawRequest", "q3_nombreCompleto.first"),
        "last_name": ("rawRequest", "q3_nombreCompleto.last"),
        "email": ("rawRequest", "q4_correoElectronico"),
        "phones": ("rawRequest", "q5_telefonoCelular.full"),
    }
    assert "q6_programa" in [one.path for one in found.rest]


def test_a_phone_in_parts_is_one_field() -> None:
    answers = {"q3_name": {"first": "Ana", "last": "Ruiz"}, "q5_celular": {"area": "315", "phone": "2223344"}}
    found = guess({"rawRequest": json.dumps(answers)}, LOCALE)
    assert [(one.path, one.inside) for one in found.fields["phones"]] == [("q5_celular", "rawRequest")]
    assert found.fields["first_name"][0].value == "Ana"


def test_the_envelope_is_found_beside_the_person() -> None:
    assert paths(NESTED) == {
        "id": ["id"],
        "time": ["sent_at"],
        "first_name": ["contact.name"],
        "phones": ["contact.phone"],
        "email": ["contact.email"],
    }


def test_what_no_name_tells_is_found_by_its_value() -> None:
    assert paths({"f1": "Ana", "f2": "300 111 2233"})["phones"] == ["f2"]
    assert paths({"f1": "Ana", "f2": "ana@correo.example"})["email"] == ["f2"]
    assert not guess({"f1": "Ana", "number": "12"}, LOCALE).reaches


def test_another_person_s_number_is_not_the_lead_s() -> None:
    assert paths({"telefono_acudiente": "3001112233", "celular": "3105556677"})["phones"] == ["celular"]


@pytest.mark.parametrize("given", ["", "x", "[1]", "{", None, 7, "9" * 100_000, "[" * 100_000])
def test_what_is_no_object_in_a_field_is_empty(given: Any) -> None:
    assert inside({"raw": given}, "raw") == {}
    assert inside({"raw": '{"a": 1}'}, "raw") == {"a": 1}


@pytest.mark.parametrize("name", CAUGHT)
def test_a_caught_payload_becomes_a_sender_that_keeps_its_promises(
    project: Path, run: Callable[..., Result], tmp_path: Path, name: str
) -> None:
    file, text = CAUGHT[name]
    (tmp_path / file).write_bytes(text.encode())
    made = run("new", "sender", f"own_{name}", str(tmp_path / file))
    assert made.exit_code == 0, made.output
    assert made.output.count("as it must be") == 3, made.output
    kept = "".join(one.read_text() for one in (project / "samples" / f"own_{name}").iterdir())
    assert "Núñez" not in kept and "Quintero" not in kept and "111 2233" not in kept and "222-3344" not in kept
    assert (project / ".env").stat().st_mode & 0o077 == 0
    assert f"OWN_{name.upper()}_TOKEN=" in (project / ".env").read_text()
    assert run("new", "test", f"own_{name}").exit_code == 0
    shown = json.loads(run("map", f"own_{name}", str(tmp_path / file), "--json").stdout)["events"][0]
    assert shown["status"] == "accepted" and shown["event"]["phones"]
    assert run("check", "--offline").exit_code == 0


def test_the_kept_request_is_the_sample_of_a_sender_of_one_s_own(
    project: Path, run: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "caught.json").write_text(json.dumps({"id": "9", "telefono": "3001112233", "nombre": "Ana"}))
    assert run("new", "sender", "own_sample", str(tmp_path / "caught.json")).exit_code == 0
    source = Source(name="own_sample", mapping="own_sample", verify=Verify(scheme="none"))
    kept = project / "samples" / "own_sample" / "lead.created.request.json"
    assert kept_sample(source, project) == kept
    assert (
        run("send", "own_sample", "--sample", "--wait", "0", "--to", "http://127.0.0.1:1").stderr.count("listens") == 1
    )
    assert kept_sample(replace(source, mapping="lead"), project) is None  # which has one already
    assert kept_sample(replace(source, mapping="nobody_s"), project) is None


def test_a_change_that_breaks_a_promise_is_told(project: Path, run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps(NESTED))
    run("new", "sender", "own_change", str(tmp_path / "body.json"))
    expected = project / "samples" / "own_change" / "lead.created.expected.json"
    expected.write_text(expected.read_text().replace("MBA", "BBA"))
    told = run("new", "test", "own_change")
    assert told.exit_code == 1
    assert "event.extra.course should be 'BBA', and is 'MBA'" in told.output


def test_a_file_of_one_s_own_that_is_no_mapping_is_a_fault_with_its_line(
    project: Path, run: Callable[..., Result]
) -> None:
    (project / "senders").mkdir()
    for name, text, said in (
        ("broken", "x = (\n", "senders/broken.py, line 1: SyntaxError"),
        ("raising", "\nraise ValueError('no')\n", "senders/raising.py, line 2: ValueError: no"),
        ("empty", "", "senders/empty.py: it needs one class"),
        ("lead", "", "senders/lead.py: the product has a mapping of this name"),
    ):
        file = project / "senders" / f"{name}.py"
        file.write_text(text)
        told = run("check", "--offline")
        assert told.exit_code == 1 and said in told.output
        file.unlink()


@pytest.mark.parametrize(
    "args",
    [["new", "sender", "Acme", "x"], ["new", "sender", "lead", "x"], ["new", "sender", "landing", "x"]],
)
def test_a_name_that_is_taken_or_none_is_refused(run: Callable[..., Result], tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "body.json").write_text(json.dumps(NESTED))
    told = run(*args[:3], str(tmp_path / "body.json"))
    assert told.exit_code == 1 and len(told.stderr.strip().splitlines()) == 1


def test_what_is_no_request_is_said() -> None:
    for raw in (b"POST / HTTP/1.1\r\nA: b\r\n", b"nothing"):
        with pytest.raises(ConnectorError, match="blank line"):
            captured(raw, ".http")
    saved = captured(REQUEST.replace("\r\n", "\n").encode(), ".http")
    assert b"\r\n" in saved.body, "an editor has taken the line ends of a multipart body"


def test_a_table_that_looks_otherwise_is_left_to_a_person() -> None:
    with pytest.raises(ConnectorError, match="by hand"):
        with_line("PAYLOADS = {}\n", "acme")


@pytest.mark.slow
def test_in_the_product_s_tree_the_tests_find_the_new_sender(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(PROJECT, tree, ignore=shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "var", "former"))
    (tmp_path / "caught.http").write_bytes(REQUEST.encode())
    environ = dict(os.environ) | {"PYTHONPATH": str(tree), "CONNECTOR_CONFIG": "config/connector.toml"}

    def typed(*args: str) -> str:
        line = [sys.executable, *args]
        ended = subprocess.run(line, cwd=tree, env=environ, capture_output=True, text=True, timeout=200)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    said = typed("-m", "connector", "new", "sender", "acme", str(tmp_path / "caught.http"))
    assert "make sender NAME=acme" in said
    assert typed("-m", "connector", "new", "test", "acme").count("as it must be") == 3
    assert '"acme": acme.AcmeMapping' in (tree / "mappings" / "__init__.py").read_text()
    typed("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/test_senders.py", "-k", "acme")
