"""States that count as closed, by helpdesks' words, or by those that a source names: ``closed = […]``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mappings.names import folded
from mappings.translated import word

#: Solved and closed are the same here: the customer was served, and can be surveyed.
CLOSED: Final = frozenset(
    [
        *("closed", "solved", "resolved", "done", "completed", "finished"),
        *("cerrado", "cerrada", "resuelto", "resuelta", "solucionado", "solucionada", "finalizado", "finalizada"),
        *("terminado", "terminada", "completado", "completada", "concluido", "concluida"),
        *("fechado", "fechada", "resolvido", "resolvida", "encerrado", "encerrada"),
    ]
)


class Closing:
    """Distinguishes closed states; words are compared without case and accents."""

    def __init__(self, named: Iterable[str] = (), *, besides: Iterable[str] = ()) -> None:
        """``named`` states replace the usual words and the sender's own (``besides``)."""
        self.named = frozenset(map(folded, named))
        self._words = self.named or CLOSED | set(besides)

    def has(self, state: Any) -> bool:
        """Whether this state, a word or a number, is closed."""
        return folded(word(state)) in self._words
