"""What the body of an act says: a JSON object, or nothing. Raises `ConnectorError` for one that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from flask import request

from connector.core.errors import ConnectorError
from connector.web.request import body as raw_body

LONGEST_BODY: Final = 8192  #: bytes
LONGEST_TEXT: Final = 200  #: characters of a person, or of a reason


def given() -> dict[str, Any]:
    """The JSON object of the body; none is an empty one."""
    raw = raw_body(request.environ, LONGEST_BODY)
    if not raw.strip():
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise ConnectorError("send a JSON object, or nothing")
    return body


def text(body: Mapping[str, Any], name: str) -> str:
    said = body.get(name, "")
    if not isinstance(said, str) or len(said) > (4 * LONGEST_TEXT if name == "plan" else LONGEST_TEXT) or "\0" in said:
        raise ConnectorError(f"{name}: a text of at most {LONGEST_TEXT} characters")
    return said.strip()


def flag(body: Mapping[str, Any], name: str) -> bool:
    said = body.get(name, False)
    if not isinstance(said, bool):
        raise ConnectorError(f"{name}: true or false")
    return said
