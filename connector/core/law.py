"""Calling hours and caps by law, as far as they are known: one row for each country, region and purpose.

Not legal advice. Each row names its source and the day on which it was read. Where the law is silent or unclear, the
row holds the safe reading and says so in `unclear`; a deployment may differ in `[contact]`, on its own lawyer's word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from connector.core.caps import Cap
from connector.core.phrases import joined, phrase
from connector.core.settings import ContactHours, Span
from connector.core.times import DAY_MS

READ: Final = date(2026, 11, 29)  #: when the sources were read last


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The rule of one law. Empty `purposes`: all."""

    place: str  #: "CO", or a region, "BR-SP"
    purposes: tuple[str, ...] = ()
    hours: ContactHours | None = None
    caps: tuple[Cap, ...] = ()
    lists: tuple[str, ...] = ()  #: registries that must have been checked
    lists_days: int = 0  #: how old what they say may be; 0: nothing is said of it
    demands_proof: bool = False
    source: str
    as_of: date = READ
    unclear: str = ""  #: the uncertain part, which is read the safe way

    def covers(self, purpose: str) -> bool:
        return not self.purposes or purpose in self.purposes


def rows(places: tuple[str, ...], purpose: str) -> Iterator[Row]:
    """The rows that hold for a purpose in a country and its region: ("BR", "BR-PE")."""
    return (row for row in ROWS if row.place in places and row.covers(purpose))


def countries() -> tuple[str, ...]:
    """The countries for which rules are known."""
    return tuple(dict.fromkeys(row.place.partition("-")[0] for row in ROWS))


_ADS: Final = ("marketing", "survey", "requested")
_COLLECTION: Final = ("collection",)
_CAPPED: Final = ("marketing", "survey", "collection")
_MESSAGES: Final = ("sms", "whatsapp", "email")
_OTHERS: Final = phrase("the law gives hours for another purpose only; they are kept for this one too")


def _hours(place: str, weekdays: str, saturday: str = "", sunday: str = "", *, holidays: str = "") -> ContactHours:
    """Hours of a country or region; on its public holidays ``holidays``, closed if left out."""
    return ContactHours(
        name=f"the law of {place}",
        weekdays=_span(weekdays),
        saturday=_span(saturday),
        sunday=_span(sunday),
        holidays=_span(holidays),
        country=place.partition("-")[0] if not holidays else "",
    )


def _span(text: str) -> Span:
    """ "7-19" as minutes of a day."""
    opens, _, closes = text.partition("-")
    return (int(opens) * 60, int(closes) * 60) if closes else None


def _every_day(place: str, hours: str) -> ContactHours:
    return ContactHours(
        name=f"the law of {place}",
        weekdays=_span(hours),
        saturday=_span(hours),
        sunday=_span(hours),
        holidays=None,
        country="",
    )


def _not_on_sundays(place: str, hours: str) -> ContactHours:
    return ContactHours(
        name=f"the law of {place}",
        weekdays=_span(hours),
        saturday=_span(hours),
        sunday=None,
        holidays=None,
        country="",
    )


def _registry(place: str, name: str, source: str, *, days: int = 0, unclear: str = "") -> Row:
    """A registry of people who want no advertising."""
    return Row(place=place, purposes=("marketing",), lists=(name,), lists_days=days, source=source, unclear=unclear)


_FLORIDA: Final = "several state laws after Florida Statutes 501.059"

