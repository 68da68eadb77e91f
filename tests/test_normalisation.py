"""Normalising: linear, and the same as Unicode's wherever a person wrote the text."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import normalisation as text

ROOT = Path(__file__).parent.parent


def test_every_character_that_becomes_a_mark_is_known_as_one() -> None:
    unknown = [
        hex(ord(one))
        for one in map(chr, range(0x110000))
        if not 0xD800 <= ord(one) < 0xE000
        and unicodedata.combining(unicodedata.normalize("NFKD", one)[0])
        and not text.is_mark(one)
    ]
    assert not unknown


def test_a_run_of_any_mark_is_shortened() -> None:
    marks = [one for one in map(chr, range(0x110000)) if text.is_mark(one)]
    assert [hex(ord(mark)) for mark in marks if text.bounded(f"a{mark * 50}b") != f"a{mark * 30}b"] == []


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=80))
def test_ordinary_text_is_normalised_as_unicode_says(given_text: str) -> None:
    if text.bounded(given_text) == given_text:
        assert text.nfc(given_text) == unicodedata.normalize("NFC", given_text)
        assert text.nfkc(given_text) == unicodedata.normalize("NFKC", given_text)


@given(st.lists(st.sampled_from(["a", "\u0301", "\u0323", "\uff9e", "\u0f73", "\u200b"]), max_size=300).map("".join))
def test_no_more_than_thirty_marks_stand_in_a_row(given_text: str) -> None:
    row = longest = 0
    for character in text.bounded(given_text):
        row = row + 1 if text.is_mark(character) else 0
        longest = max(longest, row)
    assert longest <= text.MAX_MARKS


@pytest.mark.parametrize("name", ["José Ñandú", "Việt Nam", "e\u0301", "ｶﾞ", "ऋषिः", "คำ"])
def test_names_stay_whole(name: str) -> None:
    assert text.bounded(name * 40) == name * 40


#: What shortens a text before it is sorted. `core` knows nothing of mappings' readers; it looks at 40 letters.
BOUNDED = {"mappings/normalisation.py", "connector/core/masking.py"}


def test_nothing_else_normalises() -> None:
    """So that nobody forgets to shorten what is sorted."""
    found = [
        path.relative_to(ROOT)
        for path in [*ROOT.glob("connector/**/*.py"), *ROOT.glob("mappings/**/*.py")]
        if "unicodedata.normalize" in path.read_text() and path.relative_to(ROOT).as_posix() not in BOUNDED
    ]
    assert not found
