"""``python -m tests.soak --minutes 10``: `run`, then `web`, under all attacks; exits 1 if a figure is bad."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
from sqlalchemy import select

from connector.core.settings import Secret, Verify
from connector.inbound.signatures import sign
from connector.store.database import Database
from connector.store.tables import events
from connector.web.limits import UNPROVED_BYTES
from tests.bench.load import quantile
from tests.soak.attacks import HOST, lead

ROOT: Final = Path(__file__).parent.parent.parent
SECRET: Final = "soak-secret-of-thirty-two-letters"
SIGNED: Final = Verify(scheme="hmac", secrets=(Secret(SECRET),), header="X-Signature")
MIB: Final = 1 << 20
LEAD_P99_MS: Final = 300.0
LIVEZ_MS: Final = 100.0
MEMORY_BYTES: Final = 60 * MIB
PROVED_EVERY_S: Final = 0.2
LIVEZ_EVERY_S: Final = 0.1
IDLE_S: Final = 5.0

CONFIGURATION: Final = """
[metrics]
public = true
[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "invented"
[sources.signed]
mapping = "lead"
verify = { scheme = "hmac", header = "X-Signature", secrets = ["SECRET"] }
[sources.open]
mapping = "lead"
verify = { scheme = "none" }
[sources.form]
mapping = "elementor"
verify = { scheme = "none" }
[sources.google]
mapping = "google_lead_form"
verify = { scheme = "field", field = "google_key", secrets = ["SECRET"] }
[[routes]]
name = "dial"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
sources = ["signed", "open"]
""".replace("SECRET", SECRET)


@dataclass
class Figures:
    """What was measured of one command."""

    leads_ms: list[float] = field(default_factory=list)
    livez_ms: list[float] = field(default_factory=list)
    floor_ms: list[float] = field(default_factory=list)  #: of a server that does nothing, at the same time
    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  #: proved leads, and alive or not, that were not answered with 2xx
    idle: int = 0  #: bytes of memory, all processes
    peak: int = 0
    processes: int = 1
    restarts: int = 0
    lost: int = 0
    attacks: dict[str, int] = field(default_factory=dict)

    @property
    def allowed(self) -> int:
        """Bytes above idle: what the table lets strangers hold of each process, and 60 MB of each."""
        return self.processes * (MEMORY_BYTES + UNPROVED_BYTES)

    def faults(self) -> list[str]:
        """What is worse than promised."""
        found = []
        if (p99 := quantile(self.leads_ms, 0.99)) > LEAD_P99_MS:
            found.append(f"proved leads: p99 {p99:.0f} ms")
        if (worst := max(self.livez_ms, default=0.0)) > LIVEZ_MS:
            found.append(f"/livez: {worst:.0f} ms")
        if self.peak - self.idle > self.allowed:
            found.append(f"memory: {(self.peak - self.idle) // MIB} MB above idle")
        return [*found, *(["restarts"] if self.restarts else []), *(["losses"] if self.lost else []), *self.refused[:5]]

    def table(self) -> str:
        worst = sorted(self.leads_ms)[-1:] or [0.0]
        return "\n".join(
            [
                f"  proved leads: {len(self.leads_ms)}, p50 {quantile(self.leads_ms, 0.5):.0f} ms,"
                f" p99 {quantile(self.leads_ms, 0.99):.0f} ms, worst {worst[0]:.0f} ms; not taken: {len(self.refused)}",
                f"  /livez: {len(self.livez_ms)}, p99 {quantile(self.livez_ms, 0.99):.0f} ms,"
                f" worst {max(self.livez_ms, default=0.0):.0f} ms",
                f"  a server that does nothing, meanwhile: p50 {quantile(self.floor_ms, 0.5):.0f} ms,"
                f" p99 {quantile(self.floor_ms, 0.99):.0f} ms, worst {max(self.floor_ms, default=0.0):.0f} ms",
                f"  memory of {self.processes} process(es): {self.idle // MIB} MB idle, {self.peak // MIB} MB at most:"
                f" {(self.peak - self.idle) // MIB} MB above idle ({self.allowed // MIB} MB allowed)",
                f"  restarts: {self.restarts}; acknowledged and lost: {self.lost} of {len(self.acknowledged)}",
                *(f"    {kind}: {number}" for kind, number in self.attacks.items()),
            ]
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each command")
    parser.add_argument("--command", choices=["run", "web", "both"], default="both")
    given = parser.parse_args()
    bad = False
    for command in ("run", "web") if given.command == "both" else (given.command,):
        with tempfile.TemporaryDirectory() as folder:
            figures = soak(command, Path(folder), given.minutes * 60)
        faults = figures.faults()
        bad = bad or bool(faults)
        sys.stdout.write(f"{command}, {given.minutes:g} minutes\n{figures.table()}\n")
        sys.stdout.write(f"  {'as promised' if not faults else 'NOT as promised: ' + '; '.join(faults)}\n")
        sys.stdout.flush()
    return int(bad)


def soak(command: str, folder: Path, seconds: float) -> Figures:
    """One command under attack for so long. In the folder are its configuration, its database and its log."""
    url, figures = f"sqlite:///{folder / 'connector.db'}", Figures()
    with socket.create_server((HOST, 0)) as free:
        port = int(free.getsockname()[1])
    with started(command, folder, url, port) as process:
        until_alive(port)
        for number in range(50):
            _lead(port, f"warm-{number}", Figures())
        time.sleep(IDLE_S)
        before = _tree(process.pid)
        figures.processes = max(1, len(before) - 1)
        figures.idle = _memory(before)
        attackers = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.attacks", "--port", str(port), "--seconds", str(seconds)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        floor = subprocess.Popen([sys.executable, "-m", "tests.soak.floor"], cwd=ROOT, stdout=subprocess.PIPE)
        assert floor.stdout is not None
        floor_port, over = int(floor.stdout.readline()), threading.Event()
        measuring = [
            threading.Thread(target=_leads, args=(port, figures, over)),
            threading.Thread(target=_livez, args=(port, figures, figures.livez_ms, over)),
            threading.Thread(target=_livez, args=(floor_port, figures, figures.floor_ms, over)),
        ]
        for thread in measuring:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            figures.peak = max(figures.peak, _memory(_tree(process.pid)))
            time.sleep(0.5)
        over.set()
        for thread in measuring:
            thread.join()
        floor.kill()
        floor.communicate()
        told, _ = attackers.communicate(timeout=120)
        figures.attacks = orjson.loads(told or b"{}")
        figures.restarts = len(set(before) - set(_tree(process.pid)))
    database = Database(url)
    with database.read() as conn:
        stored = set(conn.execute(select(events.c.event_id).where(events.c.source == "signed")).scalars())
    database.close()
    figures.lost = len(set(figures.acknowledged) - stored)
    return figures


@contextlib.contextmanager
def started(command: str, folder: Path, url: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a person starts it; it ends with the block."""
    (folder / "connector.toml").write_text(CONFIGURATION)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "DYNO"))},
        "CONNECTOR_CONFIG": str(folder / "connector.toml"),
        "CONNECTOR_SECRET_KEY": secrets.token_hex(32),
        "DATABASE_URL": url,
        "PORT": str(port),
        "WEB_CONCURRENCY": "2",
    }
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "connector", command], env=environment, cwd=ROOT, stderr=out)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            process.kill()
            process.wait()


