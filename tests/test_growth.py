"""Work grows no faster than what was sent: every reader of a sender's text, its worst inputs, each of them doubled.

A reader passes when the doubled input takes at most 2.5 times as long, or less than `NOTHING_S` altogether. Times are
the processor's, of this thread alone, and the best of several: a busy machine makes single ones longer, never shorter.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from marshmallow import ValidationError

import mappings
from connector.admin import search
from connector.admin.privacy import person as persons
from connector.core import log, masking
from connector.core.errors import ConnectorError
from connector.core.rows import Rows
from connector.core.settings import Settings
from connector.inbound.payloads.decode import body_field, decode, event_key
from connector.outbound import provoked
from connector.vendors import answers
from mappings import emails, fields, markup, names, normalisation, reach, rendering, safe_text, texts, translated
from mappings.base import Ignored, Invalid, Locale, walk
from mappings.configured import payload_mapping
from mappings.payloads import PayloadSchema, as_notes, load
from mappings.phones import countries, kinds, parts
from mappings.phones.hints import hints, hints_beside, kind_of_name
from mappings.phones.reader import read_each, read_phones
from mappings.times import read_time
from tests import test_mappings as files

SIZE = 32_000  #: characters or elements; what grows with the square takes seconds for them
IN_EACH_FIELD = 8_000  #: the same where every field of a payload is so long
NOTHING_S = 0.03
MOST = 2.5  #: times as long for twice as much
ROUNDS = 5


def seconds(call: Callable[[], object], *, rounds: int = 3) -> float:
    """The shortest of several runs. What is refused has been read too."""
    best = float("inf")
    for _ in range(rounds):
        began = time.thread_time()
        with suppress(ValidationError, Invalid, Ignored, ConnectorError):
            call()
        best = min(best, time.thread_time() - began)
    return best


def growth(call: Callable[[Any], object], make: Callable[[int], Any], size: int) -> float:
    """How many times as long twice as much takes; 0 for what takes no time worth speaking of."""
    once, twice = partial(call, make(size)), partial(call, make(2 * size))
    if (longest := seconds(twice, rounds=1)) < NOTHING_S:
        return 0.0
    factor = longest / seconds(once, rounds=2)
    for _ in range(ROUNDS):  # only where it looks otherwise: noise of the machine, perhaps
        if factor <= MOST:
            break
        factor = min(factor, seconds(twice) / seconds(once))
    return factor


def demand_linear(call: Callable[[Any], object], make: Callable[[int], Any], name: str, size: int = SIZE) -> None:
    factor = 0.0
    for _ in range(3):  # a factor that noise made is not seen three times
        factor = growth(call, make, size)
        if factor <= MOST:
            return
    pytest.fail(f"{name}: twice as much takes {factor:.1f} times as long")


def test_what_grows_with_the_square_is_seen() -> None:
    def square(text: str) -> object:
        # Not `count`: it looks at 64 characters at once where the processor can, and is over before it is measured.
        return [sorted(text) for _ in range(len(text) // 200)]

    assert any(growth(square, lambda size: "a" * size, SIZE) > MOST for _ in range(5)), (
        "noise hides it, but not each time"
    )
    demand_linear(
        lambda text: [sorted(text) for _ in range(800)], lambda size: "a" * size, "a line", size=4_000
    )  # in the cache


#: Texts that are known to be the worst for some way of reading: name -> so many characters of it.
TEXTS: dict[str, Callable[[int], str]] = {
    "two kinds of marks": lambda size: "a" + "\u0301" * (size // 2) + "\u0323" * (size // 2),
    "marks by turns": lambda size: "\u0301\u0323" * (size // 2),
    "marks behind invisible ones": lambda size: ("\u0323" * 15 + "\u200b") * (size // 32) + "\u0301" * (size // 2),
    "voiced marks": lambda size: ("\u0323" * 30 + "\uff9e" * 30) * (size // 60),
    "thirty marks a letter": lambda size: ("\u0323" * 30 + "a") * (size // 31),
    "ligatures": lambda size: "\ufdfa" * size,
    "blanks": lambda size: "a" + " " * size + "b",
    "lines": lambda size: "a\r\n" * (size // 3),
    "digits": lambda size: "1" * size,
    "digits with signs": lambda size: "+57 (1)-" * (size // 8),
    "phones": lambda size: "+573001234567 " * (size // 14),
    "phones in a row": lambda size: "3001234567,6012345678/" * (size // 22),
    "at signs": lambda size: "a@" * (size // 2),
    "dots after an at sign": lambda size: "a@" + "." * size + "@",
    "domains": lambda size: "a@" + "b." * (size // 2) + "@",
    "brackets": lambda size: "a" + "[" * size,
    "closed brackets": lambda size: "a" + "[]" * (size // 2) + "x",
    "field names": lambda size: "fields[a]" + "[b]" * (size // 3),
    "dotted": lambda size: "a." * (size // 2),
    "a change of state": lambda size: "status:{from:" + ",to:" * (size // 4),
    "changes of state": lambda size: "status:{from:" * (size // 13),
    "actions": lambda size: "ticket_action:" * (size // 14),
    "open tags": lambda size: "<a " * (size // 3),
    "open comments": lambda size: "<!--" * (size // 4),
    "declarations": lambda size: "<![" * (size // 3),
    "attributes": lambda size: "<a " + "b='" * (size // 3),
    "a long character": lambda size: f"<b>&#{'1' * size};</b>",
    "entities": lambda size: "<b>" + "&amp" * (size // 4),
    "backslashes": lambda size: "\\" * size,
    "half a pair": lambda size: "\\ud800" * (size // 6),
    "percents": lambda size: "%4" * (size // 2),
    "quotes": lambda size: '"' * size,
    "one long word": lambda size: "a" * size,
    "words and at signs": lambda size: "a" * (size // 2) + "@" + "b" * (size // 2),
    "data urls": lambda size: "data:application/octet-stream;base64," + "A" * size,
    "words of secrets": lambda size: "token=" * (size // 6),
    "iso times": lambda size: "2026-11-20T15:01:02" + ".0" * (size // 2),
    "hexadecimal": lambda size: "a1" * (size // 2),
    "surrogates": lambda size: "\ud800" * size,
}
#: What may stand where a text is expected.
VALUES: dict[str, Callable[[int], Any]] = {
    **TEXTS,
    "many texts": lambda size: ["+573001234567"] * (size // 4),
    "many objects": lambda size: [{"id": "1", "email": "a@example.com"}] * (size // 8),
    "many keys": lambda size: {f"k{i}": "v" for i in range(size // 8)},
    "a deep object": lambda size: _deep(60, "x" * size),
}


def _deep(levels: int, inner: Any) -> Any:
    return {"id": _deep(levels - 1, inner)} if levels else inner


# --- the texts of mappings/ -----------------------------------------------------------------------------------------

LOCALE = Locale()
EVERY_KIND = Locale(costly=mappings.base.COSTLY)
BOGOTA = LOCALE.timezone
FIELDS = {
    name: make
    for name, make in vars(fields).items()
    if inspect.isclass(make) and issubclass(make, fields.Loose) and make is not fields.Loose
}


class Single(PayloadSchema):
    """A schema of one field, which a test puts in."""


def of_a_field(field: Any) -> Callable[[Any], object]:
    schema: Any = Single.from_dict({"value": field})(LOCALE)
    return lambda value: load(schema, {"value": value})


#: Every public function and class of `mappings` that reads a text: what calls it.
READERS: dict[str, Callable[[Any], object]] = {
    **{f"fields.{name}": of_a_field(make("a", "b") if name == "OneOf" else make()) for name, make in FIELDS.items()},
    "fields.clean": fields.clean,
    "fields.clean, lines": lambda value: fields.clean(value, lines=True),
    "fields.read_phone": lambda value: fields.read_phone(value, "CO"),
    "normalisation.nfc": normalisation.nfc,
    "normalisation.nfkc": normalisation.nfkc,
    "normalisation.unaccented": normalisation.unaccented,
    "normalisation.nfkd": normalisation.nfkd,
    "normalisation.bounded": normalisation.bounded,
    "markup.plain_text": markup.plain_text,
    "rendering.meaningful": rendering.meaningful,
    "rendering.value_text": lambda value: rendering.value_text(value, BOGOTA),
    **{f"names.{name}": getattr(names, name) for name in ("folded", "snake", "known", "speaks_of_another")},
    "names.guess": lambda value: names.guess(str(value), value),
    "names.has_a_number": names.has_a_number,
    "emails.addresses": emails.addresses,
    "emails.is_chat": lambda value: emails.is_chat(str(value)),
    "safe_text.harmless": lambda value: safe_text.harmless({"a": value}),
    "names.guess_of_question": lambda value: names.guess_of_question(str(value), str(value), value),
    "phones.hints.kind_of_name": lambda value: kind_of_name(str(value)),
    **{f"texts.{name}": getattr(texts, name) for name in ("encoded_right", "has_markup", "is_clean", "is_plain")},
    **{f"texts.{name}": getattr(texts, name) for name in ("spoken", "whole")},
    "translated.inside": lambda value: translated.inside({"a": {str(value): value}}, f"a.{value}"),
    "phones.kinds.kind_of_digits": lambda value: kinds.kind_of_digits(57, str(value)),
    "phones.kinds.region_of": lambda value: kinds.region_of(1, "".join(filter(str.isdecimal, str(value)))[:18]),
    "phones.kinds.any_kind_of_digits": lambda value: kinds.any_kind_of_digits(57, str(value)),
    **{
        f"texts.{name}": getattr(texts, name) for name in ("unescaped", "written", "is_blank", "mended", "is_of_a_test")
    },
    "texts.suspect": lambda value: texts.suspect(orjson.dumps(value.encode("utf-8", "replace").decode())),
    "reach.at": lambda value: reach.at({"a": value, str(value): 1, "b": [value]}, "a.b[c]"),
    "reach.value_of": reach.value_of,
    "translated.unforeseen": lambda value: translated.unforeseen(str(value), "a"),
    "translated.quoted": lambda value: translated.quoted(str(value)),
    "translated.word": translated.word,
    "translated.is_empty": translated.is_empty,
    "translated.table": translated.table,
    "translated.tables": translated.tables,
    "translated.as_names": translated.as_names,
    "translated.Answer": lambda value: list(_form_of(value)),
    "times.read_time": lambda value: read_time(value, LOCALE),
    "phones.reader.read_phones": lambda value: read_phones(value, LOCALE),
    "phones.reader.read_phones, hints": lambda value: read_phones("3001234567", LOCALE, country=value, area=value),
    "phones.reader.read_phones, every kind": lambda value: read_phones(value, EVERY_KIND),
    "phones.reader.read_each": lambda value: list(read_each([value], LOCALE)),
    "phones.hints.hints": lambda value: hints(country=value, code=value, area=value),
    "phones.hints.hints_beside": lambda value: hints_beside({"pais": value, str(value): value}),
    "phones.parts.number_in": lambda value: parts.number_in({"area": str(value), "phone": str(value), str(value): "1"}),
    "phones.parts.is_in_parts": lambda value: parts.is_in_parts({"country": str(value), "phone": str(value)}),
    "phones.countries.plain": lambda value: countries.plain(str(value)),
    "phones.countries.region_named": lambda value: countries.region_named(str(value)),
    "phones.countries.calling_code": lambda value: countries.calling_code(str(value)),
    "base.walk": lambda value: walk({"a": value}, "a.0.b"),
    "payloads.as_notes": lambda value: as_notes((mappings.base.FieldError("a", str(value)),)),
}
#: Public names of `mappings` that read no text from outside, or are walked through the payloads of each mapping.
OTHERS = {
    *("base.FieldError", "base.Invalid", "base.Ignored", "base.Locale", "base.Rendering", "base.Rendered"),
    *("base.Sender", "base.PayloadMapping", "base.PlainSender", "base.RecordMapping"),
    *("base.lookup", "base.with_result", "base.fingerprint"),  # of an event: walked with the payloads
    *("fields.number_text", "fields.faulty_but_usable", "fields.Loose", "fields.T"),
    *("payloads.PayloadSchema", "payloads.Part", "payloads.load", "payloads.decisive"),
    *("rendering.Draft", "rendering.Cell", "rendering.Sheet", "rendering.Given", "rendering.Dialling"),
    *("rendering.foreign", "rendering.phones_of", "rendering.extra_or_field", "rendering.local_time"),
    *("base.Hold", "payloads.holds", "times.TimeReading", "phones.reader.identities", "rendering.dialled_at_home"),
    *("normalisation.is_mark", "translated.LeadSender", "translated.TicketSender", "translated.AnswersSender"),
    "translated.KeyedTicketSender",
    # of an event: walked with the payloads; of the configuration; of a number that was read
    *("dialable.NumberRule", "dialable.Says", "dialable.rule_of", "dialable.judged"),
    *("configured.payload_mapping", "phones.kinds.kind_of", "remembered.remembered"),
}


def _form_of(value: Any) -> Iterator[object]:
    mapping = payload_mapping("elementor", LOCALE)
    yield mapping.read({"form": {"id": "1"}, "fields": {str(value): {"title": value, "value": value}}})


def public_names() -> Iterator[str]:
    """ "fields.clean" of everything that a module of `mappings` makes itself."""
    for found in pkgutil.walk_packages(mappings.__path__, "mappings."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", "") == found.name and callable(value):
                yield f"{found.name.removeprefix('mappings.')}.{name}"


def test_every_public_function_of_the_mappings_is_walked_or_said_to_read_no_text() -> None:
    walked = {name.partition(",")[0] for name in READERS} | OTHERS
    schemas_and_mappings = {size for size in public_names() if size.startswith(("senders.", "records.", "events."))}
    # Steps of reading a phone, each of which gets what `phones.reader` has cut.
    steps = ("covers", "faults", "plan", "remarks", "result", "runs", "wrappings", "hints.Hints")
    schemas_and_mappings |= {
        size for size in public_names() if size.startswith(tuple(f"phones.{step}" for step in steps))
    }
    missing = set(public_names()) - walked - schemas_and_mappings
    assert not missing, f"say in READERS or OTHERS what they read: {sorted(missing)}"


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_of_text_takes_twice_as_long_for_twice_as_much(reader: str) -> None:
    text_only = reader.startswith(
        ("normalisation.", "fields.clean", "rendering.meaningful", "names.", "texts.", "markup.")
    )
    for name, make in (TEXTS if text_only else VALUES).items():
        demand_linear(READERS[reader], make, f"{reader} of {name}")


# --- whole payloads -------------------------------------------------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the texts and numbers of a payload stand."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:2]):
            yield from leaves(inner, (*path, index))
    elif value is not None and not isinstance(value, bool):
        yield path


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: replaced(inner, rest, by) if key == head else inner for key, inner in value.items()}
    return [replaced(inner, rest, by) if index == head else inner for index, inner in enumerate(value)]


def one_file_of_each_kind() -> list[Path]:
    """The largest of each mapping for leads, tickets, answers and what makes no event: it has the most fields."""
    best: dict[tuple[str, str], Path] = {}
    for file in files.FILES:
        kind = (file.parent.name, file.name.partition(".")[0])
        if kind not in best or file.stat().st_size > best[kind].stat().st_size:
            best[kind] = file
    return sorted(best.values())


Place = tuple[str, tuple[Any, ...]]  #: "payload" or "fetched", and the path in it


def filled(payload: Any, given: dict[str, Any], places: list[Place], by: Any) -> tuple[Any, dict[str, Any]]:
    """The payload, and what was fetched for it, with ``by`` at these places."""
    for where, path in places:
        if where == "payload":
            payload = replaced(payload, path, by)
        else:
            given = given | {"fetched": replaced(given["fetched"], path, by)}
    return payload, given


def is_event(source: str, payload: Any, given: dict[str, Any]) -> bool:
    return "event" in files.outcome(source, payload, given)


@pytest.mark.parametrize("file", one_file_of_each_kind(), ids=lambda one: f"{one.parent.name}/{one.stem}")
def test_a_mapping_takes_twice_as_long_for_fields_of_twice_the_length(file: Path) -> None:
    """All fields at once that may hold anything, and each of the others, without which there is no event."""
    source, payload = file.parent.name, json.loads(file.read_text())
    given, _ = files.expected_of(file)
    places: list[Place] = [("payload", path) for path in leaves(payload)]
    places += [("fetched", path) for path in leaves(given.get("fetched"))]
    decisive = [place for place in places if not is_event(source, *filled(payload, given, [place], "x"))]
    free = [place for place in places if place not in decisive]
    for some in (free, *([place] for place in decisive)):

        def read(by: Any, some: list[Place] = some) -> None:
            files.outcome(source, *filled(payload, given, some, by))

        for name, make in VALUES.items():
            demand_linear(read, make, f"{some} of {name}", IN_EACH_FIELD)


# --- bytes ----------------------------------------------------------------------------------------------------------

JSON, FORM, PARTS, XML = (
    "application/json",
    "application/x-www-form-urlencoded",
    'multipart/form-data; boundary="b"',
    "application/xml",
)
#: Bodies that are known to be the worst for some reader: name -> content type, and so many bytes of it.
BODIES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "small objects": (JSON, lambda size: b"[" + b"{}," * (size // 3) + b"{}]"),
    "small arrays": (JSON, lambda size: b'{"a":[' + b"[]," * (size // 3) + b"[]]}"),
    "open arrays": (JSON, lambda size: b"[" * size),
    "deep objects": (JSON, lambda size: b'{"a":' * (size // 5)),
    "a long number": (JSON, lambda size: b'{"id":' + b"1" * size + b"}"),
    "a long fraction": (JSON, lambda size: b'{"id":0.' + b"1" * size + b"}"),
    "one key again": (JSON, lambda size: b"{" + b'"a":1,' * (size // 6) + b'"a":1}'),
    "halves of pairs": (JSON, lambda size: b'{"a":"' + b"\\ud800" * (size // 6) + b'"}'),
    "backslashes": (JSON, lambda size: b'{"a":"' + b"\\" * size + b'\\ud800"}'),
    "lines": ("application/x-ndjson", lambda size: b'{"id":"1"}\n' * (size // 11)),
    "broken lines": ("application/x-ndjson", lambda size: b"{\n" * (size // 2)),
    "one field again": (FORM, lambda size: b"a=1&" * (size // 4)),
    "fields of numbers": (
        FORM,
        lambda size: b"&".join(b"a[%d]=1" % i for i in range(min(size // 8, 999))) + b"&b=" + b"1" * size,
    ),
    "nested fields": (FORM, lambda size: b"a" + b"[]" * (size // 2) + b"=1"),
    "open brackets": (FORM, lambda size: b"a" + b"[" * size + b"=1"),
    "dotted fields": (FORM, lambda size: b"a." * (size // 2) + b"=1"),
    "percents": (FORM, lambda size: b"a=" + b"%" * size),
    "one part": (
        PARTS,
        lambda size: b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"\r\n" * (size // 2) + b"--b--",
    ),
    "parts": (
        PARTS,
        lambda size: b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * (size // 56) + b"--b--",
    ),
    "heads of parts": (PARTS, lambda size: b"--b\r\n" + b"A: b\r\n" * (size // 6) + b"\r\n1\r\n--b--"),
    "almost boundaries": (
        PARTS,
        lambda size: b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" + b"\r\n-" * (size // 3),
    ),
    "elements": (XML, lambda size: b"<a>" + b"<b/>" * (size // 4) + b"</a>"),
    "different elements": (XML, lambda size: b"<a>" + b"".join(b"<b%d/>" % i for i in range(size // 8)) + b"</a>"),
    "attributes": (XML, lambda size: b"<a " + b"".join(b"b%d='1' " % i for i in range(size // 10)) + b"/>"),
    "texts": (XML, lambda size: b"<a>" + b"&amp;" * (size // 5) + b"</a>"),
    "open elements": (XML, lambda size: b"<a>" * (size // 3)),
    "namespaces": (XML, lambda size: b"<a xmlns='" + b"x" * size + b"'><b/></a>"),
    "a long content type": ('a; b="' + "\\" * 3000, lambda size: b"x" * size),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("as_sent", [True, False], ids=["as sent", "unwrapped"])
def test_decoding_takes_twice_as_long_for_a_body_of_twice_the_length(body: str, as_sent: bool) -> None:
    content_type, make = BODIES[body]

    def read(raw: bytes) -> None:
        decode(raw, content_type=content_type, headers={}, as_sent=as_sent)

    demand_linear(read, make, body)


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_read_of_a_header_or_beside_a_body_grows_with_its_length(name: str) -> None:
    headers = {"content-type": "application/json"}
    for header in ("webhook-id", "ce-id", "ce-source", "ce-type", "content-type"):

        def read(by: str, header: str = header) -> None:
            given = headers | {"ce-id": "1", "ce-source": "a", "ce-type": "b"} | {header: by}
            decode(b'{"a":1}', content_type=given["content-type"], headers=given)

        demand_linear(read, TEXTS[name], f"{header} of {name}")
    demand_linear(event_key, TEXTS[name], f"an id of {name}")
    demand_linear(lambda by: body_field(by.encode("utf-8", "replace"), FORM, "key"), TEXTS[name], f"a field of {name}")


# --- what is stored, and what is logged -----------------------------------------------------------------------------

PEOPLE = ("+573001234567", "ana@example.com", "a.very.long.address@sub.domain.example.com")


@pytest.mark.parametrize("whom", PEOPLE)
@pytest.mark.parametrize("name", TEXTS)
def test_looking_for_a_person_in_what_is_stored_grows_with_its_length(name: str, whom: str) -> None:
    """With the person's own sign at the end, so that the slower search is done too."""
    found = persons.person(whom, Settings())

    def read(by: str) -> None:
        payload = orjson.dumps({"extra": by.encode("utf-8", "replace").decode(), "id": whom}).decode()
        stored = persons.readable(payload)
        assert found.may_be_in(stored)
        found.is_in(stored)

    demand_linear(read, TEXTS[name], name)


