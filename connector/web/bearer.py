"""Token checks: for `/api` and, unless public, for `/metrics` and `/readyz`.

A request without the token, or with a wrong one, gets one word. The log says what was missing.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import Response, request

from connector.admin.people import People, WaitFirst
from connector.core.settings import Person, Secret
from connector.web.access_log import because
from connector.web.responses import problem

UNAUTHORISED: Final = "unauthorised"
NAMES: Final = {"WWW-Authenticate": "Bearer"}

View = Callable[..., Response]


def behind(tokens: Sequence[Secret], view: View, *, closed: View) -> View:
    """``view`` for requests with one of the configured tokens; ``closed`` answers all if none is set."""
    known = [token.reveal().encode("utf-8", "surrogateescape") for token in tokens if token]
    return _gated(lambda wire: _is_one_of(known, wire), view, closed if not known else None)


def behind_key(people: People, view: View, *, closed: View) -> View:
    """``view`` for people with a key; ``closed`` answers all if nobody has one."""
    return _gated(
        lambda wire: people.of_keys_of_strangers(wire.decode("utf-8", "surrogateescape")) is not None,
        view,
        closed if not people else None,
    )


def _gated(opens: Callable[[bytes], bool], view: View, closed: View | None) -> View:
    def gate(**parts: Any) -> Response:
        if closed is not None:
            return closed(**parts)
        try:
            is_open = opens(_shown_key())
        except WaitFirst as fault:
            because("too many wrong tokens came before")
            return problem(429, str(fault), headers={"Retry-After": f"{math.ceil(fault.wait_s)}"})
        if not is_open:
            because("no token of ours in Authorization: Bearer …")
            return problem(401, UNAUTHORISED, headers=NAMES)
        return view(**parts)

    return gate


def person_of(people: People) -> Person | None:
    """The person of the key that this request shows."""
    return people.of_key(_shown_key().decode("utf-8", "surrogateescape"))


def _shown_key() -> bytes:
    """The text after "Bearer"; nothing for any other scheme."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip().encode("latin-1", "replace") if scheme.lower() == "bearer" else b""


def _is_one_of(known: Sequence[bytes], wire: bytes) -> bool:
    same = [hmac.compare_digest(wire, one) for one in known]  # compares with all, so that timing reveals nothing
    return any(same)
