"""What is shipped for Prometheus and Grafana: every figure named there exists, and each alert holds when it should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from connector.admin.problems import Code
from connector.core import metrics
from connector.core.settings import Settings
from connector.core.states import DeliveryState
from connector.store.database import Database
from connector.store.processes import Role
from tests.conftest import missing
from tests.test_console import Browser, console_settings
from tests.web_client import lead, post, web, web_settings

CONFIG = Path(__file__).parent.parent / "config"
ALERTS = CONFIG / "prometheus" / "alerts.yml"
DASHBOARD = CONFIG / "grafana" / "connector.json"
_NAME = re.compile(r"\bconnector_\w+")
_LABELS = re.compile(r"\b(connector_\w+)\{([^}]*)\}")
_LABEL = re.compile(r'(\w+)(=~?|!=|!~)"([^"]*)"')


def expressions() -> Iterator[str]:
    """Every query of both files."""
    yield from re.findall(r"expr: (?:>-\n)?((?:.|\n {8,})+)", ALERTS.read_text(encoding="utf-8"))
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return web_settings(sqlite_url, "http://127.0.0.1:9")


def shown(client: FlaskClient) -> dict[str, set[str]]:
    """Every metric of a process that has done a little of everything -> its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").get_data(as_text=True)):
        for name in (family.name, *(sample.name for sample in family.samples)):
            labels = {label for sample in family.samples for label in sample.labels}
            found.setdefault(name, set()).update(labels)
    return found


def test_every_figure_of_the_rules_and_the_dashboard_is_shown_with_those_labels(settings: Settings) -> None:
    with web(settings) as client:
        post(client, "open", lead(1))
        metrics.SIGN_INS.labels("refused").inc()
        metrics.REFUSED.labels("connections").inc()
        metrics.ANSWERS.labels("dialler", "send", "accepted").inc()
        metrics.CALL_SECONDS.labels("dialler", "send").observe(1)
        metrics.PAGE_SECONDS.labels("now").observe(0.01)
        known = shown(client)
    asked = list(expressions())
    assert len(asked) > 25
    for expression in asked:
        for name in _NAME.findall(expression):
            assert name in known or name + "_total" in known, f"{name} is not shown by /metrics"
        for name, inside in _LABELS.findall(expression):
            for label, _, _ in _LABEL.findall(inside):
                assert not known[name] or label in known[name], f"{name} has no label {label}"


#: Label -> the values it can have.
VALUES: dict[str, set[str]] = {
    "state": {str(state) for state in DeliveryState},
    "code": {str(code) for code in Code},
    "role": {str(role) for role in Role},
    "urgent": {"yes", "no"},
    "part": {"used", "left"},
    "result": {"let in", "refused"},
}


def test_no_rule_asks_for_a_value_that_a_label_never_has() -> None:
    for expression in expressions():
        for _, inside in _LABELS.findall(expression):
            for label, how, value in _LABEL.findall(inside):
                given = value.split("|") if "~" in how else [value]
                assert set(given) <= VALUES[label], expression


def test_every_alert_leads_to_a_page_of_the_console(settings: Settings, database: Database) -> None:
    text = ALERTS.read_text(encoding="utf-8")
    pages = re.findall(r"^ +page: (.+)$", text, re.MULTILINE)
    assert len(pages) == text.count("- alert:") == text.count("summary:")
    from connector.console.app import create

    browser = Browser(create(console_settings(database.url), database), "vera")
    named = {"{{ $labels.account }}": "dialler", "{{ $labels.destination }}": "dialler/wolkvox.add_record/1042"}
    for page in pages:
        for label, name in named.items():
            page = page.replace(label, name)
        assert browser.get(page).status_code == 200, page


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


def promtool(*given: str) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        missing("no promtool: apt-get install prometheus")
    assert tool is not None
    done = subprocess.run([tool, *given], capture_output=True, text=True, cwd=ALERTS.parent, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_rules_and_each_alert_holds_when_it_should() -> None:
    promtool("check", "rules", ALERTS.name)
    promtool("test", "rules", "alerts.test.yml")
    tried = (ALERTS.parent / "alerts.test.yml").read_text(encoding="utf-8")
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text(encoding="utf-8"))
    for alert in alerts:
        assert re.search(rf"alertname: {alert}\n +exp_alerts:", tried), f"{alert} is not tried"
        assert f"alertname: {alert}}}" in tried, f"{alert} is not tried on a service that is well"


def test_the_dashboard_has_a_source_that_is_chosen_and_panels_that_do_not_overlap() -> None:
    made: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert made["templating"]["list"][0]["type"] == "datasource"
    panels = [panel for panel in made["panels"] if panel["type"] != "row"]
    assert len(panels) == 12 and len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    places = {(x, y) for one in panels for x in range(one["gridPos"]["x"], one["gridPos"]["x"] + one["gridPos"]["w"])
              for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"])}  # fmt: skip
    assert len(places) == sum(one["gridPos"]["w"] * one["gridPos"]["h"] for one in panels)
