"""The version of this connector."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of


def version() -> str:
    """The version in pyproject.toml, "0.1.0"; "unknown" if the package is not installed."""
    try:
        return version_of("connector")
    except PackageNotFoundError:
        return "unknown"