def until_alive(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if _ask(port, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.1)
    raise SystemExit("the connector does not answer")


def _leads(port: int, figures: Figures, over: threading.Event) -> None:
    for number in range(10**9):
        if over.wait(PROVED_EVERY_S):
            return
        _lead(port, f"P-{number}", figures)


def _lead(port: int, name: str, figures: Figures) -> None:
    body = orjson.dumps({**lead(hash(name) % 10**7), "id": name})
    given = sign(SIGNED, body, secret=SECRET, now_s=time.time())
    head = [
        "POST /webhooks/signed HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{key}: {value}" for key, value in given.items()),
    ]
    begun = time.monotonic()
    try:
        said = _ask(port, "\r\n".join([*head, "", ""]).encode() + body)
    except OSError as fault:
        said = type(fault).__name__.encode()
    figures.leads_ms.append((time.monotonic() - begun) * 1000)
    if said.startswith(b"HTTP/1.1 2"):
        figures.acknowledged.append(name)
    else:
        figures.refused.append(f"lead: {said[:40].decode('latin-1')}")


def _livez(port: int, figures: Figures, into: list[float], over: threading.Event) -> None:
    while not over.wait(LIVEZ_EVERY_S):
        begun = time.monotonic()
        try:
            said = _ask(port, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        except OSError as fault:
            said = type(fault).__name__.encode()
        into.append((time.monotonic() - begun) * 1000)
        if not said.startswith(b"HTTP/1.1 200"):
            figures.refused.append(f"/livez: {said[:40].decode('latin-1')}")


def _ask(port: int, request: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=30) as line:
        line.sendall(request)
        said = b""
        while some := line.recv(65536):
            said += some
        return said


def _tree(pid: int) -> list[int]:
    """The process and those that it started."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(one for child in children for one in _tree(int(child)))]
    return []


def _memory(pids: list[int]) -> int:
    """Bytes; what processes share counts once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


if __name__ == "__main__":
    sys.exit(main())
