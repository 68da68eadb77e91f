"""Small libraries in C that lie beside this module, compiled when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


class Unavailable(Exception):  # noqa: N818 - a reason to skip, not an error
    """This machine cannot measure it; the text says why."""


def library(name: str, directory: Path) -> Path:
    """Compiles ``name``.c into a shared library in the directory; `Unavailable` if that cannot be."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Unavailable(f"no C compiler (cc, gcc or clang) to build {name}")
    built = directory / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(built), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Unavailable(f"{name} does not compile: {done.stderr.strip().splitlines()[-1]}")
    return built
