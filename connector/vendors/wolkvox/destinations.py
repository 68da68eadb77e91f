"""wolkvox add_record: up to 10,000 rows a call, all of them or none; probes unknown outcomes with `find_record`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import orjson
from sqlalchemy import Connection

from connector.core.http import Answer, Deadline
from connector.core.log import get
from connector.core.outcomes import Outcome
from connector.core.phrases import phrase
from connector.core.times import iso
from connector.store import accounts, helps
from connector.store.helps import HelpState
from connector.vendors.answers import cut, delivered, inconclusive, unrecognised
from connector.vendors.base import Destination, ProbeResult, Record, Sending
from connector.vendors.lookup import Ask, Later, Prepared, Ready
from connector.vendors.wolkvox.answers import is_absence, is_success, meaning, total_registers, words_of
from connector.vendors.wolkvox.api import ROWS_PER_CALL, Wolkvox, rows_of
from connector.vendors.wolkvox.lookups import FIND_RECORD, REPORT_EVERY_MS, REPORT_GOOD_MS, as_help, campaign_help
from connector.vendors.wolkvox.options import WolkvoxOptions

log = get("wolkvox")

STATUS_WAIT_S: Final = 900.0  #: how long a missing status is waited for, unless the route sets it


@dataclass(frozen=True, kw_only=True)
class AddRecord(Destination):
    """Rows into one campaign of one account."""

    options_schema: ClassVar = WolkvoxOptions
    shared: ClassVar[tuple[str, ...]] = ("campaign_status", "status_wait", "else", "trace_field")
    can_ask: ClassVar[bool] = True
    contacts_people: ClassVar[bool] = True
    by_channel: ClassVar[str] = "voice"
    calls: ClassVar[bool] = True
    all_or_nothing: ClassVar[bool] = True

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return str(options["campaign_id"])

    @property
    def batch_size(self) -> int:
        return ROWS_PER_CALL

    @property
    def trace_field(self) -> str:
        return str(self.options["trace_field"])

    @property
    def control(self) -> str:
        return f"{FIND_RECORD} {self._campaign_id}"

    @property
    def exact(self) -> bool:
        return bool(self.trace_field)

    @property
    def _campaign_id(self) -> str:
        return str(self.options["campaign_id"])

    def prepare(self, conn: Connection, now: int) -> Prepared:
        """With ``auto``: the status in the real-time report; if there is none in time, the route's ``else``."""
        if self.options["campaign_status"] != "auto":
            return Ready()
        report = accounts.report(conn, self.account.name)
        if now >= report.asked_at + REPORT_EVERY_MS:
            return Ask("report")
        status = report.status(self._campaign_id)
        if status in _STATUS and report.read_at > now - REPORT_GOOD_MS:
            return Ready(_STATUS[status])
        return self._without_status(conn, report.asked_at + REPORT_EVERY_MS, now)

    def _without_status(self, conn: Connection, next_report: int, now: int) -> Prepared:
        name = campaign_help(self._campaign_id)
        why = f"the report does not say whether campaign {self._campaign_id} is started or stopped"
        missing = helps.get(conn, self.account.name, name)
        if missing is None:
            helps.note(conn, self.account.name, name, HelpState.UNKNOWN, now, why)
        until = (missing.since if missing else now) + int(float(self.options.get("status_wait", STATUS_WAIT_S)) * 1000)
        if now < until:
            return Later(min(next_report, until), why)
        if (instead := str(self.options.get("else", "hold"))) != "hold":
            return Ready(instead)
        if missing is not None and missing.asked_at < until:  # once: the alarm
            log.error("campaign status unknown", account=self.account.name, campaign=self._campaign_id, held=True)
            helps.note(conn, self.account.name, name, HelpState.UNKNOWN, now, f"{why}: its leads are held")
        return Later(next_report, f"{why}: its leads are held")

    def idle(self, conn: Connection) -> str:
        """The campaign does not dial. A route with "stop" wants it so."""
        report = accounts.report(conn, self.account.name)
        if self.options["campaign_status"] == "stop" or report.status(self._campaign_id) != "stopped":
            return ""
        stopped = "campaign {campaign} is stopped at wolkvox (read at {at}): it dials nobody"
        return phrase(stopped, campaign=self._campaign_id, at=iso(report.read_at))

    def obstacle(self, conn: Connection) -> tuple[str, str] | None:
        report = accounts.report(conn, self.account.name)
        missing = helps.get(conn, self.account.name, campaign_help(self._campaign_id))
        is_told = report.status(self._campaign_id) in _STATUS
        if self.options["campaign_status"] != "auto" or (missing is None and (is_told or not report.read_at)):
            return None
        read = (
            phrase("wolkvox's report of {at}", at=iso(report.read_at))
            if report.read_at
            else phrase("wolkvox's report, which was not read,")
        )
        silent = "{report} does not say whether campaign {campaign} is started or stopped"
        why = phrase(silent, report=read, campaign=self._campaign_id)
        return why, phrase("check campaign_id, or set campaign_status (or else) to start or stop on the route")

    def send(self, vendor: Wolkvox, sending: Sending) -> Answer:
        status = sending.prepared or str(self.options["campaign_status"])
        rows = [self._row(one, sending.install) for one in sending.records]
        return vendor.add_record(
            str(self.options["campaign_id"]), rows, campaign_status=status, deadline=sending.deadline
        )

    def _row(self, record: Record, install: str) -> orjson.Fragment | dict[str, str]:
        number, text = record
        if not self.trace_field:
            return orjson.Fragment(text)
        row: dict[str, str] = orjson.loads(text)
        row[self.trace_field] = trace(install, number)
        return row

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        body = answer.json()
        if not is_success(answer, body):
            return meaning(answer, self.locale.timezone) or unrecognised(answer, words_of(body))
        added = total_registers(body)
        if added is not None and added != len(records):
            return unrecognised(answer, f"{added} registers were added of {len(records)} sent")
        return delivered(answer, cut(body.get("msg") or ""))

    def probe(
        self, vendor: Wolkvox, records: Sequence[Record], started_at: int, install: str, deadline: Deadline
    ) -> ProbeResult:
        """Asks about the first of the records; one call."""
        number, text = records[0]
        row: dict[str, str] = orjson.loads(text)
        answer = vendor.find_record(
            str(self.options["campaign_id"]),
            customer_phone=row["tel1"],
            customer_id=row["customer_id"],
            deadline=deadline,
        )
        body = answer.json()
        if is_absence(answer, body):
            return ProbeResult({number: False})
        found = rows_of(body) if is_success(answer, body) else None
        if found is None:
            result = as_help(answer, meaning(answer, self.locale.timezone) or unrecognised(answer, words_of(body)))
            if result.state is HelpState.NOT_THERE:
                return ProbeResult(unclear=f"wolkvox knows no find_record ({result.outcome.words})", help=result.state)
            return replace(inconclusive(result.outcome), help=result.state)
        return self._seen(number, row, found, install)

    def _seen(self, number: int, sent: Mapping[str, str], found: list[dict[str, Any]], install: str) -> ProbeResult:
        if not all(found):
            return ProbeResult(unclear="wolkvox found a row, but shows nothing of it")
        if not self.trace_field:
            if found and not any(_is_of(row, sent) for row in found):
                return ProbeResult(unclear="the rows that wolkvox shows are of somebody else")
            return ProbeResult({number: bool(found)})
        if found and not any(self.trace_field in row for row in found):
            return ProbeResult(unclear=f"the rows that wolkvox shows have no {self.trace_field}")
        return ProbeResult({number: any(row.get(self.trace_field) == trace(install, number) for row in found)})


def _is_of(row: Mapping[str, Any], sent: Mapping[str, str]) -> bool:
    """Whether a row that was found holds the requested value in any column: the columns' names are undocumented."""
    values = {sent["tel1"], sent["customer_id"]} - {""}
    return any(str(value).strip() in values for value in row.values())


_STATUS: Final = {"started": "start", "stopped": "stop"}


def trace(install: str, delivery: int) -> str:
    """The value of ``trace_field``: "4f1c9a-d123"."""
    return f"{install}-d{delivery}"
