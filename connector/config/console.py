"""``[console]``: whether there is one, and the people who may use it and ``/api``, each with a key."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, validates_schema

from connector.config.faults import Faults, check_name
from connector.config.reading import read_shape
from connector.core.fields import Checked, Flag, Strict, Text, Words, choice
from connector.core.settings import Console, Oidc, Person, Role, Secret
from connector.core.text import is_loopback, is_url, listed, quote

SHORTEST: Final = 32  #: letters of a key; shorter ones could be guessed


class _People(Checked[dict[str, Any]]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
            raise ValidationError("must hold a table for each person: [console.people.ana]")
        return value


class _Table(Checked[dict[str, Any]]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must be a table")
        return value


class _Roles(Checked[dict[str, Any]]):
    """The name of a group, or an e-mail, and the role that it gives."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not all(name and value[name] in list(Role) for name in value):
            raise ValidationError(f"must name roles: {{ name = one of {listed(list(Role))} }}")
        return {str(name): Role(role) for name, role in value.items()}


class OidcShape(Strict):
    """The company's own sign-in."""

    issuer = Text(required=True, needed='is required: "https://login.example.com/realm", as the provider writes it')
    client_id = Text(required=True, needed="is required: as the provider knows this console")
    client_secret = Text(load_default="")
    scope = Text(load_default="openid profile email")
    groups_claim = Text(load_default="groups")
    methods = Words(load_default=())
    groups = _Roles(load_default=dict)
    emails = _Roles(load_default=dict)


class ConsoleShape(Strict):
    """The keys of the table itself."""

    enabled = Flag(load_default=False)
    plain_http = Flag(load_default=False)
    people = _People(load_default=dict)
    oidc = _Table(load_default=None)


class PersonShape(Strict):
    """One person: a key, or its hash, and a role."""

    role = Text(required=True, validate=choice(*Role), needed=f"is required: one of {listed(list(Role))}")
    token = Text(load_default="", pattern="[!-~]+", says="holds a space or a letter that no header can carry")
    token_hash = Text(
        load_default="",
        pattern=r"(scrypt|pbkdf2):[!-~]+\$[!-~]+\$[0-9a-f]+",
        says="is no hash: `connector console key NAME` makes a key and its hash",
    )

    @validates_schema
    def _one_key(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data.get("token")) == bool(data.get("token_hash")):
            raise ValidationError('needs token = "${NAME}" or token_hash, one of the two', "token")


def read_console(table: Any, faults: Faults) -> Console | None:
    """``[console]`` for the settings; None: missing or faulty."""
    if table is None:
        return None
    place = ("console",)
    data = read_shape(ConsoleShape(), table, place, faults)
    people = {name: _person(str(name), one, faults) for name, one in data.get("people", {}).items()}
    _refuse_shared(people, faults)
    oidc = _oidc(data["oidc"], faults) if data.get("oidc") is not None else None
    if faults.under(*place):
        return None
    found = {name: one for name, one in people.items() if one is not None}
    return Console(enabled=data["enabled"], plain_http=data["plain_http"], people=found, oidc=oidc)


def _oidc(table: Any, faults: Faults) -> Oidc | None:
    place = ("console", "oidc")
    data = read_shape(OidcShape(), table, place, faults)
    issuer = data.get("issuer", "")
    if issuer and not (is_url(issuer, "https") or (is_url(issuer, "http") and is_loopback(issuer))):
        faults.add((*place, "issuer"), "is no https:// address")
    if "openid" not in data.get("scope", "openid").split():
        faults.add((*place, "scope"), 'must hold "openid"')
    if importlib.util.find_spec("authlib") is None:
        faults.add(place, "needs packages that are not installed: pip install 'connector[oidc]'")
    if not data.get("groups") and not data.get("emails"):
        faults.add((*place, "groups"), "nobody would have a role: write groups or emails with their roles")
    if faults.under(*place):
        return None
    values = {
        name: data[name] for name in ("issuer", "client_id", "scope", "groups_claim", "methods", "groups", "emails")
    }
    return Oidc(**values, client_secret=Secret(data["client_secret"]))


def _person(name: str, table: Any, faults: Faults) -> Person | None:
    place = ("console", "people", name)
    check_name(name, place, faults)
    data = read_shape(PersonShape(), table, place, faults)
    token = data.get("token", "")
    if token and len(token) < SHORTEST:
        fault = f"is shorter than {SHORTEST} letters, and could be guessed: `connector console key {name}` makes one"
        faults.add((*place, "token"), fault)
    if faults.under(*place):
        return None
    return Person(name, Role(data["role"]), Secret(token), data["token_hash"])


def _refuse_shared(people: Mapping[str, Person | None], faults: Faults) -> None:
    """People with the same key could not be distinguished."""
    first: dict[Secret, str] = {}
    for name, one in people.items():
        if one is None or not one.token:
            continue
        other = first.setdefault(one.token, name)
        if other != name:
            place = ("console", "people", name, "token")
            faults.add(place, f"is the key of {quote(other)} too: give each person one of their own")
