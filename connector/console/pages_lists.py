"""Lists of deliveries with filters in their address, so that it can be shared; the same as a file for spreadsheets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from flask import Flask, Response, request

from connector.admin.causes import CAUSES
from connector.admin.deliveries import STATES, Search
from connector.admin.delivery_pages import NEW_MOST, new_since, page
from connector.admin.setup import setup
from connector.console import csv_file, gate, parts
from connector.console.application import here
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.reasons import Code
from connector.core.settings import Settings

LISTED: Final = 50
SINCE: Final = ("1h", "24h", "7d", "30d")
#: The filters in an address.
FILTERS: Final = ("state", "destination", "route", "source", "cause", "since", "from", "to")
LONGEST: Final = 200


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/deliveries", "deliveries", show_deliveries)
    app.add_url_rule("/console/deliveries/file", "deliveries_file", download, methods=["POST"])
    app.add_url_rule("/console/parts/deliveries", "deliveries_part", new_part)


def show_deliveries() -> Response:
    """The latest first, 50 to a page."""
    app, filters = here(), _filters(request.args)
    fault = ""
    try:
        search = _search(filters)
        found = page(app.database, app.settings, search, before=_mark("before"), after=_mark("after"))
    except StoreUnavailable:
        raise
    except ConnectorError as refused:
        fault = refused.args[0]
        filters = _filters({})
        found = page(app.database, app.settings, _search(filters))
    facts: dict[str, Any] = {
        "asked": filters,
        "found": found,
        "fault": fault,
        "is_first": not (request.args.get("before") or request.args.get("after")),
        "is_narrowed": any(filters.values()),
        "choices": _choices(app.settings, filters),
        "times": SINCE,
        "address": _address(filters),
        "states": STATES,
        "causes": {code.value: text for code, text in CAUSES.items()},
    }
    return parts.page("deliveries.html", 400 if fault else 200, **facts)


def new_part() -> Response:
    """How many stand above the first row by now: lists never move by themselves."""
    app, filters = here(), _filters(request.args)
    try:
        number = new_since(app.database, app.settings, _search(filters), _mark("first"))
    except StoreUnavailable:
        raise
    except ConnectorError:
        number = 0
    return parts.fragment("_new.html", parts.now_iso(), number=number, most=NEW_MOST, address=_address(filters)())


def download() -> Response:
    """The list as CSV, persons masked; who took it is kept."""
    app = here()
    return csv_file.response(app.settings, app.database, _search(_filters(request.form)), gate.by())


# --- what an address says -------------------------------------------------------------------------------------------


def _filters(query: Mapping[str, str]) -> dict[str, str]:
    """The filters of an address; what none can be is left out."""
    filters = {name: query.get(name, "").strip()[:LONGEST] for name in FILTERS}
    known = {"state": STATES, "since": SINCE, "cause": tuple(code.value for code in Code)}
    return {
        name: "" if "\0" in text or (name in known and text not in known[name]) else text
        for name, text in filters.items()
    }


def _search(filters: Mapping[str, str]) -> Search:
    names = ("state", "destination", "route", "source", "cause")
    since = filters["from"] or filters["since"]
    return Search(**{name: filters[name] for name in names}, since=since, until=filters["to"], limit=LISTED)


def _mark(name: str) -> str:
    return request.args.get(name, "")[:40]


def _choices(settings: Settings, filters: Mapping[str, str]) -> dict[str, list[str]]:
    """Filter -> the names of the configuration, and the one asked for."""
    found = {
        "destination": [one["destination"] for one in setup(settings)["routes"]],
        "route": [route.name for route in settings.routes],
        "source": list(settings.sources),
    }
    return {name: list(dict.fromkeys([*some, *filter(None, [filters[name]])])) for name, some in found.items()}


def _address(filters: Mapping[str, str]) -> Callable[..., str]:
    """A function that builds the address of the list with these filters, and others."""
    filled = {name: text for name, text in filters.items() if text}

    def address(path: str = "/console/deliveries", **further: str) -> str:
        query = urlencode(filled | further)
        return f"{path}?{query}" if query else path

    return address
