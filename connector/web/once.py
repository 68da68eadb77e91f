"""`Idempotency-Key`: an act that is asked for again with the same key is answered again, and not done again.

The key is taken before the act begins and its answer kept when it is done, for a day, in the database: so it holds
across processes. What was refused left nothing, and frees its key. An act whose end nobody saw keeps it: whether it was
done is for a person to find out, and a second try could contact somebody twice.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import orjson
from flask import Response, request

from connector.store import api_answers
from connector.store.api_answers import Given
from connector.store.database import Database, now_ms
from connector.web.request import body as raw_body
from connector.web.responses import problem

HEADER: Final = "Idempotency-Key"
REPEATED: Final = "Idempotent-Replayed"
#: 1 to 255 visible characters, as they are or in quotation marks.
KEY: Final = re.compile(r'"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')

UNUSABLE: Final = f"{HEADER}: 1 to 255 visible ASCII characters, the same ones whenever you ask for the same act"
OTHER: Final = f"this {HEADER} was used for another address or body within a day: take a new one for another act"
NOT_ANSWERED: Final = (
    f"what was asked with this {HEADER} goes on, or broke off and may have been done: "
    "look at /api/history, and take a new one if it was not"
)

View = Callable[..., Response]


class Once:
    """Acts at most once for a person's key. ``secret`` makes the hashes that are stored."""

    def __init__(self, database: Database, secret: bytes, largest: int) -> None:
        self._database = database
        self._secret = secret
        self._largest = largest

    def act(self, who: str, view: View, parts: dict[str, Any]) -> Response:
        """The answer of ``view``, which acts; or the one that was given before."""
        shown = request.headers.get(HEADER)
        if shown is None:
            return view(**parts)
        if (found := KEY.fullmatch(shown.strip())) is None:
            return problem(400, UNUSABLE)
        key = self._hash("key", who, found[1] or found[2])
        asked = self._hash("asked", request.method, request.full_path, self._body())
        with self._database.write(serialise=f"api_answers {key}") as conn:
            given = api_answers.begin(conn, key, asked, now_ms(conn))
        return self._done(key, view, parts) if given is None else _again(given, asked)

    def _done(self, key: str, view: View, parts: dict[str, Any]) -> Response:
        """Does it. An exception leaves the key taken: a part of it may have been done."""
        answer = view(**parts)
        with self._database.write() as conn:
            if answer.status_code < 300:
                api_answers.keep(conn, key, answer.status_code, answer.get_data(as_text=True))
            else:
                api_answers.leave(conn, key)
        return answer

    def _body(self) -> str:
        """The body, however its JSON is written; the view reads it after us."""
        raw = raw_body(request.environ, self._largest)
        request.environ["wsgi.input"] = BytesIO(raw)
        request.environ["CONTENT_LENGTH"] = str(len(raw))
        request.environ.pop("HTTP_TRANSFER_ENCODING", None)
        try:
            return orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS).decode()
        except orjson.JSONDecodeError:
            return raw.decode("latin-1")

    def _hash(self, *parts: str) -> str:
        text = orjson.dumps(["api_answers", *(part.encode("utf-8", "replace").decode() for part in parts)])
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()


def _again(given: Given, asked: str) -> Response:
    """What stands at a key that was used before."""
    if not hmac.compare_digest(given.asked, asked):
        return problem(422, OTHER)
    if given.status is None:
        return problem(409, NOT_ANSWERED)
    return Response(given.answer, given.status, headers={REPEATED: "true"}, content_type="application/json")
