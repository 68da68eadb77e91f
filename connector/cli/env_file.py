"""The `.env` beside the configuration: sets its variables unless the shell has set them."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

DEFAULT_CONFIG = "config/connector.toml"


def env_file(environ: Mapping[str, str]) -> Path | None:
    """The file there is: in the configuration's folder, or above it where that is called config."""
    folder = Path(environ.get("CONNECTOR_CONFIG") or DEFAULT_CONFIG).parent
    folders = [folder, folder.parent] if folder.name == "config" else [folder]
    return next((path for one in folders if (path := one / ".env").is_file()), None)


def load(environ: MutableMapping[str, str] = os.environ) -> None:
    """Sets variables that the shell has not set. Values are used as they stand, without expansion."""
    path = env_file(environ)
    if path is None:
        return
    for name, value in _values(path).items():
        if name not in environ:
            environ[name] = value
            _added[name] = value


_added: dict[str, str] = {}  #: what `load` has set in this process


def fresh(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment as it was before `load`: a process that gets it reads the file again."""
    return {name: value for name, value in environ.items() if _added.get(name) != value}


def overruled(environ: Mapping[str, str]) -> list[str]:
    """The variables of the file that have no effect, since the environment says something else."""
    path, outside = env_file(environ), fresh(environ)
    values = _values(path) if path is not None else {}
    return sorted(name for name, value in values.items() if outside.get(name, value) != value)


def _values(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    found = dotenv_values(path, interpolate=False, encoding="utf-8")
    return {name: value for name, value in found.items() if value is not None}
