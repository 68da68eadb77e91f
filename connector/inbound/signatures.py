"""Proof of origin: `verify` checks a sender's, `sign` makes one as a sender would. Pure: no clock, no I/O.

Comparisons take the same time whichever secret or signature matches. An unusable secret never matches.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Protocol
from urllib.parse import unquote

from connector.core.errors import ConfigError, NotAuthentic
from connector.core.settings import Secret, Verify


class Lookup(Protocol):
    """Headers or query parameters: werkzeug's own structures, or a dict (headers: with lower-case names)."""

    def get(self, key: str, /) -> str | None:
        """The value, or None."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The parts of a request that prove its origin. Its repr shows none of them: any part may hold a secret."""

    body: bytes = field(repr=False)  #: as received, before any parsing
    headers: Lookup = field(repr=False)  #: values as WSGI gives them (bytes read as latin-1)
    _: KW_ONLY
    now_s: float  #: unix seconds
    method: str = "POST"
    url: str = field(default="", repr=False)  #: the public one, with its query
    query: Lookup = field(default_factory=dict[str, str], repr=False)
    segment: str = field(default="", repr=False)  #: of the path, after the source's name


@dataclass(frozen=True, slots=True)
class Proved:
    """The signed parts of a request. Nothing else may identify the event."""

    digest: str  #: of all that was signed, 64 hexadecimal digits
    message_id: str = ""  #: "" if none is signed


def verify(spec: Verify, proof: Proof) -> Proved | None:
    """The signed parts; None if the scheme signs nothing. Raises `NotAuthentic`, and nothing else."""
    check = _CHECKS.get(spec.scheme)
    if check is None:
        raise NotAuthentic("the source's verify.scheme is unknown")
    return check(spec, proof)


def sign(
    spec: Verify,
    body: bytes,
    *,
    secret: Secret | str,
    now_s: float,
    message_id: str = "",
    method: str = "POST",
    url: str = "",
) -> dict[str, str]:
    """The headers that a sender knowing `secret` would send; ``{}`` where it travels elsewhere (query, field, path).

    Raises `ConfigError` if `spec` (with this secret) has faults.
    """
    spec = replace(spec, secrets=(secret if isinstance(secret, Secret) else Secret(secret),))
    faults = [] if spec.scheme == "none" else problems(spec)
    if faults:
        raise ConfigError(faults)
    message = _Message(body, message_id=message_id, timestamp=str(int(now_s)), method=method, url=url)
    return _SIGNERS[spec.scheme](spec, message)


def problems(spec: Verify) -> list[str]:
    """The faults of a ``verify`` table, each one line that begins with the key at fault; ``[]`` if there are none."""
    if spec.scheme not in _PROBLEMS:
        return [f"scheme: {spec.scheme!r} is unknown, use one of {', '.join(_PROBLEMS)}"]
    return [*_secret_problems(spec), *_PROBLEMS[spec.scheme](spec)]


# --- the signed text ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Message:
    """The parts that a signature may cover, as the sender wrote them. None: no header is configured for it."""

    body: bytes
    message_id: str | None
    timestamp: str | None
    method: str = ""
    url: str = ""
    decoded_url: str = ""

    def part(self, name: str) -> bytes:
        """The bytes a placeholder stands for."""
        if name == "body":
            return self.body
        text = self.message_id if name == "id" else getattr(self, name) if name in _PLACEHOLDERS else None
        if text is None:
            raise NotAuthentic("the source's verify.signed asks for what a request cannot show")
        return _wire(text)


_PLACEHOLDERS = ("body", "timestamp", "id", "method", "url", "decoded_url")
_ALGORITHMS = ("sha256", "sha1", "sha512")
_ENCODINGS: dict[str, Callable[[bytes], bytes]] = {"hex": lambda digest: digest.hex().encode(), "base64": b64encode}


@lru_cache(maxsize=256)
def _template(signed: str) -> tuple[tuple[bytes, str], ...]:
    """The template as (literal, placeholder after it) pairs; the last placeholder is ""."""
    parts = re.split(r"\{(\w*)\}", signed)
    return tuple((_key(literal), name) for literal, name in zip(parts[::2], [*parts[1::2], ""], strict=True))


def _signed_content(signed: str, message: _Message) -> bytes:
    if signed == "{body}":
        return message.body
    return b"".join(literal + (message.part(name) if name else b"") for literal, name in _template(signed))


#: Escapes that HubSpot decodes before it signs an address; everything else stays as it is.
_WRITTEN_OUT = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


def _spellings(message: _Message, signed: str) -> list[_Message]:
    """The message with each way of decoding its address: senders differ, and who signs one has signed the address."""
    if "{decoded_url}" not in signed:
        return [message]
    some = _WRITTEN_OUT.sub(lambda found: chr(int(found[1], 16)), message.url)
    urls = dict.fromkeys((some, unquote(message.url, "latin-1"), message.url)) if "%" in message.url else (message.url,)
    return [replace(message, decoded_url=url) for url in urls]


