"""Answers brought to Tracksale from elsewhere: which are refused, invalid, or kept. No HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.vendors.tracksale.sandbox_rules import BadRequest, check_object, check_tags, check_time
from connector.vendors.tracksale.sandbox_surveys import IDENTIFICATIONS, Campaign

#: The questions' types, and the list of report/answer that shows their answers.
QUESTION_TYPES: Mapping[str, str] = {
    "NPS": "",
    "Single Choice": "",
    "CSAT": "csat",
    "Review": "review",
    "Secondary NPS": "nps_secondary",
    "Open Question": "open_question",
}
_PERSON_FIELDS = ("name", *IDENTIFICATIONS, "create_time", "tags")
_REPLY_FIELDS = ("question_id", "score", "justification", "option", "comment")


def check_single(body: Any) -> list[dict[str, Any]]:
    """The ``answers`` of POST /v2/answer."""
    answers = _check_list(check_object(body, ("campaign_code", "answers"), "answer").get("answers"), "answers")
    for number, answer in enumerate(answers):
        check_object(answer, (*_PERSON_FIELDS, "score", "justification"), "answer")
        _check_person(answer, number)
        score = answer.get("score")
        if not isinstance(score, int) or isinstance(score, bool) or not 0 <= score <= 10:
            raise BadRequest("answer", f"answer {number}: score is no number from 0 to 10")
        if not isinstance(answer.get("justification"), str | None):
            raise BadRequest("answer", f"answer {number}: justification is no string")
    return answers


def check_several(body: Any) -> list[dict[str, Any]]:
    """The ``data`` of POST /v2/answers."""
    data = _check_list(check_object(body, ("campaign_code", "data"), "answer").get("data"), "data")
    for number, one in enumerate(data):
        check_object(one, (*_PERSON_FIELDS, "answers"), "answer")
        _check_person(one, number)
        for reply in _check_list(one.get("answers"), "answers"):
            _check_reply(check_object(reply, _REPLY_FIELDS, "answer"), number)
    return data


def _check_list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise BadRequest("answer", f"{name} is no list, or empty")
    return value


def _check_person(one: Mapping[str, Any], number: int) -> None:
    if not isinstance(one.get("name"), str) or not one["name"].strip():
        raise BadRequest("answer", f"answer {number}: name is no string, or empty")
    for name in IDENTIFICATIONS:
        if not isinstance(one.get(name), str | None):
            raise BadRequest("answer", f"answer {number}: {name} is no string")
    check_time(one, "create_time")
    if one.get("tags") is not None:
        check_tags(one["tags"])


def _check_reply(reply: Mapping[str, Any], number: int) -> None:
    if not isinstance(reply.get("question_id"), int) or isinstance(reply["question_id"], bool):
        raise BadRequest("answer", f"answer {number}: question_id is no number")
    if not isinstance(reply.get("score"), int | str | None) or isinstance(reply.get("score"), bool):
        raise BadRequest("answer", f"answer {number}: score is neither number nor string")
    for name in ("justification", "option", "comment"):
        if not isinstance(reply.get(name), str | None):
            raise BadRequest("answer", f"answer {number}: {name} is no string")


def single(campaign: Campaign, answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of report/answer of a checked answer; None if the vendor calls it invalid."""
    if not campaign.reachable(answer):
        return None
    return _person_fields(campaign, answer) | {
        "nps_answer": answer["score"],
        "nps_comment": answer.get("justification") or "",
    }


def several(campaign: Campaign, one: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same. Answers in another order than the campaign's questions are invalid."""
    replies = one["answers"]
    in_order = [reply["question_id"] for reply in replies] == [question["id"] for question in campaign.questions]
    if not in_order or not campaign.reachable(one):
        return None
    fields = _person_fields(campaign, one)
    for reply, question in zip(replies, campaign.questions, strict=True):
        if not _fits(reply, question["type"]):
            return None
        if question["type"] == "NPS":
            fields |= {"nps_answer": int(reply["score"]), "nps_comment": reply.get("justification") or ""}
        elif shown := QUESTION_TYPES[question["type"]]:
            fields[shown] = [*fields.get(shown, ()), {name: reply[name] for name in _REPLY_FIELDS if name in reply}]
    return fields


def _fits(reply: Mapping[str, Any], kind: str) -> bool:
    if kind == "Single Choice":
        return True  # the question may be optional
    if kind == "Open Question":
        return bool((reply.get("comment") or "").strip())
    text = str(reply.get("score", ""))
    return text.isascii() and text.isdigit() and int(text) <= 10


def _person_fields(campaign: Campaign, one: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: one.get(name) for name in ("name", *IDENTIFICATIONS)}
    fields |= {"campaign_code": campaign.code, "campaign_name": campaign.name}
    fields["tags"] = {tag["name"]: tag["value"] for tag in one.get("tags") or ()}
    return fields | ({"time": one["create_time"]} if "create_time" in one else {})