@pytest.mark.parametrize("name", TEXTS)
def test_masking_grows_with_the_length(name: str) -> None:
    demand_linear(log.masked, TEXTS[name], name)
    demand_linear(lambda by: log.redacted({by: by, "a": [by] * 3}), TEXTS[name], name)


#: Everything else that reads what is stored, or what a vendor said: what calls it.
STORED: dict[str, Callable[[str], object]] = {
    "search.keys_of_event": lambda by: search.keys_of_event(_stored(by), Settings()),
    "search.keys_of_text": lambda by: search.keys_of_text(by, Settings()),
    "search.fold": search.fold,
    "search._says": lambda by: search._says(_stored(by).payload, ["zoe"]),
    "search._may_hold": lambda by: search._may_hold(_stored(by).payload, "ana@example.com", ["123456"]),
    "search.Who": lambda by: search.Who(Settings()).of(_stored(by)),
    "masking.of_others": masking.of_others,
    "masking.of_ours": masking.of_ours,
    "masking.record": lambda by: masking.record({by: by, "a": [by]}),
    "provoked.is_plain": lambda by: provoked.is_plain(orjson.dumps({"a": by}).decode()),
    "answers.cut": answers.cut,
    "rows.Rows": lambda by: _rows_of(by),
}


def _stored(text: str) -> Any:
    payload = orjson.dumps({"id": "1", "data": {"extra": {"a": text, text[:9000]: text}}}).decode()
    return SimpleNamespace(
        source="s", payload=payload, content_type="application/json", event_id=text[:500], fetched=None, id=1
    )


def _rows_of(text: str) -> bytes:
    read = Rows(1 << 24)
    raw = orjson.dumps({"data": [{"a": text}] * 3})
    for at in range(0, len(raw), 1 << 16):
        read.feed(raw[at : at + (1 << 16)])
    return read.whole()


@pytest.mark.parametrize("reader", STORED)
def test_whatever_reads_what_is_stored_grows_with_its_length(reader: str) -> None:
    def read(by: str) -> None:
        STORED[reader](by.encode("utf-8", "replace").decode())

    for name, make in TEXTS.items():
        demand_linear(read, make, f"{reader} of {name}", IN_EACH_FIELD)
