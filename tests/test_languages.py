"""Spanish and Portuguese: every phrase has both, with the same facts; and what a person reads is in their language."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from connector.cli import output
from connector.core.phrases import joined, mapped, names, phrase, plural
from connector.core.reasons import ENGLISH, Code, Reason, because
from connector.core.settings import OncePer, Route
from connector.languages import catalogue as catalogue_module
from connector.languages.catalogue import LANGUAGES, catalogue, known, of_environment, of_request, read
from connector.outbound.guards.once_per import OncePerGuard
from tests import catalogues, said_texts
from tests.catalogues import FOLDER, messages, of_module

OTHERS = ("es", "pt")
FOUND = messages()
PAGE = re.compile(r"%\((\w+)\)s")


def placeholders(text: str) -> set[str]:
    """Of a phrase, and of a page's text."""
    return {*PAGE.findall(text)} if PAGE.search(text) else names(text)


@pytest.mark.parametrize("language", OTHERS)
def test_every_phrase_is_translated_for_one_and_for_many(language: str) -> None:
    there = read(FOLDER / f"{language}.po")
    for message, places in FOUND.items():
        one, forms = (message[0], 2) if isinstance(message, tuple) else (message, 1)
        assert len([text for text in there.get(one, ()) if text.strip()]) == forms, f"{message} of {places}"


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_names_the_facts_that_the_phrase_names(language: str) -> None:
    for one, texts in read(FOLDER / f"{language}.po").items():
        for text in texts:
            assert placeholders(text) == placeholders(one), one


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_outlives_its_phrase(language: str) -> None:
    said = {message[0] if isinstance(message, tuple) else message for message in FOUND}
    assert set(read(FOLDER / f"{language}.po")) <= said


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("code", Code)
def test_every_reason_is_said_in_every_language(code: Code, language: str) -> None:
    said = catalogue(language).say(str(Reason(code)))
    assert said
    if any(letter.isalpha() for letter in re.sub(r"\{\w+\}", "", ENGLISH[code])):
        assert said != str(Reason(code))


def test_a_reason_behind_another_one_is_translated_with_it() -> None:
    first = Reason(Code.LISTED)
    second = str(Reason(Code.BEFORE_ENDED, {"route": "links", "state": "dead"} | because(first)))
    assert "on the do-not-contact list" in second
    assert "en la lista de no contactar" in catalogue("es").say(second)


@pytest.mark.parametrize(("number", "said"), [(0, "0 días"), (1, "1 día"), (2, "2 días"), (1_000_000, "1000000 días")])
def test_a_number_chooses_its_form(number: int, said: str) -> None:
    assert catalogue("es").say(plural("{number} day", "{number} days", number)) == said


def test_thousands_are_set_apart_as_the_language_does() -> None:
    some = plural("{number:,} event in 24 h", "{number:,} events in 24 h", 12_000)
    assert some == "12,000 events in 24 h"
    assert catalogue("pt").say(some) == "12.000 eventos em 24 h"


def test_tenths_are_set_apart_as_the_language_does() -> None:
    some = phrase(" after {seconds:.2f} s", seconds=0.05)
    assert (some, catalogue("es").say(some), catalogue("pt").say(some)) == (
        " after 0.05 s",
        " tras 0,05 s",
        " após 0,05 s",
    )
    assert [catalogue(one).number(1234.5) for one in ("en", "es", "pt")] == ["1,234.5", "1.234,5", "1.234,5"]
    took = output.duration(4.25)
    assert (took, catalogue("es").say(took), catalogue("pt").say(took)) == ("4.2 s", "4,2 s", "4,2 s")


def test_a_guard_names_the_person_s_key_in_the_reader_s_language() -> None:
    route = Route(name="r", on=("lead.created",), account="a", to="x", once_per=OncePer(key="phone", within_s=86400))
    said = OncePerGuard().text(route)
    assert said == "once_per: one for each phone within 24 h"
    assert catalogue("es").say(said) == "once_per: una vez por teléfono en 24 h"
    of_theirs = OncePerGuard().text(replace(route, once_per=OncePer(key="extra.case", within_s=86400)))
    assert catalogue("pt").say(of_theirs).count("extra.case") == 1


def test_what_is_masked_or_joined_stays_a_phrase() -> None:
    said = joined(["d1: ", phrase("called {event_id} by its sender", event_id="x@y.co")])
    hidden = mapped(said, lambda text: text.replace("x@y.co", "***"))
    assert hidden == "d1: called *** by its sender"
    assert catalogue("es").say(hidden) == "d1: que quien lo envía llama ***"


def test_an_unknown_language_is_never_an_error() -> None:
    assert catalogue("xx").say(phrase("wait")) == "wait"
    assert [known(text) for text in ("es_CO.UTF-8", "pt-BR", "EN", "xx", "")] == ["es", "pt", "en", "", ""]
    assert of_environment({"LANG": "pt_BR.UTF-8"}) == "pt"
    assert of_environment({"LC_ALL": "C", "LANG": "es_CO.UTF-8"}) == "en"
    assert of_request("", ["fr", "pt-BR"], "CO") == "pt"
    assert [of_request("xx", ["fr"], region) for region in ("BR", "CO", "US")] == ["pt", "es", "en"]


def test_commands_say_phrases_in_the_chosen_language(capsys: pytest.CaptureFixture[str]) -> None:
    output.speak("es")
    try:
        output.line(phrase("wait"))
        output.table(("why",), [(str(Reason(Code.LISTED)),)])
    finally:
        output.speak("en")
    assert "espere" in capsys.readouterr().out.splitlines()[0]


def test_phrases_are_found_by_literal_and_by_name() -> None:
    code = 'def f(x):\n    said = "a {b}" if x else "c"\n    return phrase(said), plural("one", "many", 1)'
    assert {*of_module(code)} == {"a {b}", "c", ("one", "many")}
    twice = 'def f():\n    said = "a"\n    phrase(said)\n    said = "b"\n    phrase(said)'
    assert {*of_module(twice)} == {"a", "b"}
    assert set(LANGUAGES) == {*catalogues.LANGUAGES, "en"}


def test_whatever_a_command_prints_can_be_said_in_every_language() -> None:
    assert [*said_texts.printed()] == []


def test_errors_that_people_of_a_call_centre_meet_can_be_said_in_every_language() -> None:
    assert [*said_texts.raised()] == []


def test_a_catalogue_is_read_by_babel_only_after_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "es.po"
    shutil.copy(FOLDER / "es.po", path)
    first = read(path)
    with monkeypatch.context() as without:
        without.setattr(catalogue_module, "_read", lambda _: pytest.fail("it was read before"))
        assert read(path) == first
    path.write_text(path.read_text() + '\nmsgid "what is new"\nmsgstr "lo que es nuevo"\n')
    assert read(path) == first | {"what is new": ("lo que es nuevo",)}


def test_a_catalogue_that_was_kept_in_part_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "es.po"
    shutil.copy(FOLDER / "es.po", path)
    first = read(path)
    (kept,) = (tmp_path / "__pycache__").iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])
    assert read(path) == first
