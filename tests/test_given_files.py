"""Every command that is given a file: what is no file it can use is told in one line, and is wrong usage."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connector.cli.root import connector as command

#: What each command is given before its file.
COMMANDS = {
    "import": ["import", "landing"],
    "suppress import": ["suppress", "import"],
    "map": ["map", "landing"],
    "send": ["send", "landing"],
    "new sender": ["new", "sender", "acme"],
}
LANGUAGES = {
    "en": "is a directory: name a file in it",
    "es": "es un directorio: indique un archivo que esté en él",
    "pt": "é um diretório: indique um arquivo que esteja nele",
}


def a_directory(at: Path) -> Path:
    return at


def a_link_to_a_directory(at: Path) -> Path:
    (at / "link").symlink_to(at)
    return at / "link"


def nothing(at: Path) -> Path:
    return at / "none.csv"


def a_broken_link(at: Path) -> Path:
    (at / "link").symlink_to(at / "none.csv")
    return at / "link"


def below_a_file(at: Path) -> Path:
    (at / "file").write_text("x")
    return at / "file" / "leads.csv"


def a_device(_: Path) -> Path:
    return Path("/dev/zero")


def too_long(at: Path) -> Path:
    return at / ("a" * 300)


KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "directory": (a_directory, "is a directory"),
    "link to a directory": (a_link_to_a_directory, "is a directory"),
    "nothing": (nothing, "there is no file"),
    "broken link": (a_broken_link, "there is no file"),
    "below a file": (below_a_file, "there is no file"),
    "device": (a_device, "is no regular file"),
    "too long": (too_long, "cannot be read: file name too long"),
}


def run(*args: object, **environ: str) -> Any:
    return CliRunner().invoke(command, [str(one) for one in args], env=environ)


def told_in_a_line(result: Any, words: str) -> None:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("connector: ") and words in line
    assert not result.stdout


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_told_by_what_it_is(tmp_path: Path, name: str, kind: str) -> None:
    make, words = KINDS[kind]
    told_in_a_line(run(*COMMANDS[name], make(tmp_path)), words)


@pytest.fixture
def own_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind("there")
        yield "there"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_socket_is_no_file(own_socket: str, name: str) -> None:
    told_in_a_line(run(*COMMANDS[name], own_socket), "is no regular file")


@pytest.mark.parametrize("name", ["import", "suppress import", "new sender"])
def test_what_is_read_twice_is_no_pipe(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    told_in_a_line(run(*COMMANDS[name], tmp_path / "pipe"), "save what it gives into one first")


@pytest.mark.parametrize("name", COMMANDS)
def test_what_may_not_be_read_says_so(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("phone\n3000000001\n")
    path.chmod(0)
    monkeypatch.setattr("connector.cli.given_file.os.access", lambda *_: False)  # root may read everything
    told_in_a_line(run(*COMMANDS[name], path), "its permissions do not let this user")


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_told_in_the_operator_s_language(tmp_path: Path, language: str) -> None:
    told_in_a_line(run("--lang", language, "import", "landing", tmp_path), LANGUAGES[language])
