"""Fits tables to a terminal: complete, with fewer columns, or row by row. Pure.

A short column is never wrapped; a long one wraps between words. Columns that do not fit are left out in the order that
the command gives, and the reader is told. In a pipe tables are printed unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GAP: Final = 2  #: between two columns
SHORT: Final = 20  #: a column of up to this many characters is never wrapped
LEAST: Final = 14  #: characters of a wrapped column
LONGEST_WORD: Final = 34  #: a longer word is broken


@dataclass(frozen=True, slots=True)
class Fit:
    """The form of a table. ``columns`` are positions; without ``columns``: row by row."""

    columns: Sequence[int]
    widths: Sequence[int]
    left_out: Sequence[str] = ()


def fit(names: Sequence[str], rows: Sequence[Sequence[str]], room: int, spare: Sequence[str] = ()) -> Fit:
    """The columns that fit into ``room`` characters. ``spare``: columns that may be left out, the first one first."""
    natural = [max(map(len, cells)) for cells in zip(names, *rows, strict=True)]
    least = [_least(cells) for cells in zip(names, *rows, strict=True)]
    chosen = [at for at in range(len(names)) if natural[at] or names[at]]
    left: list[str] = []
    for name in spare:
        if _sum(natural, chosen) <= room or _sum(least, chosen) <= room:
            break
        chosen = [at for at in chosen if names[at] != name]
        left.append(name)
    if _sum(least, chosen) > room:
        return Fit((), ())
    return Fit(chosen, _shared(natural, least, chosen, room), tuple(left))


def _least(cells: Sequence[str]) -> int:
    natural = max(map(len, cells))
    if natural <= SHORT:
        return natural
    word = max((len(word) for cell in cells for word in cell.split()), default=0)
    return min(natural, max(LEAST, min(word, LONGEST_WORD)))


def _sum(widths: Sequence[int], chosen: Sequence[int]) -> int:
    return sum(widths[at] for at in chosen) + GAP * (len(chosen) - 1)


def _shared(natural: Sequence[int], least: Sequence[int], chosen: Sequence[int], room: int) -> list[int]:
    """Gives the room beyond the minimum to the columns that need it, the last one first: it holds the reason."""
    found = {at: least[at] for at in chosen}
    spare = room - _sum(least, chosen)
    for at in reversed(chosen):
        more = min(spare, natural[at] - least[at])
        found[at] += more
        spare -= more
    return [found[at] for at in chosen]
