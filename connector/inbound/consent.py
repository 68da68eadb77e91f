"""Proof of consent and requested call time of an event, without data that identifies the person."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from connector.core import keyed_hash
from connector.core.settings import ProofPaths
from connector.core.text import LONGEST_URL
from mappings import fields
from mappings.base import Locale, lookup
from mappings.events import Event, Lead
from mappings.payloads import PayloadSchema, load

_NO: Final = frozenset({"", "0", "no", "false", "off", "n", "não", "nao", "none", "null", "rechazo", "recuso"})


class _Moment(PayloadSchema):
    at = fields.Time()


class Consents:
    """Reads consent by a route's paths. Thread-safe. ``key`` keys the hash of the words."""

    def __init__(self, locale: Locale, key: bytes) -> None:
        self._schema: Final = _Moment(locale)
        self._key: Final = key

    def read(self, event: Event, paths: ProofPaths | None, *, wish: bool) -> dict[str, Any]:
        """The facts that are kept; {} if there are none.

        "of" (whether), "at" and "wish" (unix ms), "words" and "page" (keyed hashes), "where" (the page's site).
        A consent with an unreadable time has none. With ``wish`` the time is kept at which the person wants a call.
        """
        found: dict[str, Any] = {}
        if paths is not None:
            found = self._consent(event, paths)
        if wish and isinstance(event, Lead) and event.callback_at is not None:
            found["wish"] = int(event.callback_at.timestamp() * 1000)
        return found

    def _consent(self, event: Event, paths: ProofPaths) -> dict[str, Any]:
        found: dict[str, Any] = {}
        value = lookup(event, paths.of) if paths.of else True
        if paths.of:
            found["of"] = value is not None and _is_yes(value)
        if (at := self._moment(event, paths)) is not None and value is not None:
            found["at"] = at
        if paths.words and (words := lookup(event, paths.words)) is not None:
            found["words"] = self._hash(words)
        if paths.where and (where := lookup(event, paths.where)) is not None:
            found |= {"where": _site(str(where)), "page": self._hash(where)}
        return found

    def _hash(self, value: Any) -> str:
        """A hash by which the same text is known again; it reveals nobody."""
        return keyed_hash.hashed(self._key, str(value).strip().encode())

    def _moment(self, event: Event, paths: ProofPaths) -> int | None:
        value = lookup(event, paths.at) if paths.at else event.time
        if isinstance(value, datetime):
            return int(value.timestamp() * 1000)
        values, faults = load(self._schema, {"at": value})
        moment = values.get("at")
        return None if faults or moment is None else int(moment.timestamp() * 1000)


def _is_yes(value: Any) -> bool:
    return value.strip().casefold() not in _NO if isinstance(value, str) else bool(value)


def _site(text: str) -> str:
    """The site of a page, "https://example.com": a path and a query may name the person who was there."""
    try:
        parts = urlsplit(text[:LONGEST_URL].strip() if text.isprintable() else "")
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}" if parts.scheme in ("http", "https") and parts.hostname else ""
