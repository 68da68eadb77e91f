"""The vendors that only say the rest of thin events: what is asked, in which order, and what their answers mean."""

from __future__ import annotations

import hmac
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connector.cli.root import connector as command
from connector.config import loader
from connector.core.errors import ConfigError
from connector.core.http import Answer, Deadline
from connector.core.settings import Account, Secret, Settings
from connector.store.migrate import migrate
from connector.vendors import VENDORS, destinations
from connector.vendors.answers import classify
from connector.vendors.fetching import Fetching
from connector.vendors.hubspot.api import HubSpot
from connector.vendors.limits import limits
from connector.vendors.meta.api import Meta
from connector.vendors.postcenter.api import PostCenter
from tests import scripted_vendor
from tests.scripted_vendor import CUT, Said, Vendor

vendor = scripted_vendor.vendor

TOKEN = "s3cr3t-t0ken"


def fetching(kind: str, url: str) -> Fetching:
    extra: dict[str, Any] = {"api_version": "25.0"} if kind == "meta" else {}
    account = Account(name="a", vendor=kind, token=Secret(TOKEN), base_url=url, timeout_s=3, **extra)
    return VENDORS[kind].client(account)


def fetched(one: Fetching, what: str, ref: str) -> dict[str, Any]:
    """Everything, piece by piece."""
    known: dict[str, Any] = {}
    while piece := one.next_piece(what, ref, known):
        known[piece] = one.fetch(piece, what, ref, known, deadline=Deadline.after(3)).json()
    return known


# --- what is asked --------------------------------------------------------------------------------------------------


def test_a_contact_is_one_call_with_the_properties_that_are_read(vendor: Vendor) -> None:
    vendor.tell("/crm/v3/objects/contacts/123", Said(body={"id": "123"}))
    assert fetched(fetching("hubspot", vendor.url), "contact", "123") == {"contact": {"id": "123"}}
    [asked] = vendor.asked
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.path.startswith("/crm/v3/objects/contacts/123?properties=firstname%2Clastname%2Cemail%2Cphone")


def test_a_ticket_of_hubspot_is_followed_by_its_first_contact(vendor: Vendor) -> None:
    ticket = {"id": "9", "associations": {"contacts": {"results": [{"id": "7"}, {"id": "8"}]}}}
    vendor.tell("/crm/v3/objects/tickets/9", Said(body=ticket))
    vendor.tell("/crm/v3/objects/contacts/7", Said(body={"id": "7"}))
    assert fetched(fetching("hubspot", vendor.url), "ticket", "9") == {"ticket": ticket, "contact": {"id": "7"}}
    assert "associations=contacts" in vendor.asked[0].path


def test_a_contact_is_asked_for_the_properties_that_the_account_names(vendor: Vendor) -> None:
    vendor.tell("/crm/v3/objects/contacts/123", Said(body={"id": "123"}))
    account = Account(
        name="a", vendor="hubspot", token=Secret(TOKEN), base_url=vendor.url, properties=("programa", "celular_2")
    )
    assert fetched(VENDORS["hubspot"].client(account), "contact", "123")
    asked = vendor.asked[0].path
    assert "hs_whatsapp_phone_number" in asked and "programa%2Ccelular_2" in asked


def test_a_ticket_that_was_moved_is_followed_by_its_pipeline(vendor: Vendor) -> None:
    ticket = {"id": "9", "properties": {"hs_pipeline": "92/7"}}
    vendor.tell("/crm/v3/objects/tickets/9", Said(body=ticket))
    vendor.tell("/crm/v3/pipelines/tickets/92%2F7", Said(body={"stages": []}))
    one = fetching("hubspot", vendor.url)
    assert fetched(one, "moved_ticket", "9") == {"ticket": ticket, "pipeline": {"stages": []}}
    assert "pipeline" in one.optional


def test_an_app_that_requires_it_is_shown_a_proof_of_its_secret(vendor: Vendor) -> None:
    vendor.tell("/v25.0/901", Said(body={"id": "901"}))
    vendor.tell("/v25.0/me", Said(body={"id": "1"}))
    account = Account(
        name="a",
        vendor="meta",
        token=Secret(TOKEN),
        base_url=vendor.url,
        api_version="25.0",
        app_secret=Secret("app-s3cret"),
    )
    meta = VENDORS["meta"].client(account)
    fetched(meta, "leadgen", "901")
    meta.me(deadline=Deadline.after(3))
    proof = hmac.new(b"app-s3cret", TOKEN.encode(), "sha256").hexdigest()
    assert all(f"appsecret_proof={proof}" in asked.path for asked in vendor.asked)
    assert not any(TOKEN in asked.path or "app-s3cret" in asked.path for asked in vendor.asked)


