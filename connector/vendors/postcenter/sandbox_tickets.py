"""PostCenter's tickets in the three shapes in which its documents show them, and its rules for dates. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

#: The states by their names in addresses, and in the paged list.
STATES: Mapping[str, str] = {
    "open": "Abierto",
    "closed": "Cerrado",
    "ignored": "Ignorado",
    "inProgress": "En Progreso",
}
AGENTS: tuple[Mapping[str, Any], ...] = (
    {"cmid": 467, "name": "Agente Ejemplo", "email": "agente@example.com"},
    {"cmid": 27, "name": "Otra Agente", "email": "otra.agente@example.com"},
)
#: Fields of a ticket outside its detail: its customer, and its state while it is open.
UNSHOWN: Mapping[str, str] = {"country_id": "", "page_id": "", "uid": "", "account": "cejemplo", "state": "open"}

_DATE = re.compile(r"\d{2}-\d{2}-\d{4}( \d{2}:\d{2}:\d{2})?")

Ticket = Mapping[str, Any]


def ticket(number: int, channel: str, **values: Any) -> dict[str, Any]:
    """A ticket as its detail has it, a text for the number and ISO times without a zone, and `UNSHOWN`."""
    return {
        "id": f"5f00000000000000000{number:05x}",
        "identifier": str(number),
        "created": "2026-11-20T18:38:32",
        "current_assignment": dict(AGENTS[0]),
        "is_closed": False,
        "last_author": "Cliente Ejemplo",
        "last_content": "Hola, necesito ayuda con mi matrícula.",
        "social_network": channel,
        "subject": None,
        "updated_time": "2026-11-20T19:17:29.283",
        **UNSHOWN,
    } | values


def state_of(found: Ticket) -> str:
    """One of `STATES`."""
    state = found.get("state", "open")
    return "closed" if found["is_closed"] else "open" if state == "closed" else state


def detail(found: Ticket) -> dict[str, Any]:
    """As GET /v2/ticket/{id}/ shows it."""
    return {name: value for name, value in found.items() if name not in UNSHOWN}


def summary(found: Ticket) -> dict[str, Any]:
    """As the lists of a customer show it: a number for the number, and ``title`` for ``subject``."""
    shown = detail(found)
    title = shown.pop("subject", None)
    return shown | {"identifier": int(shown["identifier"]), "title": title}


def entry(found: Ticket) -> dict[str, Any]:
    """As the paged list shows it: days first, states in Spanish."""
    return {
        "status": STATES[state_of(found)],
        "updated_datetime": f"{_moment(found['updated_time']):%d-%m-%Y %H:%M:%S}",
        "created_datetime": f"{_moment(found['created']):%d-%m-%Y %H:%M:%S}",
        "social_network": found["social_network"],
        "identifier": int(found["identifier"]),
        "id": found["id"],
    }


def created(found: Ticket) -> datetime:
    """Without a zone, as all times here."""
    return _moment(found["created"])


def date(text: str) -> datetime | None:
    """DD-MM-YYYY or DD-MM-YYYY hh:mm:ss; None for any other text."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%d-%m-%Y %H:%M:%S" if " " in text else "%d-%m-%Y")  # noqa: DTZ007 - no zone
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
