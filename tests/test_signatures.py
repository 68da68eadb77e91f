"""Proof of origin: real senders pass, everything else is `NotAuthentic` and nothing worse."""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers, MultiDict

from connector.core.errors import ConfigError, NotAuthentic
from connector.core.settings import Secret, Verify
from connector.inbound.signatures import Proof, problems, sign, verify

NOW_S = 1795186862
BODY = '{"type":"lead.created","data":{"first_name":"Ana","last_name":"Núñez"}}'.encode()
WEBHOOK_SECRET = "whsec_" + b64encode(b"invented-secret-of-24-by").decode()
OTHER_WEBHOOK_SECRET = "whsec_" + b64encode(b"another-secret-of-24-byt").decode()

STANDARD = Verify(scheme="standard-webhooks", secrets=(Secret(WEBHOOK_SECRET),))
HEX = Verify(scheme="hmac", secrets=(Secret("s1"),), header="X-Signature", prefix="sha256=")
BASE64 = Verify(
    scheme="hmac",
    secrets=(Secret("s1"),),
    header="X-Signature",
    encoding="base64",
    signed="{timestamp}.{id}.{method}.{url}.{body}",
    timestamp_header="X-Time",
    id_header="X-Id",
)
TOKEN = Verify(scheme="token", secrets=(Secret("tök-1"),), header="X-Token")
BASIC = Verify(scheme="basic", secrets=(Secret("ana:pass:with:colons-ñ"),))
QUERY = Verify(scheme="query", secrets=(Secret("q-1"),), parameter="key")
FIELD = Verify(scheme="field", secrets=(Secret("f-1"), Secret("fí-2")), field="clave")
PATH = Verify(scheme="path", secrets=(Secret("p-1"), Secret("p.2")))
HUBSPOT = Verify(
    scheme="hmac",
    secrets=(Secret("s1"),),
    header="X-Signature",
    encoding="base64",
    signed="{method}{decoded_url}{body}{timestamp}",
    timestamp_header="X-Time",
)
NONE = Verify(scheme="none")
IN_HEADERS = [STANDARD, HEX, BASE64, HUBSPOT, TOKEN, BASIC]
SIGNED = [STANDARD, HEX, BASE64, HUBSPOT]
ELSEWHERE = [QUERY, FIELD, PATH]


def signed(spec, body=BODY, *, secret=None, now_s=NOW_S, **kwargs):
    """The lower-cased headers a sender of `spec` would send."""
    secret = secret or spec.secrets[0]
    kwargs = {"message_id": "msg_1", "url": "https://c.example/webhooks/a?b=1"} | kwargs
    return {name.lower(): value for name, value in sign(spec, body, secret=secret, now_s=now_s, **kwargs).items()}


def proof(headers, body=BODY, *, now_s=NOW_S, **kwargs):
    kwargs = {"url": "https://c.example/webhooks/a?b=1"} | kwargs
    return Proof(body, headers, now_s=now_s, **kwargs)


def refused(spec, given_proof):
    with pytest.raises(NotAuthentic) as caught:
        verify(spec, given_proof)
    return str(caught.value)


# --- every scheme -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", IN_HEADERS, ids=lambda spec: spec.scheme)
def test_what_is_signed_passes(spec):
    verify(spec, proof(signed(spec)))


@pytest.mark.parametrize("spec", IN_HEADERS, ids=lambda spec: spec.scheme)
def test_header_names_are_found_in_any_case(spec):
    headers = Headers({name.upper(): value for name, value in signed(spec).items()})
    verify(spec, proof(headers))


@pytest.mark.parametrize("spec", IN_HEADERS, ids=lambda spec: spec.scheme)
def test_any_of_several_secrets_passes_and_no_other(spec):
    other = {"standard-webhooks": OTHER_WEBHOOK_SECRET, "basic": "ana:other"}.get(spec.scheme, "other")
    both = replace(spec, secrets=(*spec.secrets, Secret(other)))
    headers = signed(spec, secret=other)
    verify(both, proof(headers))
    verify(both, proof(signed(spec)))
    assert "match" in refused(spec, proof(headers))


