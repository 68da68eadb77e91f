"""Each table of the file made into its part of `Settings`: accounts, sources, routes, retention."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import mappings
from connector.config import conditions, contact, references
from connector.config.alarms import read_alarms
from connector.config.console import read_console
from connector.config.faults import Faults, check_known, check_name
from connector.config.reading import read_shape
from connector.config.shapes import (
    ACCOUNTS,
    POLLS,
    SCHEMES,
    AccountShape,
    DestinationSpec,
    MetricsShape,
    PollShape,
    RefusalShape,
    RetentionShape,
    RouteShape,
    SourceShape,
    TopShape,
    VerifyShape,
    loose,
    text_of,
    with_options,
)
from connector.core.settings import (
    Account,
    ContactRules,
    OncePer,
    Poll,
    Refusal,
    Retention,
    Route,
    Secret,
    Source,
    Verify,
    WorkingHours,
)
from connector.core.text import listed, quote
from connector.inbound.signatures import problems
from connector.vendors import VENDORS
from mappings.base import Locale

#: Options with a field of `Account`; the rest of a vendor's own options is in its `options`.
_OF_ACCOUNTS = frozenset(field.name for field in fields(Account))


def read_tables(
    document: dict[str, Any], destinations: Mapping[str, DestinationSpec], faults: Faults
) -> dict[str, Any]:
    """The parts of `Settings` that the file gives, by their names there."""
    top = read_shape(TopShape(), document, (), faults)
    tables: dict[str, Any] = {"accounts": {}, "sources": {}, "routes": [], **top}
    locale = Locale(top["region"], top["timezone"]) if {"region", "timezone"} <= top.keys() else Locale()
    accounts = {name: _account(name, table, locale, faults) for name, table in tables["accounts"].items()}
    sources = {name: _source(name, table, locale, faults) for name, table in tables["sources"].items()}
    routes = tuple(
        _route(index, table, destinations, locale.timezone, faults) for index, table in enumerate(tables["routes"])
    )
    references.refuse_shared_tokens(tables["accounts"], faults)
    references.check_shared_windows(tables["accounts"], faults)
    accounts = _with_shared_windows(accounts)
    references.refuse_shared_queues(tables["sources"], faults)
    references.refuse_shared_names(tables["routes"], faults)
    for name, table in tables["sources"].items():
        references.check_fetching(name, table, tables["accounts"], faults)
    for index, table in enumerate(tables["routes"]):
        references.check_references(index, table, tables, destinations, faults)
        references.check_after(index, tables, destinations, faults)
        conditions.check_when(index, tables, faults)
        conditions.check_otherwise(index, tables["routes"], faults)
    refusals, telling = _refusals(tables, faults)
    references.refuse_routes_of_nobody(tables["routes"], sources, faults)
    return {
        "locale": locale,
        "accounts": accounts,
        "sources": sources,
        "routes": tuple(_without_open_ones(route, sources) for route in (*routes, *telling) if route is not None),
        "refusals": tuple(_without_open_ones(one, sources) for one in refusals),
        "retention": _retention(tables.get("retention"), faults),
        "contact": _contact(tables, destinations, faults),
        **_metrics(tables.get("metrics"), faults),
        "console": read_console(tables.get("console"), faults),
        "alarms": read_alarms(tables.get("alarms"), faults),
        "plaintext": tables.get("plaintext", ""),
    }


Taking = TypeVar("Taking", Route, Refusal)


def _without_open_ones(route: Taking, sources: Mapping[str, Source | None]) -> Taking:
    """A route without sources takes none whose webhooks are unproved: they must be named. Nobody is put on the
    do-not-contact list on their word either.
    """
    proving = tuple(name for name, source in sources.items() if source is None or not source.is_open)
    if route.sources is not None or len(proving) == len(sources):
        return route
    return replace(route, sources=proving)


def _retention(table: Any, faults: Faults) -> Retention | None:
    data = {} if table is None else read_shape(RetentionShape(), table, ("retention",), faults)
    return Retention(purge_after_s=data["purge_after"], every_s=data["every"]) if len(data) == 2 else None


def _metrics(table: Any, faults: Faults) -> dict[str, Any]:
    data = read_shape(MetricsShape(), {} if table is None else table, ("metrics",), faults)
    if data.get("port", 0) > 65535:
        faults.add(("metrics", "port"), "is no port: write a number up to 65535")
    return {"metrics_public": data.get("public", False), "metrics_port": data.get("port", 0)}


def _contact(
    tables: dict[str, Any], destinations: Mapping[str, DestinationSpec], faults: Faults
) -> ContactRules | None:
    table, place = tables.get("contact"), ("contact",)
    for index, route in enumerate(tables["routes"]):
        references.check_contact(index, route, table is not None, destinations, faults)
    if table is None:
        return None
    data = read_shape(contact.ContactShape(), table, place, faults)
    hours = {
        area: read_shape(contact.HoursShape(), one, (*place, "hours", area), faults)
        for area, one in data.get("hours", {}).items()
    }
    for area in hours:
        if fault := contact.wrong_area(str(area)):
            faults.add((*place, "hours", area), fault)
    caps = [
        read_shape(contact.CapShape(), one, (*place, "caps", index), faults)
        for index, one in enumerate(data.get("caps", ()))
    ]
    lists = {
        name: read_shape(contact.ListShape(), one, (*place, "lists", name), faults)
        for name, one in data.get("lists", {}).items()
    }
    for name in lists:
        check_name(name, (*place, "lists", name), faults)
    return None if faults.under(*place) else contact.rules_of(data, hours, caps, lists)


def _refusals(tables: dict[str, Any], faults: Faults) -> tuple[tuple[Refusal, ...], tuple[Route, ...]]:
    """The routes that put people on the suppression list, and those that tell a vendor about it."""
    found: list[Refusal] = []
    for index, table in enumerate(tables["routes"]):
        place = ("routes", index)
        if text_of(table, "to") != REFUSING:
            continue
        data = read_shape(RefusalShape(), table, place, faults)
        for account in data.get("tell", ()):
            check_known("account", account, tables["accounts"], (*place, "tell"), faults)
            vendor = text_of(tables["accounts"].get(account), "vendor")
            if vendor and not _block_operation(vendor):
                able = ", ".join(name for name, one in VENDORS.items() if one.block)
                faults.add((*place, "tell"), f"{quote(account)} is an account of {vendor}: only {able} can be told")
        if not faults.under(*place):
            found.append(Refusal(**{key: data[key] for key in ("name", "on", "sources", "tell")}))
    telling = [
        Route(name=f"{one.name} (tell {account})", on=one.on, sources=one.sources, to=to, account=account)
        for one in found
        for account in one.tell
        if (to := _block_operation(text_of(tables["accounts"].get(account), "vendor")))
    ]
    return tuple(found), tuple(telling)


def _block_operation(vendor: str) -> str:
    """The operation that makes a vendor block numbers: "wolkvox.add_dnc"; "" if there is none."""
    operation = VENDORS[vendor].block if vendor in VENDORS else ""
    return f"{vendor}.{operation}" if operation else ""


REFUSING = "do_not_contact.add"  #: where a route sends a "no" to


def _account(name: str, table: Any, locale: Locale, faults: Faults) -> Account | None:
    place = ("accounts", name)
    check_name(name, place, faults)
    vendor = text_of(table, "vendor")
    shape = ACCOUNTS.get(vendor) or loose(AccountShape, ACCOUNTS.values())
    data = read_shape(shape(), table, place, faults)
    if faults.under(*place):
        return None
    data = VENDORS[vendor].complete(data)
    data["base_url"] = data["base_url"] or VENDORS[vendor].base_url.format(server=data.get("server"))
    if "app_secret" in data:
        data["app_secret"] = Secret(data["app_secret"])
    opens, closes = data["working_hours"]
    hours = WorkingHours(opens, closes, locale.timezone)
    own = {key: data.pop(key) for key in [*data] if key not in _OF_ACCOUNTS}
    return Account(name=name, options=own, **{**data, "token": Secret(data["token"]), "working_hours": hours})


def _with_shared_windows(accounts: dict[str, Account | None]) -> dict[str, Account | None]:
    """Each account with all others that share its window, and the size of that window."""
    owners = {one.name: one.window_shared_with or one.name for one in accounts.values() if one}
    groups = {owner: [name for name, of in owners.items() if of == owner] for owner in owners.values()}
    return {
        name: one and _in_window(one, accounts.get(owners[name]) or one, groups[owners[name]])
        for name, one in accounts.items()
    }


def _in_window(account: Account, owner: Account, names: Sequence[str]) -> Account:
    return replace(
        account,
        shares_window=tuple(other for other in names if other != account.name),
        requests_per_window=owner.requests_per_window,
        window_seconds=owner.window_seconds,
    )


def _source(name: str, table: Any, everywhere: Locale, faults: Faults) -> Source | None:
    place = ("sources", name)
    check_name(name, place, faults)
    data = read_shape(SourceShape(), table, place, faults)
    check_known("mapping", data.get("mapping"), mappings.EVENT_TYPES, (*place, "mapping"), faults)
    if isinstance(table, dict) and not {"verify", "queue", "poll"} & table.keys():
        faults.add(
            place, "nothing can reach it: add verify (for webhooks), queue (for RabbitMQ), poll (to ask), or several"
        )
    mapping = mappings.PAYLOADS.get(data.get("mapping", ""))
    locale = _locale(data, everywhere)
    if data.get("verify") is not None:
        data["verify"] = _verify(data["verify"], (*place, "verify"), faults)
        _check_handshake(mapping, data["verify"], (*place, "verify", "handshake"), faults)
    if data.get("poll") is not None:
        data["poll"] = _poll(data["poll"], data.get("mapping", ""), (*place, "poll"), locale.timezone, faults)
    _check_fields(mapping, data.get("mapping", ""), data.get("fields", {}), (*place, "fields"), faults)
    if data.get("closed") and mapping is not None and not mapping.takes_closed:
        fault = f"is of no use: {quote(data['mapping'])} needs no closed states, or reads no tickets; take it out"
        faults.add((*place, "closed"), fault)
    own = None if locale == everywhere else locale
    if faults.under(*place):
        return None
    trust, limit, share = data.pop("trust"), data.pop("limit"), data.pop("share")
    source = Source(name=name, **data, locale=own, trusted_as=trust)
    if trust is not None and source.trust != trust:
        faults.add((*place, "trust"), f"cannot be raised: its webhooks prove {source.trust}; take it out, or lower it")
        return None
    limit = _usual_limit(source) if limit is None else limit
    return replace(source, limit=limit, share=_usual_share(source) if share is None else share)


#: For sources with an address that is the only secret of their senders.
OPEN_SCHEMES = ("none", "path", "query")
OPEN_LIMIT = ((600, 60), (20_000, 86_400))


def _usual_limit(source: Source) -> tuple[tuple[int, int], ...]:
    return OPEN_LIMIT if source.verify is not None and source.verify.scheme in OPEN_SCHEMES else ()


OPEN_SHARE = 0.5


def _usual_share(source: Source) -> float:
    return OPEN_SHARE if source.verify is not None and source.verify.scheme in OPEN_SCHEMES else 1.0


def _locale(data: dict[str, Any], everywhere: Locale) -> Locale:
    """The region and timezone of a source's ambiguous values; removes these keys from the table."""
    region, timezone, others = (data.pop(name, None) for name in ("region", "timezone", "extra_countries"))
    return Locale(region or everywhere.region, timezone or everywhere.timezone, others or everywhere.extra_countries)


