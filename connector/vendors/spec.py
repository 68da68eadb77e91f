"""The description of a vendor for the rest of the connector: one value, the ``SPEC`` of its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from connector.core.fields import AccountOptions, PollOptions
from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.quota import Limits
from connector.core.settings import Account, Poll, Settings
from connector.store.database import Database
from connector.vendors.base import Destination
from connector.vendors.caller import Caller
from connector.vendors.lookup import Counter, Lookup
from connector.vendors.polling import Asking, Span


class Client(Protocol):
    """The class of a vendor's operations, made of an account. What else it offers only its own folder knows."""

    def close(self) -> None:
        """Ends the connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The harmless call of `connector check`. ``means`` is given the configured timezone."""

    ask: Callable[[Any, Deadline], Answer]
    means: Callable[[Answer, ZoneInfo], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class PollCall:
    """A call that a source may poll by; ``begin`` makes the way of polling of one source, live or of a past `Span`."""

    options: type[PollOptions]
    begin: Callable[[Poll, ZoneInfo, Span | None], Asking]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """The vendor in the sandbox. ``build`` is "module:Class", imported only when the sandbox runs."""

    build: str
    prefixes: tuple[str, ...]  #: how the paths of its calls begin; the longest prefix of all vendors decides


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign of a dialler. ``figures``: what else its report counts, by the vendor's names, untranslated."""

    id: str
    name: str
    is_started: bool
    figures: Mapping[str, float | str | None]


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """``read_at``: unix ms, None if it was never read; ``why_old``: why it was not read just now."""

    account: str
    rows: Sequence[CampaignRow]
    read_at: int | None
    why_old: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaigns:
    """A report of campaigns. ``kept`` asks nobody; ``read`` reads it again if its vendor allows that now."""

    stored: Callable[[Database, Account], CampaignReport]
    read: Callable[[Database, Account, Caller], CampaignReport]


@dataclass(frozen=True, slots=True)
class SurveyRow:
    """How the customers of a campaign answered ("": all campaigns); None: the vendor does not say."""

    campaign: str
    surveyed: int | None
    promoters: int | None
    passives: int | None
    detractors: int | None
    nps: float | None
    nps_before: float | None  #: of the period before


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveys:
    """``read(account, caller, codes, since, until)``: days as YYYY-MM-DD, both included; one call for each code."""

    read: Callable[[Account, Caller, Sequence[str], str, str], list[SurveyRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A vendor. Fields with a default are optional."""

    name: str
    client: Callable[[Account], Any]
    base_url: str  #: its own address, unless an account has one; "{server}" stands for the account's option
    limits: Callable[[Account], Limits]
    check: Check
    account_options: type[AccountOptions] = AccountOptions  #: the keys of ``[accounts.X]``
    #: fills in what follows from an account's other options, before `base_url` has its default
    complete: Callable[[dict[str, Any]], dict[str, Any]] = dict
    destinations: Mapping[str, type[Destination]] = field(default_factory=dict)  #: by operation: "add_record"
    polls: Mapping[str, PollCall] = field(default_factory=dict)  #: by operation: "answers"
    lookups: Mapping[str, Lookup] = field(default_factory=dict)  #: by `Lookup.kind`
    block: str = ""  #: the operation that makes it block numbers: "add_dnc"; "": it has none
    counter: Counter | None = None
    simulator: Simulator | None = None
    campaigns: Campaigns | None = None
    surveys: Surveys | None = None
    #: the draft lots of an account: look, find, content, fire, discard
    drafts: Callable[[Settings, Database, Account, Caller], AbstractContextManager[Any]] | None = None
