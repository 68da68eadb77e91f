"""Signing in with the company's account: a provider of our own answers, and every lie of it is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from werkzeug.test import TestResponse

from connector.config import loader
from connector.console.app import create
from connector.console.application import ConsoleApp
from connector.core.errors import ConfigError
from connector.core.settings import Console, Oidc, Role, Secret
from connector.store.database import Database
from connector.vendors import destinations
from tests.test_console import BASE, PEOPLE, Browser, console_settings


class Provider:
    """An OpenID provider on this machine, which says what a test wants."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        self.claims: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.signs_with: Any = self.key
        self.algorithm = "RS256"
        self.described: dict[str, Any] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/.well-known/openid-configuration":
                    return self._say(provider.description())
                if self.path == "/keys":
                    return self._say({"keys": [provider.key.as_dict(private=False)]})
                return self._say({}, 404)

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                return self._say(*provider.token({name: some[0] for name, some in form.items()}))

            def _say(self, body: Any, status: int = 200) -> None:
                sent = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def description(self) -> dict[str, Any]:
        ends = {"authorization": "authorize", "token": "token"}
        made: dict[str, Any] = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in ends.items()}
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **made, **self.described}

    def authorize(self, url: str) -> dict[str, str]:
        """What a browser brings back once somebody signed in."""
        asked = {name: some[0] for name, some in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split() and asked["client_id"] == "console"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def token(self, form: dict[str, str]) -> tuple[dict[str, Any], int]:
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return {"error": "invalid_grant"}, 400
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "console", "sub": "42", "iat": now, "exp": now + 300}
        claims |= {"nonce": asked["nonce"]} | self.claims
        claims = {name: said for name, said in claims.items() if said is not None}
        header = {"alg": self.algorithm, "kid": "one"}
        token = jwt.encode(header, claims, self.signs_with, algorithms=[self.algorithm])
        return {"access_token": "x", "token_type": "Bearer", "id_token": token}, 200

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


def oidc_of(provider: Provider, **changes: Any) -> Oidc:
    roles = {"leads-team": Role.OPERATOR, "leads-admins": Role.ADMIN}
    emails = {"eva@company.example": Role.VIEWER}
    given = Oidc(
        issuer=provider.issuer, client_id="console", client_secret=Secret("invented"), groups=roles, emails=emails
    )
    return replace(given, **changes)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


def console_of(database: Database, oidc: Oidc) -> ConsoleApp:
    opened = Console(enabled=True, people=PEOPLE, oidc=oidc)
    return create(replace(console_settings(database.url), console=opened), database)


@pytest.fixture
def app(database: Database, provider: Provider) -> ConsoleApp:
    return console_of(database, oidc_of(provider))


def signed_in(browser: Browser, provider: Provider, **changes: str) -> TestResponse:
    begun = browser.get("/console/sign-in/company?to=/console/search")
    assert begun.status_code == 303, begun.text
    back = provider.authorize(begun.headers["Location"]) | changes
    query = "&".join(f"{name}={text}" for name, text in back.items())
    return browser.get(f"/console/sign-in/back?{query}")


