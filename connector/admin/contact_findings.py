"""Findings of `connector check` about contact hours and the holiday calendars behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from connector.core import calendars, contact_hours, law
from connector.core.openings import PlaceRules
from connector.core.phrases import joined, phrase
from connector.core.settings import ContactHours, ContactRules, Route, Settings
from connector.core.times import HOUR_MS

CONTACT = phrase("contact")
Found = tuple[str, str, str]  #: the subject; ok | warning | fault; the finding as a sentence


def findings(settings: Settings, now: int) -> Iterator[Found]:
    """All findings, calendars first. ``now``: unix ms."""
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    for calendar in (calendars.public_holidays(), calendars.time_zones()):
        warning = calendar.warning(today)
        yield (
            calendar.name,
            "warning" if warning else "ok",
            warning or phrase("version {version}", version=calendar.version),
        )
    yield from _of_rules(settings, today)
    for route in settings.routes:
        if words := _longer_closed_than_kept(settings, route, now):
            yield phrase("route {route}", route=route.name), "warning", words


def _of_rules(settings: Settings, today: date) -> Iterator[Found]:
    """The rules of [contact]: which laws, how old, what is unclear in them, which registries they want."""
    rules = settings.contact
    reaching = [route for route in settings.routes if route.channel]
    if rules is None:
        if any(route.contact_hours is None for route in reaching):
            template = "no contact hours, caps or lists are enforced: add [contact] with law = true"
            yield CONTACT, "warning", phrase(template)
        return
    if not rules.law:
        template = "the law of no country is kept ({why}): only what [contact] says itself"
        yield CONTACT, "warning", phrase(template, why=rules.why)
        return
    home = rules.without_number or settings.locale.region
    mine = [row for row in law.ROWS if row.place.partition("-")[0] == home.partition("-")[0]]
    known = ", ".join(law.countries())
    template = "the law of each number's country is kept; known: {known}, as of {day} (no legal advice)"
    yield CONTACT, "ok", phrase(template, known=known, day=str(law.READ))
    if (today - law.READ).days > calendars.OLD_AFTER_DAYS:
        template = "the law was read on {day}, more than a year ago: ask a lawyer what changed"
        yield CONTACT, "warning", phrase(template, day=str(law.READ))
    unclear = dict.fromkeys(joined([row.place, row.unclear], ": ") for row in mine if row.unclear)
    if unclear:
        yield CONTACT, "ok", phrase("read the safe way: {what}", what=joined(unclear, "; "))
    yield from _of_lists(rules, mine, {route.purpose for route in reaching})
    if home in NUMBERS_SHOWN:
        template = "the number shown to the person is not the connector's to check: {what}"
        yield CONTACT, "ok", phrase(template, what=NUMBERS_SHOWN[home])


def _of_lists(rules: ContactRules, mine: Sequence[law.Row], purposes: set[str]) -> Iterator[Found]:
    """Registries that the law wants to be asked, and how old what they say may be."""
    for row in mine:
        for name in row.lists if any(map(row.covers, purposes)) else ():
            if name not in rules.lists:
                template = "the law of {place} wants the list {name} to be asked: add [contact.lists.{name}]"
                yield CONTACT, "warning", phrase(template, place=row.place, name=name)
            elif row.lists_days and rules.lists[name].max_age_s > row.lists_days * 86400:
                template = 'the law of {place} wants it to be newer: max_age = "{days}d"'
                facts = {"place": row.place, "days": row.lists_days}
                yield phrase("list {name}", name=name), "warning", phrase(template, **facts)


#: What no connector can do.
NUMBERS_SHOWN = {
    "CL": phrase("600 for expected calls, 809 for others (since 2025-08-13)"),
    "ES": phrase("no mobile numbers for commercial calls (since 2025-06-07)"),
    "PE": phrase("a prefix 500 was decreed in February 2026"),
    "BR": phrase("over 500,000 calls a month must be authenticated; 0303 is free since August 2025"),
}


def _hours_of(settings: Settings, route: Route) -> tuple[ContactHours, ZoneInfo | None] | None:
    """The hours that apply to a route's people: its own, otherwise those of the person's country."""
    if route.contact_hours is not None:
        return route.contact_hours, route.contact_hours.zone
    if settings.contact is None or not route.channel:
        return None
    clocks = PlaceRules(settings.contact, settings.locale.region).clocks("", route.purpose)
    return (clocks[0].hours, clocks[0].zone) if clocks else None


def _longer_closed_than_kept(settings: Settings, route: Route, now: int) -> str:
    """A route that lets go of people before it may contact them; "" when it keeps them long enough."""
    closed = _hours_of(settings, route)
    if closed is None:
        return ""
    hours_, clock = closed[0], closed[1] or settings.locale.timezone
    ends, opens = contact_hours.longest_closed(hours_, clock, now)
    if opens - ends <= route.expires_after_s * 1000:
        return ""
    hours = (opens - ends) // HOUR_MS
    first, last = (datetime.fromtimestamp(moment / 1000, clock) for moment in (ends, opens))
    template = (
        "expires_after is {expires:g}h, but its contact hours are closed for {hours} h from {first} to {last}: "
        'who comes at their beginning ends uncalled; set expires_after = "{enough}h" or more'
    )
    facts = {"expires": route.expires_after_s / 3600, "hours": hours, "enough": hours + 24}
    return phrase(template, **facts, first=f"{first:%Y-%m-%d %H:%M}", last=f"{last:%Y-%m-%d %H:%M}")
