"""What is safe to try cannot go live: every weak secret and open wire is named, with what to do."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from connector.cli import demo_config
from connector.cli.root import connector
from connector.config import live
from connector.core.settings import Account, Secret, Settings, Source, Verify
from tests.conftest import settings_for

ROOT = Path(__file__).parent.parent
GOOD = "8f1d3a6c5b7e92f04a8c1d6e3b5f7092c4e6a8b0d1f3a5c7e9b2d4f6a8c0e1b3"


def fresh() -> str:
    return secrets.token_hex(24)


def account(base_url: str = "https://wv0011.wolkvox.com", **more: str) -> Account:
    return Account(name="dialler", vendor="wolkvox", token=Secret(fresh()), base_url=base_url, **more)  # type: ignore[arg-type]


def source(mapping: str = "lead", **verify: object) -> Source:
    given = {"scheme": "token", "header": "X-Token", "secrets": (Secret(fresh()),)} | verify
    return Source(name="s", mapping=mapping, verify=Verify(**given))  # type: ignore[arg-type]


def settings(**more: object) -> Settings:
    """Live, and good."""
    known = {
        "accounts": {"dialler": account()},
        "sources": {"s": source()},
        "secret_key": Secret(GOOD),
        "admin_token": Secret(fresh()),
    }
    return Settings(**(known | more))  # type: ignore[arg-type]


def said(of: Settings, **environ: str) -> str:
    return "\n".join(live.faults(of, environ))


def test_good_secrets_may_go_live() -> None:
    assert said(settings()) == ""
    whsec = Secret("whsec_" + b64encode(secrets.token_bytes(24)).decode())
    assert said(settings(sources={"s": source(scheme="standard-webhooks", secrets=(whsec,))})) == ""
    basic = Secret(f"user:{fresh()}")
    assert said(settings(sources={"s": source(scheme="basic", secrets=(basic,))})) == ""
    uuid = Secret("a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d")  # HubSpot makes it
    assert said(settings(sources={"s": source("hubspot", scheme="hmac", secrets=(uuid,))})) == ""


@pytest.mark.parametrize("text", ["x", "a" * 64, "whsec_YQ==", "correct-horse", "abcdef" * 20, "0123456789abcdef" * 3])
def test_a_weak_secret_may_not(text: str) -> None:
    told = said(settings(sources={"s": source(secrets=(Secret(fresh()), Secret(text)))}))
    assert told.startswith("sources.s.verify.secrets #2: ") and "connector secrets" in told
    assert "CONNECTOR_SECRET_KEY" in said(settings(secret_key=Secret(text)))
    assert text not in told or len(text) < 3


@pytest.mark.parametrize(
    ("verify", "place"),
    [
        ({"tolerance_s": 601, "scheme": "hmac"}, "tolerance_s"),
        ({"algorithm": "sha1", "scheme": "hmac"}, "algorithm"),
        ({"secrets": (Secret("user:x"),), "scheme": "basic"}, "secrets #1"),
        ({"handshake": Secret("x")}, "handshake"),
    ],
)
def test_a_weak_proof_may_not(verify: dict[str, object], place: str) -> None:
    assert f"sources.s.verify.{place}: " in said(settings(sources={"s": source(**verify)}))


def test_ours_have_to_be_there_and_long() -> None:
    assert "CONNECTOR_SECRET_KEY: is not set" in said(settings(secret_key=Secret("")))
    assert "CONNECTOR_ADMIN_TOKEN: has to have 32" in said(settings(admin_token=Secret("a")))
    assert "CONNECTOR_METRICS_TOKEN: has to have 32" in said(settings(metrics_token=Secret("letmein-" * 2)))
    assert said(settings(admin_token=Secret(""))) == "", "closed is well"
    assert said(settings(secret_key=Secret(f"{GOOD},an-old-one"))) == "", "what is replaced may be weak"


def test_a_secret_stands_at_one_place() -> None:
    one = Secret(fresh())
    told = said(settings(sources={"a": replace(source(secrets=(one,)), name="a"), "b": source(secrets=(one,))}))
    assert told.startswith("sources.s.verify.secrets #1: is the secret of sources.a.verify.secrets #1 too: each needs")
    assert "CONNECTOR_SECRET_KEY #1: is the secret of CONNECTOR_ADMIN_TOKEN too" in said(
        settings(admin_token=Secret(GOOD))
    )


def test_every_published_value_is_known() -> None:
    lines = (ROOT / "config" / "example.env").read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    named = [value for name, value in given.items() if name.endswith(("TOKEN", "SECRET", "KEY"))]
    mine = [demo_config.SECRET, demo_config.TICKETS_TOKEN, demo_config.FORM_TOKEN]
    assert named and all(map(live.is_published, [*named, *mine]))
    assert "is published" in said(settings(accounts={"dialler": replace(account(), token=Secret("sandbox-wolkvox"))}))


@pytest.mark.parametrize("url", ["http://vendor.example.com", "http://8.8.8.8:80"])
def test_a_vendor_is_not_spoken_to_in_clear_text(url: str) -> None:
    assert "accounts.dialler: http://" in said(settings(accounts={"dialler": account(url)}))
    assert said(settings(accounts={"dialler": account(url, plaintext="I accept")})) == ""
    assert said(settings(accounts={"dialler": account(url)}, plaintext="I accept")) == ""
    assert said(settings(accounts={"dialler": account("http://10.0.0.7")})) == "", "a private network"


@pytest.mark.parametrize(
    ("database", "amqp", "environ", "wrong"),
    [
        ("postgresql+psycopg://u:p@db.example.com/x", "", {}, "DATABASE_URL"),
        ("postgresql+psycopg://u:p@db.example.com/x?sslmode=prefer", "", {}, "DATABASE_URL"),
        ("postgresql+psycopg://u:p@db.example.com/x?sslmode=verify-full", "", {}, ""),
        ("postgresql+psycopg://u:p@/x?host=10.0.0.1,10.0.0.2&port=5432,5432", "", {}, ""),
        ("postgresql+psycopg://u:p@/x?host=10.0.0.1,db.example.com&port=5432,5432", "", {}, "DATABASE_URL"),
        ("postgresql+psycopg://u:p@/x?host=10.0.0.1:5432&host=db.example.com:5432", "", {}, "DATABASE_URL"),
        ("postgresql+psycopg://u:p@db.example.com/x", "", {"PGSSLMODE": "require"}, ""),
        ("postgresql+psycopg://u:p@10.1.2.3/x", "amqp://u:p@192.168.1.2/", {}, ""),
        ("postgresql+psycopg://u:p@db/x", "amqp://u:p@rabbitmq/", {}, ""),
        ("postgresql+psycopg:///x?host=/var/run/postgresql", "amqps://u:p@mq.example.com/", {}, ""),
        ("sqlite:///x.db", "amqp://u:p@mq.example.com/", {}, "AMQP_URL"),
    ],
)
def test_broker_and_database_are_not_either(database: str, amqp: str, environ: dict[str, str], wrong: str) -> None:
    known = settings(database_url=database, amqp_url=Secret(amqp))
    assert said(known, **environ).partition(":")[0] == wrong
    assert said(replace(known, plaintext="I accept"), **environ) == ""


def test_what_reaches_this_machine_only_may_be_anything() -> None:
    assert said(settings_for("postgresql+psycopg://u:p@db.example.com/x", "http://127.0.0.1:9900")) == ""


LIVE = """
[accounts.dialler]
vendor = "wolkvox"
server = "0011"
token = "${T}"
[sources.landing]
mapping = "lead"
verify = { scheme = "standard-webhooks", secrets = ["${LANDING_SECRET}"] }
[sources.crm]
mapping = "lead"
verify = { scheme = "basic", secrets = ["me:${CRM}"] }
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    (tmp_path / "c.toml").write_text(LIVE)
    monkeypatch.setenv("CONNECTOR_CONFIG", str(tmp_path / "c.toml"))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'c.db'}")
    monkeypatch.setenv("T", "live-token")
    return CliRunner()


def test_check_and_start_refuse_and_what_secrets_makes_passes(
    project: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDING_SECRET", "whsec_YQ==")
    monkeypatch.setenv("CRM", "x")
    told = project.invoke(connector, ["check", "--offline"])
    assert told.exit_code == 1 and "sources.landing.verify.secrets #1" in told.output and "not set" in told.output
    started = project.invoke(connector, ["run"])
    assert started.exit_code == 1 and "sources.crm.verify.secrets #1" in started.output
    made = json.loads(project.invoke(connector, ["secrets", "--json"]).stdout)
    assert {"LANDING_SECRET", "CRM", "CONNECTOR_SECRET_KEY", "CONNECTOR_ADMIN_TOKEN"} <= made.keys()
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    told = project.invoke(connector, ["check", "--offline", "--json"])
    assert json.loads(told.stdout)["ok"], told.output
