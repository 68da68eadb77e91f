"""Elementor's forms (WordPress): form fields in either of the webhook's two layouts, each field with its label.

Simple: a field's label, or its id if it has none, and facts of the page under localised names. "Advanced Data":
``fields[<id>][value]``, ``meta[<key>][value]``, ``form[name]``, in PHP's brackets; ids and labels may contain dots.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from mappings.base import Sender
from mappings.translated import Answer, AnswersSender, table, word

#: The type of a field -> our field.
TYPES: Final = {"email": "email", "tel": "phones"}
#: Form field types without an input.
_SILENT: Final = ("html", "step", "recaptcha", "recaptcha_v3", "honeypot")
_BRACKETED: Final = re.compile(r"(fields|meta|form)\[([^]]*)\](?:\[([^]]*)\])?(?:\[[^]]*\])?")
_CREDIT: Final = "credit"  #: "Powered by Elementor"


class ElementorMapping(AnswersSender):
    """``fields`` may name ids or labels. What no field is ours by type or usual name goes into extra, by its label."""

    #: The visitor sees any error.
    sender = Sender(decode="plain", proof={"scheme": "path"}, gives_up=True, repeats=False)

    def envelope(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Elementor gives no id, and the time in the site's own words."""
        return {}

    def answers(self, payload: dict[str, Any]) -> Iterable[Answer]:
        """The fields, in the order of the form."""
        layout = _layout(payload)
        if "fields" not in layout:
            yield from (Answer(name, value) for name, value in payload.items())
            return
        for name, field in layout["fields"].items():
            kind, title = word(table(field).get("type")), word(table(field).get("title"))
            if kind not in _SILENT:
                yield Answer(name, _value(field), title, TYPES.get(kind, ""), key=title)

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The form and the page."""
        layout = _layout(payload)
        form = {f"form_{name}": _value(facts) for name, facts in layout.get("form", {}).items()}
        return {**form, **{name: _value(facts) for name, facts in layout.get("meta", {}).items() if name != _CREDIT}}


def _layout(payload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The advanced layout's fields, meta and form, each by name; they may come un-nested already, from JSON."""
    nested = {name: payload[name] for name in ("fields", "meta", "form") if isinstance(payload.get(name), dict)}
    found: dict[str, dict[str, Any]] = {}
    for key, value in payload.items():
        match = _BRACKETED.fullmatch(key)
        if match is None or match[1] in nested:
            continue
        part, name, inner = match.groups()
        facts = found.setdefault(part, {}).setdefault(name, {})
        _put(facts, inner or "value", value)
    return found | nested


def _put(facts: dict[str, Any], name: str, value: Any) -> None:
    """Several ``[value][]`` make a list."""
    earlier = facts.get(name)
    facts[name] = value if earlier is None else [*(earlier if isinstance(earlier, list) else [earlier]), value]


def _value(facts: Any) -> Any:
    if not isinstance(facts, dict):
        return facts
    found = facts.get("value")
    return facts.get("raw_value") if found in (None, "") else found