@pytest.mark.parametrize("spec", IN_HEADERS, ids=lambda spec: spec.scheme)
def test_a_missing_or_empty_header_is_refused(spec):
    for name in signed(spec):
        headers = signed(spec)
        headers[name] = ""
        refused(spec, proof(headers))
        del headers[name]
        assert "missing" in refused(spec, proof(headers))


@pytest.mark.parametrize("spec", IN_HEADERS, ids=lambda spec: spec.scheme)
def test_a_header_sent_twice_is_refused(spec):
    for name, value in signed(spec).items():
        for joint in (",", ", "):
            refused(spec, proof(signed(spec) | {name: value + joint + value}))


@pytest.mark.parametrize("spec", [*IN_HEADERS, *ELSEWHERE], ids=lambda spec: spec.scheme)
@pytest.mark.parametrize("secrets", [(), (Secret(""),), (Secret("\ud800"),)])
def test_without_a_usable_secret_nothing_passes(spec, secrets):
    bare = replace(spec, secrets=secrets)
    headers = signed(spec) | {"x-token": "x"}
    for value in ("", "Basic ", "sha256=", "v1,"):
        refused(bare, proof(dict.fromkeys(headers, value), query={"key": value}))
    refused(bare, proof(headers, query={"key": "q-1"}))


@pytest.mark.parametrize("spec", [*IN_HEADERS, *ELSEWHERE], ids=lambda spec: spec.scheme)
def test_a_refusal_shows_no_secret_and_no_value(spec):
    headers = dict.fromkeys(signed(spec), "given-value")
    message = refused(spec, proof(headers, query={"key": "given-value"}))
    assert "given-value" not in message
    assert all(secret.reveal() not in message for secret in spec.secrets)


def test_a_proof_prints_nothing_of_the_request():
    text = repr(Proof(b"body-7", {"x-token": "tok-7"}, now_s=1, url="/?key=u-7", query={"key": "q-7"}))
    assert "-7" not in text


def test_an_unknown_scheme_fails_closed():
    refused(replace(NONE, scheme="vouch"), proof({}))


def test_scheme_none_lets_anybody_in():
    verify(NONE, proof({}))
    assert sign(NONE, BODY, secret="", now_s=NOW_S) == {}


# --- standard webhooks ------------------------------------------------------------------------------------------


def test_the_official_vector_passes():
    spec = replace(STANDARD, secrets=(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),))
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    verify(spec, proof(headers, body, now_s=1614265330))
    assert sign(spec, body, secret=spec.secrets[0], message_id=headers["webhook-id"], now_s=1614265330) == headers
    assert "300 s" in refused(spec, proof(headers, body))


@pytest.mark.parametrize("secret", [WEBHOOK_SECRET.removeprefix("whsec_"), f" {WEBHOOK_SECRET}\n"])
def test_the_prefix_of_a_webhook_secret_may_be_left_out(secret):
    verify(replace(STANDARD, secrets=(Secret(secret),)), proof(signed(STANDARD)))


def test_one_good_signature_among_others_passes():
    headers = signed(STANDARD)
    headers["webhook-signature"] = f"v1,AAAA v1a,AAAA v9 {headers['webhook-signature']}  v2,x"
    verify(STANDARD, proof(headers))


@pytest.mark.parametrize(
    "header",
    ["v1", "v1,", "v1,not base64!", "g0hM9SsE", " ", "v1,g0hM v2", ",", ",,", "v1,é", "v1,\ud800", "V1,x", "\0"],
)
def test_a_malformed_signature_is_refused(header):
    refused(STANDARD, proof(signed(STANDARD) | {"webhook-signature": header}))


