"""wolkvox simulated: predictive campaigns, all-or-nothing uploads, two calls at once, a day's budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from email.message import Message
from typing import Any, NoReturn

from connector.vendors.sandbox.ledger import Call, Ledger, Window
from connector.vendors.sandbox.messages import Action, Refused, Reply, Request, json_reply
from connector.vendors.wolkvox.sandbox_campaigns import Campaign, report
from connector.vendors.wolkvox.sandbox_limits import (
    BAD_TOKEN,
    FAULTS,
    TOKEN_LIMIT,
    TOO_MANY_AT_ONCE,
    WolkvoxLimits,
    licence_cap,
    refusal,
)
from connector.vendors.wolkvox.sandbox_rows import EMPTY, BadRow, compact

MISSING = refusal(400, "SOME PARAMETERS ARE REQUIRED")
UNKNOWN_API = refusal(400, "THE API YOU WANT TO CONSULT DOES NOT EXIST")
NO_TOKEN = refusal(401, "PLEASE ENTER THE WOLKVOX-TOKEN")
NO_DATA = refusal(404, "No data")

STATUSES: Mapping[str, str] = {"start": "started", "stop": "stopped"}
#: The campaigns that are there from the start.
CAMPAIGNS: Mapping[str, str] = {"1042": "Leads web", "1043": "Leads import"}


class Wolkvox:
    """The vendor. Its documented refusals come in its own words, and every breach is written into the ledger."""

    _ROUTES: Mapping[tuple[str, str, str], str] = {
        ("POST", "/api/v2/campaign.php", "add_record"): "add_record",
        ("GET", "/api/v2/campaign.php", "find_record"): "find_record",
        ("POST", "/api/v2/configuration.php", "add_dnc"): "add_dnc",
        ("GET", "/api/v2/real_time.php", "campaigns"): "campaigns",
        ("GET", "/api/v2/information.php", "token_info"): "token_info",
    }
    operations = (*(f"wolkvox.{name}" for name in _ROUTES.values()), "wolkvox.unknown")
    faults: Mapping[str, Reply] = FAULTS

    def __init__(self, ledger: Ledger) -> None:
        self.limits = WolkvoxLimits()
        self._ledger = ledger
        self._lock = threading.Lock()
        self._budget = Window()
        self._reports: dict[str, float] = {}
        self._actions: Mapping[str, Action] = {
            "add_record": self._add_record,
            "find_record": self._find_record,
            "add_dnc": self._add_dnc,
            "campaigns": self._campaigns,
            "token_info": self._token_info,
        }
        self.campaigns = {id_: Campaign(id_, name) for id_, name in CAMPAIGNS.items()}
        self.blocked: set[str] = set()  #: numbers that no campaign dials
        self.started_by_upload: list[str] = []  #: campaigns that an upload with campaign_status=start set going
        self.stopped_by_upload: list[str] = []

    # For tests

    def add_campaign(self, campaign_id: str, *, status: str = "started", name: str = "Campaign") -> None:
        """Adds a campaign, or sets its status and name."""
        if status not in STATUSES.values():
            raise ValueError(f"status cannot be {status!r}; it is started or stopped")
        id_ = str(campaign_id)
        with self._lock:
            campaign = self.campaigns.setdefault(id_, Campaign(id_, name))
            campaign.status, campaign.name = status, name

    def rows(self, campaign_id: str) -> list[dict[str, Any]]:
        """Every row that has taken effect, all 35 fields, with ``arrived_s`` (unix seconds of its call).

        Without ``keep_rows`` only the customer_id of each is kept.
        """
        with self._lock:
            campaign = self.campaigns[campaign_id]
            return campaign.rows(range(campaign.visible()))

    def count(self, campaign_id: str) -> int:
        """How many rows have taken effect, also without ``keep_rows``."""
        with self._lock:
            return self.campaigns[campaign_id].visible()

    def customer_ids(self, campaign_id: str) -> set[str]:
        """The customer_ids of all rows; without ``keep_rows`` too."""
        with self._lock:
            return set(self.campaigns[campaign_id].by_id)

    def duplicates(self, campaign_id: str) -> dict[str, int]:
        """customer_id or first phone -> its number of rows, where that is more than one."""
        with self._lock:
            return self.campaigns[campaign_id].duplicates()

    def reset(self) -> None:
        """Forgets rows, budgets and reports; campaigns keep their status."""
        self._budget.reset()
        with self._lock:
            self._reports.clear()
            self.blocked.clear()
            self.started_by_upload.clear()
            self.stopped_by_upload.clear()
            for campaign in self.campaigns.values():
                campaign.clear()

    def shown(self) -> dict[str, Any]:
        """Counts, as JSON has them."""
        with self._lock:
            campaigns = {
                c.id: {"status": c.status, "rows": c.visible(), "duplicates": len(c.duplicates())}
                for c in self.campaigns.values()
            }
            started, stopped = list(self.started_by_upload), list(self.stopped_by_upload)
        return {
            "campaigns": campaigns,
            "started_by_upload": started,
            "stopped_by_upload": stopped,
            "blocked": len(self.blocked),
        }

    # For the server

    def find(self, method: str, path: str, query: Mapping[str, str]) -> tuple[str, Action]:
        """The operation's name and what does it."""
        name = self._ROUTES.get((method, path, query.get("api", "")))
        return (f"wolkvox.{name}", self._actions[name]) if name else ("wolkvox.unknown", self._unknown)

    def token(self, headers: Message) -> str:
        """The ``wolkvox-token`` header."""
        return headers.get("wolkvox-token", "").strip()

    def gate(self, call: Call) -> Reply | None:
        """Token, the day's budget, the two slots. Every call with a good token counts, a refused one too."""
        if not self.limits.accepts(call.token):
            self._ledger.breach(call, "token", "wrong token" if call.token else "no wolkvox-token header")
            return BAD_TOKEN if call.token else NO_TOKEN
        limits = self.limits
        left = self._budget_of_day() - limits.budget_used
        if not self._budget.admit(call.token, at=call.started, within_s=limits.day_s, most=left):
            self._ledger.breach(call, "daily_budget", f"more than {self._budget_of_day()} calls a day")
            return TOKEN_LIMIT
        if not self._ledger.take_slot(call, most=limits.simultaneous, hold_abandoned=limits.hold_abandoned):
            self._ledger.breach(call, "simultaneous", f"more than {limits.simultaneous} calls of one token at once")
            return TOO_MANY_AT_ONCE
        return None

    # Operations

    def _add_record(self, request: Request) -> Reply:
        campaign = self._campaign(request)
        status = STATUSES.get(request.query.get("campaign_status", ""))
        if request.query.get("type_campaign") != "predictive":
            self._refuse(request, "type_campaign", "type_campaign is not predictive")
        if status is None:
            self._refuse(request, "campaign_status", "campaign_status is neither start nor stop")
        rows = self._checked_rows(request)
        with self._lock:
            self._check_cap(len(rows))
            self._insert(campaign, rows, request.call.started)
            self._follow(campaign, status)
        return json_reply(_added(len(rows)), 201)

    def _checked_rows(self, request: Request) -> list[dict[str, str]]:
        rows = request.payload
        if not isinstance(rows, list) or not rows:
            self._refuse(request, "body", "the body is no JSON list of rows")
        if len(rows) > self.limits.rows_per_call:
            self._refuse(request, "rows_per_call", f"{len(rows)} rows in one call")
        try:
            compacted = compact(rows)
        except BadRow as bad:
            self._refuse(request, "row", str(bad))
        if self._poisoned(compacted):
            raise Refused(MISSING)
        return compacted

    def _poisoned(self, rows: list[dict[str, str]]) -> bool:
        """All or nothing: one row that wolkvox does not like spoils the batch, through no fault of the caller."""
        poison, judge = self.limits.poison, self.limits.poison_if
        if poison and any(row.get("customer_id") in poison for row in rows):
            return True
        return judge is not None and any(judge({**EMPTY, **row}) for row in rows)

    def _check_cap(self, uploading: int) -> None:
        cap = self.limits.licence_cap
        held = sum(len(campaign.arrived) for campaign in self.campaigns.values())
        if cap is not None and held + uploading > cap:
            raise Refused(licence_cap(held + uploading, cap))

    def _insert(self, campaign: Campaign, rows: list[dict[str, str]], arrived: float) -> None:
        visible_at = time.time() + self.limits.insert_delay_s if self.limits.insert_delay_s else 0.0
        if campaign.visible_at:  # ascending, so that the visible ones are a prefix
            visible_at = max(visible_at, campaign.visible_at[-1])
        campaign.add(rows, arrived=arrived, visible_at=visible_at, keep=self.limits.keep_rows)

    def _follow(self, campaign: Campaign, status: str | None) -> None:
        """An upload carries the campaign's current status; another one changes it."""
        if status and status != campaign.status:
            campaign.status = status
            changed = self.started_by_upload if status == "started" else self.stopped_by_upload
            changed.append(campaign.id)

    def _add_dnc(self, request: Request) -> Reply:
        """Its documented body: ``{"type_call": "outbound", "telephones": ["300…"]}``, at most 10,000 numbers."""
        body = request.payload if isinstance(request.payload, dict) else {}
        numbers = body.get("telephones")
        if body.get("type_call") not in ("inbound", "outbound"):
            self._refuse(request, "type_call", "type_call is neither inbound nor outbound")
        if not isinstance(numbers, list) or not numbers or not all(isinstance(n, str) and n.isdigit() for n in numbers):
            self._refuse(request, "telephones", "telephones is no list of digits")
        if len(numbers) > self.limits.rows_per_call:
            self._refuse(request, "rows_per_call", f"{len(numbers)} numbers in one call")
        with self._lock:
            fresh = {*numbers} - self.blocked
            self.blocked |= fresh
        return json_reply({"code": 201, "error": None, "msg": f"{len(fresh)} telephones were added"}, 201)

    def _find_record(self, request: Request) -> Reply:
        campaign = self._campaign(request)
        phone, customer_id = request.query.get("customer_phone", ""), request.query.get("customer_id", "")
        if not phone and not customer_id:
            self._refuse(request, "find_record", "neither customer_phone nor customer_id")
        with self._lock:
            places = campaign.find(phone, customer_id)[: self.limits.records_down]
            rows = campaign.rows(places)
        if not rows:
            return NO_DATA
        data = [{name: row[name] for name in EMPTY} for row in rows]
        return json_reply({"code": "200", "error": None, "msg": "Records found", "data": data})

    def _campaigns(self, request: Request) -> Reply:
        token, now = request.call.token, request.call.started
        with self._lock:
            last = self._reports.get(token)
            self._reports[token] = now
            reports = [report(campaign) for campaign in self.campaigns.values()]
        if last is not None and now - last < self.limits.report_interval_s:
            self._ledger.breach(request.call, "report_interval", f"{now - last:.1f} s after the report before")
        if self.limits.report_envelope:
            return json_reply({"code": "200", "error": None, "msg": "Campaigns", "data": reports})
        return json_reply(reports)

    def _token_info(self, request: Request) -> Reply:
        used = self._budget.used(request.call.token, at=request.call.started, within_s=self.limits.day_s)
        data = {"token_limit": str(self._budget_of_day()), "token_use_today": str(used + self.limits.budget_used)}
        return json_reply({"code": "200", "error": None, "msg": "Token information", "data": [data]})

    def _unknown(self, request: Request) -> Reply:
        self._ledger.breach(request.call, "unknown_call", f"{request.method} {request.path}")
        return UNKNOWN_API

    def _budget_of_day(self) -> int:
        return self.limits.licences * self.limits.calls_per_licence

    def _campaign(self, request: Request) -> Campaign:
        with self._lock:
            campaign = self.campaigns.get(request.query.get("campaign_id", ""))
        if campaign is None:
            self._refuse(request, "campaign", "unknown campaign_id")
        return campaign

    def _refuse(self, request: Request, rule: str, detail: str) -> NoReturn:
        self._ledger.breach(request.call, rule, detail)
        raise Refused(MISSING)


def _added(rows: int) -> dict[str, Any]:
    """The documented success, with the number as the text that real answers have."""
    msg = "All records has been added successfully"
    return {"code": "201", "error": None, "msg": msg, "data": [{"total_registers": str(rows)}]}
