"""Tracksale, as the rest of the connector knows it."""

from __future__ import annotations

from typing import Final

from connector.vendors.spec import Check, PollCall, Simulator, Surveys, Vendor
from connector.vendors.tracksale import check, draft_lots, figures
from connector.vendors.tracksale.api import BASE_URL, Tracksale
from connector.vendors.tracksale.destinations import Answers, Dispatch, FillEmptyTags, Note, SurveyLinks
from connector.vendors.tracksale.limits import limits
from connector.vendors.tracksale.options import AnswersPoll, TracksaleAccount, complete
from connector.vendors.tracksale.polls import TracksaleAnswers

SPEC: Final = Vendor(
    name="tracksale",
    client=Tracksale.of,
    base_url=BASE_URL,
    account_options=TracksaleAccount,
    complete=complete,
    limits=limits,
    check=Check(ask=check.ask, means=check.means),
    destinations={
        "dispatch": Dispatch,
        "survey_links": SurveyLinks,
        "answers": Answers,
        "fill_empty_tags": FillEmptyTags,
        "note": Note,
    },
    polls={"answers": PollCall(options=AnswersPoll, begin=TracksaleAnswers)},
    surveys=Surveys(read=figures.survey_rows),
    drafts=draft_lots.opened,
    simulator=Simulator(build="connector.vendors.tracksale.sandbox:Tracksale", prefixes=("/",)),
)
