"""What leaves is shown by where it came from: nothing of a person stands in it, whatever it looks like."""

from __future__ import annotations

import json

import pytest

from connector.cli import output
from connector.core import masking
from connector.core.reasons import Code, Reason

PERSON = ("Ana", "Pérez", "ana.perez", "perez", "573004440077", "Calle", "1.020.333.444", "ÑUÑEZ", "日本")


@pytest.mark.parametrize(
    "said",
    [
        "Ana Pérez ana.perez@example.com tel 573004440077 is wrong",
        "El registro de ANA PÉREZ (CC 1.020.333.444) ya existe",
        "row 3: {'customer_name': 'Ana', 'customer_last_name': 'ÑUÑEZ', 'address': 'Calle 5'} invalid",
        "el teléfono 300 444 0077 de 日本 no es válido",
        "Me llamo Ana\u0301 Pe\u0301rez",
    ],
)
def test_nothing_of_a_person_is_left_of_a_vendor_s_words(said: str) -> None:
    shown = masking.of_others(said)
    assert "***" in shown
    assert not [one for one in PERSON if one.casefold() in shown.casefold()], shown


@pytest.mark.parametrize(
    "said",
    [
        "400 no such campaign",
        "YOU CAN UPLOAD 1000 records",
        "customer_id is required",
        "El campo teléfono no es válido",
        "token inválido ou expirado",
        "the customer was surveyed in the last 90 days",
        "HTTP 503 Service Unavailable",
    ],
)
def test_what_a_vendor_says_of_itself_stays_readable(said: str) -> None:
    assert masking.of_others(said) == said


def test_a_reason_shows_its_own_sentence_and_masks_what_was_quoted() -> None:
    refused = Reason(Code.REFUSED, {"words": "Ana Pérez is a duplicate", "status": 400})
    assert masking.reason(refused) == "the vendor refused it: *** is a duplicate"
    behind = Reason(Code.BEFORE_ENDED, {"route": "Encuesta de Ventas", "state": "dead", "because": refused.nested()})
    assert "Encuesta de Ventas" in masking.reason(behind) and "Pérez" not in masking.reason(behind)
    ours = Reason(Code.NO_RECORD, {"words": "email: “Ana Pérez…” is no e-mail address: name@domain is expected"})
    assert masking.reason(ours) == "no record can be made of it: email: “***…” is no e-mail address: *** is expected"
    assert masking.reason(None) == ""


def test_a_record_shows_what_the_configuration_wrote() -> None:
    options = {"campaign_id": "1042", "opt": ["comment"], "tags": {"Canal": "channel"}}
    record = {
        "campaign_id": "1042",
        "tel1": "93001234567",
        "opt1": "Me llamo Ana Pérez, calle 5",
        "tags": [{"name": "Canal", "value": "Ana"}],
        "age": 34,
        "empty": "",
        "is_open": True,
    }
    assert masking.record(record, masking.texts(options)) == {
        "campaign_id": "1042",
        "tel1": "***",
        "opt1": "***",
        "tags": [{"name": "***", "value": "***"}],
        "age": "***",
        "is_open": True,
    }


def test_json_says_what_a_terminal_would_obey_in_other_letters(capsys: pytest.CaptureFixture[str]) -> None:
    told = {"name": "a\x9b31m \u202eevil\u2066 \x1b[0m ñ 日本 \U000e0001 \xad"}
    output.as_json(told)
    printed = capsys.readouterr().out
    assert json.loads(printed) == told
    assert all(one.isprintable() or one == "\n" for one in printed)
    assert "ñ 日本" in printed