def _verify(table: dict[str, Any], place: tuple[str | int, ...], faults: Faults) -> Verify | None:
    spelt = {**table, **_spelt_out(table)}
    scheme = text_of(spelt, "scheme")
    shape = SCHEMES.get(scheme) or loose(VerifyShape, SCHEMES.values())
    data = read_shape(shape(), spelt, place, faults)
    check_known("scheme", data.get("scheme"), [*SCHEMES, *mappings.PROOFS], (*place, "scheme"), faults)
    if scheme not in SCHEMES:
        return None
    verify = Verify(**{**data, "handshake": Secret(data.get("handshake", ""))})
    for problem in problems(verify):
        key, _, fault = problem.partition(": ")
        where = (*place, *(int(step) if step.isdecimal() else step for step in key.split(".")))
        if not faults.under(*where):
            faults.add(where, fault)
    return verify


def _poll(
    table: dict[str, Any], mapping: str, place: tuple[str | int, ...], timezone: ZoneInfo, faults: Faults
) -> Poll | None:
    call = text_of(table, "call")
    shape = POLLS[call][1] if call in POLLS else loose(PollShape, [one for _, one in POLLS.values()])
    data = read_shape(shape(), table, place, faults)
    check_known("call", data.get("call"), POLLS, (*place, "call"), faults)
    read_by = {name for name, one in mappings.PAYLOADS.items() if one.polled_by == call}
    if call in POLLS and mapping in mappings.PAYLOADS and mapping not in read_by:
        fault = f"brings what {listed(sorted(read_by))} reads, not {quote(mapping)}: change the source's mapping"
        faults.add((*place, "call"), fault)
    if faults.under(*place):
        return None
    since: datetime | None = data["since"]
    codes: tuple[str, ...] = data.get("campaign_code", ())
    return Poll(
        call=call,
        every_s=data["every"],
        overlap_s=data["overlap"],
        since=since.replace(tzinfo=since.tzinfo or timezone) if since else None,
        campaign_codes=codes,
        state=data.get("state", ""),
        channel=data.get("channel", ""),
    )


