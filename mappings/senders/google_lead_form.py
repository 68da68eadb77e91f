"""Google Ads' lead forms: one lead a request, its answers in ``user_column_data``, the shared secret in the body.

https://developers.google.com/google-ads/webhook/docs/implementation. Fields are added without notice: all fields beside
the answers go into extra.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mappings.base import Ignored, Sender
from mappings.translated import Answer, AnswersSender, is_empty, tables, word

#: Google's own questions -> our fields; any other column_id is the text of the advertiser's question.
COLUMNS: Final = {
    "FULL_NAME": "first_name",
    "FIRST_NAME": "first_name",
    "LAST_NAME": "last_name",
    "EMAIL": "email",
    "WORK_EMAIL": "email",
    "PHONE_NUMBER": "phones",
    "WORK_PHONE": "phones",
    "CITY": "city",
    "REGION": "state",
    "COUNTRY": "country",
    "STREET_ADDRESS": "address",
}
#: GOVERNMENT_ISSUED_ID_CC_CO: the kind of document, and the country.
_DOCUMENT: Final = "GOVERNMENT_ISSUED_ID_"
_NOT_ABOUT: Final = ("lead_id", "user_column_data", "api_version", "google_key", "is_test", "lead_submit_time")


class GoogleLeadFormMapping(AnswersSender):
    """``fields`` may name questions by their column_id, which is the text of the advertiser's own ones.

    Older payloads, and some relays, have only the column_name: "User Phone".
    """

    sender = Sender(
        decode="plain",
        proof={"scheme": "field", "field": "google_key"},
        secret_fields=("google_key",),
        reply={},
        gives_up=True,  # a request that is answered 4xx is not sent again
        repeats=False,
    )

    def envelope(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The id of the lead. `Ignored`: the form's "Send test data"."""
        if payload.get("is_test") in (True, "true"):
            raise Ignored("a test lead")
        return {"id": payload.get("lead_id"), "time": payload.get("lead_submit_time")}

    def answers(self, payload: dict[str, Any]) -> Iterable[Answer]:
        """The person's answers, and the kind of document of a number."""
        for column in tables(payload.get("user_column_data")):
            name, value = word(column.get("column_id")), column.get("string_value")
            if name.startswith(_DOCUMENT) and not is_empty(value):
                yield Answer(name, name.removeprefix(_DOCUMENT).partition("_")[0], field="id_type")
                yield Answer(name, value, field="id_number")
            else:
                yield Answer(name, value, word(column.get("column_name")), COLUMNS.get(name, ""))

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The form, the campaign, the click."""
        return {key: value for key, value in payload.items() if key not in _NOT_ABOUT}