def test_the_right_signature_under_another_version_is_refused():
    headers = signed(STANDARD)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")
    refused(STANDARD, proof(headers))


@pytest.mark.parametrize("age_s", [300, -300, 299.9])
def test_a_timestamp_within_the_window_passes(age_s):
    verify(STANDARD, proof(signed(STANDARD), now_s=NOW_S + age_s))


@pytest.mark.parametrize("age_s", [301, -301, float("nan"), float("inf")])
def test_a_timestamp_outside_the_window_is_refused(age_s):
    refused(STANDARD, proof(signed(STANDARD), now_s=NOW_S + age_s))


TIMESTAMPS = [
    "9" * 400,
    "-1795186862",
    "1795186862.0",
    "nan",
    "inf",
    "1e9",
    "١٧٩٥١٨٦٨٦٢",
    "1795186862000",
    " 1795186862",
    "0x6b",
    "1_795_186_862",
    "²",
    "\0",
    "2026-11-20",
    "2026-11-20T15:01:02",
    "9999-12-31T23:59:59-23:59",
    "\ud800",
]


@pytest.mark.parametrize("timestamp", TIMESTAMPS)
def test_an_odd_timestamp_is_refused_even_if_it_is_signed(timestamp):
    key = b"invented-secret-of-24-by"
    content = b"msg_1." + timestamp.encode("utf-8", "surrogatepass") + b"." + BODY
    signature = b64encode(hmac.digest(key, content, "sha256")).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
    refused(STANDARD, proof(headers))


# --- hmac -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_every_algorithm_and_encoding_is_what_the_standard_library_makes(algorithm, encoding):
    spec = replace(HEX, algorithm=algorithm, encoding=encoding)
    digest = hmac.new(b"s1", BODY, getattr(hashlib, algorithm)).digest()
    expected = digest.hex() if encoding == "hex" else b64encode(digest).decode()
    assert signed(spec) == {"x-signature": f"sha256={expected}"}
    verify(spec, proof(signed(spec)))


def test_hex_is_read_in_any_case_and_base64_is_not():
    verify(HEX, proof({"x-signature": "sha256=" + signed(HEX)["x-signature"][7:].upper()}))
    spec = replace(HEX, encoding="base64")
    refused(spec, proof({"x-signature": signed(spec)["x-signature"].swapcase()}))


def test_the_template_says_what_is_signed():
    content = f"{NOW_S}.msg_1.POST.https://c.example/webhooks/a?b=1.".encode() + BODY
    assert signed(BASE64)["x-signature"] == b64encode(hmac.digest(b"s1", content, "sha256")).decode()


@pytest.mark.parametrize(
    "change", [{"method": "PUT"}, {"url": "https://c.example/webhooks/a?b=2"}, {"body": BODY + b" "}]
)
def test_whatever_the_template_names_cannot_be_changed(change):
    refused(BASE64, proof(**({"headers": signed(BASE64)} | change)))


@pytest.mark.parametrize(
    "timestamp", [f"{NOW_S}", f"{NOW_S}000", "2026-11-20T15:01:02Z", "2026-11-20T10:01:02.123456789-05:00"]
)
def test_a_timestamp_may_be_seconds_milliseconds_or_iso(timestamp):
    spec = replace(HEX, signed="{timestamp}{body}", timestamp_header="X-Time")
    digest = hmac.digest(b"s1", timestamp.encode() + BODY, "sha256").hex()
    headers = {"x-signature": f"sha256={digest}", "x-time": timestamp}
    verify(spec, proof(headers))
    refused(spec, proof(headers, now_s=NOW_S + 302))


@pytest.mark.parametrize("timestamp", [one for one in TIMESTAMPS if one != "1795186862000"])
def test_an_odd_timestamp_is_refused_by_hmac_too(timestamp):
    spec = replace(HEX, signed="{timestamp}{body}", timestamp_header="X-Time")
    digest = hmac.digest(b"s1", timestamp.encode("utf-8", "surrogatepass") + BODY, "sha256").hex()
    refused(spec, proof({"x-signature": f"sha256={digest}", "x-time": timestamp}))


