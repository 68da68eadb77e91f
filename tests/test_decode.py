"""From raw bytes to payloads: every envelope, every content type, and bytes no sender should have sent."""

from base64 import b64encode
from datetime import UTC, datetime
from urllib.parse import quote_plus, urlencode

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from connector.core.errors import Unreadable, UnsupportedType
from connector.inbound.payloads.cloudevents import EVENT_TYPES
from connector.inbound.payloads.contract import MAX_DEPTH, Decoded
from connector.inbound.payloads.decode import decode, event_key
from connector.inbound.payloads.forms import MAX_FORM_FIELDS

JSON = "application/json"
NDJSON = "application/x-ndjson"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b0"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LEAD = {"id": "L-1", "type": "lead.created", "data": {"first_name": "Ana", "last_name": "Núñez"}}
DATA = {"first_name": "Ana"}
CE_HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "e1",
    "ce-source": "/forms/7",
    "ce-type": "com.example.lead.created",
    "ce-time": "2026-11-20T15:01:02Z",
}
ENVELOPE = {name.removeprefix("ce-"): value for name, value in CE_HEADERS.items()} | {"data": DATA}
UNWRAPPED = {"id": "e1", "type": "lead.created", "time": "2026-11-20T15:01:02Z", "data": DATA}


def read(raw, content_type=JSON, headers=None, **kwargs) -> Decoded:
    raw = raw if isinstance(raw, bytes) else orjson.dumps(raw)
    return decode(raw, content_type=content_type, headers=headers or {}, **kwargs)


def one(raw, content_type=JSON, headers=None, **kwargs):
    decoded = read(raw, content_type, headers, **kwargs)
    assert not decoded.many
    (payload,) = decoded.payloads
    assert payload.error is None
    return payload


def body(raw, content_type=JSON, headers=None, **kwargs):
    return one(raw, content_type, headers, **kwargs).body


def unreadable(raw, content_type=JSON, headers=None, **kwargs):
    with pytest.raises(Unreadable) as caught:
        read(raw, content_type, headers, **kwargs)
    return caught.value.errors


def bodies(decoded):
    return [payload.body for payload in decoded.payloads]


def ids(decoded):
    return [payload.event_id for payload in decoded.payloads]


def faults(decoded):
    return [payload.error.errors[0].message if payload.error else "" for payload in decoded.payloads]


# --- plain JSON -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["", JSON, "Application/JSON; charset=utf-8", "application/vnd.api+json"])
def test_plain_json_passes_unchanged(content_type):
    assert one(LEAD, content_type).body == LEAD
    assert one(LEAD, content_type).event_id == ""


def test_another_shape_is_left_alone():
    other = {"event": "x", "timestamp": 5, "specversion": "1.0"}
    assert body(other) == other


def test_a_standard_webhooks_timestamp_becomes_the_time():
    assert body({**LEAD, "timestamp": "2026-11-20T15:01:02Z"})["time"] == "2026-11-20T15:01:02Z"
    assert body({**LEAD, "timestamp": "later", "time": "earlier"})["time"] == "earlier"


def test_an_array_is_many_even_with_one_element():
    assert bodies(read([LEAD])) == [LEAD]
    assert read([LEAD]).many
    assert read([]) == Decoded([], many=True)


def test_a_bad_element_harms_no_other():
    decoded = read([LEAD, 5, "x", None, [LEAD], LEAD])
    assert bodies(decoded) == [LEAD, 5, "x", None, [LEAD], LEAD]
    assert [bool(fault) for fault in faults(decoded)] == [False, True, True, True, True, False]


@pytest.mark.parametrize("content_type", [JSON, NDJSON, BATCH])
def test_more_than_the_most_elements_are_refused(content_type):
    few = b"{}\n" * 3 if content_type == NDJSON else b"[{},{},{}]"
    assert len(read(few, content_type, max_elements=3).payloads) == 3
    assert "more than 2 elements" in unreadable(few, content_type, max_elements=2)[0].message


