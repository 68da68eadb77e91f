"""The `connector` command in a process that is killed at a named step: ``python -m tests.killed_at_step work``.

Nothing of this is in the product: the steps' functions are wrapped from outside, then the command runs as ever. The
KILL_NTH time that KILL_STEP is reached the process, with whatever it started, gets SIGKILL.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connector.__main__ import main
from connector.core import http
from connector.core.quota import Wait
from connector.inbound import committer, receiver
from connector.inbound.rabbitmq import spool
from connector.outbound import claims, send
from connector.store import chains, spool_file


def die() -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


class Countdown:
    """Counts over all processes of the command: a file grows by a byte each time."""

    def __init__(self, nth: int) -> None:
        self.nth = nth
        self.path = Path(os.environ["KILL_COUNT"])

    def reached(self) -> bool:
        with self.path.open("ab") as file:
            file.write(b".")
        return self.path.stat().st_size == self.nth


def after(function: Callable[..., Any], countdown: Countdown, counts: Callable[[Any], bool]) -> Callable[..., Any]:
    """``function``, after which the process dies, the NTH time that its result counts."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if counts(result) and countdown.reached():
            die()
        return result

    return wrapped


def while_running(function: Callable[..., Any], countdown: Countdown) -> Callable[..., Any]:
    """``function``, in the midst of which the process dies: the request is written, the answer has not come."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if countdown.reached():
            threading.Timer(0.1, die).start()
        return function(*args, **kwargs)

    return wrapped


def always(_result: Any) -> bool:
    return True


def arm(step: str, countdown: Countdown) -> None:
    """Wraps what the step is."""
    if step == "received":
        receiver.Receiver.read_all = after(receiver.Receiver.read_all, countdown, always)  # type: ignore[method-assign]
    elif step == "stored":
        committer._settle_replies = _before(committer._settle_replies, countdown)
    elif step == "spooled":  # durable, and not answered yet
        for kind in (spool_file.FileSpool, spool.QueueSpool):
            kind.add = after(kind.add, countdown, always)  # type: ignore[method-assign]
    elif step == "claimed":
        send.claim = after(send.claim, countdown, lambda claimed: not isinstance(claimed, Wait))
        _rebind_claim()
    elif step == "sent":
        http.Client.call = while_running(http.Client.call, countdown)  # type: ignore[method-assign]
    elif step == "answered":
        http.Client.call = after(http.Client.call, countdown, always)  # type: ignore[method-assign]
    elif step == "settled":
        send._settle = after(send._settle, countdown, always)
    elif step == "releasing":  # written, and not committed yet
        chains.go = after(chains.go, countdown, always)
    else:
        raise SystemExit(f"no such step: {step}")


def _before(function: Callable[..., Any], countdown: Countdown) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if countdown.reached():
            die()
        return function(*args, **kwargs)

    return wrapped


def _rebind_claim() -> None:
    from connector.outbound import worker

    worker.claim = send.claim
    assert claims.claim is not send.claim


if os.environ.get("KILL_STEP"):  # also in the processes that the command starts, which import this anew
    arm(os.environ["KILL_STEP"], Countdown(int(os.environ["KILL_NTH"])))

if __name__ == "__main__":
    main()
