"""Messages of a page after an act; the address names the act, and never holds the message's text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.core.phrases import phrase

#: The message of a page after an act.
DONE: Final[Mapping[str, str]] = {
    "paused": phrase("The account is paused: no call starts any more, those in flight end by themselves."),
    "resumed": phrase("The account is open again."),
    "replayed": phrase("It is pending again, and goes when its turn comes."),
    "landed": phrase("It counts as delivered now."),
    "absent": phrase("It is pending again, and goes when its turn comes."),
}
