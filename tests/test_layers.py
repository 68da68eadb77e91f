"""The shape of the code: who may import whom, which words are not used, and that registries are plain tables."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import connector.core.http
import connector.core.quota
import connector.inbound.signatures
import connector.vendors
import connector.vendors.destinations
import mappings
from tests import glossary

ROOT = Path(__file__).parent.parent

#: Who may import whom. A room that a line does not name is forbidden to it; a dotted name allows that module alone.
ROOMS: dict[str, set[str]] = {
    "__main__": {"cli", "core"},
    "cli": {"config", "web", "languages", "admin", "outbound", "inbound", "vendors", "store", "core", "mappings"},
    "web": {"console", "admin", "inbound", "store", "core", "mappings"},
    "console": {"admin", "languages", "store", "core", "mappings"},
    "languages": {"core"},
    "admin": {"languages", "outbound", "inbound", "vendors", "store", "core", "mappings"},
    "outbound": {"inbound", "vendors", "store", "core", "mappings"},
    "config": {"vendors", "inbound.signatures", "core", "mappings"},
    "inbound": {"store", "core", "mappings"},
    "vendors": {
        *("store", "core", "mappings.base", "mappings.dialable"),
        *("mappings.events", "mappings.fields", "mappings.rendering"),
    },
    "store": {"core"},
    "core": {"mappings.base"},
    "mappings": set(),
}
#: Lines.
LONGEST_MODULE = 550

MODULES = sorted([*ROOT.glob("connector/**/*.py"), *ROOT.glob("mappings/**/*.py")])


def module_of(path: Path) -> str:
    """ "core.http" of connector/core/http.py, "mappings.senders.lead" of mappings/senders/lead.py."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts if parts[0] == "mappings" else parts[1:])


def room_of(module: str) -> str:
    return module.split(".")[0]


@functools.cache
def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


@functools.cache
def parsed(path: Path) -> tuple[ast.AST, ...]:
    """Every node of the module, the module itself first."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@functools.cache
def imported(path: Path) -> tuple[str, ...]:
    """The modules of this project that the module imports, anywhere in it, for annotations only too."""
    names: list[str] = []
    for node in parsed(path):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by full name only"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                found.append(full if is_module(full) else node.module or "")
        names += [one.removeprefix("connector.") for one in found if one.split(".")[0] in ("connector", "mappings")]
    return tuple(names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def allowed(here: str, there: str) -> bool:
    names = ROOMS[room_of(here)]
    return room_of(there) == room_of(here) or any(there == name or there.startswith(f"{name}.") for name in names)


def test_the_package_holds_the_rooms_and_nothing_else() -> None:
    there = {path.name.removesuffix(".py") for path in (ROOT / "connector").iterdir() if not path.name.startswith("__")}
    assert there == set(ROOMS) - {"__main__", "mappings"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    here = module_of(path)
    if not here:  # connector/__init__.py
        assert not list(imported(path))
        return
    for there in imported(path):
        assert allowed(here, there), f"{here} imports {there}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name_of)
def test_the_door_of_a_room_holds_its_docstring_and_tables_only(path: Path) -> None:
    module = parsed(path)[0]
    assert isinstance(module, ast.Module)
    body = module.body[1:] if ast.get_docstring(module) else module.body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    tables = [node for node in body if isinstance(node, ast.AnnAssign | ast.Expr)]  # a call tells others of a table
    assert len(imports) + len(tables) == len(body), f"{path}: what is neither docstring nor table goes to a module"
    assert tables or not imports, f"{path} only hands on what is in other modules"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module_of(path): {one for one in imported(path) if one != module_of(path)} for path in MODULES}
    sorter: TopologicalSorter[str] = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as fault:
        pytest.fail(f"a circle: {' -> '.join(fault.args[1])}")


#: Only here may each of these be imported: one boundary for each outside thing.
BOUNDARIES: dict[str, set[str]] = {
    "requests": {"core.http", "core.connections", "cli.demo_stage", "cli.send"},  # these play the senders
    "urllib3": {"core.connections"},
    "pika": {"inbound.rabbitmq"},
    "python_calamine": {"inbound.files.sheets"},
    "flask": {"web", "console"},
    "babel": {"languages", "console.reader"},
    "apprise": {"admin.alarms.apprise_process"},
    "opentelemetry": {"core.tracing"},
    "uvicorn": {"web"},
    "uvloop": {"web"},
    "psycopg": {"store"},
    "alembic": {"store.migrate", "store.migrations"},
    "sqlite3": {"store"},
}


def within(module: str, places: set[str]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_outside_is_reached_through_one_module_each(path: Path) -> None:
    for node in parsed(path):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in names:
            places = BOUNDARIES.get(name.split(".")[0])
            assert places is None or within(module_of(path), places), f"{module_of(path)} imports {name}"


# --- words ----------------------------------------------------------------------------------------------------------

RULED_OUT = glossary.ruled_out()
#: What others' interfaces oblige us to call by their names.
OBLIGED = {"create_url_adapter", "proxy_manager_for", "get_redirect_target", "handlers"}


def defined(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Every name that the code itself gives: modules' and classes' and functions', parameters', variables'."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_name_has_a_word_that_the_glossary_rules_out(path: Path) -> None:
    names = {path.stem, *defined(parsed(path))} - OBLIGED
    used = {name for name in names if glossary.uses(name, RULED_OUT)}
    assert not used, f"{sorted(used)}: see the end of docs/concepts.md"


def test_the_words_of_a_name_are_found_however_it_is_written() -> None:
    assert glossary.words("_HTTPAdapter") >= {"http", "adapter"}
    assert glossary.uses("job_queue", RULED_OUT) == glossary.uses("JOBS", RULED_OUT) == {"job"}
    assert not glossary.uses("itemise", RULED_OUT)


# --- registries, docstrings, excepts --------------------------------------------------------------------------------

REGISTRIES = [
    connector.vendors.VENDORS,
    *(mappings.PAYLOADS, mappings.EVENT_TYPES, mappings.RECORDS),
]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda one: next(iter(one)))
def test_a_registry_is_a_plain_dict(registry: object) -> None:
    assert type(registry) is dict


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("connector/vendors/__init__.py", "VENDORS"),
        ("mappings/__init__.py", "PAYLOADS"),
        ("mappings/__init__.py", "RECORDS"),
    ],
)
def test_a_registry_is_written_out(path: str, name: str) -> None:
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            assert isinstance(node.value, ast.Dict)
            assert all(isinstance(key, ast.Constant) for key in node.value.keys)
            return
    pytest.fail(f"{name} is not in {path}")


def test_every_destination_has_a_record_and_every_vendor_its_own_name() -> None:
    assert set(connector.vendors.destinations.DESTINATIONS) == set(mappings.RECORDS)
    assert all(name == vendor.name for name, vendor in connector.vendors.VENDORS.items())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    module = parsed(path)[0]
    assert isinstance(module, ast.Module)
    assert not module.body or ast.get_docstring(module), f"{path} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_caught_unnamed(path: Path) -> None:
    for node in parsed(path):
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{path}:{node.lineno}"