def test_a_missing_prefix_is_refused():
    assert "form" in refused(HEX, proof({"x-signature": signed(HEX)["x-signature"][7:]}))


@pytest.mark.parametrize(
    "fault",
    [
        {"algorithm": "md5"},
        {"encoding": "base32"},
        {"signed": "{nonce}{body}"},
        {"signed": "{id}{body}"},
        {"header": ""},
    ],
)
def test_a_faulty_configuration_fails_closed(fault):
    refused(replace(HEX, **fault), proof(signed(HEX)))
    with pytest.raises(ConfigError):
        signed(replace(HEX, **fault))


# --- token, basic, query ----------------------------------------------------------------------------------------


def test_a_bearer_prefix_counts_only_where_it_is_configured():
    bearer = replace(TOKEN, prefix="Bearer ", secrets=(Secret("tok-1"),))
    plain = replace(bearer, prefix="")
    for value in ("Bearer tok-1", "bearer tok-1", "BEARER  tok-1"):
        verify(bearer, proof({"x-token": value}))
        refused(plain, proof({"x-token": value}))
    verify(plain, proof({"x-token": "tok-1"}))
    refused(bearer, proof({"x-token": "tok-1"}))


@pytest.mark.parametrize("value", ["tok-1", "TÖK-1", "tök-1x", "tök", "t?k-1", "Bearer tök-1", "\ud800"])
def test_a_wrong_token_is_refused(value):
    refused(TOKEN, proof({"x-token": value.encode("utf-8", "surrogatepass").decode("latin-1")}))


def test_a_password_may_hold_colons_and_accents():
    value = "Basic " + b64encode("ana:pass:with:colons-ñ".encode()).decode()
    verify(BASIC, proof({"authorization": value}))
    verify(BASIC, proof({"authorization": value.replace("Basic", "basic")}))


@pytest.mark.parametrize("value", ["Basic", "Basic !", "Basic é", "Bearer eA==", "YTpi", "Basic YW5h", "Basic \ud800"])
def test_malformed_basic_credentials_are_refused(value):
    refused(BASIC, proof({"authorization": value}))


def test_basic_credentials_may_travel_in_another_header():
    spec = replace(BASIC, header="X-Auth")
    verify(spec, proof(signed(spec)))


def test_a_query_parameter_is_compared():
    verify(QUERY, proof({}, query=MultiDict({"key": "q-1"})))
    for query in ({"key": "q-2"}, {"key": ""}, {"other": "q-1"}, {}, {"key": "\ud800"}):
        refused(QUERY, proof({}, query=query))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"clave":"f-1","x":1}', "application/json"),
        (b'\xef\xbb\xbf{"clave":"f\\u00ed-2"}', "application/json; charset=utf-8"),
        (b'{"clave":"f-1"}', ""),
        (b"x=1&clave=f-1", "application/x-www-form-urlencoded"),
        ("clave=fí-2".encode("latin-1"), "application/x-www-form-urlencoded; charset=latin-1"),
        (b'--b\r\nContent-Disposition: form-data; name="clave"\r\n\r\nf-1\r\n--b--', "multipart/form-data; boundary=b"),
    ],
)
def test_a_field_of_the_body_is_compared(body, content_type):
    verify(FIELD, proof({"content-type": content_type}, body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"clave":null}',
        b'{"clave":true}',
        b'{"clave":["f-1"]}',
        b'{"clave":"f-2"}',
        b'{"clave":""}',
        b'{"x":{"clave":"f-1"}}',
        b'[{"clave":"f-1"}]',
        b"clave=f-1",
        b'{"clave":"\\ud800"}',
        b"[" * 5000,
    ],
)
def test_a_body_without_the_right_field_is_refused(body):
    assert "clave" in refused(FIELD, proof({"content-type": "application/json"}, body))
    refused(FIELD, proof({"content-type": "text/klingon"}, body))
    refused(FIELD, proof({}, b"clave=f-1&clave=f-1"))


