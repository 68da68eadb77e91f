"""The version of this connector."""

from __future__ import annotations


def version() -> str:
    """The version in pyproject.toml, "0.1.0"; "unknown" if the package is not installed."""
    from importlib.metadata import PackageNotFoundError  # slow to load, and most commands tell no version
    from importlib.metadata import version as version_of

    try:
        return version_of("connector")
    except PackageNotFoundError:
        return "unknown"
