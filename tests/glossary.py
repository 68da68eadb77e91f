"""The glossary of docs/concepts.md as a test reads it: the words it defines, and those it rules out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parent.parent / "docs" / "concepts.md"
#: Endings and what stands in their place, to come from "retries" to "retry".
ENDINGS: Final = (("ies", "y"), ("es", ""), ("s", ""), ("ed", ""), ("ed", "e"), ("d", ""), ("ing", ""), ("ing", "e"))


def words(name: str) -> set[str]:
    """The words of a name, however it is written: "_HTTPAdapter" is http and adapter."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


#: Words of grammar, which need no definition.
GRAMMAR: Final = words(
    "a after again all alone at before do else every first for good in may most no nobody not of on once other "
    "otherwise per since s then to when where why with within without"
)


def _section(title: str) -> str:
    return PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def _cells(line: str) -> list[str]:
    return line.split("|")[1:-1]


def defined() -> set[str]:
    """Every word that the glossary defines or calls standard."""
    page = PAGE.read_text(encoding="utf-8").split("\n## Words that are not used\n")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    named = [cell for line in rows for cell in _cells(line)[:-1]]
    named += [quoted for line in rows for quoted in re.findall(r"`([^`]+)`", line)]
    return {word for text in [*named, _section("Standard words")] for word in words(text)}


def ruled_out() -> set[str]:
    """The words that no name may have."""
    rows = [_cells(line)[0] for line in _section("Words that are not used").splitlines() if line.startswith("| ")]
    return {word for cell in rows[1:] for word in words(cell)}


def ruled_out_of_texts() -> set[str]:
    """The words that no docstring, comment, message or document may have."""
    return words(_section("Words that are not used").split("In no text either:")[1])


def uses(name: str, ruled: Iterable[str]) -> set[str]:
    """Which of the words a name has, in singular or plural."""
    return {word for word in ruled if word in {form for part in words(name) for form in (part, part.removesuffix("s"))}}


def undefined(name: str, known: set[str]) -> set[str]:
    """The words of a name that the glossary does not have, in any of their forms."""
    return {word for word in words(name) - GRAMMAR if not known.intersection(_forms(word))}


def _forms(word: str) -> Iterator[str]:
    yield word
    for ending, instead in ENDINGS:
        if word.endswith(ending):
            yield word.removesuffix(ending) + instead
    for prefix in ("un", "re"):
        if word.startswith(prefix) and len(word) > 4:
            yield from _forms(word.removeprefix(prefix))
