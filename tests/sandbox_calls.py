"""A sandbox of the test's own and calls to it as a vendor's client makes them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from connector.vendors.sandbox.exchange import Sandbox
from connector.vendors.wolkvox.sandbox_rows import FIELDS

TOKEN = "invented-token"
ADD = "api=add_record&type_campaign=predictive&campaign_id=1042&campaign_status=start"
ANA = {"name": "Ana Exemplo", "email": "ana.exemplo@example.com", "identification": None, "phone": "11900000001"}


@pytest.fixture
def sb() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def row(number: int = 1, **values: Any) -> dict[str, Any]:
    """A row as it is meant to be: every field a string."""
    filled = {"customer_name": "Ana", "customer_id": f"C-{number}", "tel1": f"93{number:09d}"}
    return dict.fromkeys(FIELDS, "") | filled | values


def add(sb: Sandbox, rows: Any, query: str = ADD, **options: Any) -> requests.Response:
    options = {"headers": {"wolkvox-token": TOKEN}, "timeout": 10, "allow_redirects": False} | options
    data = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return requests.post(f"{sb.url}/api/v2/campaign.php?{query}", data=data, **options)


def ask(sb: Sandbox, page: str, query: str, **options: Any) -> requests.Response:
    options = {"headers": {"wolkvox-token": TOKEN}, "timeout": 10} | options
    return requests.get(f"{sb.url}/api/v2/{page}.php?{query}", **options)


def find(sb: Sandbox, **query: str) -> requests.Response:
    return ask(sb, "campaign", "api=find_record&campaign_id=1042", params=query)


def survey(sb: Sandbox, path: str, body: Any = None, **options: Any) -> requests.Response:
    """A Tracksale call: POST when there is a body."""
    options = {"headers": {"Authorization": f"bearer {TOKEN}"}, "timeout": 10} | options
    if body is None:
        return requests.get(f"{sb.url}{path}", **options)
    return requests.post(f"{sb.url}{path}", data=json.dumps(body).encode(), **options)


def dispatch(sb: Sandbox, *customers: Any, **body: Any) -> requests.Response:
    return survey(sb, "/v2/campaign/52/dispatch?getNotInserted=1", {"customers": list(customers)} | body)


def control(sb: Sandbox, method: str, name: str, body: Any = None) -> Any:
    answer = requests.request(method, f"{sb.url}/_sandbox/{name}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rules(sb: Sandbox) -> list[str]:
    return [breach.rule for breach in sb.breaches]


def until(true: Callable[[], bool], seconds: float = 300.0) -> None:
    """Waits for what another thread does; fails when it does not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