def _hmac_signature(spec: Verify, key: bytes, content: bytes) -> bytes:
    encode = _ENCODINGS.get(spec.encoding)
    if encode is None or spec.algorithm not in _ALGORITHMS:
        raise NotAuthentic("the source's verify.algorithm or verify.encoding is unknown")
    return encode(hmac.digest(key, content, spec.algorithm))


def _webhook_content(message: _Message) -> bytes:
    return b".".join((_wire(message.message_id or ""), _wire(message.timestamp or ""), message.body))


def _webhook_signature(key: bytes, content: bytes) -> bytes:
    return b64encode(hmac.digest(key, content, "sha256"))


# --- secrets ----------------------------------------------------------------------------------------------------


def _key(text: str) -> bytes:
    """A configured text as bytes: UTF-8, or the original bytes of the environment; b"" if it has none."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b""


def _webhook_key(text: str) -> bytes:
    """The key of a Standard Webhooks secret: base64, with or without ``whsec_`` and padding; b"" if it is not one."""
    encoded = text.strip().removeprefix("whsec_").rstrip("=")
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return b""


@lru_cache(maxsize=256)
def _keys(secrets: tuple[Secret, ...]) -> tuple[bytes, ...]:
    return tuple(filter(None, (_key(secret.reveal()) for secret in secrets)))


@lru_cache(maxsize=256)
def _webhook_keys(secrets: tuple[Secret, ...]) -> tuple[bytes, ...]:
    return tuple(filter(None, (_webhook_key(secret.reveal()) for secret in secrets)))


# --- reading the request ----------------------------------------------------------------------------------------


def _wire(text: str) -> bytes:
    """The original bytes of a header: WSGI decodes them as latin-1; any other text is encoded as UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _header(proof: Proof, name: str) -> str:
    value = proof.headers.get(name.lower())
    if not value:
        raise NotAuthentic(f"the header {name} is missing")
    return value


def _without_prefix(value: str, prefix: str, *, name: str) -> str:
    """The rest of the header `name` after `prefix`; ``Bearer`` and the like may have any case."""
    if value[: len(prefix)].lower() != prefix.lower():
        raise NotAuthentic(f"the header {name} has not the agreed form")
    return value[len(prefix) :].strip()


