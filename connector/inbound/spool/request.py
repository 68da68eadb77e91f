"""A request in the spool: proved and decoded, not yet mapped. It holds all that the identity of its events depends on.

Its proof of origin was checked before, and is not kept: secrets inside a body are taken out when it is decoded. Mapping
and routing happen when it is stored, with the configuration of that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from connector.core import at_rest
from connector.core.errors import ConnectorError, Unreadable
from connector.core.payload import Payload
from connector.core.settings import Source
from connector.core.states import EventState
from connector.inbound.intake import PendingRequest
from connector.store.arrivals import Arrival
from mappings.base import FieldError

VERSION: Final = 1
_PLACE: Final = "spool.request"  #: what an encrypted one is authenticated with


class Poison(ConnectorError):  # noqa: N818 - what it is
    """Nothing can be made of a request; the text says why and holds nothing of it."""


def written(request: PendingRequest) -> str:
    """The request as the spool keeps it, encrypted where there is a key. Raises `TypeError` if it is no JSON."""
    data = {
        "v": VERSION,
        "source": request.source.name,
        "received_ns": request.received_ns,
        "lane": request.lane,
        "limited": request.limited,
        "payloads": [_payload(one) for one in request.payloads],
        "kept": [] if request.payloads else [_arrival_data(one) for one in request.arrivals],
    }
    return at_rest.sealed(orjson.dumps(data).decode(), _PLACE) or ""


def read(text: str, sources: Mapping[str, Source]) -> PendingRequest:
    """The request again. Raises `Poison`."""
    try:
        data = orjson.loads(at_rest.opened(text, _PLACE) or "")
        source = sources.get(data["source"])
        if data["v"] != VERSION:
            raise Poison(f"it is of another version ({data['v']})")
        if source is None:
            raise Poison(f"its source {data['source']} is not in the configuration")
        received = int(data["received_ns"])
        payloads = [_payload_of(one, received) for one in data["payloads"]]
        arrivals = [_arrival_of(one, source.name) for one in data["kept"]]
        lane, limited = int(data["lane"]), bool(data["limited"])
        return PendingRequest(source, payloads, arrivals, lane=lane, limited=limited, received_ns=received)
    except Poison:
        raise
    except ConnectorError as fault:
        raise Poison(str(fault)) from None
    except Exception as fault:  # noqa: BLE001 - its fault must not stop the others
        raise Poison(f"it cannot be read ({type(fault).__name__})") from None


def _payload(payload: Payload) -> dict[str, Any]:
    data: dict[str, Any] = {"body": payload.body, "id": payload.event_id, "spare": payload.spare_id}
    if payload.error is not None:
        data["errors"] = [[one.field, one.message] for one in payload.error.errors]
    return data


def _payload_of(data: Mapping[str, Any], received_ns: int) -> Payload:
    errors = data.get("errors")
    error = None if errors is None else Unreadable(tuple(FieldError(field, message) for field, message in errors))
    return Payload(data["body"], data["id"], error, data["spare"], received_ns)


def _arrival_data(arrival: Arrival) -> dict[str, Any]:
    """Authentic bytes that are no payload: see `receiver.unreadable`."""
    return {
        "id": arrival.event_id,
        "payload": arrival.payload,
        "content_type": arrival.content_type,
        "errors": arrival.errors,
    }


def _arrival_of(data: Mapping[str, Any], source: str) -> Arrival:
    return Arrival(
        source=source,
        event_id=data["id"],
        type="",
        state=EventState.INVALID,
        payload=data["payload"],
        content_type=data["content_type"],
        errors=data["errors"],
    )