def test_a_form_may_not_say_the_field_twice():
    refused(FIELD, proof({"content-type": "application/x-www-form-urlencoded"}, b"clave=f-1&clave=f-2"))


def test_the_end_of_the_path_is_compared():
    for segment in ("p-1", "p.2"):
        verify(PATH, proof({}, segment=segment))
    for segment in ("", "p-2", "p-1/", "/p-1", "P-1", "\ud800"):
        refused(PATH, proof({}, segment=segment))


@pytest.mark.parametrize(
    ("called", "written"),
    [
        ("https://c.example/w/a?b=1", "https://c.example/w/a?b=1"),
        ("https://c.example/w/a?u=https%3A%2F%2Fx%3Fy", "https://c.example/w/a?u=https://x?y"),
        ("https://c.example/w/a?u=a%20b%3a", "https://c.example/w/a?u=a%20b:"),
        ("https://c.example/w/a?u=a%20b%3a", "https://c.example/w/a?u=a b:"),
        ("https://c.example/w/a?u=a%20b%3a", "https://c.example/w/a?u=a%20b%3a"),
        ("https://c.example/w/a?u=%C3%B1", "https://c.example/w/a?u=ñ".encode().decode("latin-1")),
    ],
)
def test_a_signed_address_may_be_written_decoded(called, written):
    content = b"POST" + written.encode("latin-1") + BODY + str(NOW_S).encode()
    signature = b64encode(hmac.digest(b"s1", content, "sha256")).decode()
    headers = {"x-signature": signature, "x-time": str(NOW_S)}
    verify(HUBSPOT, proof(headers, url=called))
    refused(HUBSPOT, proof(headers, url=called + "&c=2"))


@pytest.mark.parametrize("spec", ELSEWHERE, ids=lambda spec: spec.scheme)
def test_what_travels_elsewhere_needs_no_header(spec):
    assert sign(spec, BODY, secret=spec.secrets[0], now_s=NOW_S) == {}


# --- faults of the configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [*IN_HEADERS, *ELSEWHERE, NONE], ids=lambda spec: spec.scheme)
def test_a_good_configuration_has_no_problems(spec):
    assert problems(spec) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(NONE, scheme="hmca"), ["scheme: 'hmca' is unknown"]),
        (replace(NONE, secrets=(Secret("x"),)), ["secrets: scheme none"]),
        (replace(HEX, secrets=()), ["secrets: give at least one"]),
        (replace(HEX, secrets=(Secret("a"), Secret(""))), ["secrets.1: is empty"]),
        (replace(STANDARD, secrets=(Secret("whsec_no base64"),)), ["secrets.0: standard-webhooks secret is no base64"]),
        (replace(STANDARD, secrets=(Secret("whsec_"),)), ["secrets.0: standard-webhooks secret is no base64"]),
        (replace(STANDARD, secrets=(Secret(""),)), ["secrets.0: is empty"]),
        (replace(STANDARD, tolerance_s=0), ["tolerance_s: "]),
        (replace(HEX, header=""), ["header: "]),
        (replace(HEX, algorithm="md5", encoding="x"), ["algorithm: 'md5'", "encoding: 'x'"]),
        (replace(HEX, signed="{nonce}{body}"), ["signed: {nonce} is unknown"]),
        (replace(HEX, signed="fixed"), ["signed: lacks {body}"]),
        (replace(HEX, signed="{body}{"), ["signed: has a brace"]),
        (replace(HEX, signed="{body}{}"), ["signed: has a brace"]),
        (replace(HEX, signed="{id}{body}"), ["signed: has {id}"]),
        (replace(HEX, signed="{timestamp}{body}"), ["signed: has {timestamp}"]),
        (replace(HEX, timestamp_header="X-Time"), ["timestamp_header: is not signed"]),
        (replace(TOKEN, header=""), ["header: "]),
        (replace(TOKEN, secrets=(Secret("tok\n"),)), ["secrets.0: begins or ends"]),
        (replace(BASIC, secrets=(Secret("ana"),)), ["secrets.0: must read"]),
        (replace(QUERY, parameter=""), ["parameter: "]),
        (replace(FIELD, field=""), ["field: "]),
        (replace(FIELD, secrets=()), ["secrets: give at least one"]),
        (
            replace(PATH, secrets=(Secret("a b"), Secret(".."), Secret("ok-1"), Secret("a/b"))),
            ["secrets.0: may", "secrets.1: may", "secrets.3: may"],
        ),
    ],
)
def test_each_fault_is_named_and_no_other(spec, words):
    found = problems(spec)
    assert len(found) == len(words)
    assert all(fault.startswith(word) for fault, word in zip(found, words, strict=True))


