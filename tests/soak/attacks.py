"""What strangers send, each kind in a thread of one process beside the one that measures. To 127.0.0.1 only."""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import orjson

HOST: Final = "127.0.0.1"
_ANSWER_S: Final = 30.0

count: Counter[str] = Counter()  #: kind and status, or how it ended
_number = itertools.count()


def post(port: int, source: str, body: bytes, *headers: str) -> str:
    """The status of one request on a connection of its own, or how it ended."""
    head = [
        f"POST /webhooks/{source} HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    try:
        with socket.create_connection((HOST, port), timeout=_ANSWER_S) as line:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                line.sendall("\r\n".join([*head, "", ""]).encode() + body)
            said = line.recv(64)
    except TimeoutError:
        return "no answer"
    except OSError:
        return "hung up on"
    return said[9:12].decode("latin-1") or "hung up on"


def lead(number: int, **data: object) -> dict[str, object]:
    return {"id": f"S-{number}", "type": "lead.created", "data": {"phones": [f"+57301{number % 10**7:07d}"], **data}}


JSON: Final = "Content-Type: application/json"


def flood(port: int) -> None:
    """Leads to an open source, some hundred in a body, as fast as they are taken."""
    body = orjson.dumps([lead(next(_number)) for _ in range(300)])
    count["flood", post(port, "open", body, JSON)] += 1


def single_flood(port: int) -> None:
    """One lead a request."""
    count["single flood", post(port, "open", orjson.dumps(lead(next(_number))), JSON)] += 1


def invalid(port: int) -> None:
    """Large bodies that are no events, to be kept."""
    body = b'{"type":"nothing","n":%d,"x":"%s"}' % (next(_number), b"x" * 60_000)
    count["invalid", post(port, "open", body, JSON)] += 1


def conflict(port: int) -> None:
    """The same id with another content each time."""
    body = orjson.dumps({**lead(next(_number), first_name="x" * 30_000), "id": "same"})
    count["conflict", post(port, "open", body, JSON)] += 1


def marks(port: int) -> None:
    """Combining marks in the wrong order, as many as a body holds."""
    name = "a" + "\u0301" * 15_000 + "\u0323" * 15_000
    body = orjson.dumps(lead(next(_number), first_name=name, extra={name[:20_000]: name}))
    count["marks", post(port, random.choice(("open", "form")), body, JSON)] += 1


def bombs(port: int) -> None:
    """Small bodies that are large once they are read."""
    kind = random.randrange(5)
    if kind == 0:
        body = b'{"google_key":"x","a":[' + b"{}," * 80_000 + b"{}]}"
        count["bomb in a field", post(port, "google", body, JSON)] += 1
    elif kind == 1:
        body = gzip.compress(b" " * 50_000_000)
        count["bomb in gzip", post(port, "open", body, JSON, "Content-Encoding: gzip")] += 1
    elif kind == 2:
        count["deep", post(port, "open", b"[" * 500_000, JSON)] += 1
    elif kind == 3:
        count["digits", post(port, "open", b'{"type":"lead.created","n":' + b"1" * 900_000 + b"}", JSON)] += 1
    else:
        form = b"&".join(b"a%d=%d" % (number, number) for number in range(5000))
        count["form", post(port, "form", form, "Content-Type: application/x-www-form-urlencoded")] += 1


def unproved(port: int) -> None:
    """Large bodies whose signature is wrong."""
    body = b'{"x":"%s"}' % (b"y" * 900_000)
    count["unproved", post(port, "signed", body, JSON, "X-Signature: 00")] += 1


def slow(port: int, begin: bytes, lines: int, every_s: float, kind: str) -> None:
    """Many connections that send a byte now and then; who is hung up on comes again."""
    held: list[socket.socket] = []
    while True:
        while len(held) < lines:
            try:
                line = socket.create_connection((HOST, port), timeout=5)
                line.sendall(begin)
            except OSError:
                count[kind, "refused"] += 1
                break
            held.append(line)
            line.setblocking(False)
            time.sleep(0.005)
        time.sleep(every_s)
        for line in held[:]:
            try:
                line.send(b"a")
                ended = line.recv(1000)
            except BlockingIOError:
                continue
            except OSError:
                ended = b""
            count[kind, ended[9:12].decode("latin-1") or "hung up on"] += 1
            held.remove(line)
            line.close()


def paced(attack: Callable[[int], None], port: int, every_s: float) -> None:
    """Again and again, with a pause: what is measured is the process, not how much two cores can send."""
    while True:
        attack(port)
        time.sleep(every_s)


HEAD: Final = b"POST /webhooks/signed HTTP/1.1\r\nHost: x\r\nX-A: "
BODY: Final = b"POST /webhooks/signed HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + b"x" * 100_000


def main(port: int, seconds: float) -> None:
    """All of them until the time is over; then what came of them, on stdout."""
    os.nice(10)
    every = {
        flood: 0.3,
        single_flood: 0.02,
        invalid: 0.1,
        conflict: 0.1,
        marks: 0.2,
        bombs: 0.3,
        unproved: 0.2,
    }
    threads = [threading.Thread(target=paced, args=(attack, port, one), daemon=True) for attack, one in every.items()]
    threads += [
        threading.Thread(target=slow, args=(port, HEAD, 300, 3.0, "slow head"), daemon=True),
        threading.Thread(target=slow, args=(port, BODY, 100, 3.0, "slow body"), daemon=True),
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    told = {f"{kind}: {status}": number for (kind, status), number in sorted(count.items())}
    sys.stdout.write(orjson.dumps(told).decode())
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    main(given.port, given.seconds)
