"""Handshakes of senders before they deliver: CloudEvents' webhooks and Event Grid.

https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md, "Abuse protection". Both are answered without
storing anything. A permission opens nothing: every delivery still has to prove its origin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from flask import Response

from connector.core.payload import Payload
from connector.web.request import Headers
from connector.web.responses import problem, reply

LONGEST_ORIGIN: Final = 255  #: characters
LONGEST_CODE: Final = 500
_ORIGIN: Final = re.compile(r"[\w.:/*-]+", re.ASCII)
_VALIDATION: Final = "SubscriptionValidation"
_MOST_PAYLOADS: Final = 1


def permission(headers: Headers) -> Response | None:
    """The answer to an OPTIONS request with ``WebHook-Request-Origin``; None without one."""
    origin = (headers.get("webhook-request-origin") or "").strip()
    if not origin:
        return None
    if len(origin) > LONGEST_ORIGIN or not _ORIGIN.fullmatch(origin):
        return problem(400, "WebHook-Request-Origin is no name of a host")
    permitted = {"Allow": "POST", "WebHook-Allowed-Origin": origin}
    if rate := (headers.get("webhook-request-rate") or "").strip():
        permitted["WebHook-Allowed-Rate"] = rate if rate.isascii() and rate.isdecimal() and len(rate) < 10 else "*"
    return Response(b"", 200, headers=permitted)


def validation(headers: Headers, payloads: Sequence[Payload]) -> Response | None:
    """The validation code of a new Event Grid subscription; None for any other request."""
    if (headers.get("aeg-event-type") or "").strip() != _VALIDATION or len(payloads) != _MOST_PAYLOADS:
        return None
    body = payloads[0].body
    data = body.get("data") if isinstance(body, dict) else None
    code = data.get("validationCode") if isinstance(data, dict) else None
    if not isinstance(code, str) or not (code.isprintable() and 0 < len(code) <= LONGEST_CODE):
        return problem(400, "data.validationCode is missing, or no short text")
    return reply({"validationResponse": code})
