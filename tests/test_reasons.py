"""Codes, facts and the sentences made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.core.phrases import Phrase, joined, packed, phrase, plural, unpacked
from connector.core.reasons import ENGLISH, Code, Reason, answer_facts, because, read, sentence
from connector.languages.catalogue import LANGUAGES, catalogue
from connector.outbound.guards import GUARDS

OPERATIONS = (Path(__file__).parent.parent / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_sentence_and_a_row_for_operators(code: Code) -> None:
    assert sentence(Reason(code))
    assert f"| `{code}` |" in OPERATIONS


def test_a_reason_as_text_knows_its_template_and_its_facts() -> None:
    told = str(Reason(Code.ONCE, {"other": 7}))
    assert isinstance(told, Phrase) and told.template == ENGLISH[Code.ONCE] and told.facts == {"other": 7}


def test_a_reason_survives_the_database() -> None:
    reason = Reason(Code.HALVED, {"size": 4, "words": "Íñigo {x} is wrong", "status": 400})
    assert read(reason.code, reason.facts_json) == reason
    assert "Íñigo {x} is wrong" in str(reason)
    assert read(None, None) is None


def test_what_a_release_before_writes_is_shown_as_it_is() -> None:
    assert str(read("expired", None, "once_per: the same person is in delivery d7")).endswith("d7")


def test_a_code_of_a_later_release_is_shown_with_its_words() -> None:
    assert "moon" in str(read("phase", '{"words": "the moon is full"}'))


def test_a_reason_behind_another_one_is_told_with_it() -> None:
    first = Reason(Code.REFUSED, answer_facts("400 no link", 400))
    second = Reason(Code.BEFORE_ENDED, {"route": "links", "state": "dead"} | because(first))
    assert str(first) in str(second)
    assert second.words() == {"400 no link"}
    assert "no link" not in str(second.forgotten())


def test_no_two_guards_share_a_code() -> None:
    codes = [code for guard in GUARDS for code in (*guard.ends, *guard.holds)]
    assert len(codes) == len(set(codes))
    assert len({guard.option for guard in GUARDS}) == len(GUARDS)


def test_a_stored_phrase_is_said_in_any_language_afterwards() -> None:
    inner = plural("{number} lead", "{number} leads", 2)
    told = phrase("{what} of {route} wait, {share} so far", what=inner, route="dial {x}", share=0.5)
    for text in (told, inner, phrase("no route wants it"), joined(["a", inner], ": ")):
        again = unpacked(packed(text))
        assert isinstance(again, Phrase) and again == text
        assert [catalogue(language).say(again) for language in LANGUAGES] == [
            catalogue(language).say(text) for language in LANGUAGES
        ]
    for text in ("", "as it was written"):
        assert packed(text) == text == unpacked(text)
    for text in (
        '{"template":',
        '{"template": 1',
        '{"template":"x"}',
        '{"template":"{0:>9999999}","facts":{"0":1}}',
        '{"template":1}',
    ):
        assert unpacked(packed(text)) == text, "somebody else's words"
