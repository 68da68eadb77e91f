"""Texts that people read and that are no phrases: where commands print, and where errors are raised."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "connector"

#: What prints for a person, or asks one.
_PRINTS = frozenset(
    {
        "line",
        "warn",
        "paragraph",
        "fail",
        "prompt",
        "confirm",
        "table",
        "timed",
        "demand_answer",
        "UsageError",
        "ClickException",
    }
)
_RAISES = frozenset({"ConnectorError", "StoreUnavailable", "NotCalled", "TracksaleError"})
#: Their literals are translated, or are no words: `state_word` and `moment` give phrases and times.
_SAYS = frozenset({"phrase", "plural", "moment", "get", "duration", "fromisoformat"})
#: Words that every language has.
_SAME = frozenset({"id", "pid", "HTTP", "nps", "language · idioma"})
#: Shows the product at work, on a screen that an engineer looks at once.
_ASIDE = frozenset({"demo.py", "demo_stage.py", "output.py", "sandbox.py"})


def printed() -> Iterator[str]:
    """Where a command prints a text that no catalogue can have: "cli/status.py:12: no worker"."""
    for path in sorted((ROOT / "cli").glob("*.py")):
        if path.name not in _ASIDE:
            yield from _of(path, _calls(path, _PRINTS))


def raised() -> Iterator[str]:
    """The same of errors that people of a call centre meet: where they act, look, and give files."""
    for folder in ("admin", "cli", "inbound/files"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name not in _ASIDE:
                raises = (node.exc for node in ast.walk(_tree(path)) if isinstance(node, ast.Raise))
                yield from _of(path, (one for one in raises if isinstance(one, ast.Call) and _name(one) in _RAISES))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _calls(path: Path, names: frozenset[str]) -> Iterator[ast.Call]:
    return (node for node in ast.walk(_tree(path)) if isinstance(node, ast.Call) and _name(node) in names)


def _of(path: Path, calls: Iterator[ast.Call]) -> Iterator[str]:
    for call in calls:
        given = call.args[:1] if _name(call) == "line" else call.args
        for each in (*given, *(one.value for one in call.keywords if one.arg in ("title", "spare", "first"))):
            yield from (
                f"{path.relative_to(ROOT)}:{text.lineno}: {ast.unparse(text)}"
                for text in _texts(each)
                if not (isinstance(text, ast.Constant) and text.value in _SAME)
            )


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _texts(node: ast.expr) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The literal texts with words of which this expression is made."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and _has_words(node.value):
            yield node
    elif isinstance(node, ast.JoinedStr):
        if _has_words(" ".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))):
            yield node
    elif isinstance(node, ast.Call):
        if _name(node) not in _SAYS:
            for one in node.args:
                yield from _texts(one)
    elif isinstance(node, ast.List | ast.Tuple):
        for one in node.elts:
            yield from _texts(one)
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))
    elif isinstance(node, ast.BinOp):
        yield from (*_texts(node.left), *_texts(node.right))
    elif isinstance(node, ast.BoolOp):
        for one in node.values:
            yield from _texts(one)


def _has_words(text: str) -> bool:
    """A command to be typed is the same in every language."""
    return any(map(str.isalpha, text)) and not f"{text.strip()} ".startswith(("connector ", "make ", "cd "))
