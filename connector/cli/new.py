"""`connector new`: writes a mapping from a captured payload, and proves it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import orjson

import mappings
from connector.admin.new_sender import proving, writing
from connector.admin.new_sender.guess import Guess, guess
from connector.admin.new_sender.writing import Sender
from connector.cli import app, env_file, output
from connector.cli.given_file import GivenFile
from connector.cli.group import ROOT, fail
from connector.config import own_senders
from connector.core.errors import ConnectorError, Unreadable, UnsupportedType
from connector.core.phrases import phrase
from connector.inbound.captured import captured
from connector.inbound.payloads.decode import decode
from mappings.base import Locale
from mappings.senders.lead import EVENT_TYPES


@click.group()
def new() -> None:
    """Makes a sender's mapping from a payload.

    \b
    connector new sender acme caught.http
    connector new test acme
    """


@new.command()
@click.argument("name")
@click.argument("payload", metavar="PAYLOAD", type=GivenFile())
@click.option("--type", "event_type", type=click.Choice(EVENT_TYPES), default=EVENT_TYPES[0], show_default=True)
def sender(name: str, payload: Path, event_type: str) -> None:
    """Writes a sender's mapping, configuration and tests.

    PAYLOAD is what the sender sent: a body (JSON, a form, multipart, XML) or a whole request with its headers (.http).
    Which value is which field is guessed by names and values; JSON inside a form's field is read, too. The payload is
    kept as a test, with invented persons. In a project folder the mapping goes into senders/, the payload into
    samples/, the source into the configuration and its secret into .env; in the product's own tree into mappings/ and
    tests/.

    \b
    connector new sender acme caught.http
    connector new sender acme body.json --type lead.updated
    """
    writing.demand_name(name)
    settings = app.settings(only_reads=True)
    if name in mappings.PAYLOADS or name in settings.sources:
        fail(phrase("there is a mapping or a source called {name} already: choose another name", name=name))
    made = _made(name, payload, event_type, settings.locale)
    config = Path(os.environ.get("CONNECTOR_CONFIG") or env_file.DEFAULT_CONFIG)
    root = own_senders.folder_of(str(config)).parent
    if root == ROOT:
        _into_product(made, settings.locale)
    else:
        _into_project(made, settings.locale, root, config)
    _print(made.guess)


@new.command()
@click.argument("name")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where its payloads are; samples/NAME."
)
def test(name: str, folder: Path | None) -> None:
    """Proves that a sender reads its kept payloads.

    Each payload becomes what its .expected.json says, each request is proved by its secret and holds the payload, and a
    forged one is refused. Ends with 1 when something does not hold.

    \b
    connector new test acme
    """
    app.settings(only_reads=True)  # loads the project's own mappings
    if name not in mappings.PAYLOADS:
        fail(phrase("there is no mapping called {name}: {names}", name=name, names=", ".join(mappings.PAYLOADS)))
    root = own_senders.folder_of(os.environ.get("CONNECTOR_CONFIG") or env_file.DEFAULT_CONFIG).parent
    payloads = ROOT / "tests" / "payloads" if root == ROOT else root / own_senders.SAMPLES
    candidates = [folder] if folder else [payloads / name, *([payloads / "cases" / name] if root == ROOT else ())]
    folders = [one for one in candidates if one.is_dir()] or candidates[:1]
    wrong = 0
    for what, fault in (line for one in folders for line in proving.prove(name, one)):
        output.line(f"{what}: {fault or 'as it must be'}", "red" if fault else "green")
        wrong += bool(fault)
    if wrong:
        sys.exit(1)


def _made(name: str, path: Path, event_type: str, locale: Locale) -> Sender:
    """The sender to write. Raises `ConnectorError` if the file does not hold exactly one payload."""
    request = captured(path.read_bytes(), path.suffix.lower())
    try:
        found = decode(request.body, content_type=request.content_type, headers=request.headers, as_sent=True)
    except (Unreadable, UnsupportedType) as fault:
        raise ConnectorError(phrase("{path} cannot be read: {fault}", path=path, fault=str(fault))) from fault
    body = found.payloads[0].body if found.payloads else None
    if not isinstance(body, dict) or not body:
        raise ConnectorError(phrase("{path} holds no object: a mapping reads one payload with named values", path=path))
    guessed = guess(body, locale)
    if not guessed.reaches:
        output.warn(phrase("no phone and no e-mail was recognised: name them in the mapping, by hand"))
    return Sender(name, event_type, guessed, body, request)


def _into_project(made: Sender, locale: Locale, root: Path, config: Path) -> None:
    file = root / own_senders.FOLDER / f"{made.name}.py"
    samples = root / own_senders.SAMPLES / made.name
    _demand_absent(file, samples)
    file.parent.mkdir(exist_ok=True)
    file.write_text(writing.mapping_text(made), encoding="utf-8")
    own_senders.load(str(config))
    with config.open("a", encoding="utf-8") as text:
        text.write(writing.snippet(made.name))
    secrets_file = env_file.env_file({"CONNECTOR_CONFIG": str(config)}) or root / ".env"
    with os.fdopen(os.open(secrets_file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "a", encoding="utf-8") as text:
        text.write(f"{writing.secret_name(made.name)}={writing.new_secret()}\n")
    _write_samples(made, locale, samples)
    output.line(
        phrase(
            "written: {file}, {samples}/, [sources.{name}] in {config}, its secret in {secrets_file}",
            file=file,
            samples=samples,
            name=made.name,
            config=config,
            secrets_file=secrets_file,
        )
    )
    for what, fault in proving.prove(made.name, samples):
        output.line(f"{what}: {fault or 'as it must be'}", "red" if fault else "green")
    output.line(
        phrase(
            "read {name} and {event_type}.expected.json line by line; then, after each change:",
            name=file.name,
            event_type=made.event_type,
        )
    )
    output.line(f"  connector new test {made.name}")
    output.line(f"  connector send {made.name} {samples.relative_to(root)}/{made.event_type}.request.json")


def _write_samples(made: Sender, locale: Locale, folder: Path) -> None:
    """Writes the payload with invented persons, its request, and its result of today."""
    folder.mkdir(parents=True)
    real = proving.read(made.name, made.payload, locale)
    payload, request = writing.fixtures(made, real, locale)
    options = {"region": locale.region, "timezone": locale.timezone.key}
    stem = folder / made.event_type
    writing.write_json(Path(f"{stem}.json"), payload)
    writing.write_json(Path(f"{stem}.request.json"), request)
    writing.write_json(Path(f"{stem}.expected.json"), options | proving.outcome_of(made.name, payload, options))


def _into_product(made: Sender, locale: Locale) -> None:
    file, table = ROOT / "mappings" / "senders" / f"{made.name}.py", ROOT / "mappings" / "__init__.py"
    tests = ROOT / "tests" / "payloads" / made.name
    _demand_absent(file, tests)
    file.write_text(writing.mapping_text(made), encoding="utf-8")
    table.write_text(writing.with_line(table.read_text(encoding="utf-8"), made.name), encoding="utf-8")
    own_senders.register(file)
    tests.mkdir()
    real = proving.read(made.name, made.payload, locale)
    payload, request = writing.fixtures(made, real, locale)
    stem = tests / made.event_type
    writing.write_json(Path(f"{stem}.json"), payload)
    writing.write_json(Path(f"{stem}.request.json"), request)
    expect = [sys.executable, "-m", "tests.expect", f"{stem}.json"]
    if subprocess.run(expect, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        output.warn(phrase("{command} failed: run it when the mapping is right", command=" ".join(expect[1:])))
    output.line(
        phrase(
            "written: {file}, its line in mappings/__init__.py, tests/payloads/{name}/",
            file=file.relative_to(ROOT),
            name=made.name,
        )
    )
    output.line(phrase("in the configuration that is to use it:"))
    for line in writing.snippet(made.name).strip().splitlines():
        output.verbatim(f"  {line}")
    output.line(phrase("its secret is {variable} of the environment", variable=writing.secret_name(made.name)))
    output.line(
        phrase(
            "read the mapping and {event_type}.expected.json line by line; then, after each change:",
            event_type=made.event_type,
        )
    )
    output.line(f"  make sender NAME={made.name}")


def _demand_absent(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise ConnectorError(phrase("{path} is there already: choose another name, or remove it", path=path))


def _print(guessed: Guess) -> None:
    rows: list[tuple[str, Any]] = [
        (ours, ", ".join(f"{one.inside} → {one.path}" if one.inside else one.path for one in values))
        for ours, values in guessed.fields.items()
    ]
    output.table((phrase("field"), phrase("guessed from")), rows)
    if guessed.rest:
        output.line(phrase("in extra: {names}", names=orjson.dumps([one.path for one in guessed.rest]).decode()), "dim")