# --- who is let in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "name", "may"),
    [
        ({"groups": ["x", "leads-team"], "preferred_username": "ana"}, "ana@localhost", "replay"),
        (
            {"groups": ["leads-team", "leads-admins"], "email": "b@c.example", "email_verified": True},
            "b@c.example",
            "all",
        ),
        ({"groups": "leads-admins"}, "42@localhost", "all"),
        ({"email": "eva@company.example", "email_verified": True}, "eva@company.example", "look"),
    ],
)
def test_a_group_or_a_verified_e_mail_gives_a_role(
    app: ConsoleApp, provider: Provider, claims: dict[str, Any], name: str, may: str
) -> None:
    provider.claims = claims
    browser = Browser(app)
    assert "Sign in with the company" in browser.get("/console/sign-in").text
    answer = signed_in(browser, provider)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/search")
    text = browser.get("/console/").text
    assert f", {name}." in text
    assert ("Forget a person" in text) == (may == "all")
    assert ("file" in browser.get("/console/do-not-contact").text) == (may != "look")


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": ["leads-team2", "xleads-team", "LEADS-TEAM"]},
        {"email": "eva@company.example"},
        {"email": "eva@company.example", "email_verified": "true"},
        {"email": "EVA@company.example", "email_verified": True},
        {"groups": {"leads-team": True}},
        {},
    ],
)
def test_what_only_resembles_a_rule_gives_no_role(app: ConsoleApp, provider: Provider, claims: dict[str, Any]) -> None:
    provider.claims = claims
    browser = Browser(app)
    answer = signed_in(browser, provider)
    assert answer.status_code == 403 and "has no role here" in answer.text
    assert browser.get("/console/").status_code == 303


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"amr": ["pwd", "mfa"]}, 303),
        ({"amr": ["hwk"]}, 303),
        ({"acr": "mfa"}, 303),
        ({"amr": "mfa"}, 403),
        ({"amr": ["pwd", "MFA", 1], "acr": ["mfa"]}, 403),
        ({}, 403),
    ],
)
def test_a_demanded_method_is_named_by_the_provider(
    database: Database, provider: Provider, said: dict[str, Any], status: int
) -> None:
    provider.claims = {"groups": ["leads-admins"]} | said
    browser = Browser(console_of(database, oidc_of(provider, methods=("mfa", "hwk"))))
    answer = signed_in(browser, provider)
    assert answer.status_code == status
    assert ("second factor" in answer.text) == (status == 403)
    assert browser.get("/console/").status_code == (200 if status == 303 else 303)


def test_a_role_is_the_configuration_s_of_now(database: Database, provider: Provider) -> None:
    provider.claims = {"groups": ["leads-team"]}
    browser = Browser(console_of(database, oidc_of(provider)))
    signed_in(browser, provider)
    for groups, status in (({"leads-team": Role.VIEWER}, 200), ({"others": Role.ADMIN}, 303)):
        other = console_of(database, oidc_of(provider, groups=groups))
        again = Browser(other)
        for cookie in browser.client._cookies.values():
            again.client.set_cookie(cookie.key, cookie.value, domain="127.0.0.1", path=cookie.path)
        assert again.get("/console/").status_code == status
        assert again.get("/console/do-not-contact/file").status_code in (403, 303)
    elsewhere = console_of(database, oidc_of(provider, client_id="another"))
    again = Browser(elsewhere)
    for cookie in browser.client._cookies.values():
        again.client.set_cookie(cookie.key, cookie.value, domain="127.0.0.1", path=cookie.path)
    assert again.get("/console/").status_code == 303


def test_nobody_of_the_company_is_taken_for_somebody_of_the_configuration(app: ConsoleApp, provider: Provider) -> None:
    provider.claims = {"groups": ["leads-team"], "preferred_username": "root"}
    browser = Browser(app)
    signed_in(browser, provider)
    assert ", root@localhost." in browser.get("/console/").text


