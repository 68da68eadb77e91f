"""`connector send`: a payload as its source's sender would send it, signed, to a running connector."""

from __future__ import annotations

import os
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import click
import orjson
import requests

from connector.cli import app, output
from connector.cli.given_file import GivenFile
from connector.cli.group import fail
from connector.config import loader, own_senders
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings, Source
from connector.core.text import did_you_mean, the_configuration_has
from connector.core.text import quote as quoted
from connector.inbound.captured import captured
from connector.inbound.signatures import sign

TIMEOUT_S: Final = 30.0
LOOK_S: Final = 0.2

#: An example for each mapping, for a first try. Nobody has this number.
SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "lead": {
        "id": "L-1",
        "type": "lead.created",
        "data": {
            "first_name": "Ana",
            "last_name": "Núñez",
            "id_type": "CC",
            "id_number": "1000000001",
            "city": "Medellín",
            "phones": ["+573000000001"],
            "email": "ana@example.com",
            "extra": {"utm": {"source": "google"}, "program": "MBA"},
        },
    },
    "ticket": {
        "id": "T-1",
        "type": "ticket.closed",
        "data": {
            "ticket_id": "583dcb2855d0a46e438d0001",
            "number": "261",
            "channel": "email",
            "agent": {"id": 467, "name": "Thaís Gutiérrez", "email": "agent@example.com"},
            "customer": {"name": "Ana Núñez", "email": "ana@example.com", "phone": "+573000000001"},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Request:
    """The HTTP request."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@click.command()
@click.argument("source")
@click.argument("file", required=False, metavar="[FILE]", type=GivenFile(pipe=True))
@click.option("--sample", is_flag=True, help="An invented payload, of our own JSON or of a sender of your own.")
@click.option("--to", metavar="URL", default="", help="Where the connector listens; http://127.0.0.1:PORT if left out.")
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.IntRange(0, 600),
    default=15,
    show_default=True,
    help="For a connector on this machine that is just starting.",
)
@app.json_option
def send(source: str, file: Path | None, sample: bool, to: str, wait: int, as_json: bool) -> None:
    """Sends a payload as its sender would, signed.

    FILE is .json, .ndjson, .xml or .txt (a form), as for connector map. Whatever proof of origin the source demands is
    made with its first secret: signature, token, password, query, field or path.

    \b
    connector send landing --sample
    connector send landing lead.json --to https://connector.example.com
    """
    if sample == (file is not None):
        raise click.UsageError(phrase("give a FILE or --sample, one of the two"))
    settings = app.settings()
    found = _source(settings, source)
    file = kept_sample(found, own_senders.folder_of(loader.path_of(os.environ)).parent) if sample else file
    body, content_type = sample_of(found) if file is None else _caught(file)
    base = to.rstrip("/") or f"http://127.0.0.1:{settings.port}"
    request = signed(found, body, content_type, base, settings.public_url or base)
    answer = _post(request, wait)
    shown = _body_of(answer)
    if as_json:
        output.as_json({"status": answer.status_code, "answer": shown})
    else:
        output.line(f"{answer.status_code} {output.compact(shown) if not isinstance(shown, str) else shown}")
        if answer.ok and isinstance(shown, dict) and shown.get("id"):
            output.line(phrase("what became of it: connector explain {id}", id=shown["id"]))
    if not answer.ok:
        sys.exit(1)


def _source(settings: Settings, name: str) -> Source:
    if name not in settings.sources:
        hint = did_you_mean(name, settings.sources) or the_configuration_has(settings.sources)
        raise ConnectorError(phrase("no source is called {name}{hint}", name=quoted(name), hint=hint))
    if settings.sources[name].verify is None:
        raise ConnectorError(phrase("{name} takes no webhooks: it has no verify", name=quoted(name)))
    return settings.sources[name]


def kept_sample(source: Source, project: Path) -> Path | None:
    """The request that `connector new sender` kept for a sender of the project's own, the first by name."""
    folder = project / own_senders.SAMPLES / source.mapping
    return next(iter(sorted(folder.glob("*.request.json"))), None) if source.mapping not in SAMPLES else None


def sample_of(source: Source) -> tuple[bytes, str]:
    """An invented payload that the source's mapping reads, and its content type; the same all day."""
    if source.mapping not in SAMPLES:
        raise ConnectorError(
            phrase(
                "there is no sample of {mapping}: give a FILE as its sender sends it", mapping=quoted(source.mapping)
            )
        )
    made = dict(SAMPLES[source.mapping])
    if source.mapping == "ticket":
        # Of the day, not of the second: who sends the sample again on the same day sends the same event again.
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        times = {"created_at": (today - timedelta(days=1)).isoformat(), "updated_at": today.isoformat()}
        made["data"] = {**made["data"], **times}
    return orjson.dumps(made), "application/json"


def _caught(file: Path) -> tuple[bytes, str]:
    """A body and its content type; of a whole request its own."""
    try:
        raw = file.read_bytes()
    except OSError as fault:
        raise ConnectorError(phrase("{file} cannot be read: {why}", file=file, why=fault.strerror or "")) from fault
    request = captured(raw, file.suffix.lower())
    return request.body, request.content_type


def signed(source: Source, body: bytes, content_type: str, base: str, public: str) -> Request:
    """The request, with the proof of origin where the scheme has it. ``public``: the address that is signed."""
    spec = source.verify
    assert spec is not None
    secret = spec.secrets[0].reveal() if spec.secrets else ""
    path = f"/webhooks/{source.name}"
    if spec.scheme == "path":
        path += f"/{quote(secret, safe='')}"
    if spec.scheme == "query":
        path += f"?{urlencode({spec.parameter: secret})}"
    if spec.scheme == "field":
        body = _with_field(body, content_type, spec.field, secret)
    headers = sign(
        spec, body, secret=secret, now_s=time.time(), message_id=_message_id(body), method="POST", url=public + path
    )
    return Request(base + path, body, {**headers, "Content-Type": content_type})


def _message_id(body: bytes) -> str:
    """The payload's own id, so that it is called alike on both sides."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    own = found.get("id") if isinstance(found, dict) else None
    return own if isinstance(own, str) and own.isascii() and own.isprintable() and own else f"msg_{uuid.uuid4().hex}"


def _with_field(body: bytes, content_type: str, field: str, secret: str) -> bytes:
    if "form-urlencoded" in content_type:
        pairs = [pair for pair in parse_qsl(body.decode(), keep_blank_values=True) if pair[0] != field]
        return urlencode([*pairs, (field, secret)]).encode()
    try:
        return orjson.dumps({**orjson.loads(body), field: secret})
    except (orjson.JSONDecodeError, TypeError) as fault:
        why = "the secret of this source is a field of the body, and this is no object"
        raise ConnectorError(f"{why}: {fault}") from None


def _post(request: Request, wait_s: float) -> requests.Response:
    local = request.url.startswith(("http://127.0.0.1", "http://localhost"))
    if local:
        _wait_for_listener(request.url, wait_s)
    with requests.Session() as session:
        session.trust_env = not local
        try:
            return session.post(
                request.url, data=request.body, headers=dict(request.headers), timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.ConnectionError:
            where = request.url.split("/webhooks/")[0]
            fail(phrase("nobody listens at {where}: start connector run, or say --to URL", where=where))
        except requests.RequestException as fault:
            fail(
                phrase(
                    "{fault}: no answer came within {seconds:.0f} s",
                    fault=type(fault).__name__,
                    seconds=TIMEOUT_S,
                )
            )


def _wait_for_listener(url: str, wait_s: float) -> None:
    """Waits until the address accepts connections, or for a limited time: `connector run &` takes a moment to start."""
    host, port, end = urlsplit(url).hostname, urlsplit(url).port, time.monotonic() + wait_s
    is_warned = False
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            if time.monotonic() >= end:
                return
        else:
            return
        if not is_warned:
            output.warn(
                phrase("nobody listens at port {port} yet: waiting {seconds:.0f} s for it", port=port, seconds=wait_s)
            )
            is_warned = True
        time.sleep(LOOK_S)


def _body_of(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text[:200]