@pytest.mark.parametrize("raw", [b"", b" ", b"5", b'"x"', b"null", b"{", b"{} x", b"{'a':1}", b"NaN", b"\xff"])
def test_what_is_no_json_object_or_array_is_unreadable(raw):
    (error,) = unreadable(raw)
    assert error.field == "body"


# --- odd JSON ---------------------------------------------------------------------------------------------------


def nested(depth):
    """An object whose containers lie `depth` deep."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_the_deepest_allowed_is_read():
    assert body(nested(MAX_DEPTH))
    assert body(b'{"a":"' + b"[{" * 500 + b'"}') == {"a": "[{" * 500}


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 200, 1024, 1025])
def test_json_nested_too_deep_is_unreadable(depth):
    assert "deep" in unreadable(nested(depth))[0].message or "depth" in unreadable(nested(depth))[0].message


def test_endless_opening_brackets_are_unreadable():
    unreadable(b"[" * 1_000_000)
    unreadable(b'{"a":' * 1_000_000)


def test_an_element_nested_too_deep_harms_no_other_and_can_be_stored():
    decoded = read(b"[{}," + nested(1000) + b',{"a":[]}]')
    assert [bool(fault) for fault in faults(decoded)] == [False, True, False]
    assert orjson.dumps(bodies(decoded))


@pytest.mark.parametrize("number", [b"9" * 400, b"-" + b"9" * 400, b"9" * 400 + b".5", b"1e999"])
def test_a_number_beyond_any_float_is_unreadable(number):
    unreadable(b'{"a":' + number + b"}")


def test_a_number_that_a_float_can_hold_is_read():
    assert body(b'{"a":18446744073709551615,"b":1e-400}') == {"a": 18446744073709551615, "b": 0.0}


def test_ids_that_a_float_would_confuse_are_refused():
    assert "send it as text" in unreadable(b'{"id":100000000000000000001}')[0].message
    assert faults(read(b'[{"id":1},{"id":100000000000000000001}]'))[0] == ""
    assert body(b'{"id":"100000000000000000001"}')["id"] == "100000000000000000001"


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\uDC00", rb"\udead\ud800"])
def test_half_an_emoji_is_replaced_and_the_lead_kept(half):
    raw = rb'{"a\\ud800":"' + half + rb'\\ud800 \ud83d\ude00","' + half + rb'":1}'
    lost = "\ufffd" * (len(half) // 6)
    assert body(raw) == {"a\\ud800": lost + "\\ud800 😀", lost: 1}


def test_raw_surrogates_and_bad_utf8_are_unreadable():
    for text in (b"\xed\xa0\x80", b"\xc3\xa9\xe9", b"\xf0\x9f\x98"):
        assert "not JSON" in unreadable(b'{"a":"' + text + b'"}')[0].message


def test_nul_is_read_when_escaped_and_refused_when_raw():
    assert body(rb'{"a":"\u0000"}') == {"a": "\0"}
    unreadable(b'{"a":"\0"}')
    unreadable(b"\0")


def test_of_duplicate_keys_the_last_counts():
    assert body(b'{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize("content_type", [JSON, STRUCTURED])
def test_a_byte_order_mark_is_skipped(content_type):
    assert body(b"\xef\xbb\xbf" + orjson.dumps(ENVELOPE), content_type)
    assert bodies(read(b"\xef\xbb\xbf{}", NDJSON)) == [{}]


def test_an_unreadable_body_is_not_shown():
    assert "3000000001" not in str(unreadable(b'{"phone":"3000000001"')[0])


# --- content types and charsets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/plain",
        "application/xml",
        "application/cloudevents+xml",
        "application/cloudevents",
        "json",
        "\0",
        "é",
        ";",
    ],
)
def test_another_content_type_is_unsupported(content_type):
    with pytest.raises(UnsupportedType):
        read(b"a lead", content_type)


@pytest.mark.parametrize(
    "charset", ["hex", "zlib", "rot13", "base64", "utf-7", "idna", "klingon", '"é"', '"\0"', "../x", "mbcs"]
)
def test_an_unknown_charset_is_unsupported(charset):
    for content_type in (JSON, NDJSON, FORM):
        with pytest.raises(UnsupportedType):
            read(b'{"a": "\xff"}', f"{content_type}; charset={charset}")


@pytest.mark.parametrize(
    "charset", ["iso-8859-1", "windows-1252", "utf-16", "utf-16-le", "utf-32", "iso-8859-15", "UTF8", "cp037"]
)
def test_a_known_charset_is_decoded(charset):
    text = orjson.dumps(LEAD).decode()
    assert body(text.encode(charset), f'{JSON}; charset="{charset}"') == LEAD
    assert bodies(read((text + "\n" + text).encode(charset), f"{NDJSON}; charset={charset}")) == [LEAD, LEAD]


def test_utf8_that_calls_itself_latin_1_is_still_utf8():
    assert body(LEAD, f"{JSON}; charset=ISO-8859-1") == LEAD
    assert body("name=Núñez".encode(), f"{FORM}; charset=ISO-8859-1")["data"] == {"name": "Núñez"}


def test_bytes_outside_their_charset_are_unreadable():
    unreadable(b"{}\xff", f"{JSON}; charset=utf-16")
    unreadable(b"a=%FF", f"{FORM}; charset=utf-8")


# --- NDJSON -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [NDJSON, "application/jsonlines", "application/ndjson"])
def test_each_line_is_a_payload_and_empty_lines_are_none(content_type):
    assert bodies(read(b'\n{"a":1}\r\n\n  \n{"a":2}', content_type)) == [{"a": 1}, {"a": 2}]
    assert read(b'{"a":1}', content_type).many
    assert read(b"", content_type) == Decoded([], many=True)


def test_a_bad_line_harms_no_other_and_keeps_its_text():
    decoded = read(b'{"a":1}\n\n{"a":\xff\n5\n' + nested(300) + b'\n{"a":2}\n', NDJSON)
    assert bodies(decoded)[:3] == [{"a": 1}, '{"a":�', 5]
    assert "line 3 is not JSON" in faults(decoded)[1]
    assert [bool(fault) for fault in faults(decoded)] == [False, True, True, True, False]
    assert orjson.dumps(bodies(decoded))


# --- forms ------------------------------------------------------------------------------------------------------


def form(*fields):
    return urlencode(fields).encode()


def test_a_form_becomes_our_own_json():
    raw = form(("type", "lead.created"), ("id", "L-1"), ("timestamp", "t"), ("first_name", "Ana"), ("phones[]", "300"))
    expected = {"type": "lead.created", "id": "L-1", "timestamp": "t", "time": "t"}
    assert body(raw, FORM) == {**expected, "data": {"first_name": "Ana", "phones": ["300"]}}


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ([("data[a]", "1"), ("data.b", "2")], {"a": "1", "b": "2"}),
        ([("data[a][b]", "1"), ("data[a][c]", "2")], {"a": {"b": "1", "c": "2"}}),
        ([("data[p][]", "1"), ("data[p][]", "2")], {"p": ["1", "2"]}),
        ([("data[p][0]", "1"), ("data[p][1]", "2")], {"p": ["1", "2"]}),
        ([("data[p][1]", "1"), ("data[p][]", "2")], {"p": {"1": "1", "2": "2"}}),
        ([("data[p]", "1"), ("data[p]", "2"), ("data[p]", "3")], {"p": ["1", "2", "3"]}),
        ([("data.p[]", "1")], {"p": ["1"]}),
        ([("data[a.b]", "1")], {"a.b": "1"}),
        ([("data[a]", "1"), ("data[a][b]", "2")], {"a": {"": "1", "b": "2"}}),
        ([("data[a][b]", "1"), ("data[a]", "2")], {"a": {"b": "1", "": "2"}}),
        ([("data[]", "1")], ["1"]),
        ([("data[][a]", "1"), ("data[][a]", "2")], [{"a": "1"}, {"a": "2"}]),
    ],
)
def test_brackets_and_dots_nest(fields, data):
    assert body(form(*fields), FORM) == {"data": data}


@pytest.mark.parametrize(
    "name", ["Acepto. Sí", "Tel.", ".a", "a..b", "a[b", "a]b[", "a[b]c", "[a]", "[]", "", "Page URL", "a[[b]]"]
)
def test_a_name_that_is_no_path_stays_whole(name):
    assert body(form((name, "1")), FORM) == {"data": {name: "1"}}


def test_undeclared_latin_1_forms_are_read():
    assert body(b"name=N%FA%F1ez&price=%80+5", FORM)["data"] == {"name": "Núñez", "price": "€ 5"}
    assert body(b"name=N\xfa\xf1ez", FORM)["data"] == {"name": "Núñez"}


def test_form_fields_come_as_sent():
    fields = [("form[id]", "7"), ("Page URL", "https://x.example/?a=b&c"), ("a.b", ""), ("a.b", "Núñez")]
    plain = {"form[id]": "7", "Page URL": "https://x.example/?a=b&c", "a.b": ["", "Núñez"]}
    assert body(form(*fields), FORM, as_sent=True) == plain


def test_a_form_is_bounded():
    assert body(b"a=1&" * (MAX_FORM_FIELDS - 1), FORM)
    assert "fields" in unreadable(b"a=1&" * MAX_FORM_FIELDS, FORM)[0].message
    assert "fields" in unreadable(b"&" * 5_000_000, FORM)[0].message
    assert "nested" in unreadable(b"a" + b"[b]" * MAX_DEPTH + b"=1", FORM)[0].message
    assert body(b"a" + b"[b]" * (MAX_DEPTH - 1) + b"=1", FORM)


def test_a_form_without_fields_is_unreadable():
    unreadable(b"", FORM)
    unreadable(b"&&", FORM)
    unreadable(b"--b0--\r\n", MULTIPART)


def multipart(*parts):
    """A body with the boundary b0, of (disposition, value) pairs."""
    made = [b"--b0\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % part for part in parts]
    return b"".join(made) + b"--b0--\r\n"


def test_multipart_fields_are_read_and_files_left_out():
    raw = multipart(
        (b'name="type"', b"lead.created"),
        (b'name="phones[]"', b"300"),
        (b'name="cv"; filename="cv.pdf"', b"%PDF" * 50_000),
        (b'name="phones[]"', b"301"),
        (b'name="last_name"', "Núñez".encode()),
        (b'name="city"', "Bogotá".encode("latin-1")),
        (b"size=5", b"nameless"),
        (b'name="empty"', b""),
    )
    data = {"phones": ["300", "301"], "last_name": "Núñez", "city": "Bogotá", "empty": ""}
    assert body(raw, MULTIPART) == {"type": "lead.created", "data": data}


@pytest.mark.parametrize(
    "raw",
    [b"", b"--b0", b"x", b"--b0\r\n\r\n1\r\n--b0--", multipart((b'name="a"', b"1"))[:-8], b"--b0\r\n\xff: x\r\n\r\n"],
)
def test_broken_multipart_is_unreadable(raw):
    unreadable(raw, MULTIPART)


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=é", "multipart/form-data; boundary=zz"]
)
def test_multipart_with_a_wrong_boundary_is_unreadable(content_type):
    unreadable(multipart((b'name="a"', b"1")), content_type)


def test_multipart_with_too_many_fields_is_unreadable():
    assert "fields" in unreadable(multipart(*[(b'name="a"', b"1")] * (MAX_FORM_FIELDS + 1)), MULTIPART)[0].message


# --- CloudEvents ------------------------------------------------------------------------------------------------


def test_a_binary_event_is_unwrapped():
    assert one(DATA, JSON, CE_HEADERS).body == UNWRAPPED
    assert one(DATA, JSON, Headers({key.upper(): value for key, value in CE_HEADERS.items()})).event_id == "/forms/7|e1"


def test_header_values_are_percent_decoded_once():
    headers = CE_HEADERS | {"ce-id": "Educaci%C3%B3n%2520", "ce-source": "/é".encode().decode("latin-1")}
    assert one(DATA, JSON, headers).event_id == "/é|Educación%20"


def test_a_header_that_is_no_utf8_is_unreadable():
    assert unreadable(DATA, JSON, CE_HEADERS | {"ce-id": "%FF"})[0].field == "ce-id"


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "cloudevents:", "cloudevents_"])
def test_amqp_headers_carry_attributes_too(prefix):
    headers = {prefix + name.removeprefix("ce-"): value for name, value in CE_HEADERS.items()}
    moment = datetime(2026, 11, 20, 15, 1, 2, tzinfo=UTC)
    headers |= {prefix + "time": moment, prefix + "id": b"100%25", "count": 5, prefix + "flag": None}
    payload = one(DATA, "", headers, message_id="m1")
    assert payload.event_id == "/forms/7|100%25"
    assert payload.body == UNWRAPPED | {"id": "100%25", "time": "2026-11-20T15:01:02+00:00"}


def test_a_binary_array_counts_its_elements():
    decoded = read([DATA, 5, LEAD], JSON, CE_HEADERS)
    assert ids(decoded) == ["/forms/7|e1.0", "/forms/7|e1.1", "/forms/7|e1.2"]
    assert bodies(decoded) == [UNWRAPPED, 5, LEAD]


def test_a_binary_event_may_be_a_form_or_have_no_body():
    assert body(b"data%5Bfirst_name%5D=Ana", FORM, CE_HEADERS)["data"] == {"data": DATA}
    assert body(b"first_name=Ana", FORM, CE_HEADERS) == UNWRAPPED
    assert body(b"", "", CE_HEADERS)["data"] is None


def test_a_structured_event_is_unwrapped():
    for content_type in (STRUCTURED, "application/cloudevents+json; charset=utf-8"):
        payload = one(ENVELOPE, content_type, {"ce-id": "ignored"})
        assert (payload.body, payload.event_id) == (UNWRAPPED, "/forms/7|e1")


def test_data_that_is_our_own_json_is_the_body():
    assert body({**ENVELOPE, "data": LEAD}, STRUCTURED) == LEAD
    assert body(LEAD, JSON, CE_HEADERS) == LEAD
    assert body({**ENVELOPE, "data": {**LEAD, "timestamp": "t"}}, STRUCTURED)["time"] == "t"


def test_data_may_come_as_base64():
    encoded = {**ENVELOPE, "data": None, "data_base64": b64encode(orjson.dumps(DATA)).decode()}
    for datacontenttype in (None, "application/json", "application/vnd.x+json; charset=utf-8"):
        assert body({**encoded, "datacontenttype": datacontenttype}, STRUCTURED) == UNWRAPPED


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"data_base64": "not base64!"}, "data_base64"),
        ({"data_base64": "é"}, "data_base64"),
        ({"data_base64": 5}, "body"),
        ({"data_base64": b64encode(b"\xff").decode()}, "body"),
        ({"data_base64": b64encode(b"5").decode()}, "data_base64"),
        ({"data_base64": b64encode(nested(99)).decode()}, "data_base64"),
        ({"data_base64": "e30=", "datacontenttype": "text/xml"}, "datacontenttype"),
        ({"data_base64": "e30=", "datacontenttype": 5}, "datacontenttype"),
        ({"id": ""}, "id"),
        ({"id": True}, "id"),
        ({"source": None}, "source"),
        ({"type": {}}, "type"),
        ({"specversion": "0.3"}, "specversion"),
    ],
)
def test_a_faulty_event_names_its_field_and_harms_no_other(change, field):
    faulty = ENVELOPE | change
    assert [error.field for error in unreadable(faulty, STRUCTURED)] == [field]
    decoded = read([ENVELOPE, faulty, 5], BATCH)
    assert [payload.error is None for payload in decoded.payloads] == [True, False, False]
    assert decoded.payloads[1].error.errors[0].field == field
    assert bodies(decoded)[1] == faulty


def test_every_missing_attribute_is_named():
    assert [error.field for error in unreadable({}, STRUCTURED)] == ["id", "source", "type"]
    assert [error.field for error in unreadable(DATA, JSON, {"ce-specversion": "1.0"})] == ["id", "source", "type"]


def test_a_batch_is_many_with_ids_of_their_own():
    decoded = read([ENVELOPE, {**ENVELOPE, "id": "e2"}], BATCH, message_id="m1")
    assert (ids(decoded), decoded.many) == (["/forms/7|e1", "/forms/7|e2"], True)
    assert read([ENVELOPE], BATCH).many
    assert read([], BATCH) == Decoded([], many=True)


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES))
def test_reverse_dns_types_are_shortened(event_type):
    for name in (event_type, f"com.example.{event_type}", f"x.{event_type}"):
        assert body({**ENVELOPE, "type": name}, STRUCTURED)["type"] == event_type


@pytest.mark.parametrize("name", ["com.example.lead.deleted", "lead", "lead.created.v2", "com.example.mislead.created"])
def test_other_types_are_kept(name):
    assert body({**ENVELOPE, "type": name}, STRUCTURED)["type"] == name


# --- event ids --------------------------------------------------------------------------------------------------


def test_the_webhook_id_is_the_event_id_before_any_other():
    headers = {"webhook-id": "msg_1"}
    assert one(LEAD, headers=headers, message_id="m1").event_id == "msg_1"
    assert one(ENVELOPE, STRUCTURED, headers).event_id == "msg_1"
    assert one(DATA, JSON, CE_HEADERS | headers).event_id == "msg_1"
    assert one(b"a=1", FORM, headers).event_id == "msg_1"


def test_headers_that_nothing_proves_name_no_event():
    """A signed body sent again under other headers stays the event that it was."""
    given = [
        CE_HEADERS | {"ce-id": f"e{number}", "ce-source": f"/{number}", "webhook-id": f"w{number}"}
        for number in range(2)
    ]
    first, again = (one(DATA, JSON, headers, trusts_webhook_id=False) for headers in given)
    assert (first.event_id, again.event_id) == ("", "")
    assert (
        first.spare_id == again.spare_id != one({"first_name": "Eva"}, JSON, given[0], trusts_webhook_id=False).spare_id
    )
    assert first.body == {name: value for name, value in UNWRAPPED.items() if name != "id"}
    later = one(DATA, JSON, CE_HEADERS | {"ce-type": "lead.updated", "ce-time": "2026-11-21"}, trusts_webhook_id=False)
    assert later.spare_id == first.spare_id
    own = one(LEAD, JSON, given[0], trusts_webhook_id=False)
    assert (own.event_id, own.spare_id, own.body) == ("", "", LEAD)
    assert one(DATA, JSON, given[0], trusts_webhook_id=False, message_id="m1").event_id == "m1"


def test_the_message_id_is_the_event_id_of_what_has_none():
    assert one(LEAD, message_id="m1").event_id == "m1"
    assert one(ENVELOPE, STRUCTURED, message_id="m1").event_id == "/forms/7|e1"


@pytest.mark.parametrize("given_id", [{"headers": {"webhook-id": "x"}}, {"message_id": "x"}])
def test_elements_of_many_are_counted(given_id):
    assert ids(read([LEAD, 5, LEAD], **given_id)) == ["x.0", "x.1", "x.2"]
    assert ids(read(b"{}\n\nbad\n{}", NDJSON, **given_id)) == ["x.0", "x.1", "x.2"]
    assert ids(read([LEAD], **given_id)) == ["x.0"]


def test_an_id_no_store_can_hold_is_hashed():
    assert event_key("evt-ñ 1") == "evt-ñ 1"
    odd = ["a\0", "a\n", "\ud800", "x" * 256, "x" * 257]
    assert len({event_key(text) for text in odd}) == len(odd)
    assert all(event_key(text).startswith("long:") and len(event_key(text)) == 69 for text in odd)
    assert one({**ENVELOPE, "id": "a\0b"}, STRUCTURED).event_id.startswith("long:")


# --- properties -------------------------------------------------------------------------------------------------

TYPES = ["", JSON, NDJSON, FORM, MULTIPART, STRUCTURED, BATCH, "text/plain"]
CHARSETS = ["", "; charset=latin-1", "; charset=utf-16", "; charset=cp1252", "; charset=euc-jp", "; charset=klingon"]
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
)
KEYS = st.sampled_from(
    ["id", "type", "data", "source", "data_base64", "datacontenttype", "timestamp", "specversion"]
) | st.text(max_size=4)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=12
)
PIECES = [
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b":",
    b",",
    b"\\ud800",
    b"\\",
    b"\n",
    b"\0",
    b"=",
    b"&",
    b"%",
    b".",
    b"1",
    b"e9",
    b"--b0\r\n",
    b"--b0--",
    b"\r\n\r\n",
]
PIECES += [b'Content-Disposition: form-data; name="a"\r\n', b"\xff", b"\xef\xbb\xbf", b'"id"']
RAW = st.one_of(
    st.binary(max_size=80), st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join), ANY_JSON.map(orjson.dumps)
)
NAMES = [*CE_HEADERS, "webhook-id", "cloudEvents:id", "cloudEvents_specversion", "cloudEvents:type"]
HEADERS = st.dictionaries(
    st.sampled_from(NAMES), st.text(max_size=8) | st.sampled_from(["%", "%ff", "1.0"]), max_size=6
)


@given(RAW, st.sampled_from(TYPES), st.sampled_from(CHARSETS), HEADERS, st.text(max_size=5))
@example(b"\xed\xa0\x80", FORM, "", {}, "\ud800")
def test_whatever_comes_is_decoded_or_refused_and_can_be_stored(raw, name, charset, headers, message_id):
    try:
        decoded = decode(raw, content_type=name + charset, headers=headers, message_id=message_id)
    except (Unreadable, UnsupportedType):
        return
    assert decoded.many or len(decoded.payloads) == 1
    for payload in decoded.payloads:
        assert orjson.loads(orjson.dumps(payload.body)) == payload.body
        assert payload.event_id == "" or payload.event_id.isprintable()


@given(RAW, st.text(max_size=40))
def test_whatever_the_content_type_the_outcome_is_one_of_ours(raw, content_type):
    for given_type in (content_type, f"{FORM};{content_type}", f"{MULTIPART};charset={content_type}"):
        try:
            decode(raw, content_type=given_type, headers={})
            decode(raw, content_type=given_type, headers={}, as_sent=True)
        except (Unreadable, UnsupportedType):
            continue


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=5), min_size=1, max_size=8))
def test_form_fields_survive_the_journey(fields):
    raw = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields.items()).encode()
    assert body(raw, FORM, as_sent=True) == fields


@given(st.lists(st.text("ab[].0", max_size=9), min_size=1, max_size=8))
def test_no_value_of_a_form_is_lost(names):
    values = [f"v{number}" for number in range(len(names))]
    raw = urlencode(list(zip(names, values, strict=True))).encode()
    text = orjson.dumps(body(raw, FORM)).decode()
    assert all(f'"{value}"' in text for value in values)


@given(st.lists(ANY_JSON, max_size=6))
def test_an_array_and_its_lines_are_the_same_payloads(values):
    lines = b"\n".join(map(orjson.dumps, values))
    assert bodies(read(values)) == bodies(read(lines, NDJSON))
    assert [bool(fault) for fault in faults(read(values))] == [bool(fault) for fault in faults(read(lines, NDJSON))]


# --- XML, for senders with a shape of their own -----------------------------------------------------------------


XML = "application/xml"


def element(raw, content_type=XML):
    return body(raw if isinstance(raw, bytes) else raw.encode(), content_type, as_sent=True)


def xml_fault(raw, content_type=XML):
    (fault,) = unreadable(raw if isinstance(raw, bytes) else raw.encode(), content_type, as_sent=True)
    return fault.message


def test_elements_are_texts_objects_and_lists():
    given = '<a><b/><c>1</c><c x="2">3</c><c y="4"/><d> <e>5</e> </d></a>'
    assert element(given) == {"a": {"b": None, "c": ["1", {"@x": "2", "#text": "3"}, {"@y": "4"}], "d": {"e": "5"}}}


def test_texts_are_joined_and_stripped():
    assert element("<a>\n one &amp; <![CDATA[<two>]]><!-- no --><?no no?> </a>") == {"a": "one & <two>"}


def test_names_lose_their_namespace():
    assert element('<x:a xmlns:x="urn:x" xmlns="urn:y" x:k="1"><b>2</b></x:a>') == {"a": {"@k": "1", "b": "2"}}


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml", "application/x-adf+xml", "Text/XML; a=b"])
def test_xml_goes_by_many_types(content_type):
    assert element("<a>1</a>", content_type) == {"a": "1"}


def test_xml_is_only_for_senders_with_a_shape_of_their_own():
    with pytest.raises(UnsupportedType):
        read(b"<a>1</a>", XML)


def test_a_document_says_its_charset_unless_the_content_type_does():
    told = "<?xml version='1.0' encoding='windows-1252'?><a>ñ</a>"
    assert element(told.encode("cp1252")) == {"a": "ñ"}
    assert element(told.encode(), "text/xml; charset=utf-8") == {"a": "ñ"}
    assert element("<a>ñ</a>".encode("utf-16")) == {"a": "ñ"}
    assert element("<a>ñ</a>".encode("latin-1"), "text/xml; charset=iso-8859-1") == {"a": "ñ"}


def test_blank_lines_and_a_byte_order_mark_before_the_document_do_no_harm():
    for start in ("\n  ", "\ufeff", "\ufeff\r\n"):
        assert element(f"{start}<?xml version='1.0'?><a>ñ</a>") == {"a": "ñ"}
        assert element(f"{start}<?xml version='1.0'?><a>ñ</a>", "text/xml; charset=utf-8") == {"a": "ñ"}


@pytest.mark.parametrize(
    "start",
    [
        "<!DOCTYPE a [<!ENTITY x 'y'>]>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>",
        "<!DOCTYPE a [<!ATTLIST b c CDATA 'long'>]>",
    ],
)
def test_a_dtd_is_not_read(start):
    assert xml_fault(f"{start}<a>&x;</a>") == "has a DTD, which is not read: send it without"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no element found, line 1"),
        (b"<a>\n<b></a>", "mismatched tag, line 2"),
        (b"<a/><a/>", "junk after document element, line 1"),
        ("a: 1", "syntax error, line 1"),
    ],
)
def test_what_is_not_xml_is_told_without_quoting_it(raw, reason):
    assert xml_fault(raw) == f"is not XML: {reason}"


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_an_encoding_that_cannot_be_read_is_named_as_the_fault(encoding):
    raw = f"<?xml version='1.0' encoding='{encoding}'?><a>".encode() + b"\xa4\xa4</a>"
    assert xml_fault(raw) == "is not in the encoding that it declares"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<!DOCTYPE a SYSTEM 'http://127.0.0.1/a.dtd'><a>x</a>", "x"),
        ("<a>&ana;</a>", "&ana;"),
        ("<a>R&D</a>", "R&D"),
        ("<a>x\0y</a>", "xy"),
        ("<?xml version='1.0' encoding='nonsense'?><a>x</a>", "x"),
    ],
)
def test_what_has_one_reading_is_read_though_it_is_no_xml(raw, text):
    assert element(raw) == {"a": text}


def test_xml_that_is_too_deep_is_unreadable():
    most = MAX_DEPTH // 2
    assert element("<a>" * most + "</a>" * most)
    assert xml_fault("<a>" * (most + 1)) == f"is nested deeper than {most} levels"


@given(st.lists(st.sampled_from([*"<>/&;a ='\"", "<a>", "</a>", "<b c='1'>", "</b>", "&amp;", "<!", "<?xml ", "]]>"])))
@example(["<a>", "\ud800"])
def test_whatever_the_xml_it_is_an_object_or_unreadable(pieces):
    raw = "".join(pieces).encode("utf-8", "surrogatepass")
    for content_type in (XML, "text/xml; charset=utf-16", "text/xml; charset=iso-8859-1"):
        try:
            assert isinstance(element(raw, content_type), dict)
        except (Unreadable, UnsupportedType):
            continue
