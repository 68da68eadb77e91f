"""What one event of each sender costs: from its bytes to an event, and from there to the record that is sent."""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

import mappings
from connector.inbound.payloads.decode import decode
from mappings.base import Ignored, Invalid, Locale, PayloadMapping, Rendering
from mappings.configured import payload_mapping
from mappings.events import Event, Lead, Thin
from tests.bench.report import Report, Row

PAYLOADS = Path(__file__).parent.parent / "payloads"
_SAMPLES = 5  #: of each, the fastest of which counts: whatever else the machine did then is not the sender's
_SAMPLE_S = 0.05
_OPT = ("utm.source", "program")
_TAGS = {"Canal": "channel"}


def senders(report: Report) -> None:
    """A row for each mapping: microseconds an event for reading it and for mapping it into its record."""
    for name in mappings.PAYLOADS:
        said = next(_requests(name), None)
        if said is None:
            report.skip(f"sender {name}", "no request among its payloads makes an event")
            continue
        read_us = _microseconds(said.read) / said.events
        map_us = _microseconds(said.map) / said.events
        report.add(
            Row(
                work=f"sender {name}: read, map",
                measured=f"{read_us:.0f} µs, {map_us:.0f} µs",
                note=f"{len(said.raw) / said.events:,.0f} bytes an event{', then completed' if said.thin else ''}",
            )
        )


@dataclass
class _Said:
    """One request whose events are good, and what is done with it."""

    mapping: PayloadMapping
    locale: Locale
    raw: bytes
    content_type: str
    fetched: list[dict[str, Any]]  #: of each of its events, {} where all was said

    def __post_init__(self) -> None:
        self._good = self.read()
        self._lead = mappings.RECORDS["wolkvox.add_record"](Rendering(locale=self.locale, opt=_OPT))
        self._ticket = mappings.RECORDS["tracksale.dispatch"](Rendering(locale=self.locale, tags=_TAGS))
        self.map()
        self.thin = any(self.fetched)
        self.events = len(self._good)

    def read(self) -> list[Event]:
        """The bytes decoded, taken apart and read; thin ones completed."""
        as_sent = self.mapping.sender.decode == "plain"
        decoded = decode(self.raw, content_type=self.content_type, headers={}, as_sent=as_sent)
        parts = [part for payload in decoded.payloads for part in self.mapping.parts(payload.body)]
        return [self._whole(part, fetched) for part, fetched in zip(parts, self.fetched, strict=True)]

    def _whole(self, part: Any, fetched: dict[str, Any]) -> Event:
        event = self.mapping.read(part)
        return self.mapping.complete(part, fetched) if isinstance(event, Thin) else event

    def map(self) -> None:
        """The row of each lead, the survey customer of each ticket, as bytes."""
        for event in self._good:
            orjson.dumps((self._lead if isinstance(event, Lead) else self._ticket).render(event).record)


def _requests(name: str) -> Iterator[_Said]:
    """The requests of a mapping; a payload of its own where it has none, as for our own JSON."""
    for file in sorted((PAYLOADS / name).glob("*.request.json")):
        sent = json.loads(file.read_text())
        stems = sent.get("becomes", [file.name.removesuffix(".request.json")])
        content_type = next(v for key, v in sent["headers"].items() if key.lower() == "content-type")
        yield from _good(name, sent["body_text"].encode(), content_type, [_expected(name, stem) for stem in stems])
    for file in sorted((PAYLOADS / name).glob("*.expected.json")):
        stem = file.name.removesuffix(".expected.json")
        raw = file.with_name(f"{stem}.json").read_bytes()
        yield from _good(name, raw, "application/json", [_expected(name, stem)])


def _expected(name: str, stem: str) -> dict[str, Any]:
    return dict(json.loads((PAYLOADS / name / f"{stem}.expected.json").read_text()))


def _good(name: str, raw: bytes, content_type: str, expected: list[dict[str, Any]]) -> Iterator[_Said]:
    given = expected[0]
    locale = Locale(given["region"], ZoneInfo(given["timezone"]))
    mapping = payload_mapping(name, locale, given.get("fields"))
    try:
        yield _Said(mapping, locale, raw, content_type, [one.get("fetched", {}) for one in expected])
    except (Invalid, Ignored):
        return


def _microseconds(act: Callable[[], object]) -> float:
    """How long it takes, at its best."""
    timer = timeit.Timer(act)
    once_s = max(timer.timeit(10) / 10, 1e-7)
    times = max(1, int(_SAMPLE_S / once_s))
    return min(timer.repeat(_SAMPLES, times)) / times * 1e6
