"""Polling Tracksale: the report of answers."""

from __future__ import annotations

from collections.abc import Set
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.payload import Payload
from connector.core.settings import Poll
from connector.vendors.answers import cut, delivered, unrecognised
from connector.vendors.polling import BACKFILL_STEP_S, ROOM_S, STEP_S, Cursor, Page, Span, through, within
from connector.vendors.tracksale.answers import meaning
from connector.vendors.tracksale.api import Tracksale
from connector.vendors.tracksale.readers import answers_of, body_of
from connector.vendors.tracksale.values import TracksaleError


class TracksaleAnswers:
    """GET /v2/report/answer: all answers of a period in one response, without a limit."""

    def __init__(self, poll: Poll, zone: ZoneInfo, span: Span | None) -> None:
        self._codes = ",".join(poll.campaign_codes)
        self._step_s = BACKFILL_STEP_S if span else STEP_S
        self._span = span

    def ask(self, vendor: Tracksale, cursor: Cursor, deadline: Deadline) -> Answer:
        return vendor.report_answer(
            start=_utc(cursor["at"] - ROOM_S),
            end=_utc(self._until(cursor) + ROOM_S),
            codes=self._codes,
            tags=True,
            justif_return="array",
            review=True,
            nps_secondary=True,
            open_question=True,
            csat=True,
            return_update_time=True,
            deadline=deadline,
        )

    def means(self, answer: Answer) -> Outcome:
        unwell = meaning(answer)
        if unwell is not None:
            return unwell
        try:
            answers_of(body_of(answer))
        except TracksaleError as fault:
            return unrecognised(answer, cut(fault))
        return delivered(answer)

    def page(self, answer: Answer, cursor: Cursor, seen: Set[str]) -> Page:
        """Each answer once in a run: its time decides the page; one in the future belongs to the last page."""
        until = self._until(cursor)
        last = until >= cursor["to"]
        first_s = cursor["floor"] if cursor["at"] == cursor["from"] else cursor["at"]
        end_s = None if last and not self._span else until
        rows = [one for one in answers_of(answer.json()) if within(one.time, first_s, end_s)]
        payloads = [Payload(dict(one.raw), spare_id=f"answer {one.id}" if one.id else "") for one in rows]
        return Page(payloads, through(cursor) if last else {**cursor, "at": until})

    def _until(self, cursor: Cursor) -> int:
        return int(min(cursor["at"] + self._step_s, cursor["to"]))


def _utc(moment_s: int) -> str:
    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%dT%H:%M:%S}"
