"""Relations between the tables: names that exist, vendors that fit, no forbidden sharing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mappings
from connector.config.faults import Faults, check_known
from connector.config.shapes import POLLS, DestinationSpec, text_of, words_of
from connector.core.fields import RESULT, results_in
from connector.core.settings import Source
from connector.core.text import listed, quote
from connector.vendors import VENDORS


def check_references(
    index: int,
    table: Any,
    tables: Mapping[str, Any],
    destinations: Mapping[str, DestinationSpec],
    faults: Faults,
) -> None:
    """A route's account, sources and event types exist and go together."""
    place = ("routes", index)
    account = text_of(table, "account")
    check_known("account", account or None, tables["accounts"], (*place, "account"), faults)
    vendor, spec = text_of(tables["accounts"].get(account), "vendor"), destinations.get(text_of(table, "to"))
    if spec and vendor in VENDORS and vendor != spec.vendor:
        fault = f"{quote(account)} is an account of {vendor}, and {table['to']} needs one of {spec.vendor}"
        faults.add((*place, "account"), fault)
    if spec and not spec.contacts_people and isinstance(table, dict) and "contact_hours" in table:
        faults.add((*place, "contact_hours"), f"is of no use: {table['to']} contacts nobody; take it out")
    named = words_of(table, "sources")
    for source in named:
        check_known("source", source, tables["sources"], (*place, "sources"), faults)
    _check_types(words_of(table, "on"), [tables["sources"].get(source) for source in named], place, faults)


def refuse_routes_of_nobody(routes: Sequence[Any], sources: Mapping[str, Source | None], faults: Faults) -> None:
    """A route without sources takes those that prove something; where none does it has to name them."""
    if not sources or not all(source is not None and source.is_open for source in sources.values()):
        return
    every = ", ".join(quote(name) for name in sources)
    fault = f"is required: no source proves who sends (verify is none), and such a source is named, sources = [{every}]"
    for index, table in enumerate(routes):
        if isinstance(table, dict) and "sources" not in table:
            faults.add(("routes", index, "sources"), fault)


def check_contact(
    index: int, table: Any, is_kept: bool, destinations: Mapping[str, DestinationSpec], faults: Faults
) -> None:
    """A route's contact options are of use, and with [contact] its channel is known."""
    place = ("routes", index)
    spec = destinations.get(text_of(table, "to"))
    if spec is None or not isinstance(table, dict):
        return
    if not spec.contacts_people:
        for key in ("purpose", "channel", "demand", "hours"):
            if key in table:
                faults.add((*place, key), f"is of no use: {table['to']} contacts nobody; take it out")
        return
    if spec.by_channel and table.get("channel", spec.by_channel) != spec.by_channel:
        faults.add((*place, "channel"), f"is {spec.by_channel} where {table['to']} sends: take it out")
    elif is_kept and not spec.by_channel and "channel" not in table:
        faults.add((*place, "channel"), 'is required under [contact]: channel = "email", or "sms", "whatsapp", "voice"')
    if "hours" in table and table.get("purpose") != "requested":
        faults.add((*place, "hours"), 'goes with purpose = "requested": only who asked for an hour is called then')


def check_after(
    index: int, tables: Mapping[str, Any], destinations: Mapping[str, DestinationSpec], faults: Faults
) -> None:
    """The route of ``after`` exists, takes the same events, and yields the values that are used."""
    routes, place = tables["routes"], ("routes", index)
    table, name = routes[index], text_of(routes[index], "after")
    named = {text_of(route, "name"): route for route in routes if text_of(route, "name")}
    if name:
        check_known("route", name, named, (*place, "after"), faults)
        if _comes_after_itself(text_of(table, "name"), named):
            faults.add((*place, "after"), "goes in a circle: one of the routes has to come first")
        elif name in named and not _may_meet(table, named[name], tables["sources"]):
            faults.add(
                (*place, "after"), f"no event goes to {quote(name)} and here: give both an event type and a source"
            )
    spec = destinations.get(text_of(named.get(name), "to"))
    for option, value in table.items() if isinstance(table, dict) else ():
        for result in sorted(results_in(value)):
            _check_result(result, name, spec, (*place, option), faults)


def _check_result(
    result: str, after: str, spec: DestinationSpec | None, place: tuple[str | int, ...], faults: Faults
) -> None:
    if place[-1] == "once_per":
        faults.add(place, "result is not known before the delivery's turn comes: choose another key")
    elif not after:
        own = f"a sender's own field is extra.{RESULT}{result}"
        faults.add(place, f'{RESULT}{result} needs after = "the route that brings it"; {own}')
    elif spec is not None and result.partition(".")[0] not in spec.results:
        brings = f"that brings {listed(spec.results)}" if spec.results else "that brings nothing"
        faults.add(place, f"{RESULT}{result} does not come of {quote(after)}: {brings}")


def _comes_after_itself(name: str, named: Mapping[str, Any]) -> bool:
    seen: set[str] = set()
    before = text_of(named.get(name), "after")
    while before and before not in seen:
        seen.add(before)
        before = text_of(named.get(before), "after")
    return name in seen