@pytest.mark.parametrize(
    "ticket",
    [{}, [], {"associations": {}}, {"associations": {"contacts": {"results": []}}}, {"associations": [1]}],
)
def test_a_ticket_without_a_contact_is_all_there_is(vendor: Vendor, ticket: Any) -> None:
    vendor.tell("/crm/v3/objects/tickets/9", Said(body=ticket))
    assert fetched(fetching("hubspot", vendor.url), "ticket", "9") == {"ticket": ticket}


def test_a_ticket_of_postcenter_is_followed_by_its_messages(vendor: Vendor) -> None:
    ref = "5f0000000000000000000001"
    vendor.tell(f"/v2/ticket/{ref}/", Said(body={"id": ref}))
    vendor.tell(f"/v2/ticket/{ref}/messages/", Said(body={"status": 200, "messages": []}))
    known = fetched(fetching("postcenter", vendor.url), "ticket", ref)
    assert known == {"ticket": {"id": ref}, "messages": {"status": 200, "messages": []}}
    assert vendor.asked[0].headers["authorization"] == f"Key {TOKEN}"


def test_metas_token_travels_in_a_header_and_never_in_an_address(vendor: Vendor) -> None:
    vendor.tell("/v25.0/900000000000001", Said(body={"id": "900000000000001"}))
    assert fetched(fetching("meta", vendor.url), "leadgen", "900000000000001")
    [asked] = vendor.asked
    assert asked.path == "/v25.0/900000000000001"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_reference_cannot_lead_elsewhere(vendor: Vendor) -> None:
    for kind, what in (("hubspot", "contact"), ("meta", "leadgen"), ("postcenter", "ticket")):
        one = fetching(kind, vendor.url)
        one.fetch(one.next_piece(what, "../x?y", {}), what, "../x?y", {}, deadline=Deadline.after(3))
    assert all("..%2Fx%3Fy" in asked.path for asked in vendor.asked)


# --- what it means --------------------------------------------------------------------------------------------------