ROWS: Final[tuple[Row, ...]] = (
    Row(
        place="CO",
        hours=_hours("CO", "7-19", "8-15"),
        source="Ley 2300 de 2023, articles 3 and 5",
        unclear=phrase("whether surveys and service notices are covered; they are kept within the same hours"),
    ),
    Row(
        place="CO",
        purposes=_CAPPED,
        caps=(
            Cap(name="Ley 2300: once a day", most=1, per="day", countries=("CO",), purposes=_CAPPED, counts=_ADS),
            Cap(
                name="Ley 2300: one channel a week",
                most=1,
                per="",
                stretch_ms=7 * DAY_MS,
                of="channels",
                countries=("CO",),
                purposes=_CAPPED,
                counts=_ADS,
            ),
        ),
        source="Ley 2300 de 2023, article 4",
        unclear=phrase(
            'whether a week is the calendar\'s or any seven days; any seven days, or [contact] week = "calendar"'
        ),
    ),
    _registry("CO", "rne", "Circular 16 of the SIC (2024), registry of the CRC"),
    Row(
        place="BR",
        hours=_hours("BR", "8-20", "8-14"),
        source="no federal law of calling hours; those that most states with a law share",
        unclear=phrase("the hours are those of the states that have any, kept in the whole country"),
    ),
    Row(place="BR-RJ", purposes=_ADS, hours=_hours("BR-RJ", "8-18"), source="Lei RJ 7.853/18"),
    Row(place="BR-RJ", purposes=_COLLECTION, hours=_hours("BR-RJ", "9-19"), source="Lei RJ 7.868/18"),
    Row(place="BR-CE", purposes=_ADS, hours=_hours("BR-CE", "8-18"), source="Lei CE 16.836/19"),
    Row(
        place="BR-PE",
        purposes=_ADS,
        hours=_hours("BR-PE", "8-20", "9-15"),
        source="Lei PE 13.796/2009",
        unclear=phrase("the text was replaced in 2019; the old hours are kept"),
    ),
    Row(
        place="BR-MS",
        purposes=_ADS,
        hours=_hours("BR-MS", "8-18"),
        source="bill of Mato Grosso do Sul of 2025",
        unclear=phrase("passed; its sanction was not found"),
    ),
    Row(place="BR-SP", purposes=_COLLECTION, hours=_hours("BR-SP", "8-20", "8-14"), source="Lei SP 15.426/14"),
    Row(place="BR-ES", purposes=_COLLECTION, hours=_hours("BR-ES", "8-19"), source="Lei ES 10.626/17"),
    Row(place="BR-AM", purposes=_COLLECTION, hours=_hours("BR-AM", "8-19"), source="Lei AM 306/16"),
    Row(place="BR-AL", purposes=_COLLECTION, hours=_hours("BR-AL", "8-20", "8-14"), source="Lei AL 7.782/16"),
    Row(
        place="MX",
        hours=_hours("MX", "7-22"),
        source="rules for collection offices (Condusef)",
        unclear=joined([_OTHERS, phrase("narrower hours for advertising were only bills (2019, 2025)")], "; "),
    ),
    Row(place="PE", hours=_hours("PE", "7-20"), source="Ley 29571, article 62", unclear=_OTHERS),
    Row(place="PE", purposes=("marketing",), demands_proof=True, source="Ley 32323 (2025-05-10)"),
    Row(place="CL", hours=_hours("CL", "8-20", "8-20"), source="Ley 21.320 (collection)", unclear=_OTHERS),
    Row(
        place="CL",
        purposes=_COLLECTION,
        caps=(
            Cap(
                name="Ley 21.320: one call a week",
                most=1,
                per="",
                stretch_ms=7 * DAY_MS,
                countries=("CL",),
                channels=("voice",),
                purposes=_COLLECTION,
            ),
            Cap(
                name="Ley 21.320: two messages a week",
                most=2,
                per="",
                stretch_ms=7 * DAY_MS,
                countries=("CL",),
                channels=_MESSAGES,
                purposes=_COLLECTION,
            ),
            Cap(
                name="Ley 21.320: two days between messages",
                most=1,
                per="",
                stretch_ms=2 * DAY_MS,
                countries=("CL",),
                channels=_MESSAGES,
                purposes=_COLLECTION,
            ),
        ),
        source="Ley 21.320 (2021)",
        unclear=phrase("whether a week is the calendar's or any seven days; any seven days"),
    ),
    Row(
        place="AR",
        hours=_hours("AR", "8-20", "9-13"),
        source="Ley 26.951 asks for reasonable hours",
        unclear=phrase("no figures in the law; these are the connector's own"),
    ),
    Row(
        place="UY",
        hours=_hours("UY", "9-21", "9-17"),
        source="URSEC, registry No Llame (2022)",
        unclear=phrase("one source; the hours of advertising are kept for every purpose"),
    ),
    Row(
        place="PY",
        hours=_hours("PY", "8-18"),
        source="SEDECO, registry No Molestar",
        unclear=phrase("one source; the hours of advertising are kept for every purpose"),
    ),
    Row(
        place="EC",
        hours=_hours("EC", "7-20"),
        source="rules for collection of the Superintendencia de Bancos (2026)",
        unclear=_OTHERS,
    ),
    Row(
        place="EC",
        purposes=_COLLECTION,
        caps=(Cap(name="EC: collection once a day", most=1, per="day", countries=("EC",), purposes=_COLLECTION),),
        source="rules for collection of the Superintendencia de Bancos (2026)",
        unclear=phrase("whether once a day is meant for each way or over all; over all"),
    ),
    Row(place="ES", hours=_hours("ES", "9-21"), source="LGDCU, article 96.2", unclear=_OTHERS),
    Row(
        place="ES",
        purposes=("marketing",),
        demands_proof=True,
        source="LGT 66.1.b and AEPD circular 1/2023",
        unclear=phrase("another basis than consent is possible; consent is demanded"),
    ),
    Row(place="US", hours=_every_day("US", "8-21"), source="47 CFR 64.1200(c)(1)"),
    *(
        Row(place=place, hours=_every_day(place, "8-20"), source=_FLORIDA)
        for place in ("US-FL", "US-OK", "US-WA", "US-MD", "US-MA")
    ),
    *(Row(place=place, hours=_every_day(place, "9-20"), source=_FLORIDA) for place in ("US-CT", "US-NV")),
    Row(place="US-KY", hours=_every_day("US-KY", "10-21"), source=_FLORIDA),
    *(Row(place=place, hours=_not_on_sundays(place, "8-21"), source=_FLORIDA) for place in ("US-AL", "US-LA", "US-MS")),
    *(
        Row(
            place=place,
            purposes=("marketing",),
            caps=(
                Cap(
                    name=f"{place}: three in 24 hours",
                    most=3,
                    per="",
                    stretch_ms=DAY_MS,
                    countries=(place,),
                    purposes=("marketing",),
                ),
            ),
            source=_FLORIDA,
            unclear=phrase("the law counts by subject; every contact for advertising is counted"),
        )
        for place in ("US-FL", "US-OK")
    ),
    Row(
        place="US",
        purposes=_COLLECTION,
        caps=(
            Cap(
                name="Regulation F: seven calls in seven days",
                most=7,
                per="",
                stretch_ms=7 * DAY_MS,
                countries=("US",),
                channels=("voice",),
                purposes=_COLLECTION,
            ),
        ),
        source="12 CFR 1006.14(b)",
        unclear=phrase("the wait of seven days after a conversation cannot be known here"),
    ),
    _registry(
        "BR",
        "nao_me_perturbe",
        "registry Não Me Perturbe (telecoms, credit)",
        unclear=phrase("for two trades only"),
    ),
    _registry("BR-SP", "procon_sp", "Lei SP 13.226/08, registry Não Me Ligue", days=30),
    _registry("MX", "repep", "registry of Profeco; an entry counts after 30 days"),
    _registry(
        "MX",
        "reus",
        "registry of Condusef; an entry counts after 45 days, for two years, for phone and e-mail",
        unclear=phrase("for financial services only"),
    ),
    _registry(
        "ES",
        "lista_robinson",
        "registry of Adigital; an entry has its full effect after two months",
        unclear=phrase("express consent, which advertising needs there in any case, goes before it"),
    ),
    _registry("CL", "no_molestar", "Ley 19.496, article 28 B, registry of SERNAC", days=1),
    _registry("AR", "no_llame", "Ley 26.951, registry of the AAIP", days=30),
    _registry("UY", "no_llame", "URSEC, registry No Llame", days=30),
    _registry("PY", "no_molestar", "SEDECO, registry No Molestar", days=14),
    _registry("US", "national_dnc", "16 CFR 310.4(b)(3)(iv)", days=31),
)