def _spelt_out(table: dict[str, Any]) -> dict[str, Any]:
    """The full form of a sender's own scheme, completed by the table."""
    proof = mappings.PROOFS.get(text_of(table, "scheme"), {})
    return {key: value for key, value in proof.items() if key == "scheme" or key not in table}


def _check_handshake(mapping: Any, verify: Verify | None, place: tuple[str | int, ...], faults: Faults) -> None:
    if verify is None or mapping is None:
        return
    if mapping.sender.handshake and not verify.handshake:
        shown = mapping.sender.handshake[0]
        faults.add(place, f'is required: handshake = "${{NAME}}", what the sender is to show as {shown}')
    elif verify.handshake and not mapping.sender.handshake:
        faults.add(place, "is of no use: this sender subscribes without one; take it out")


def _check_fields(
    mapping: Any, name: str, named: Mapping[str, Any], place: tuple[str | int, ...], faults: Faults
) -> None:
    """Only fields that the mapping can fill are named, and a mapping that needs names has some."""
    if mapping is None or faults.under(*place):
        return
    if mapping.needs_fields and not named:
        faults.add(place, 'is required: say what the sender calls our fields, { phones = "celular" }')
    if named and not mapping.takes_fields:
        faults.add(place, f"is of no use: {quote(name)} knows its fields; take it out")
        return
    for ours in named:
        if not re.fullmatch(r"extra\..*\S.*", ours):
            check_known("field", ours, [*mapping.field_names, "extra.…"], (*place, ours), faults)


