"""The connector's own errors, named for the caller's next step. Foreign errors are translated at the boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

# the package of mappings imports all of them; a command that only shows its help must not wait for that
if TYPE_CHECKING:
    from mappings.base import FieldError


class ConnectorError(Exception):
    """An error that the connector raises on purpose: one line that tells the reader what to do."""


class ConfigError(ConnectorError):
    """The configuration or the environment is wrong. ``faults`` holds every fault, one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class StoreUnavailable(ConnectorError):  # noqa: N818
    """The database cannot accept a write now. Nothing was acknowledged; the sender should try again."""


class NotAuthentic(ConnectorError):  # noqa: N818
    """The proof of origin is missing, malformed or wrong. Nothing may be stored."""


class Unreadable(ConnectorError):  # noqa: N818
    """The bytes are not a payload of their content type. ``errors`` names the places."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = errors


class KeepsTooMuch(ConnectorError):  # noqa: N818
    """A source without proof has used up the room for what goes nowhere. Nothing of the request was stored."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("the source has used up its room for what goes nowhere")
        self.wait_s = wait_s  #: until there is room


class UnsupportedType(ConnectorError):  # noqa: N818
    """The content type is not one that a webhook may carry."""


def said_of(fault: ConnectorError) -> str:
    """The message of a fault; still a phrase if it was one, so that it can be said in another language."""
    first = fault.args[0] if len(fault.args) == 1 else None
    return first if isinstance(first, str) else str(fault)


def first_line(fault: BaseException) -> str:
    """The fault on one line. A database fault without its statement and values, which may be personal."""
    original = getattr(fault, "orig", None) or fault
    return (str(original).strip().splitlines() or [type(original).__name__])[0]