def _may_meet(route: Any, before: Any, sources: Mapping[str, Any]) -> bool:
    """Whether one event of one source can go to both."""
    types = {*words_of(route, "on")} & {*words_of(before, "on")}
    among = [{*words_of(one, "sources")} or {*sources} for one in (route, before)]
    read = [mappings.EVENT_TYPES.get(text_of(sources.get(source), "mapping"), types) for source in among[0] & among[1]]
    return not sources or any(types & {*some} for some in read)


def check_fetching(name: str, table: Any, accounts: Mapping[str, Any], faults: Faults) -> None:
    """A source of thin events has an account that can fetch the rest; no other source has one."""
    place = ("sources", name, "account")
    mapping, account = text_of(table, "mapping"), text_of(table, "account")
    if mapping not in mappings.PAYLOADS:
        return
    call = text_of(table.get("poll"), "call")
    vendor = POLLS[call][0] if call in POLLS else mappings.PAYLOADS[mapping].fetches
    if not vendor:
        if account:
            faults.add(place, f"is of no use: what {quote(mapping)} reads is whole; take it off")
        return
    if not account:
        fit = [known for known, one in accounts.items() if text_of(one, "vendor") == vendor]
        todo = f"account = {quote(fit[0])}" if fit else f'add an account with vendor = "{vendor}", and name it here'
        why = (
            f"{quote(call)} asks {vendor}"
            if call
            else f"{quote(mapping)} brings only ids, {vendor} is asked for the rest"
        )
        faults.add(place, f"is required: {why}: {todo}")
        return
    check_known("account", account, accounts, place, faults)
    other = text_of(accounts.get(account), "vendor")
    if other in VENDORS and other != vendor:
        needs = quote(call or mapping)
        faults.add(place, f"{quote(account)} is an account of {other}, and {needs} needs one of {vendor}")


def _check_types(types: list[str], sources: list[Any], place: tuple[str | int, ...], faults: Faults) -> None:
    every = {name for names in mappings.EVENT_TYPES.values() for name in names}
    read_by = [mappings.EVENT_TYPES.get(text_of(source, "mapping")) for source in sources]
    for event_type in types:
        check_known("event type", event_type, every, (*place, "on"), faults)
        if event_type in every and sources and all(names and event_type not in names for names in read_by):
            faults.add((*place, "on"), f"{quote(event_type)} never comes from the sources of this route")


def refuse_shared_tokens(accounts: Mapping[str, Any], faults: Faults) -> None:
    """A vendor counts by token, so two accounts with one token would each spend the other's quota."""
    first: dict[tuple[str, str], str] = {}
    for name, table in accounts.items():
        credential = (text_of(table, "vendor"), text_of(table, "token"))
        other = first.setdefault(credential, name)
        if all(credential) and other != name:
            faults.add(("accounts", name, "token"), f"is the token of account {quote(other)} too: use that account")


def check_shared_windows(accounts: Mapping[str, Any], faults: Faults) -> None:
    """An account counts in the window of one of the same vendor that has a window of its own."""
    for name, table in accounts.items():
        owner, place = text_of(table, "window_shared_with"), ("accounts", name, "window_shared_with")
        if not owner:
            continue
        check_known("account", owner, accounts, place, faults)
        other = accounts.get(owner)
        if owner == name or text_of(other, "window_shared_with"):
            faults.add(place, "must name an account with a window of its own")
        elif other is not None and text_of(other, "vendor") != text_of(table, "vendor"):
            faults.add(place, f"{quote(owner)} is an account of another vendor")
        for option in ("requests_per_window", "window_seconds"):
            if isinstance(table, dict) and option in table:
                faults.add(
                    ("accounts", name, option), f"stands at {quote(owner)}, whose window is shared: say it there"
                )


def refuse_shared_queues(sources: Mapping[str, Any], faults: Faults) -> None:
    """A message of a shared queue would go to either source, by chance."""
    first: dict[str, str] = {}
    for name, table in sources.items():
        if queue := text_of(table, "queue"):
            for queue_name in (queue, f"{queue}.dead"):
                other = first.setdefault(queue_name, name)
                if other != name:
                    faults.add(
                        ("sources", name, "queue"), f"{quote(queue_name)} belongs to source {quote(other)} already"
                    )


def refuse_shared_names(routes: list[Any], faults: Faults) -> None:
    first: dict[str, int] = {}
    for index, table in enumerate(routes):
        name = text_of(table, "name")
        if name and (other := first.setdefault(name, index)) != index:
            faults.add(
                ("routes", index, "name"), f"{quote(name)} is the name of route #{other + 1} too: choose another"
            )


def refuse_queues_without_broker(document: Mapping[str, Any], faults: Faults) -> None:
    sources = document.get("sources")
    for name, table in sources.items() if isinstance(sources, dict) else ():
        if text_of(table, "queue"):
            faults.add(("sources", name, "queue"), "needs a broker: set AMQP_URL (or CLOUDAMQP_URL)")
