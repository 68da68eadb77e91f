"""Work of libraries at their import that no command needs, put off until somebody does."""

from __future__ import annotations

import re
import sys
from functools import cached_property
from typing import Any, Final

#: Compiles, at import, expressions for e-mails in letters of every script: 45 ms, and nothing here validates by them.
SLOW: Final = "marshmallow.validate"


class LatePattern:
    """A regular expression that is compiled at its first use."""

    def __init__(self, pattern: Any, flags: Any) -> None:
        self._given = pattern, flags

    @cached_property
    def _compiled(self) -> re.Pattern[Any]:
        return re.compile(*self._given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # classes are asked for such names when they are made
            raise AttributeError(name)
        return getattr(self._compiled, name)


def load_marshmallow() -> None:
    """Imports it, its slow expressions put off. Nothing where it is loaded already."""
    if SLOW in sys.modules:
        return
    compiling = re.compile

    def later(pattern: Any, flags: Any = 0) -> Any:
        asked = sys._getframe(1).f_globals.get("__name__")
        return LatePattern(pattern, flags) if asked == SLOW else compiling(pattern, flags)

    re.compile = later
    try:
        import marshmallow.validate  # noqa: F401 - it is loaded, and used by others
    finally:
        re.compile = compiling
