"""How the floor, the rivals and the connector are started, and the connector's configuration for a bench."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench import leads, places
from tests.bench.places import PYTHON, Broken, Running

_CONFIGURATION = """\
timezone = "America/Bogota"
region = "CO"

[accounts.dialler]
vendor = "wolkvox"
base_url = "{vendor_url}"
token = "bench-token"
licences = 100000
dial_prefix = "9"

[sources.{source}]
mapping = "lead"
verify = {{ scheme = "standard-webhooks", secrets = ["{secret}"] }}
{queue}
[[routes]]
name = "dial new leads"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "start"
opt = ["utm.source", "program"]
"""


@dataclass(frozen=True)
class Connector:
    """A configured connector: how each of its parts is started, and where leads are posted."""

    at: Path
    environment: Mapping[str, str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/{leads.SOURCE}"

    @property
    def ready(self) -> str:
        return f"http://127.0.0.1:{self.port}/livez"

    def migrate(self) -> None:
        command = [PYTHON, "-m", "connector", "migrate"]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, cwd=places.ROOT, env=environment, capture_output=True, timeout=60, check=False)
        if done.returncode:
            raise Broken(f"connector migrate: {done.stderr.decode(errors='replace').strip()[-600:]}")

    def start(self, part: str, *, env: Mapping[str, str] | None = None) -> contextlib.AbstractContextManager[Running]:
        """`part`: web | work | consume | run. Ready when /livez answers, at once for those that serve nothing."""
        ready = self.ready if part in ("web", "run") else ""
        command = [PYTHON, "-m", "connector", part]
        return places.started(part, command, at=self.at, env={**self.environment, **(env or {})}, ready=ready)


@contextlib.contextmanager
def connector(kind: str, at: Path, *, vendor_url: str = "http://127.0.0.1:9", queue: str = "") -> Iterator[Connector]:
    """A migrated connector on a fresh database ("sqlite" or "postgres"), nothing started yet."""
    path = at / f"connector-{kind}.toml"
    path.write_text(
        _CONFIGURATION.format(
            vendor_url=vendor_url,
            source=leads.SOURCE,
            secret=leads.SECRET,
            queue=f'queue = "{queue}"\n' if queue else "",
        )
    )
    port = places.free_port()
    with places.database(kind, at) as url:
        environment = {
            "CONNECTOR_CONFIG": str(path),
            "DATABASE_URL": url,
            "PORT": str(port),
            "LOG_LEVEL": "WARNING",
            "AMQP_URL": places.AMQP_URL if queue else "",
            "CONNECTOR_SECRET_KEY": "bench-secret-key",
        }
        made = Connector(at, {name: value for name, value in environment.items() if value}, port)
        made.migrate()
        yield made


@dataclass(frozen=True)
class Served:
    """A WSGI app in its server. `url`: where leads are posted."""

    url: str
    running: Running


def gunicorn(app: str, port: int, *, workers: int = 2, threads: int = 16) -> list[str]:
    """gunicorn with threads: what most would write, and on two cores the fastest of its plain settings."""
    server = [PYTHON, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"]
    return [*server, "--workers", str(workers), "--threads", str(threads), "--log-level", "warning", app]


@contextlib.contextmanager
def served(app: str, at: Path, *, threads: int = 16, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """`app` is "tests.bench.floor:app" or a rival's; gunicorn, two processes."""
    port = places.free_port()
    name = app.split(":")[0].rsplit(".", 1)[-1]
    ready = f"http://127.0.0.1:{port}/livez"
    with places.started(name, gunicorn(app, port, threads=threads), at=at, env=env, ready=ready) as running:
        yield Served(f"http://127.0.0.1:{port}/webhooks/{leads.SOURCE}", running)
