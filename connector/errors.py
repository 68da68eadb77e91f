"""Our own errors, named for what the caller does next. Foreign ones are translated once, at the boundary."""

from __future__ import annotations

from mappings.base import FieldError


class ConnectorError(Exception):
    """Anything the connector says on purpose: one line, in words that tell the reader what to do."""


class ConfigError(ConnectorError):
    """The configuration or the environment is wrong. ``faults`` holds every fault, one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class StoreUnavailable(ConnectorError):  # noqa: N818
    """The database cannot take a write now. Nothing was acknowledged; the sender should try again."""


class NotAuthentic(ConnectorError):  # noqa: N818
    """The proof of origin is missing, malformed or wrong. Nothing may be stored."""


class Unreadable(ConnectorError):  # noqa: N818
    """The bytes are no payload of their content type. ``errors`` says where."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = errors


class UnsupportedType(ConnectorError):  # noqa: N818
    """The content type is none that a webhook may carry."""
