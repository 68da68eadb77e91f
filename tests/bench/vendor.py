"""A wolkvox that only counts, in a process of its own: reads a body, answers after 0.2 s, remembers when calls came.

``/_stats`` tells what came, ``/_reset`` forgets it. Times are CLOCK_MONOTONIC seconds, comparable between processes.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from dataclasses import dataclass, field

import orjson

_PHONE = b'"tel1":'
_CUSTOMER = re.compile(rb'"customer_id":"(\d+)"')
_MAX_BODY = 64 * 1024 * 1024
_TOO_MANY = "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)"
_REPORT = [
    {"campaign": f"{code} - Bench - Predictive (0)", "status": "started", "agents": "1"} for code in ("1042", "1043")
]


@dataclass
class Seen:
    """What has come so far. `calls`: [arrived, answered, rows]; `arrivals`: customer_id -> arrived, when kept."""

    slots: int
    keep_ids: bool
    rows: int = 0
    refused: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    calls: list[list[float]] = field(default_factory=list)
    arrivals: dict[str, float] = field(default_factory=dict)
    answers: dict[str, float] = field(default_factory=dict)
    repeated: int = 0

    def reset(self) -> None:
        """Forgets everything but what is in flight."""
        self.rows = self.refused = self.repeated = 0
        self.max_in_flight = self.in_flight
        self.calls, self.arrivals, self.answers = [], {}, {}

    def stats(self) -> bytes:
        return orjson.dumps(
            {
                "rows": self.rows,
                "refused": self.refused,
                "repeated": self.repeated,
                "in_flight": self.in_flight,
                "max_in_flight": self.max_in_flight,
                "calls": self.calls,
                "arrivals": self.arrivals,
                "answers": self.answers,
            }
        )


class _Connection(asyncio.BufferedProtocol):
    """One keep-alive connection: the body goes straight from the socket into one growing buffer."""

    def __init__(self, seen: Seen, latency_s: float) -> None:
        self.seen, self.latency_s = seen, latency_s
        self.buffer = bytearray(1 << 18)
        self.filled = 0
        self.needed = 0  # head and body together; 0 while the head is not whole
        self.arrived = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        wanted = max(self.needed, self.filled + 65536)
        if wanted > len(self.buffer):
            self.buffer.extend(bytes(wanted - len(self.buffer)))
        return memoryview(self.buffer)[self.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        if not self.filled:
            self.arrived = time.monotonic()
        self.filled += nbytes
        if not self.needed:
            self._head()
        if self.needed and self.filled >= self.needed:
            self._request()

    def _head(self) -> None:
        end = self.buffer.find(b"\r\n\r\n", 0, self.filled)
        if end < 0:
            return
        head = bytes(self.buffer[:end])
        length = re.search(rb"(?i)\r\ncontent-length:\s*(\d+)", head)
        self.head, self.body_at = head, end + 4
        self.needed = self.body_at + (int(length[1]) if length else 0)
        if self.needed > _MAX_BODY and self.transport:
            self.transport.close()

    def _request(self) -> None:
        arrived, head = self.arrived, self.head
        line = head.split(b"\r\n", 1)[0]
        if b"api=add_record" in line:
            self._add_record(arrived)
        else:
            self._answer(200, self._other(line))
        self.filled = self.needed = 0

    def _add_record(self, arrived: float) -> None:
        seen = self.seen
        if seen.in_flight >= seen.slots:
            seen.refused += 1
            self._answer(403, orjson.dumps({"code": "403", "error": _TOO_MANY, "msg": "", "data": []}))
            return
        seen.in_flight += 1
        seen.max_in_flight = max(seen.max_in_flight, seen.in_flight)
        rows = self.buffer.count(_PHONE, self.body_at, self.needed)
        ids = []
        if seen.keep_ids:
            ids = [m.decode() for m in _CUSTOMER.findall(bytes(self.buffer[self.body_at : self.needed]))]
            seen.repeated += sum(one in seen.arrivals for one in ids)
            seen.arrivals.update(dict.fromkeys(ids, arrived))
        asyncio.get_running_loop().call_later(self.latency_s, self._accept, arrived, rows, ids)

    def _accept(self, arrived: float, rows: int, ids: list[str]) -> None:
        seen, now = self.seen, time.monotonic()
        seen.in_flight -= 1
        seen.rows += rows
        seen.calls.append([arrived, now, rows])
        seen.answers.update(dict.fromkeys(ids, now))
        answer = {
            "code": "201",
            "error": None,
            "msg": "All records has been added successfully",
            "data": [{"total_registers": str(rows)}],
        }
        self._answer(201, orjson.dumps(answer))

    def _other(self, line: bytes) -> bytes:
        if b"/_stats" in line:
            return self.seen.stats()
        if b"/_reset" in line:
            self.seen.reset()
            return b"{}"
        if b"api=campaigns" in line:
            return orjson.dumps(_REPORT)
        return orjson.dumps({"code": 200, "error": None, "msg": "", "data": []})

    def _answer(self, status: int, body: bytes) -> None:
        if self.transport and not self.transport.is_closing():
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.transport.write(head.encode() + body)


async def _serve(port: int, seen: Seen, latency_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(seen, latency_s), "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.vendor", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds from the whole request to the answer")
    parser.add_argument("--slots", type=int, default=2, help="calls at once; one more is refused")
    parser.add_argument("--ids", action="store_true", help="keep every customer_id's arrival; costs CPU for each row")
    args = parser.parse_args()
    asyncio.run(_serve(args.port, Seen(args.slots, args.ids), args.latency))


if __name__ == "__main__":
    main()
