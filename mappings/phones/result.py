"""The result of reading a text for phones."""

from __future__ import annotations

from dataclasses import dataclass, field

import phonenumbers

from mappings.events import Phone


@dataclass(frozen=True, slots=True)
class Number:
    """A number in use that a person may have. Its repr does not show the written text."""

    phone: Phone
    kind: str  #: of `mappings.phones.kinds`: "mobile", "fixed_or_mobile"; of its `COSTLY` only those of the locale
    written: str = field(default="", repr=False, compare=False)  #: its digits as the text has them

    @property
    def e164(self) -> str:
        return self.phone.e164

    @property
    def region(self) -> str:
        """The country: "CO"; of +1 the one that the area code belongs to."""
        return phonenumbers.region_code_for_number(phonenumbers.parse(self.e164)) or ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of one text, each once, and notes on the rest of it. No sentence in it shows a number.

    ``notes``: parts left out of a number that was read. ``refused``: why a part that looks like a number was not read
    as one. ``negative``: words beside the numbers ask not to call, or call them wrong: "" or the sentence for an
    operator.
    """

    numbers: tuple[Number, ...] = ()
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    negative: str = ""

    @property
    def phones(self) -> tuple[Phone, ...]:
        return tuple(number.phone for number in self.numbers)


NOTHING = Reading()
