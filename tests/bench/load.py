"""A keep-alive HTTP load generator that costs little CPU, run in a process of its own: raw sockets, ready requests.

Closed loop (every connection sends its next request when the answer is there) or, with a rate, open loop: requests
leave at fixed times, whatever the answers do, and latency counts from the time a request was due.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import random
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import orjson

from tests.bench import leads

_STUCK_S = 10.0


@dataclasses.dataclass
class Load:
    """What a run of the generator saw. `sent` and `answered` are CLOCK_MONOTONIC seconds by lead number."""

    rate: float  #: answers a second of a 2xx status, after the warm-up
    p50_ms: float
    p99_ms: float
    max_ms: float
    seconds: float
    statuses: dict[str, int]  #: "202" -> count; "cut": the connection ended before an answer
    cpu_s: float
    sent: dict[int, float] = dataclasses.field(default_factory=dict)  #: with `trace` only
    answered: dict[int, float] = dataclasses.field(default_factory=dict)


def quantile(values: Sequence[float], query: float) -> float:
    """The value that a share q of `values` does not exceed; 0.0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(query * len(ordered)))]


class _Connection:
    """One socket, one request at a time."""

    __slots__ = ("_address", "body_end", "buffer", "due", "n", "rest", "sock", "started")

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.open()

    def open(self) -> None:
        self.sock = socket.create_connection(self._address, timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.buffer = b""
        self.body_end = -1
        self.rest: memoryview | None = None
        self.n = -1

    def send(self, number: int, data: bytes, due: float) -> None:
        self.n, self.due, self.started = number, due, time.monotonic()
        self.buffer, self.body_end, self.rest = b"", -1, memoryview(data)
        self.write()

    def write(self) -> None:
        if self.rest is None:
            return
        try:
            while self.rest:
                self.rest = self.rest[self.sock.send(self.rest) :]
        except BlockingIOError:
            return
        self.rest = None

    def read(self) -> str:
        """The status of a whole answer, "" while there is more to come; ConnectionError when the server hung up."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return ""
        if not data:
            raise ConnectionResetError
        self.buffer = self.buffer + data if self.buffer else data
        if self.body_end < 0:
            self.body_end = _body_end(self.buffer)
        done = 0 <= self.body_end <= len(self.buffer)
        return self.buffer[9:12].decode("latin-1") if done else ""


def _body_end(buffer: bytes) -> int:
    """Where the answer ends in the buffer, -1 while that cannot be said."""
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        return -1
    head = buffer[:head_end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return len(buffer) if buffer.endswith(b"\r\n0\r\n\r\n") else -1
    return head_end + 4 + int(head[at + 17 :].split(b"\r\n", 1)[0])


class _Generator:
    """The loop: answers in, requests out, until the time or the requests are used up."""

    def __init__(self, url: str, *, connections: int, next_request: Callable[[], tuple[int, bytes] | None]) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.next_request = next_request
        self.selector = selectors.DefaultSelector()
        self.idle: list[_Connection] = []
        self.statuses: collections.Counter[str] = collections.Counter()
        self.taken: list[tuple[float, float, str, int, float]] = []  # answered, latency, status, n, started
        self.busy = 0
        self.on_idle: Callable[[_Connection], None] = self.idle.append
        for _ in range(connections):
            connection = _Connection(self.address)
            self.selector.register(connection.sock, selectors.EVENT_READ, connection)
            self.idle.append(connection)

    def start(self, connection: _Connection, due: float | None = None) -> bool:
        request = self.next_request()
        if request is None:
            return False
        self.busy += 1
        connection.send(*request, due if due is not None else time.monotonic())
        if connection.rest is not None:
            self.selector.modify(connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
        return True

    def poll(self, timeout: float) -> int:
        ready = self.selector.select(timeout)
        for key, mask in ready:
            connection: _Connection = key.data
            if mask & selectors.EVENT_WRITE:
                connection.write()
                if connection.rest is None:
                    self.selector.modify(connection.sock, selectors.EVENT_READ, connection)
            if mask & selectors.EVENT_READ:
                self._readable(connection)
        return len(ready)

    def _readable(self, connection: _Connection) -> None:
        try:
            status = connection.read()
        except ConnectionError:
            self._reopen(connection)
            return
        if status and connection.n >= 0:
            self._done(connection, status)

    def _done(self, connection: _Connection, status: str) -> None:
        now = time.monotonic()
        self.taken.append((now, now - connection.due, status, connection.n, connection.started))
        connection.n = -1
        self.busy -= 1
        self.on_idle(connection)

    def _reopen(self, connection: _Connection) -> None:
        """A server may close an idle connection; one that was waiting for its answer is counted as cut."""
        was_waiting = connection.n >= 0
        self.selector.unregister(connection.sock)
        connection.sock.close()
        number = connection.n
        connection.open()
        self.selector.register(connection.sock, selectors.EVENT_READ, connection)
        if was_waiting:
            connection.n = number
            self._done(connection, "cut")


def _closed_loop(generator: _Generator, *, until: float) -> None:
    def again(connection: _Connection) -> None:
        if time.monotonic() < until:
            generator.start(connection)

    generator.on_idle = again
    for connection in list(generator.idle):
        generator.start(connection)
    _finish(generator)


def _open_loop(generator: _Generator, *, rate: float, until: float, poisson: bool) -> None:
    """Requests leave when they are due; when no connection is free they wait, and that wait counts."""
    chance = random.Random(7)  # the same arrivals in every run
    due = time.monotonic() + 0.05
    while due < until:
        generator.poll(max(0.0, due - time.monotonic()))
        if time.monotonic() < due or not generator.idle:
            continue
        if not generator.start(generator.idle.pop(), due):
            break
        due += chance.expovariate(rate) if poisson else 1 / rate
    _finish(generator)


def _finish(generator: _Generator) -> None:
    progress = (-1, 0.0)
    while generator.busy:
        generator.poll(0.5)
        if len(generator.taken) != progress[0]:
            progress = (len(generator.taken), time.monotonic())
        elif time.monotonic() - progress[1] > _STUCK_S:
            generator.statuses["stuck"] += generator.busy
            return


def _requests(args: argparse.Namespace) -> Callable[[], tuple[int, bytes] | None]:
    parts = urlsplit(args.url)
    pool = list(leads.requests(args.first, args.requests, host=parts.netloc, path=parts.path, run=args.run))
    numbered = iter(enumerate(pool, args.first))
    return lambda: next(numbered, None)


def _summary(generator: _Generator, *, started: float, warmup_s: float, trace: bool) -> Load:
    """Figures over the answers after the warm-up; all of them when that leaves none."""
    measured = [t for t in generator.taken if t[0] >= started + warmup_s] or generator.taken
    begun = started + warmup_s if len(measured) < len(generator.taken) else started
    seconds = max((measured[-1][0] if measured else begun) - begun, 1e-9)
    latencies = [latency * 1000 for _, latency, *_ in measured]
    for _, _, status, _, _ in generator.taken:
        generator.statuses[status] += 1
    return Load(
        rate=sum(status.startswith("2") for _, _, status, _, _ in measured) / seconds,
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
        max_ms=max(latencies, default=0.0),
        seconds=seconds,
        statuses=dict(generator.statuses),
        cpu_s=time.process_time(),
        sent={number: begun for _, _, _, number, begun in generator.taken} if trace else {},
        answered={number: ended for ended, _, _, number, _ in generator.taken} if trace else {},
    )


def _arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--requests", type=int, default=30_000, help="size of the pool, made before the clock starts")
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=0.0, help="open loop: requests a second")
    parser.add_argument("--poisson", action="store_true")
    parser.add_argument("--first", type=int, default=0, help="number of the first lead")
    parser.add_argument("--run", default="b", help="part of every id, so that two runs share none")
    parser.add_argument("--trace", action="store_true", help="tell when each lead was sent and answered")
    return parser.parse_args(argv)


def main() -> None:
    args = _arguments()
    generator = _Generator(args.url, connections=args.connections, next_request=_requests(args))
    started = time.monotonic()
    if args.rate:
        _open_loop(generator, rate=args.rate, until=started + args.seconds, poisson=args.poisson)
    else:
        _closed_loop(generator, until=started + args.seconds)
    load = _summary(generator, started=started, warmup_s=args.warmup, trace=args.trace)
    sys.stdout.buffer.write(orjson.dumps(dataclasses.asdict(load), option=orjson.OPT_NON_STR_KEYS))


def run(url: str, *options: str | float) -> Load:
    """Runs the generator in a process of its own with these command-line options and returns what it saw."""
    command = [sys.executable, "-m", "tests.bench.load", url, *map(str, options)]
    done = subprocess.run(command, capture_output=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    seen = Load(**orjson.loads(done.stdout))
    seen.sent = {int(number): t for number, t in seen.sent.items()}
    seen.answered = {int(number): t for number, t in seen.answered.items()}
    return seen


if __name__ == "__main__":
    main()
