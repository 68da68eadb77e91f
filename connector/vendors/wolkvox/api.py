"""wolkvox, the predictive dialler: the operations of its API v2 (https://www.wolkvox.com/apis, "APIs Campaign" 2.1).

`Wolkvox` has one method for each. Below it stand `body_of` and a reader for each answer, which know the types that the
documents leave in doubt: ``code`` a text or a number, ``data`` a list or an object, every number a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import orjson

from connector.core.errors import ConnectorError
from connector.core.http import Answer, Client, Deadline
from connector.core.log import masked
from connector.core.settings import Account, Secret
from connector.vendors.call_checks import WrongCall, at_most
from connector.vendors.numbers import count_of, figure_of

BASE_URL: Final = "https://wv{server}.wolkvox.com"  #: server: four digits, "0011"
ROWS_PER_CALL: Final = 10_000
NUMBERS_PER_CALL: Final = 10_000  #: of add_dnc

Row = Mapping[str, str] | orjson.Fragment


class WolkvoxError(ConnectorError):
    """wolkvox refused, or answered what cannot be read: in its own words."""


class Wolkvox:
    """The operations of one account. Every call counts against the token's two slots and its daily budget.

    The budget is licences × 1,000 calls; a call may take 60 s, an answer have 60,000 rows and 256 MB. Methods return
    the vendor's `Answer` unchanged; they raise `NotSent` or `NoAnswer`. ``deadline`` bounds the whole call; without it
    the client's own timeout does. Refusals: 400 the request, 401 and 403 the token, or a limit of it, 404 the licences'
    cap of records; `body_of` raises them.
    """

    def __init__(self, client: Client, base_url: str) -> None:
        self._client = client
        self._base_url = base_url

    @classmethod
    def of(cls, account: Account) -> Self:
        """The client of an account of the configuration."""
        return cls.at(account.base_url, token=account.token, server=account.server, timeout_s=account.timeout_s)

    @classmethod
    def at(cls, base_url: str, *, token: Secret, server: str = "", timeout_s: float = 65.0) -> Self:
        """The client of an address, usually ``BASE_URL.format(server="0011")``; ``server`` is sent along if set."""
        credentials = {"wolkvox-token": token.reveal()} | ({"wolkvox_server": server} if server else {})
        return cls(Client(credentials, timeout_s=timeout_s), base_url)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def add_record(
        self, campaign_id: str, rows: Sequence[Row], *, campaign_status: str, deadline: Deadline | None = None
    ) -> Answer:
        """Adds up to 10,000 rows (all values strings) to a predictive campaign; all of them or none.

        Not idempotent.

        ``campaign_status`` "start" | "stop" is the campaign's current status: start may start a stopped one. See
        `total_registers_of`.
        """
        at_most(len(rows), ROWS_PER_CALL, "rows")
        if campaign_status not in ("start", "stop"):
            raise WrongCall(f'campaign_status is "start" or "stop", not "{campaign_status}"')
        params = {
            "api": "add_record",
            "type_campaign": "predictive",
            "campaign_id": campaign_id,
            "campaign_status": campaign_status,
        }
        body = orjson.dumps(list(rows))
        return self._client.call("POST", self._url("campaign"), params=params, body=body, deadline=deadline)

    def add_dnc(
        self, telephones: Sequence[str], *, type_call: str = "outbound", deadline: Deadline | None = None
    ) -> Answer:
        """Blocks up to 10,000 numbers, also in rows that campaigns have already. Again, it changes nothing.

        ("Enter one or more inbound or outbound DNCs", APIs Configuration 1.)
        """
        at_most(len(telephones), NUMBERS_PER_CALL, "numbers")
        if type_call not in ("inbound", "outbound"):
            raise WrongCall(f'type_call is "inbound" or "outbound", not "{type_call}"')
        body = orjson.dumps({"type_call": type_call, "telephones": list(telephones)})
        return self._client.call(
            "POST", self._url("configuration"), params={"api": "add_dnc"}, body=body, deadline=deadline
        )

    def campaigns(self, *, deadline: Deadline | None = None) -> Answer:
        """The real-time report of all campaigns; at most every five minutes. See `campaigns_of`."""
        url, params = self._url("real_time"), {"api": "campaigns"}
        return self._client.call("GET", url, params=params, deadline=deadline, is_report=True)

    def find_record(
        self, campaign_id: str, *, customer_phone: str = "", customer_id: str = "", deadline: Deadline | None = None
    ) -> Answer:
        """Whether a person is in a campaign: 200 with rows in ``data``, or 404 when not. See `records_of`."""
        params = {
            "api": "find_record",
            "campaign_id": campaign_id,
            "customer_phone": customer_phone,
            "customer_id": customer_id,
        }
        return self._client.call("GET", self._url("campaign"), params=params, deadline=deadline)

    def token_info(self, *, deadline: Deadline | None = None) -> Answer:
        """Today's use of the budget, in calls. Costs one of them. See `token_use_of`."""
        return self._client.call("GET", self._url("information"), params={"api": "token_info"}, deadline=deadline)

    def _url(self, page: str) -> str:
        return f"{self._base_url}/api/v2/{page}.php"


# --- what answers hold ----------------------------------------------------------------------------------------------