# --- who is not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": ["console", "another"]},
        {"azp": "another"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    app: ConsoleApp, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = {"groups": ["leads-admins"]} | claims
    browser = Browser(app)
    answer = signed_in(browser, provider)
    assert answer.status_code == 403 and "could not be proved" in answer.text
    assert browser.get("/console/").status_code == 303


def test_a_token_of_another_key_or_without_a_signature_of_the_provider_is_refused(
    app: ConsoleApp, provider: Provider
) -> None:
    provider.claims = {"groups": ["leads-admins"]}
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    assert signed_in(Browser(app), provider).status_code == 403
    provider.signs_with, provider.algorithm = OctKey.import_key("invented-invented-invented-invented"), "HS256"
    assert signed_in(Browser(app), provider).status_code == 403


def test_a_provider_s_new_key_is_read_once_it_signs(app: ConsoleApp, provider: Provider) -> None:
    provider.claims = {"groups": ["leads-team"]}
    assert signed_in(Browser(app), provider).status_code == 303
    provider.key = provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    assert signed_in(Browser(app), provider).status_code == 303


def test_a_way_back_that_this_browser_did_not_begin_is_refused(app: ConsoleApp, provider: Provider) -> None:
    provider.claims = {"groups": ["leads-admins"]}
    assert signed_in(Browser(app), provider, state="another").status_code == 403
    victim = Browser(app)
    stolen = provider.authorize(Browser(app).get("/console/sign-in/company").headers["Location"])
    assert victim.get(f"/console/sign-in/back?code={stolen['code']}&state={stolen['state']}").status_code == 403
    assert victim.get("/console/sign-in/back?state=").status_code == 403
    browser = Browser(app)
    begun = provider.authorize(browser.get("/console/sign-in/company").headers["Location"])
    left = browser.get(f"/console/sign-in/back?error=access_denied&state={begun['state']}")
    assert left.status_code == 403 and "refused or left" in left.text
    for name in KEPT_NOWHERE:
        assert name not in left.text


KEPT_NOWHERE = ("access_denied", "code-")


def test_while_the_provider_is_away_keys_still_let_in(app: ConsoleApp, provider: Provider) -> None:
    provider.close()
    answer = Browser(app).get("/console/sign-in/company")
    assert answer.status_code == 503 and "use a key" in answer.text
    assert ", ana." in Browser(app, "ana").get("/console/").text
    provider._server = type(provider)()._server  # closed again by the fixture


def test_a_provider_that_says_it_is_another_is_not_asked(app: ConsoleApp, provider: Provider) -> None:
    provider.described = {"issuer": "https://elsewhere.example"}
    assert Browser(app).get("/console/sign-in/company").status_code == 503


def test_without_it_nothing_is_there(database: Database) -> None:
    app = create(console_settings(database.url), database)
    assert "company" not in Browser(app).get("/console/sign-in").text
    for path in ("/console/sign-in/company", "/console/sign-in/back"):
        assert app.test_client().get(path, base_url=BASE).status_code == 404


def test_the_cookie_of_the_way_is_kept_from_scripts_and_goes(app: ConsoleApp, provider: Provider) -> None:
    provider.claims = {"groups": ["leads-team"]}
    browser = Browser(app)
    begun = browser.get("/console/sign-in/company")
    (cookie,) = [one for one in begun.headers.getlist("Set-Cookie") if one.startswith("connector-company=")]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Max-Age=600" in cookie
    signed_in(browser, provider)
    assert not [one for one in browser.client._cookies.values() if one.key == "connector-company"]


# --- the configuration ----------------------------------------------------------------------------------------------

TABLE = """
[console]
enabled = true
[console.oidc]
issuer = "https://login.example.com/realm"
client_id = "console"
client_secret = "${COMPANY_SECRET}"
methods = ["mfa"]
groups = { leads-team = "operator" }
"""


def test_it_is_read_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "connector.toml"
    file.write_text(TABLE)
    environment = {"CONNECTOR_SECRET_KEY": "k", "COMPANY_SECRET": "invented-secret"}
    settings = loader.load(environment, config_path=str(file), destinations=destinations.SPECS)
    assert settings.console is not None and settings.console.oidc is not None
    assert settings.console.oidc.groups == {"leads-team": Role.OPERATOR}
    assert settings.console.oidc.methods == ("mfa",)
    assert Secret("invented-secret") in settings.secrets


@pytest.mark.parametrize(
    ("line", "by", "said"),
    [
        ('issuer = "https://login.example.com/realm"', 'issuer = "http://login.example.com"', "no https:// address"),
        ('client_id = "console"', "", "client_id: is required"),
        ('"operator"', '"boss"', "groups: must name roles"),
        ('methods = ["mfa"]', "methods = []", "methods: must be a text or a list of texts"),
        ("groups = {", "others = {", "oidc"),
        ('groups = { leads-team = "operator" }', "", "nobody would have a role"),
        ('groups = { leads-team = "operator" }', 'groups = {x = "admin"}\nscope = "email"', 'must hold "openid"'),
    ],
)
def test_what_is_wrong_with_it_is_told(tmp_path: Path, line: str, by: str, said: str) -> None:
    file = tmp_path / "connector.toml"
    file.write_text(TABLE.replace(line, by))
    environment = {"CONNECTOR_SECRET_KEY": "k", "COMPANY_SECRET": "invented-secret"}
    with pytest.raises(ConfigError) as refused:
        loader.load(environment, config_path=str(file), destinations=destinations.SPECS)
    assert said in "\n".join(refused.value.faults)
