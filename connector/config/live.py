"""Settings that must not go live: weak, repeated and published secrets, and connections that others can read.

An account is live if its address is not this machine. While none is, anything may be tried.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import make_url

import mappings
from connector.core.settings import Account, Secret, Settings, Source, Verify
from connector.core.text import is_loopback

RANDOM_BYTES: Final = 24  #: of a secret that we or a sender's user chose
SENDERS_OWN_BYTES: Final = 16  #: of a secret that a sender's system makes
TOKEN_LETTERS: Final = 32  #: of the tokens that open `/api` and `/metrics`
TOLERANCE_S: Final = 600
ACCEPTED: Final = "I accept"
#: Values in files of this repository.
PUBLISHED: Final = frozenset(
    {
        "whsec_b25seSBmb3IgdHJ5aW5nIG91dCwgbmV2ZXIgbGl2ZQ==",
        "whsec_b25seSBmb3IgdGhlIGRlbW8sIG5ldmVyIGxpdmU=",
        "only-for-trying-out",
        "demo",
    }
)
_PUBLISHED: Final = ("sandbox-", "demo-")  #: prefixes of such values
_MAKE: Final = "`connector secrets` makes a good one"
_LEAST_LETTERS: Final = 8  #: distinct letters in a text of random letters
_TLS: Final = ("require", "verify-ca", "verify-full")
_NEAR: Final = (".local", ".internal", ".lan", ".localdomain")


def is_published(text: str) -> bool:
    """Whether a value is in a file of this repository."""
    return text in PUBLISHED or text.startswith(_PUBLISHED)


def is_live(settings: Settings) -> bool:
    """Whether a call of an account can leave this machine."""
    return any(not is_loopback(account.base_url) for account in settings.accounts.values())


def faults(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """One line each, with its place and what to do; none while no account is live."""
    if not is_live(settings):
        return []
    found = [line for source in settings.sources.values() for line in _of_source(source)]
    found += [*_of_ours(settings), *_repeated(settings)]
    found += [line for account in settings.accounts.values() for line in _of_account(account)]
    return found if settings.plaintext == ACCEPTED else [*found, *_of_wires(settings, environ)]


# --- secrets --------------------------------------------------------------------------------------------------------


def _of_source(source: Source) -> Iterator[str]:
    verify = source.verify
    if verify is None:
        return
    place = f"sources.{source.name}.verify"
    least = SENDERS_OWN_BYTES if mappings.PAYLOADS[source.mapping].sender.makes_secret else RANDOM_BYTES
    for index, secret in enumerate(verify.secrets, 1):
        yield from _of_secret(f"{place}.secrets #{index}", _chosen(verify, secret), least)
    if verify.handshake:
        yield from _of_secret(f"{place}.handshake", verify.handshake.reveal(), RANDOM_BYTES)
    if verify.scheme in ("hmac", "standard-webhooks") and verify.tolerance_s > TOLERANCE_S:
        yield f"{place}.tolerance_s: is over {TOLERANCE_S}: what was overheard could be sent again; write 300"
    if verify.scheme == "hmac" and verify.algorithm == "sha1":
        yield f'{place}.algorithm: sha1 is not safe any more: let the sender sign with sha256, and write "sha256"'


def _chosen(verify: Verify, secret: Secret) -> str:
    """The part of a secret that is not known beforehand."""
    text = secret.reveal()
    return text.partition(":")[2] if verify.scheme == "basic" else text


def _of_secret(place: str, text: str, least: int) -> Iterator[str]:
    if is_published(text):
        yield f"{place}: is published with the connector: replace it; {_MAKE}"
    elif (size := random_bytes(text)) < least:
        yield f"{place}: has at most {size} random bytes, and needs {least}: replace it; {_MAKE}"


def _of_ours(settings: Settings) -> Iterator[str]:
    keys = settings.secret_keys
    if not keys:
        yield f"CONNECTOR_SECRET_KEY: is not set: hashes of phones could be guessed; {_MAKE}"
    for index, key in enumerate(keys, 1):
        name = "CONNECTOR_SECRET_KEY" + (f" #{index}" if len(keys) > 1 else "")
        if index == 1 or is_published(key.reveal()):  # an old one that is being replaced
            yield from _of_secret(name, key.reveal(), RANDOM_BYTES)
    for key in settings.data_keys[:1]:
        yield from _of_secret("CONNECTOR_DATA_KEY", key.reveal(), RANDOM_BYTES)
    tokens = {"CONNECTOR_ADMIN_TOKEN": settings.admin_token, "CONNECTOR_METRICS_TOKEN": settings.metrics_token}
    for name, token in tokens.items():
        text = token.reveal()
        if text and (len(text) < TOKEN_LETTERS or _repeats(text) or is_published(text)):
            yield f"{name}: has to have {TOKEN_LETTERS} random letters at least: replace it; {_MAKE}"


def random_bytes(text: str) -> int:
    """The most random bytes that a secret can hold, by its length and letters."""
    if text.startswith("whsec_"):
        try:
            raw = b64decode(text.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        return 0 if len(set(raw)) < min(_LEAST_LETTERS, len(raw)) else len(raw)
    plain = text.replace("-", "") if re.fullmatch(r"[0-9A-Fa-f-]+", text) else text
    if _repeats(plain):
        return 0
    letter_bits = 4 if re.fullmatch(r"[0-9A-Fa-f]+", plain) else 6
    return len(plain) * letter_bits // 8


def _repeats(text: str) -> bool:
    """Whether a text has few letters, or repeats a shorter one."""
    return len(set(text)) < _LEAST_LETTERS or text in (text + text)[1:-1]


def _repeated(settings: Settings) -> Iterator[str]:
    """A secret that is used twice is lost at both places once it is lost at one."""
    first: dict[str, str] = {}
    for place, secret in _places(settings):
        other = first.setdefault(secret.reveal(), place)
        if other != place:
            yield f"{place}: is the secret of {other} too: each needs its own; {_MAKE}"


def _places(settings: Settings) -> Iterator[tuple[str, Secret]]:
    ours = (
        ("CONNECTOR_ADMIN_TOKEN", (settings.admin_token,)),
        ("CONNECTOR_METRICS_TOKEN", (settings.metrics_token,)),
        *((f"CONNECTOR_SECRET_KEY #{index}", (key,)) for index, key in enumerate(settings.secret_keys, 1)),
    )
    for name, secrets in ours:
        yield from ((name, secret) for secret in secrets if secret)
    for source in settings.sources.values():
        for index, secret in enumerate(source.verify.secrets if source.verify else (), 1):
            yield f"sources.{source.name}.verify.secrets #{index}", secret
        if source.verify and source.verify.handshake:
            yield f"sources.{source.name}.verify.handshake", source.verify.handshake


# --- connections ----------------------------------------------------------------------------------------------------


def _of_account(account: Account) -> Iterator[str]:
    if is_published(account.token.reveal()) and not is_loopback(account.base_url):
        yield f"accounts.{account.name}.token: is published with the connector: set the vendor's own"


def _of_wires(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    but = f'or write plaintext = "{ACCEPTED}"'
    for account in settings.accounts.values():
        for url in (account.base_url, account.paged_base_url):
            if url.startswith("http://") and not is_near(url) and account.plaintext != ACCEPTED:
                yield f"accounts.{account.name}: http:// shows token and persons to everybody: write https://, {but}"
                break
    broker = settings.amqp_url.reveal()
    if broker.startswith("amqp://") and not is_near(broker):
        yield f"AMQP_URL: amqp:// shows everything to everybody: write amqps://, {but} at the top of the file"
    if not _is_private(settings.database_url, environ):
        yield (
            "DATABASE_URL: Postgres may be spoken to in clear text: add ?sslmode=verify-full (or set PGSSLMODE=require)"
            f", {but} at the top of the file"
        )


def _is_private(database_url: str, environ: Mapping[str, str]) -> bool:
    """Whether nobody between us and the database can read the traffic."""
    url = make_url(database_url)
    if not url.drivername.startswith("postgresql"):
        return True
    mode = url.query.get("sslmode") or environ.get("PGSSLMODE", "")
    given = url.host or url.query.get("host") or ""
    hosts = given.split(",") if isinstance(given, str) else given
    return mode in _TLS or all(not host or host.startswith("/") or _is_near_host(host) for host in hosts)


def is_near(url: str) -> bool:
    """Whether an address is this machine or in a private network."""
    try:
        return _is_near_host(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _is_near_host(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_NEAR)  # a name that only a private network resolves
    return address.is_private or address.is_loopback