def _route(
    index: int, table: Any, destinations: Mapping[str, DestinationSpec], zone: ZoneInfo, faults: Faults
) -> Route | None:
    place = ("routes", index)
    to = text_of(table, "to")
    if to == REFUSING:
        return None
    if to in destinations:
        data = read_shape(with_options(to, destinations)(), table, place, faults)
    else:
        data = read_shape(loose(RouteShape, [spec.options for spec in destinations.values()])(), table, place, faults)
        check_known("destination", data.get("to"), [*destinations, REFUSING], (*place, "to"), faults)
    proof = (
        None
        if data.get("proof") is None
        else read_shape(contact.ProofShape(), data["proof"], (*place, "proof"), faults)
    )
    if faults.under(*place):
        return None
    return _built_route(data, destinations[to], zone, proof)


def _built_route(data: dict[str, Any], spec: DestinationSpec, zone: ZoneInfo, proof: dict[str, Any] | None) -> Route:
    rule = data["once_per"]
    return Route(
        name=data["name"],
        on=data["on"],
        to=data["to"],
        account=data["account"],
        sources=data["sources"],
        options={key: data[key] for key in spec.options().fields if key in data},
        expires_after_s=data["expires_after"] or spec.expires_after_s,
        contact_hours=data["contact_hours"],
        once_per=OncePer(key=rule["key"], within_s=rule["within"]) if rule else None,
        on_unknown="resend" if (data["on_unknown"] or spec.on_unknown) == "resend" else "ask",
        after=data["after"],
        when=conditions.in_zone(data["when"], zone),
        otherwise=data["otherwise"],
        purpose=data["purpose"] or "marketing",
        channel=data["channel"] or spec.by_channel,
        proof=contact.proof_paths(proof),
        demands_proof=data["demand"] == "proof",
        hours_as_asked=data["hours"] == "as asked",
    )
