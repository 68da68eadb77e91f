"""A vendor is one folder and two lines: nothing else names one, and a sixth needs nothing else."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from connector.vendors import VENDORS

ROOT = Path(__file__).parent.parent

#: Files of which the code may name a vendor: commands of one vendor, the demonstration, what `init` writes into a
#: configuration, and a frozen migration.
NAMES_ONE: Final = {
    *("cli/campaigns.py", "cli/lots.py", "cli/nps.py", "cli/__init__.py"),
    *("cli/demo.py", "cli/demo_config.py", "cli/init.py"),
    "store/migrations/versions/0005_reason_codes.py",
}
NAMES: Final = re.compile("|".join(name for name in VENDORS if name != "meta"), re.IGNORECASE)


def _names_a_vendor(source: str) -> bool:
    """Whether the code does, in a name or a text; comments and docstrings may give an example."""
    tree = ast.parse(source)
    described = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    for node in described:
        if ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return NAMES.search(ast.unparse(tree)) is not None


def test_no_other_room_names_a_vendor() -> None:
    room = ROOT / "connector"
    naming = {
        str(path.relative_to(room))
        for path in room.rglob("*.py")
        if not path.is_relative_to(room / "vendors") and _names_a_vendor(path.read_text(encoding="utf-8"))
    }
    assert naming == NAMES_ONE


def test_no_step_asks_of_which_class_a_vendor_is() -> None:
    classes = "|".join(one.client.__self__.__name__ for one in VENDORS.values())  # type: ignore[attr-defined]
    for path in (ROOT / "connector").rglob("*.py"):
        assert not re.search(rf"(isinstance|cast)\([^)]*\b({classes})\b", path.read_text()), path


SPEC = '''
"""An invented sixth vendor."""

from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from connector.core.fields import AccountOptions, Strict, Text
from connector.core.http import Client
from connector.core.quota import Limits
from connector.vendors.answers import delivered, unrecognised
from connector.vendors.base import Destination
from connector.vendors.spec import Check, Vendor


class Options(Strict):
    box = Text(required=True)


class Account(AccountOptions):
    colour = Text(load_default="")


class Sixth:
    def __init__(self, account: Any) -> None:
        self.url, self.colour = account.base_url, account.options["colour"]
        self.client = Client({"X-Key": account.token.reveal()}, timeout_s=account.timeout_s)

    def put(self, box: str, body: bytes, deadline: Any = None) -> Any:
        return self.client.call("POST", f"{self.url}/{self.colour}/{box}", body=body, deadline=deadline)

    def close(self) -> None:
        self.client.close()


@dataclass(frozen=True, kw_only=True)
class Put(Destination):
    options_schema: ClassVar = Options

    @staticmethod
    def place(options: Any) -> str:
        return options["box"]

    def send(self, vendor: Any, sending: Any) -> Any:
        return vendor.put(self.options["box"], sending.records[0][1].encode(), sending.deadline)

    def classify(self, answer: Any, records: Any) -> Any:
        return delivered(answer) if answer.status == 200 else unrecognised(answer)


SPEC = Vendor(
    name="sixth",
    client=Sixth,
    base_url="https://sixth.example",
    account_options=Account,
    limits=lambda account: Limits(in_flight=1),
    check=Check(ask=lambda vendor, deadline: vendor.put("x", b"", deadline), means=lambda answer, _: delivered(answer)),
    destinations={"put": Put},
)
'''
RECORD = '''
"""What the sixth takes."""

from mappings.base import Rendered


class Name:
    def __init__(self, rendering):
        pass

    def render(self, event):
        return Rendered({"name": event.first_name})
'''
RUN = '''
import os, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

seen = []

class Vendor(BaseHTTPRequestHandler):
    def do_POST(self):
        seen.append((self.path, self.headers["X-Key"], self.rfile.read(int(self.headers["Content-Length"] or 0))))
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Vendor)
threading.Thread(target=server.serve_forever, daemon=True).start()
from connector.config import loader
from connector.core.http import Deadline
from connector.inbound.router import Router
from connector.outbound import claims
from connector.outbound.performers import perform
from connector.outbound.send import Line, claim
from connector.store import accounts
from connector.store.database import Database, now_ms
from connector.store.migrate import migrate
from connector.vendors import VENDORS
from connector.vendors.destinations import SPECS, name_of, places
from mappings.events import Lead

open("c.toml", "w").write(f"""
[accounts.box]
vendor = "sixth"
token = "k3y"
base_url = "http://127.0.0.1:{server.server_address[1]}"
colour = "red"
[sources.own]
mapping = "lead"
verify = {{ scheme = "none" }}
[[routes]]
name = "r"
sources = ["own"]
on = "lead.created"
to = "sixth.put"
account = "box"
box = "b1"
""")
url = "sqlite:///" + os.path.abspath("x.db")
settings = loader.load({"CONNECTOR_CONFIG": "c.toml", "DATABASE_URL": url}, destinations=SPECS)
migrate(url)
database = Database(url)
account = settings.accounts["box"]
found = places(settings)["box"]
'''


@pytest.mark.slow
def test_a_sixth_vendor_is_one_folder_and_two_lines(tmp_path: Path) -> None:
    for name in ("connector", "mappings"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "connector" / "vendors" / "sixth"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""The sixth."""\n')
    (folder / "spec.py").write_text(SPEC)
    (tmp_path / "mappings" / "records" / "sixth.py").write_text(RECORD)
    add_line(
        tmp_path / "connector" / "vendors" / "__init__.py",
        "VENDORS: Final[dict[str, Vendor]] = {\n",
        '    "sixth": SIXTH,\n',
        "from connector.vendors.sixth.spec import SPEC as SIXTH\n",
    )
    add_line(
        tmp_path / "mappings" / "__init__.py",
        "RECORDS: dict[str, Callable[[Rendering], RecordMapping]] = {\n",
        '    "sixth.put": sixth.Name,\n',
        "from mappings.records import sixth\n",
    )
    code = RUN + (
        "name = name_of(settings.routes[0])\n"
        "router = Router(settings, name_of)\n"
        "[new] = router.deliveries('own', Lead(id='L-1', type='lead.created', first_name='Ana'))\n"
        "assert (new.destination, new.record) == ('box/sixth.put/b1', '{\"name\":\"Ana\"}'), new\n"
        "from connector.core.http import Deadline\n"
        "from connector.vendors.base import Sending\n"
        "vendor = VENDORS['sixth'].client(account)\n"
        "answer = found[name].send(vendor, Sending([(1, new.record)], Deadline.after(30)))\n"
        "assert found[name].classify(answer, [(1, new.record)]).attempt == 'accepted'\n"
        "assert seen == [('/red/b1', 'k3y', b'{\"name\":\"Ana\"}')], seen\n"
        "print('sent')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.stdout.strip() == "sent", done.stderr[-2000:]


def add_line(path: Path, head: str, line: str, imported: str) -> None:
    text = path.read_text()
    assert head in text
    text = text.replace(head, head + line, 1)
    path.write_text(
        text.replace("from __future__ import annotations\n", f"from __future__ import annotations\n\n{imported}", 1)
    )
