"""Documents: links lead somewhere, named files exist, and pages made from the code are as the code makes them."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from types import ModuleType

import pytest

from connector.cli import COMMANDS
from connector.core import states
from connector.core.reasons import Code
from connector.store import tables
from connector.vendors.sandbox.faults import KINDS
from connector.web import documents as served
from tests import configuration_tables, documents, glossary, http_document, queue_document
from tests.test_layers import MODULES, ROOMS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
#: Paths that a page names: `connector/outbound/worker.py`, `docs/adr/`. X and acme stand for a name of one's own.
NAMED = re.compile(r"`((?:connector|mappings|tests|docs|config)/[A-Za-z0-9_./-]*)`")
#: What a web server says of a request in its environment, and what a library reads.
FROM_ELSEWHERE = {
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTP_TRANSFER_ENCODING",
    "PATH_INFO",
    "QUERY_STRING",
    "REQUEST_METHOD",
}
FROM_ELSEWHERE |= {"NO_PROXY"}
INVENTED = re.compile(r"(^|/)(X|acme)(/|\.|$)")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    links = [link for link, _ in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_document_names_exists(page: Path) -> None:
    named = [path for path in NAMED.findall(page.read_text(encoding="utf-8")) if not INVENTED.search(path)]
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


def test_the_page_of_commands_is_as_the_commands_print_it() -> None:
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == documents.commands(), "run `make docs`"


def test_the_documents_for_programs_are_of_this_service() -> None:
    assert served.OPENAPI.read_text(encoding="utf-8") == http_document.openapi(), "run `make docs`"
    assert served.ASYNCAPI.read_text(encoding="utf-8") == queue_document.asyncapi(), "run `make docs`"
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == http_document.page(), "run `make docs`"


def test_the_outlines_of_the_commands_are_of_these_commands() -> None:
    assert documents.outline.FILE.read_text(encoding="utf-8") == documents.outlines(), "run `make docs`"


def test_the_tables_of_the_configuration_are_as_the_shapes_have_them() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == documents.configuration(), "run `make docs`"


@pytest.mark.parametrize("name", [name for name, keys in configuration_tables.tables().items() if keys])
def test_the_configuration_page_says_what_every_key_means(name: str) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    blocks = {block["name"]: block["rows"] for block in configuration_tables.BLOCK.finditer(page)}
    assert name in blocks, f"docs/configuration.md needs `<!-- keys: {name} -->` and `<!-- end -->`, then `make docs`"
    without = [key for key, meaning in configuration_tables.meanings_of(blocks[name]).items() if not meaning]
    assert not without, "write what they mean in docs/configuration.md"


def test_the_configuration_page_has_every_variable_of_the_environment() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("connector/**/*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", code)) - FROM_ELSEWHERE
    assert not {name for name in read if f"`{name}`" not in page}


def enums_of(module: ModuleType) -> list[type[StrEnum]]:
    return [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, StrEnum) and list(one)]


def test_the_glossary_has_every_table_and_state() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    known = [*tables.metadata.tables, *ROOMS, *(member for enum in enums_of(states) for member in enum)]
    assert not [word for word in known if word != "__main__" and f"`{word}`" not in page]


#: Names that people and machines read.
NAMES = {
    "rooms": list(ROOMS),
    "tables": list(tables.metadata.tables),
    "states and kinds": [str(member) for enum in enums_of(states) for member in enum],
    "reason codes": [str(code) for code in Code],
    "keys of the configuration": sorted({key for keys in configuration_tables.tables().values() for key in keys}),
    "commands": list(COMMANDS),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_are_made_of_the_words_of_the_glossary(kind: str) -> None:
    known, ruled_out = glossary.defined(), glossary.ruled_out()
    undefined = {name: words for name in NAMES[kind] if (words := glossary.undefined(name, known))}
    assert not undefined, "define these words in docs/concepts.md, or use words that it has"
    assert not [name for name in NAMES[kind] if glossary.uses(name, ruled_out)]


@pytest.mark.parametrize("text", [*PAGES, *MODULES], ids=name_of)
def test_no_text_has_a_word_that_the_glossary_rules_out(text: Path) -> None:
    said = text.read_text(encoding="utf-8")
    said = said.split("\nIn no text either:")[0] if text == glossary.PAGE else said
    assert not glossary.ruled_out_of_texts() & set(re.findall(r"[a-z]+", said.lower()))


@pytest.mark.parametrize("code", Code)
def test_the_operations_page_says_what_to_do_about_every_reason(code: Code) -> None:
    assert f"`{code}`" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_operations_page_says_of_every_migration_what_may_not_be_mixed() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:\d{4}(?:, )?)+) \|", page, re.MULTILINE)
    made = {path.name[:4] for path in ROOT.glob("connector/store/migrations/versions/[0-9]*.py")}
    assert {number for row in rows for number in row.split(", ")} == made - {"0001"}


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 140


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    queue = [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in reached:
            continue
        reached.add(page)
        links = [(page.parent / link).resolve() for link, _ in LINK.findall(page.read_text()) if "://" not in link]
        queue += [link for link in links if link.suffix == ".md" and link.exists()]
        queue += [inner for link in links if link.is_dir() for inner in link.glob("*.md")]
    assert set(PAGES) <= reached


def test_the_quickstart_names_every_fault_of_the_sandbox() -> None:
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8").split("## Let a vendor fail", 1)[1]
    assert all(f"`{kind}`" in page for kind in KINDS)
