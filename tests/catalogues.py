"""`python -m tests.catalogues`: finds every phrase of code and pages, and writes new ones into the .po files.

A phrase is a call of `phrase`, `plural`, `gettext` or `ngettext` with literals, or with a name that was given one in
the same function; the sentences of reasons and acts; and in templates what stands in ``_(…)`` and ``ngettext(…)``.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment

from connector.admin.acts import SAID
from connector.core.reasons import ENGLISH

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "connector" / "languages"
TEMPLATES = ROOT / "connector" / "console" / "templates"
LANGUAGES = ("es", "pt")

Message = str | tuple[str, str]


def messages() -> dict[Message, list[str]]:
    """Every message with the files that say it."""
    found: dict[Message, list[str]] = {}
    for path in sorted(ROOT.glob("connector/**/*.py")):
        for message in of_module(path.read_text(encoding="utf-8")):
            found.setdefault(message, []).append(str(path.relative_to(ROOT)))
    for message in ENGLISH.values():
        if any(letter.isalpha() for letter in message.replace("{said}", "").replace("{note}", "")):
            found.setdefault(message, []).append("connector/core/reasons.py")
    for message in SAID.values():
        found.setdefault(message, []).append("connector/admin/acts.py")
    for path in sorted(TEMPLATES.glob("*")):
        for message in of_template(path.read_text(encoding="utf-8")):
            found.setdefault(message, []).append(str(path.relative_to(ROOT)))
    return found


def of_module(text: str) -> Iterator[Message]:
    if "phrase" not in text and "plural" not in text and "gettext" not in text:
        return
    tree = ast.parse(text)
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Module | ast.FunctionDef):
            yield from _of_scope(scope)


def _of_scope(scope: ast.Module | ast.FunctionDef) -> Iterator[Message]:
    given: dict[str, list[str]] = {}
    own = list(_own(scope))
    for node in own:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            given.setdefault(node.targets[0].id, []).extend(_literals(node.value, {}))
    for node in own:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if name in ("phrase", "gettext") and node.args:
            yield from _literals(node.args[0], given)
        elif name in ("plural", "ngettext"):
            yield from zip(_literals(node.args[0], given), _literals(node.args[1], given), strict=True)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope without those of functions within it."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, ast.FunctionDef):
            yield node
            yield from _own(node)


def _literals(node: ast.expr, given: dict[str, list[str]]) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*_literals(node.body, given), *_literals(node.orelse, given)]
    if isinstance(node, ast.Name):
        return given.get(node.id, [])
    return []


def of_template(text: str) -> Iterator[Message]:
    for _, function, message in Environment(extensions=["jinja2.ext.i18n"], autoescape=True).extract_translations(text):
        if function == "ngettext":
            yield (str(message[0]), str(message[1]))
        else:
            yield str(message[0] if isinstance(message, tuple) else message)


def stored(language: str) -> Catalog:
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return Catalog(locale=language, project="connector", charset="utf-8")
    return read_po(io.BytesIO(path.read_bytes()), locale=language)


def update(language: str) -> int:
    """Writes the file: what is new is empty, what nobody says any more is gone. Returns how many are empty."""
    before, empty = stored(language), 0
    written = Catalog(locale=language, project="connector", charset="utf-8", fuzzy=False)
    written._num_plurals, written._plural_expr = 2, "(n != 1)"  # CLDR's third is for round millions
    for message, places in sorted(messages().items(), key=lambda one: (one[1][0], str(one[0]))):
        known = before.get(message[0] if isinstance(message, tuple) else message)
        text = known.string if known else ""
        if isinstance(message, tuple):
            text = text if isinstance(text, tuple) and len(text) == 2 else ("", "")
        empty += not all(text) if isinstance(text, tuple) else not text
        written.add(message, text, locations=[(place, None) for place in sorted(set(places))])
    written.header_comment = f"# What the connector says, in {language}: `make catalogues` adds what is new."
    buffer = io.BytesIO()
    write_po(buffer, written, width=118, omit_header=False, sort_by_file=False)
    lines = buffer.getvalue().decode().splitlines(keepends=True)
    dated = ('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By', '"Last-Translator', '"Report-Msgid')
    (FOLDER / f"{language}.po").write_text("".join(one for one in lines if not one.startswith(dated)), encoding="utf-8")
    return empty


if __name__ == "__main__":
    for each in LANGUAGES:
        print(f"{each}: {update(each)} without a translation")