def outcome(kind: type[HubSpot | Meta | PostCenter], status: int, body: Any, **headers: str) -> tuple[str, str]:
    """(attempt, what becomes of the account or the event)."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Answer(status, headers, raw)
    found = classify(answer, kind.fault_of(answer), kind.words_of(answer))
    effect = "blocked" if found.block else "held" if found.hold else str(found.verdict.fate)
    return found.attempt, effect


def error(code: int, **values: Any) -> dict[str, Any]:
    return {"error": {"message": "said", "type": "OAuthException", "code": code, **values}}


@pytest.mark.parametrize(
    ("kind", "status", "body", "meant"),
    [
        (HubSpot, 200, {"id": "1"}, ("accepted", "delivered")),
        (HubSpot, 200, b"<html>", ("unknown", "held")),
        (HubSpot, 200, b"", ("unknown", "held")),
        (HubSpot, 200, b"5", ("unknown", "held")),
        (HubSpot, 200, b"[" * 900 + b"]" * 900, ("unknown", "held")),
        (HubSpot, 200, b'"' + b"x" * 10_000_001 + b'"', ("rejected", "refused")),
        (HubSpot, 302, b"", ("unknown", "blocked")),
        (HubSpot, 400, {"category": "VALIDATION_ERROR"}, ("unknown", "blocked")),
        (HubSpot, 401, {"category": "INVALID_AUTHENTICATION"}, ("rejected", "blocked")),
        (HubSpot, 403, {"category": "MISSING_SCOPES"}, ("rejected", "blocked")),
        (HubSpot, 404, {"category": "OBJECT_NOT_FOUND"}, ("rejected", "refused")),
        (HubSpot, 423, {}, ("rejected", "held")),
        (HubSpot, 429, {"policyName": "TEN_SECONDLY_ROLLING"}, ("rejected", "held")),
        (HubSpot, 477, {}, ("rejected", "held")),
        (HubSpot, 500, b"", ("unknown", "held")),
        (HubSpot, 503, b"<html>", ("unknown", "held")),
        (HubSpot, 524, b"", ("unknown", "held")),
        (Meta, 200, {"id": "1"}, ("accepted", "delivered")),
        (Meta, 400, error(190, error_subcode=463), ("rejected", "blocked")),
        (Meta, 401, error(190), ("rejected", "blocked")),
        (Meta, 403, error(200), ("rejected", "blocked")),
        (Meta, 400, error(10), ("rejected", "blocked")),
        (Meta, 400, error(4), ("rejected", "held")),
        (Meta, 400, error(17), ("rejected", "held")),
        (Meta, 400, error(32), ("rejected", "held")),
        (Meta, 400, error(613), ("rejected", "held")),
        (Meta, 400, error(80005), ("rejected", "held")),
        (Meta, 400, error(100, error_subcode=33), ("rejected", "refused")),
        (Meta, 400, error(100), ("unknown", "blocked")),
        (Meta, 400, error(2), ("unknown", "held")),
        (Meta, 400, error(9999, is_transient=True), ("unknown", "held")),
        (Meta, 500, error(1), ("unknown", "held")),
        (Meta, 200, error(9999), ("unknown", "blocked")),
        (Meta, 400, {"error": "x"}, ("unknown", "blocked")),
        (PostCenter, 200, {"id": "5f"}, ("accepted", "delivered")),
        (PostCenter, 200, {"status": 200, "messages": []}, ("accepted", "delivered")),
        (PostCenter, 200, {"status": "Abierto"}, ("accepted", "delivered")),
        (PostCenter, 200, {"status": 404, "message": "Non-existent"}, ("rejected", "refused")),
        (PostCenter, 404, {"status": 404}, ("rejected", "refused")),
        (PostCenter, 200, {"status": 401}, ("rejected", "blocked")),
        (PostCenter, 200, {"status": 429}, ("rejected", "held")),
        (PostCenter, 200, {"status": 500}, ("unknown", "held")),
        (PostCenter, 200, {"status": 400}, ("unknown", "blocked")),
    ],
)
def test_every_answer_has_its_meaning(kind: Any, status: int, body: Any, meant: tuple[str, str]) -> None:
    assert outcome(kind, status, body) == meant


BODIES = (b"", b"null", b"[]", b"{}", b'{"status":true,"error":[],"message":1}', b"\xff")


@pytest.mark.parametrize("kind", [HubSpot, Meta, PostCenter])
def test_no_status_is_without_a_meaning(kind: Any) -> None:
    for status, body in itertools.product(range(100, 600), BODIES):
        attempt, effect = outcome(kind, status, body)
        assert (attempt == "accepted") == (200 <= status < 300 and body[:1] in (b"[", b"{"))
        assert effect in ("delivered", "refused", "held", "blocked")


@pytest.mark.parametrize(
    ("kind", "piece", "theirs", "others"),
    [
        (HubSpot, "contact", {"id": "7"}, {"results": []}),
        (HubSpot, "pipeline", {"stages": []}, {"id": "7"}),
        (Meta, "leadgen", {"field_data": []}, {"data": []}),
        (PostCenter, "ticket", {"is_closed": True}, {"code": "201", "data": []}),
        (PostCenter, "messages", {"messages": []}, {"messages": None}),
        (PostCenter, "messages", [], {}),
    ],
)
def test_a_part_is_known_by_its_form(kind: Any, piece: str, theirs: Any, others: Any) -> None:
    assert kind.is_piece(piece, theirs)
    assert not any(kind.is_piece(piece, one) for one in (others, None, "OK", 7))


def test_a_vendor_is_waited_for_as_long_as_it_asks() -> None:
    answer = Answer(429, {"retry-after": "17"}, b"{}")
    assert classify(answer).hold_s == 17


def test_the_vendors_words_are_kept_but_never_a_token() -> None:
    said = {"category": "MISSING_SCOPES", "message": "This app hasn't been granted the scopes"}
    answer = Answer(403, {}, json.dumps(said).encode())
    assert "MISSING_SCOPES: This app hasn't" in str(classify(answer, "", HubSpot.words_of(answer)).block)
    answer = Answer(400, {}, json.dumps(error(190, message=f"Malformed access token {TOKEN}")).encode())
    found = classify(answer, Meta.fault_of(answer), Meta.words_of(answer))
    assert "error 190" in str(found.block)
    assert TOKEN not in repr(found)


# --- the configuration ----------------------------------------------------------------------------------------------

HUBSPOT = '[accounts.crm]\nvendor = "hubspot"\ntoken = "${CRM_TOKEN}"\n'
META = '[accounts.page]\nvendor = "meta"\ntoken = "${PAGE_TOKEN}"\n'
TOKENS = {"CRM_TOKEN": "invented-crm", "PAGE_TOKEN": "invented-page"}


def source(mapping: str, rest: str = "") -> str:
    return f'[sources.s]\nmapping = "{mapping}"\nqueue = "q"\n{rest}\n'


def load(path: Path, text: str) -> Settings:
    file = path / "connector.toml"
    file.write_text(text)
    environ = TOKENS | {"AMQP_URL": "amqp://127.0.0.1/"}
    return loader.load(environ, config_path=str(file), destinations=destinations.SPECS)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (source("hubspot"), 'hubspot is asked for the rest: add an account with vendor = "hubspot", and name it here'),
        (HUBSPOT + source("hubspot"), 'hubspot is asked for the rest: account = "crm"'),
        (META + source("postcenter"), 'postcenter is asked for the rest: add an account with vendor = "postcenter"'),
        (HUBSPOT + source("meta_leadgen", 'account = "crm"'), '"crm" is an account of hubspot'),
        (HUBSPOT + source("hubspot", 'account = "cmr"'), 'unknown account "cmr", did you mean "crm"?'),
        (HUBSPOT + source("lead", 'account = "crm"'), 'is of no use: what "lead" reads is whole; take it off'),
    ],
)
def test_a_source_whose_events_are_thin_needs_an_account_and_no_other_has_one(
    tmp_path: Path, text: str, fault: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    [line] = raised.value.faults
    assert line.startswith("sources.s.account: ")
    assert fault in line


def test_the_defaults_keep_below_what_the_vendors_allow(tmp_path: Path) -> None:
    accounts = load(tmp_path, HUBSPOT + META + source("hubspot", 'account = "crm"')).accounts
    [hubspot], [meta] = (limits(accounts[name]).windows for name in ("crm", "page"))
    assert (hubspot.calls, hubspot.length_ms) == (100, 10_000)
    assert (meta.calls, meta.length_ms) == (100, 60_000)
    assert (accounts["crm"].base_url, accounts["page"].base_url) == (
        "https://api.hubapi.com",
        "https://graph.facebook.com",
    )
    assert accounts["page"].api_version == "25.0"


def test_metas_version_is_a_number_with_a_dot(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'must be like "25\.0"'):
        load(tmp_path, META + 'api_version = "v25"\n' + source("meta_leadgen", 'account = "page"'))


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (Said(body={"id": "1", "results": []}), "ok", "the token is known"),
        (Said(401, {"message": "expired"}), "fault", "check the account's token"),
        (Said(200, b"<html>"), "fault", "cannot be read"),
        (CUT, "fault", "the connection was cut"),
    ],
    ids=["good", "401", "html", "cut"],
)
def test_check_tries_the_tokens(tmp_path: Path, vendor: Vendor, answer: Said | str, state: str, words: str) -> None:
    here = f'base_url = "{vendor.url}"\n'
    (tmp_path / "connector.toml").write_text(HUBSPOT + here + META + here)
    vendor.tell("/crm/v3/objects/contacts", answer)
    vendor.tell("/v25.0/me", answer)
    environ = TOKENS | {"CONNECTOR_CONFIG": f"{tmp_path}/connector.toml"}
    environ |= {"DATABASE_URL": f"sqlite:///{tmp_path}/c.db", "AMQP_URL": "", "CLOUDAMQP_URL": ""}
    migrate(environ["DATABASE_URL"])
    checks = json.loads(CliRunner().invoke(command, ["check", "--json"], env=environ).stdout)["checks"]
    found = {one["name"]: one for one in checks if one["state"] != "warning"}
    for name in ("account crm", "account page"):
        assert found[name]["state"] == state, found[name]
        assert words in found[name]["message"]
