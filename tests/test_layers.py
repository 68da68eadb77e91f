"""The shape of the code: who may import whom, which words are not used, and that registries are plain tables."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import connector.client
import connector.destinations
import connector.quota
import connector.signatures
import connector.vendors
import mappings

ROOT = Path(__file__).parent.parent

#: From the top down: a module may import its own tier and whatever stands below. Packages stand for all they hold.
TIERS: list[tuple[str, ...]] = [
    ("__main__",),
    ("commands", "demo"),
    ("web", "consumer", "worker", "poller"),
    (
        "replay",
        "stories",
        "bulk",
        "pages",
        "polling",
        "forgetting",
        "purging",
        "erasing",
        "persons",
        "drafts",
        "reports",
        "asking",
        "intake",
    ),
    ("receive", "deliver", "enrich", "probe", "release", "calls"),
    ("destinations",),
    ("vendors",),
    (
        *(
            "forgotten",
            "inbox",
            "inserting",
            "outbox",
            "followers",
            "attempts",
            "waiting",
            "standing",
            "polls",
            "claims",
            "lots",
            "settle",
        ),
        *("committer", "wake", "routes", "client", "signatures", "decode", "quota", "pacing", "budget", "guards"),
        *("do_not_contact", "outcomes", "configuration"),
    ),
    ("db", "migrating", "tables", "settings", "options", "log", "memory", "metrics", "errors"),
]
#: The steps meet in the database: none imports another.
STEPS = TIERS[4]
#: Seen by nobody but commands, and seeing nothing of what it stands in for.
APART: dict[str, set[str]] = {"sandbox": {"errors", "log"}, "migrations": {"tables"}}
TIER_OF = {name: at for at, tier in enumerate(TIERS) for name in tier}

MODULES = sorted([*ROOT.glob("connector/**/*.py"), *ROOT.glob("mappings/**/*.py")])


def place(path: Path) -> str:
    """ "client" of connector/client.py, "web" of connector/web/health.py, "mappings" of all in there."""
    inside = path.relative_to(ROOT).with_suffix("").parts
    return inside[0] if inside[0] == "mappings" else inside[1]


def imported(path: Path) -> Iterator[str]:
    """The places of this project that the module imports, anywhere in it but for its annotations."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and _is_typing(node.test))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from filter(None, (_place_of(name.name) for name in node.names))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by full name only"
            if node.module == "connector":
                yield from (name.name for name in node.names)
            elif found := _place_of(node.module or ""):
                yield found


def _is_typing(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _place_of(module: str) -> str:
    parts = module.split(".")
    if parts[0] == "mappings":
        return "mappings"
    return parts[1] if parts[0] == "connector" and len(parts) > 1 else ""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    here = place(path)
    for there in imported(path):
        if here == "mappings":
            assert there == "mappings", f"mappings know nothing of connector.{there}"
        elif there in ("mappings", here) or here == "__init__":
            continue
        elif here in APART:
            assert there in APART[here], f"{here} imports {there}"
        elif there in APART:
            assert TIER_OF[here] <= TIER_OF["commands"], f"{here} imports {there}"
        else:
            assert here in TIER_OF, f"give {here} a tier"
            assert TIER_OF[here] <= TIER_OF[there], f"{here} imports {there}, which stands above it"
            assert not (here in STEPS and there in STEPS), f"the step {here} imports the step {there}"


@pytest.mark.parametrize("package", ["vendors", "destinations"])
def test_what_stands_in_a_package_is_imported_in_one_direction(package: str) -> None:
    """Its table imports its modules, and these only what they share."""
    for path in ROOT.glob(f"connector/{package}/*.py"):
        if path.stem == "__init__":
            continue
        inner = {
            node.module.split(".")[2]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"connector.{package}.")
        }
        assert inner <= {"base"}, f"{path.name} imports {inner}"


#: Only here may each of these be imported: one boundary for each outside thing.
BOUNDARIES: dict[str, set[str]] = {
    "requests": {"client", "demo"},  # the demo plays the senders
    "urllib3": {"client"},
    "pika": {"consumer"},
    "flask": {"web"},
    "uvicorn": {"web"},
    "uvloop": {"web"},
    "waitress": {"web"},
    "psycopg": {"wake", "db"},
    "alembic": {"migrating", "migrations"},
    "sqlite3": {"wake", "db"},
}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_outside_is_reached_through_one_module_each(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [n.name for n in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in names:
            allowed = BOUNDARIES.get(name.split(".")[0])
            assert allowed is None or place(path) in allowed | {"sandbox"}, f"{place(path)} imports {name}"


# --- words ----------------------------------------------------------------------------------------------------------

NOT_USED = {
    *("job", "task", "item", "sink", "target", "transformer", "adapter"),
    *("handler", "manager", "service", "processor", "helper", "util"),
}
#: What others' interfaces oblige us to call by their names.
OBLIGED = {"create_url_adapter", "proxy_manager_for", "get_redirect_target", "handlers"}


def defined(tree: ast.AST) -> Iterator[str]:
    """Every name that the code itself gives: modules' and classes' and functions', parameters', variables'."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def words(name: str) -> set[str]:
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return {part.lower().removesuffix("s") for part in parts} | {part.lower() for part in parts}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_code_speaks_the_project_s_words_only(path: Path) -> None:
    names = {path.stem, *defined(ast.parse(path.read_text()))} - OBLIGED
    used = {name for name in names if words(name) & NOT_USED}
    assert not used, f"{sorted(used)}"


def test_the_words_of_a_name_are_found_however_it_is_written() -> None:
    assert words("_HTTPAdapter") >= {"http", "adapter"}
    assert words("job_queue") & words("JOBS") & NOT_USED == {"job"}
    assert words("itemise") & NOT_USED == set()


# --- registries, docstrings, excepts --------------------------------------------------------------------------------

REGISTRIES = [
    *(connector.destinations.DESTINATIONS, connector.vendors.VENDORS, connector.quota.LIMITS),
    *(mappings.PAYLOADS, mappings.EVENT_TYPES, mappings.RECORDS),
]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: next(iter(r)))
def test_a_registry_is_a_plain_dict(registry: object) -> None:
    assert type(registry) is dict


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("connector/destinations/__init__.py", "DESTINATIONS"),
        ("connector/vendors/__init__.py", "VENDORS"),
        ("connector/quota.py", "LIMITS"),
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


def test_every_destination_has_a_record_a_vendor_and_limits() -> None:
    assert set(connector.destinations.DESTINATIONS) == set(mappings.RECORDS)
    for destination in connector.destinations.DESTINATIONS.values():
        assert destination.vendor in connector.vendors.VENDORS
        assert destination.vendor in connector.quota.LIMITS


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    source = path.read_text()
    assert not source.strip() or ast.get_docstring(ast.parse(source)), f"{path} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_caught_unnamed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{path}:{node.lineno}"