# --- properties -------------------------------------------------------------------------------------------------

WIRE_TEXT = st.text(st.characters(max_codepoint=255), max_size=60)
ANY_TEXT = st.one_of(WIRE_TEXT, st.text(max_size=60), st.text(st.characters(categories=["Cs", "Nd"]), max_size=20))
NAMES = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-signature",
    "x-time",
    "x-id",
    "x-token",
    "authorization",
]
NUMBERS = st.integers(0, 10**15).map(str)
VALUES = st.one_of(ANY_TEXT, NUMBERS, st.sampled_from(["v1,", "v1,AAAA", "Basic ", "sha256=", "2026-11-20T15:01:02Z"]))


@given(st.binary(max_size=200), st.dictionaries(st.sampled_from(NAMES), VALUES), st.floats(), ANY_TEXT)
@example(b"", {}, float("nan"), "")
def test_whatever_comes_is_refused_and_nothing_worse(body, headers, now_s, value):
    for spec in [*IN_HEADERS, *ELSEWHERE]:
        with pytest.raises(NotAuthentic):
            verify(spec, Proof(body, headers, now_s=now_s, method=value, url=value, query={"key": value}))


@given(ANY_TEXT, ANY_TEXT, st.sampled_from([*IN_HEADERS, *ELSEWHERE]), ANY_TEXT)
def test_whatever_the_configuration_says_problems_and_verify_survive(secret, text, spec, value):
    odd = replace(
        spec,
        secrets=(Secret(secret),),
        header=text,
        signed=text,
        prefix=text,
        algorithm=text,
        encoding=text,
        parameter=text,
    )
    assert isinstance(problems(odd), list)
    verdicts = []
    try:
        verify(odd, proof({text.lower(): value}, query={text: value}))
    except NotAuthentic as error:
        verdicts.append(error)
    assert len(verdicts) <= 1


@given(
    st.binary(max_size=300), st.text(st.characters(codec="latin-1"), min_size=1, max_size=40), st.integers(0, 9 * 10**9)
)
def test_sign_then_verify_passes(body, message_id, now_s):
    for spec in IN_HEADERS:
        verify(spec, proof(signed(spec, body, message_id=message_id, now_s=now_s), body, now_s=now_s))


@given(st.data(), st.binary(min_size=1, max_size=60))
def test_any_flipped_byte_is_refused(data, body):
    spec = data.draw(st.sampled_from(SIGNED))
    headers = signed(spec, body)
    place = data.draw(st.sampled_from(["body", *headers]))
    raw = bytearray(body if place == "body" else headers[place].encode())
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    if place == "body":
        refused(spec, proof(headers, bytes(raw)))
    elif spec is not HEX or raw.decode("latin-1").lower() != headers[place]:  # hex may be in any case
        refused(spec, proof(headers | {place: raw.decode("latin-1")}, body))
