"""Reads a person's refusal from an event, in any sender's words: phones, e-mails, channels and reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import phonenumbers

from connector.store.arrivals import Refused
from mappings.base import lookup
from mappings.events import Event, Lead
from mappings.names import folded
from mappings.phones.reader import identities

REFUSING: Final = "do_not_contact.add"  #: the destination of a "no"
REASON_KEPT: Final = 100  #: characters

#: the list outlives erased events, so reasons with personal data are not kept
_PERSONAL: Final = re.compile(r"@|\d\d\d\d")

#: Senders' words for channels, folded; a refusal that names none counts for every channel.
_CHANNELS: Final = {
    "voice": ("voice", "call", "calls", "phone", "llamada", "llamadas", "telefono", "ligacao", "telefone", "voz"),
    "sms": ("sms", "text", "mensaje_de_texto", "torpedo"),
    "whatsapp": ("whatsapp", "wa", "wpp", "whats_app"),
    "email": ("email", "e_mail", "mail", "correo", "correo_electronico"),
}
_NAMED: Final = {name: channel for channel, names in _CHANNELS.items() for name in names}


def refused(event: Event, hashed: Callable[[str], str | None], since_ms: int) -> tuple[Refused, ...]:
    """Every phone and e-mail of the event's person, as the do-not-contact list keeps them."""
    channel_name, why = lookup(event, "channel"), lookup(event, "reason")
    channel = _NAMED.get(folded(str(channel_name))) if channel_name is not None else None
    reason = " ".join(why.split())[:REASON_KEPT] if isinstance(why, str) and not _PERSONAL.search(why) else ""
    found = {}
    for way in ways(event):
        if (known := hashed(way)) is not None:
            found[known] = Refused(known, hint(way), reason, since_ms, (channel,) if channel else ())
    return tuple(found.values())


def ways(event: Event) -> list[str]:
    """Every phone of the person in every form it is kept in, and their e-mail; the first one first."""
    if isinstance(event, Lead):
        phones, email = (*event.phones, event.callback_phone), event.email
    else:
        phones, email = (event.customer.phone,), event.customer.email
    numbers = [one for phone in phones if phone is not None for one in identities(phone)]
    return list(dict.fromkeys(way for way in (*numbers, email.strip().casefold()) if way))


def hint(way: str) -> str:
    """A masked form that an operator can recognise: "+57 *** *** **01", "a***@***.com"."""
    if way.startswith("+"):
        return f"+{phonenumbers.parse(way).country_code} *** *** **{way[-2:]}"
    return f"{way[:1]}***@***.{way.rpartition('.')[2]}"