def body_of(answer: Answer) -> Any:
    """The JSON of a success: HTTP, ``code`` and ``error`` agree, or a bare list. Raises `WolkvoxError`."""
    body = answer.json()
    code = count_of(body.get("code")) if isinstance(body, dict) else None
    if 200 <= answer.status < 300:
        is_envelope = code is not None and 200 <= code < 300 and body.get("error") in (None, "")
        if is_envelope or isinstance(body, list):
            return body
    words = _words(body) or "nothing that can be read"
    raise WolkvoxError(f"wolkvox answered {answer.status if code is None else code}: {words}")


def rows_of(body: Any) -> list[dict[str, Any]] | None:
    """The rows of an answer: a bare list, or ``data`` of an envelope, itself a list or one row. None: neither."""
    data = body.get("data") if isinstance(body, dict) else body
    rows = [data] if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return rows


def campaign_statuses(body: Any) -> dict[str, str] | None:
    """{"1042": "started" | "stopped"} of the real-time report; see `campaign_id_of`."""
    rows = rows_of(body)
    if rows is None:
        return None
    return {campaign_id_of(r.get("campaign")): str(r.get("status", "")).strip().lower() for r in rows}


_DIGITS: Final = re.compile(r"\s*([0-9]+)")
_DIALLED: Final = re.compile(r"\b(TEL(?:[0-9]+|_EXTRA))\s+([0-9]+(?:[.,][0-9]+)?)\s*%", re.IGNORECASE)
_THOUSANDS: Final = re.compile(r"-?[0-9]{1,3}(?:[.,][0-9]{3})+")


def campaign_id_of(text: Any) -> str:
    """The id in ``campaign``: the digits at its beginning, with any separator before the name.

    No document names the separator; "1042 - Ventas", "1042-Ventas" and "1042: Ventas" are all read as 1042.
    """
    found = _DIGITS.match(_text(text))
    return found[1] if found else _text(text).split(" - ")[0].strip()


@dataclass(frozen=True, slots=True)
class LiveCampaign:
    """A campaign of the real-time report.

    ``figures``: the report's other columns by name: a number, or its text if it is not one ("1:3", and "1.234", which
    may be a thousand); None if empty.
    """

    id: str
    name: str
    status: str  #: started | stopped
    skill_id: str
    figures: Mapping[str, float | str | None]
    dialled: Mapping[str, float]  #: the percentage dialled on each phone, {"TEL1": 100.0}, if given


def campaigns_of(body: Any) -> list[LiveCampaign]:
    """The real-time report, in either of its forms. Raises `WolkvoxError` for anything else."""
    return [_live(row) for row in _rows(body)]


def _live(row: Mapping[str, Any]) -> LiveCampaign:
    """``campaign`` reads "1042 - Name - Strategy (TEL1 100%)"; the name itself may hold a " - "."""
    whole = _text(row.get("campaign"))
    number = campaign_id_of(whole)
    rest = whole.removeprefix(number).lstrip(" -:|_")
    return LiveCampaign(
        id=number,
        name=(rest.rpartition(" - ")[0] or rest).strip(),
        status=_text(row.get("status")).lower(),
        skill_id=_text(row.get("skill_id")),
        figures={name: _figure(value) for name, value in row.items() if name not in _NO_FIGURES},
        dialled={phone.upper(): float(part.replace(",", ".")) for phone, part in _DIALLED.findall(whole)},
    )


def _figure(value: Any) -> float | str | None:
    text = _text(value)
    figure = None if _THOUSANDS.fullmatch(text) else figure_of(value)
    return figure if figure is not None else text or None


_NO_FIGURES: Final = frozenset({"campaign", "status", "skill_id"})


def total_registers_of(body: Any) -> int | None:
    """How many rows were added; None if the vendor does not say: it may be a number, a text of one, or " "."""
    rows = rows_of(body)
    return count_of(rows[0].get("total_registers")) if rows else None


def records_of(answer: Answer) -> list[dict[str, Any]]:
    """The rows that find_record found; none for wolkvox's own 404. Raises `WolkvoxError` for anything else."""
    body = answer.json()
    code = count_of(body.get("code")) if isinstance(body, dict) else None
    absent = code == 404 and (answer.status == 404 or 200 <= answer.status < 300)
    if absent and "YOU CAN UPLOAD" not in _words(body).upper():
        return []
    return _rows(body_of(answer))


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Calls of the day; None: unreadable, so our own count applies."""

    token_limit: int | None
    token_use_today: int | None


def token_use_of(body: Any) -> TokenUse:
    """The numbers of `Wolkvox.token_info`."""
    rows = rows_of(body) or [{}]
    return TokenUse(count_of(rows[0].get("token_limit")), count_of(rows[0].get("token_use_today")))


def _rows(body: Any) -> list[dict[str, Any]]:
    rows = rows_of(body)
    if rows is None:
        raise WolkvoxError("wolkvox answered something else than rows: look at what it changed")
    return rows


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _words(body: Any) -> str:
    """The vendor's words on one line, short, without phones."""
    text = body.get("msg") or body.get("error") or "" if isinstance(body, dict) else ""
    return masked(" ".join(str(text).split())[:300])
