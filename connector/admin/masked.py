"""A person of a vendor's report as an operator can recognise them, and nobody else."""

from __future__ import annotations

from typing import Any


def masked_person(person: Any) -> tuple[str, str, str, str]:
    """Name, e-mail, phone, identification of somebody who has them: "A. N.", "a…@example.com", "…001", "…01"."""
    name, domain = person.email.partition("@")[0], person.email.rpartition("@")[2]
    return (
        " ".join(f"{word[0]}." for word in person.name.split()),
        f"{name[:1]}…@{domain}" if person.email else "",
        f"…{person.phone[-3:]}" if person.phone else "",
        f"…{person.identification[-2:]}" if person.identification else "",
    )
