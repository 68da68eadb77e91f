"""A secret key can be replaced: what was hashed with the old one is found under each, and after `rekey` without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from connector.cli.root import connector
from connector.core.sealing import seal, unseal
from connector.core.settings import Secret, Settings
from connector.store import hash_keys
from connector.store.database import Database

Run = Callable[..., Result]
OLD, NEW = "old-key-8f1d3a6c5b7e92f0", "new-key-4a8c1d6e3b5f7092"
CONFIG = """
[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "t"
[sources.landing]
mapping = "lead"
verify = { scheme = "none" }
"""


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "c.toml").write_text(CONFIG)
    monkeypatch.setenv("CONNECTOR_CONFIG", str(tmp_path / "c.toml"))
    monkeypatch.setenv("DATABASE_URL", sqlite_url)

    def command(key: str, *words: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(connector, words, input=typed, env={"CONNECTOR_SECRET_KEY": key})

    return command


def test_the_list_is_known_under_both_keys_and_then_under_the_new_one(run: Run) -> None:
    assert run(OLD, "suppress", "add", "+573001234567").exit_code == 0
    assert "CONNECTOR_SECRET_KEY is not the one" in run(NEW, "suppress", "remove", "+573001234567").output
    both = run(f"{NEW},{OLD}", "suppress", "add", "-", typed="+573001234567\n\n+573001234568\n")
    assert "1 added, 1 were on the list already" in both.output
    assert "locked with the newest key" in run(f"{NEW}, {OLD}", "rekey").output
    assert "already" in run(NEW, "rekey").output
    assert "2 removed" in run(NEW, "suppress", "remove", "+573001234567", "+573001234568").output


def test_the_older_key_alone_is_of_no_use_after_that(run: Run) -> None:
    run(OLD, "suppress", "add", "+573001234567")
    run(f"{NEW},{OLD}", "rekey")
    assert run(NEW, "suppress", "remove", "+573001234567").exit_code == 0
    assert run("", "rekey").exit_code == 1


def test_a_key_of_hashes_is_kept_from_the_first_start(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.write() as conn:
        first = hash_keys.keep(conn, Settings(secret_key=Secret(OLD)))
        assert first == OLD.encode()
        assert hash_keys.keep(conn, Settings(secret_key=Secret(f"{NEW},{OLD}"))) == first
        assert not hash_keys.is_sealed_with_newest(conn, Settings(secret_key=Secret(f"{NEW},{OLD}")))
        hash_keys.reseal(conn, Settings(secret_key=Secret(f"{NEW},{OLD}")))
        assert hash_keys.find(conn, Settings(secret_key=Secret(NEW))) == first
        assert hash_keys.find(conn, Settings()) == b""
    database.close()


def test_what_is_sealed_opens_with_the_secret_alone() -> None:
    sealed = seal(Secret(NEW), b"key")
    assert unseal([Secret(OLD), Secret(NEW)], sealed) == b"key"
    assert unseal([Secret(OLD)], sealed) is None
    assert unseal([Secret(NEW)], sealed[:-4] + "AAAA") is None
    assert unseal([Secret(NEW)], "none") is None


def test_the_newest_key_is_the_one_of_a_new_database() -> None:
    assert Settings(secret_key=Secret(f"{NEW}, {OLD}")).hash_key == NEW.encode()