def _seconds(text: str) -> float:
    """Unix seconds of a timestamp given in seconds, in milliseconds (12 digits and more) or as ISO 8601 with offset."""
    if not text.isascii() or len(text) > 40:
        raise NotAuthentic("the timestamp is malformed")
    if text.isdigit() and len(text) <= 15:
        return int(text) / (1000 if len(text) >= 12 else 1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotAuthentic("the timestamp is malformed") from None
    if moment.tzinfo is None:
        raise NotAuthentic("the timestamp has no offset")
    return moment.timestamp()


def _demand_fresh(then_s: float, spec: Verify, proof: Proof) -> None:
    # Written so that a NaN refuses.
    if not abs(proof.now_s - then_s) <= spec.tolerance_s:
        raise NotAuthentic(f"the timestamp is more than {spec.tolerance_s} s away from now")


def _demand_match(signatures: Iterable[bytes], expected: Iterable[bytes], *, what: str) -> None:
    """Compares all with all, without stopping at a match, so that timing does not reveal which one matched."""
    expected = tuple(expected)
    found = False
    for one in signatures:
        for other in expected:
            found |= hmac.compare_digest(one, other)
    if not found:
        raise NotAuthentic(f"the {what} does not match")


# --- one check for each scheme ----------------------------------------------------------------------------------


def _check_standard_webhooks(spec: Verify, proof: Proof) -> Proved:
    # Svix sends the same three under its own name; one name holds for all of them.
    name = "svix" if proof.headers.get("svix-id") and not proof.headers.get("webhook-id") else "webhook"
    timestamp, message_id = _header(proof, f"{name}-timestamp"), _header(proof, f"{name}-id")
    message = _Message(proof.body, message_id=message_id, timestamp=timestamp)
    signatures = _v1_signatures(_header(proof, f"{name}-signature"))
    # The specification knows whole seconds only; eleven digits are the year 5138.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 10):
        raise NotAuthentic("the header webhook-timestamp is not in unix seconds")
    _demand_fresh(int(timestamp), spec, proof)
    content = _webhook_content(message)
    expected = [_webhook_signature(key, content) for key in _webhook_keys(spec.secrets)]
    _demand_match(signatures, expected, what="signature")
    return Proved(sha256(content).hexdigest(), message_id.strip())


def _v1_signatures(header: str) -> list[bytes]:
    """The v1 signatures of ``v1,… v1a,… v1,…``. Other versions are skipped; two headers joined by a comma refused."""
    found = []
    for entry in header.split(" "):
        version, _, signature = entry.partition(",")
        if "," in signature:
            raise NotAuthentic("the header webhook-signature is malformed")
        if version == "v1" and signature:
            found.append(_wire(signature))
    return found


def _check_hmac(spec: Verify, proof: Proof) -> Proved:
    value = _without_prefix(_header(proof, spec.header), spec.prefix, name=spec.header)
    timestamp = _header(proof, spec.timestamp_header) if spec.timestamp_header else None
    message_id = _header(proof, spec.id_header) if spec.id_header else None
    if timestamp is not None:
        _demand_fresh(_seconds(timestamp), spec, proof)
    message = _Message(proof.body, message_id=message_id, timestamp=timestamp, method=proof.method, url=proof.url)
    contents = [_signed_content(spec.signed, spelt) for spelt in _spellings(message, spec.signed)]
    signature = _wire(value.lower() if spec.encoding == "hex" else value)
    expected = (_hmac_signature(spec, key, content) for key in _keys(spec.secrets) for content in contents)
    _demand_match([signature], expected, what="signature")
    # Of several spellings of an address the signed one counts: all of them are the same request.
    signed = next(c for c in contents for key in _keys(spec.secrets) if _hmac_signature(spec, key, c) == signature)
    return Proved(sha256(signed).hexdigest(), (message_id or "").strip() if "{id}" in spec.signed else "")


def _check_token(spec: Verify, proof: Proof) -> None:
    value = _without_prefix(_header(proof, spec.header), spec.prefix, name=spec.header)
    _demand_match([_wire(value)], _keys(spec.secrets), what="token")


def _check_basic(spec: Verify, proof: Proof) -> None:
    name = spec.header or "Authorization"
    value = _without_prefix(_header(proof, name), "Basic ", name=name)
    # Compared while encoded: nothing is decoded that is not already proven.
    _demand_match([_wire(value)], map(b64encode, _keys(spec.secrets)), what="user or password")


def _check_query(spec: Verify, proof: Proof) -> None:
    value = proof.query.get(spec.parameter)
    if not value:
        raise NotAuthentic(f"the parameter {spec.parameter} is missing")
    _demand_match([value.encode("utf-8", "surrogatepass")], _keys(spec.secrets), what="parameter")


def _check_field(spec: Verify, proof: Proof) -> None:
    from connector.inbound.payloads.decode import body_field  # every format: slow to load, and no use to other schemes

    value = body_field(proof.body, proof.headers.get("content-type") or "", spec.field)
    if not value:
        raise NotAuthentic(f"the field {spec.field} is missing in the body")
    _demand_match([value.encode("utf-8", "surrogatepass")], _keys(spec.secrets), what=f"field {spec.field}")


def _check_path(spec: Verify, proof: Proof) -> None:
    if not proof.segment:
        raise NotAuthentic("the secret is missing at the end of the address")
    _demand_match([proof.segment.encode("utf-8", "surrogatepass")], _keys(spec.secrets), what="end of the address")


def _check_none(spec: Verify, proof: Proof) -> None:
    """Anybody may send."""


_CHECKS: dict[str, Callable[[Verify, Proof], Proved | None]] = {
    "standard-webhooks": _check_standard_webhooks,
    "hmac": _check_hmac,
    "token": _check_token,
    "basic": _check_basic,
    "query": _check_query,
    "field": _check_field,
    "path": _check_path,
    "none": _check_none,
}


# --- one signer for each scheme ---------------------------------------------------------------------------------


def _sign_standard_webhooks(spec: Verify, message: _Message) -> dict[str, str]:
    signature = _webhook_signature(_webhook_keys(spec.secrets)[0], _webhook_content(message))
    return {
        "webhook-id": message.message_id or "",
        "webhook-timestamp": message.timestamp or "",
        "webhook-signature": f"v1,{signature.decode()}",
    }


def _sign_hmac(spec: Verify, message: _Message) -> dict[str, str]:
    content = _signed_content(spec.signed, _spellings(message, spec.signed)[0])
    signature = _hmac_signature(spec, _keys(spec.secrets)[0], content)
    headers = {spec.header: spec.prefix + signature.decode()}
    if spec.timestamp_header:
        headers[spec.timestamp_header] = message.timestamp or ""
    if spec.id_header:
        headers[spec.id_header] = message.message_id or ""
    return headers


def _sign_token(spec: Verify, message: _Message) -> dict[str, str]:
    return {spec.header: spec.prefix + _keys(spec.secrets)[0].decode("latin-1")}


def _sign_basic(spec: Verify, message: _Message) -> dict[str, str]:
    return {spec.header or "Authorization": f"Basic {b64encode(_keys(spec.secrets)[0]).decode()}"}


def _sign_nothing(spec: Verify, message: _Message) -> dict[str, str]:
    return {}


_SIGNERS: dict[str, Callable[[Verify, _Message], dict[str, str]]] = {
    "standard-webhooks": _sign_standard_webhooks,
    "hmac": _sign_hmac,
    "token": _sign_token,
    "basic": _sign_basic,
    "query": _sign_nothing,
    "field": _sign_nothing,
    "path": _sign_nothing,
    "none": _sign_nothing,
}


# --- faults of the configuration --------------------------------------------------------------------------------


def _secret_problems(spec: Verify) -> list[str]:
    if spec.scheme == "none":
        return ["secrets: scheme none checks nothing, drop them or name a scheme"] if spec.secrets else []
    if not spec.secrets:
        return ["secrets: give at least one"]
    return [f"secrets.{n}: is empty or no text" for n, secret in enumerate(spec.secrets) if not _key(secret.reveal())]


def _each_secret(spec: Verify, wrong: Callable[[str], bool], fault: str) -> list[str]:
    """The fault, for every secret that is there and wrong."""
    texts = [secret.reveal() for secret in spec.secrets]
    return [f"secrets.{n}: {fault}" for n, text in enumerate(texts) if _key(text) and wrong(text)]


def _standard_webhooks_problems(spec: Verify) -> list[str]:
    fault = "standard-webhooks secret is no base64 (whsec_…)"
    return [*_each_secret(spec, lambda text: not _webhook_key(text), fault), *_tolerance_problems(spec)]


def _hmac_problems(spec: Verify) -> list[str]:
    checks: Mapping[str, bool] = {
        "header: name the header that carries the signature": not spec.header,
        f"algorithm: {spec.algorithm!r} is unknown, use {', '.join(_ALGORITHMS)}": spec.algorithm not in _ALGORITHMS,
        f"encoding: {spec.encoding!r} is unknown, use {', '.join(_ENCODINGS)}": spec.encoding not in _ENCODINGS,
    }
    return [*(fault for fault, wrong in checks.items() if wrong), *_signed_problems(spec), *_tolerance_problems(spec)]


def _signed_problems(spec: Verify) -> list[str]:
    names = {name for _, name in _template(spec.signed) if name}
    known = "".join(f" {{{name}}}" for name in _PLACEHOLDERS)
    checks: Mapping[str, bool] = {
        "signed: has a brace too many or an empty placeholder": bool(
            re.search(r"[{}]", re.sub(r"\{\w+\}", "", spec.signed))
        ),
        "signed: lacks {body}, so anybody could change it": "body" not in names,
        "signed: has {timestamp}, so name its timestamp_header": "timestamp" in names and not spec.timestamp_header,
        "timestamp_header: is not signed, put {timestamp} into signed": bool(spec.timestamp_header)
        and "timestamp" not in names,
        "signed: has {id}, so name its id_header": "id" in names and not spec.id_header,
    }
    unknown = [f"signed: {{{n}}} is unknown, use{known}" for n in sorted(names - set(_PLACEHOLDERS))]
    return [*unknown, *(fault for fault, wrong in checks.items() if wrong)]


def _tolerance_problems(spec: Verify) -> list[str]:
    return [] if spec.tolerance_s > 0 else ["tolerance_s: must be more than 0 seconds"]


def _token_problems(spec: Verify) -> list[str]:
    missing = [] if spec.header else ["header: name the header that carries the token"]
    spaced = _each_secret(spec, lambda text: text != text.strip(), "begins or ends with white space, no header can")
    return [*missing, *spaced]


def _basic_problems(spec: Verify) -> list[str]:
    return _each_secret(spec, lambda text: ":" not in text, 'must read "user:password"')


def _query_problems(spec: Verify) -> list[str]:
    return [] if spec.parameter else ["parameter: name the query parameter that carries the secret"]


def _field_problems(spec: Verify) -> list[str]:
    return [] if spec.field else ["field: name the body's field that carries the secret"]


#: Characters that every client, proxy and server writes in the same way.
_SEGMENT = re.compile("[A-Za-z0-9][A-Za-z0-9._~-]*")


def _path_problems(spec: Verify) -> list[str]:
    fault = "may hold letters, digits and - . _ ~ only, since it is part of an address"
    return _each_secret(spec, lambda text: not _SEGMENT.fullmatch(text), fault)


def _no_problems(spec: Verify) -> list[str]:
    return []


_PROBLEMS: dict[str, Callable[[Verify], list[str]]] = {
    "standard-webhooks": _standard_webhooks_problems,
    "hmac": _hmac_problems,
    "token": _token_problems,
    "basic": _basic_problems,
    "query": _query_problems,
    "field": _field_problems,
    "path": _path_problems,
    "none": _no_problems,
}
