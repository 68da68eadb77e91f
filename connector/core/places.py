"""The place of a phone: its country, its region if the number tells it, and every time zone it may be in.

A place is a short text that a delivery keeps: "CO", "BR/81" (a country and the distinguishing area code), "CO+ES" (a
person with phones of both). Its meaning is read from the tables here each time, so a corrected table applies to every
waiting delivery. The tables correct `phonenumbers`, whose zones are wrong for Recife, Chihuahua, Matamoros, Magallanes
and Aysén; sources: Anatel (area codes of Brazil), IFT (Mexico), Subtel (Chile), CNMC (Spain), NANPA (United States),
and the zones of the IANA database, as of November 2026.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Area:
    """One part of a place. ``zones``: every one that it may be in, the likeliest first."""

    country: str  #: "BR"; of the number, not of the person
    region: str  #: "BR-PE" if the number tells it, otherwise ""
    zones: tuple[str, ...]


def place_of(phones: Iterable[tuple[int, str]]) -> str:
    """The place of a person with these phones (country code, national number); "" without any."""
    return "+".join(sorted({_area_code(code, national) for code, national in phones}))


@functools.lru_cache(maxsize=4096)
def areas(place: str) -> tuple[Area, ...]:
    """The parts of a place. A country whose zones are unknown has none."""
    return tuple(_area(one) for one in place.split("+") if one)


def countries(place: str) -> tuple[str, ...]:
    """The countries of a place: ("CO", "ES")."""
    return tuple(dict.fromkeys(area.country for area in areas(place)))


# --- from a number to a place ---------------------------------------------------------------------------------------


def _area_code(code: int, national: str) -> str:
    country = _country(code, national)
    length = _LENGTHS.get(country, 0)
    if country == "BR" and len(national) >= 10:
        return f"BR/{national[:2]}"
    if country == "MX":
        return f"MX/{national[:2] if national[:2] in _MX_SHORT else national[:3]}"
    if country == "CL":
        return f"CL/{national[:2]}" if national[:1] in "234567" and national[:2] not in ("60",) else "CL"
    if country == "ES":
        return f"ES/{national[:3]}" if national[:2] not in ("80", "90") and national[:1] in "89" else "ES"
    if country == "EC" and national.startswith(_GALAPAGOS):
        return f"EC/{_GALAPAGOS}"
    if country == "AR":
        return "AR/11" if national.removeprefix("9").startswith("11") else "AR"
    return f"{country}/{national[:length]}" if length and len(national) > length else country


#: Countries whose area codes are kept: the zones, or the law, of their parts differ.
_LENGTHS: Final[Mapping[str, int]] = {"US": 3, "CA": 3}
_MX_SHORT: Final = ("33", "55", "56", "81")
_GALAPAGOS: Final = "525"


def _country(code: int, national: str) -> str:
    import phonenumbers

    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    if len(regions) == 1:
        return str(regions[0])
    number = phonenumbers.PhoneNumber(country_code=code, national_number=int(national or 0))
    return str(phonenumbers.region_code_for_number(number) or (regions[0] if regions else "001"))


# --- from a place to its zones --------------------------------------------------------------------------------------


def _area(place: str) -> Area:
    country, _, key = place.partition("/")
    found = _READ[country](key) if country in _READ else None
    region, zones = found or ("", _zones_of_country(country))
    return Area(country, f"{country}-{region}" if region else "", zones)


def _brazil(key: str) -> tuple[str, tuple[str, ...]] | None:
    state = next((state for state, codes in _BR_STATES.items() if key in codes.split()), "")
    if not state:
        return "", ("America/Sao_Paulo", "America/Manaus", "America/Rio_Branco")
    zones = ("America/Manaus", "America/Eirunepe") if key == "97" else (_BR_ZONES.get(state, "America/Sao_Paulo"),)
    return state, zones


_BR_STATES: Final[Mapping[str, str]] = {
    "SP": "11 12 13 14 15 16 17 18 19",
    "RJ": "21 22 24",
    "ES": "27 28",
    "MG": "31 32 33 34 35 37 38",
    "PR": "41 42 43 44 45 46",
    "SC": "47 48 49",
    "RS": "51 53 54 55",
    "DF": "61",
    "GO": "62 64",
    "TO": "63",
    "MT": "65 66",
    "MS": "67",
    "AC": "68",
    "RO": "69",
    "BA": "71 73 74 75 77",
    "SE": "79",
    "PE": "81 87",
    "AL": "82",
    "PB": "83",
    "RN": "84",
    "CE": "85 88",
    "PI": "86 89",
    "PA": "91 93 94",
    "AM": "92 97",
    "RR": "95",
    "AP": "96",
    "MA": "98 99",
}
#: All others have the clock of São Paulo, though some have a zone of their own for the years before.
_BR_ZONES: Final[Mapping[str, str]] = {
    "MT": "America/Cuiaba",
    "MS": "America/Campo_Grande",
    "AC": "America/Rio_Branco",
    "RO": "America/Porto_Velho",
    "AM": "America/Manaus",
    "RR": "America/Boa_Vista",
    "PA": "America/Belem",
    "AP": "America/Belem",
    "TO": "America/Araguaina",
    "BA": "America/Bahia",
    "AL": "America/Maceio",
    "SE": "America/Maceio",
    "PE": "America/Recife",
    "PB": "America/Fortaleza",
    "RN": "America/Fortaleza",
    "CE": "America/Fortaleza",
    "PI": "America/Fortaleza",
    "MA": "America/Fortaleza",
}


def _mexico(key: str) -> tuple[str, tuple[str, ...]] | None:
    if not key:
        return None
    for zones, keys in _MX_ZONES.items():
        if key in keys.split():
            return "", zones
    return "", _library_zones(f"52{key}") or ("America/Mexico_City",)


#: Where the library's zone is wrong, or leaves out the clock of the border.
_MX_ZONES: Final[Mapping[tuple[str, ...], str]] = {
    ("America/Chihuahua",): "614 621 625 627 628 629 635 636 639 648 652 659",
    ("America/Chihuahua", "America/Mazatlan"): "649",
    ("America/Matamoros",): "867 868 877 878 891 894 897 899",
    ("America/Monterrey", "America/Matamoros"): "862 873",
    ("America/Hermosillo",): "622 623 631 632 633 634 637 638 641 642 643 644 645 647 651 653 662",
    ("America/Mexico_City",): "200 201",
}


def _chile(key: str) -> tuple[str, tuple[str, ...]]:
    if not key:  # a mobile, or a number without a place; Easter Island (8,000 people) is left out
        return "", ("America/Santiago", "America/Punta_Arenas", "America/Coyhaique")
    region = next((region for region, codes in _CL_REGIONS.items() if {key, key[:1]} & {*codes.split()}), "")
    zones = {"61": "America/Punta_Arenas", "67": "America/Coyhaique"}
    return region, (zones.get(key, "America/Santiago"),)


_CL_REGIONS: Final[Mapping[str, str]] = {
    "RM": "2",
    "VS": "32 33 34 35",
    "BI": "41 43",
    "NB": "42",
    "AR": "45",
    "CO": "51 53",
    "AN": "55",
    "TA": "57",
    "AP": "58",
    "AT": "52",
    "MA": "61",
    "LR": "63",
    "LL": "64 65",
    "AI": "67",
    "ML": "71 73 75",
    "LI": "72",
}


def _spain(key: str) -> tuple[str, tuple[str, ...]]:
    if not key:
        return "", ("Europe/Madrid", "Atlantic/Canary")
    fixed = "9" + key[1:]
    region = next((region for region, codes in _ES_REGIONS.items() if {fixed, fixed[:2]} & {*codes.split()}), "")
    return region, ("Atlantic/Canary" if region == "CN" or (fixed == "927" and key[0] == "8") else "Europe/Madrid",)


_ES_REGIONS: Final[Mapping[str, str]] = {
    "MD": "91",
    "CT": "93 972 973 977",
    "CN": "922 928",
    "AN": "950 951 952 953 954 955 956 957 958 959",
    "VC": "960 961 962 963 964 965 966",
    "GA": "981 982 986 988",
    "PV": "943 944 945 946",
    "NC": "948",
    "CL": "920 921 923 947 975 979 980 983 987",
    "CM": "925 926 949 967 969",
    "EX": "924 927",
    "AR": "974 976 978",
    "AS": "984 985",
    "CB": "942",
    "RI": "941",
    "IB": "971",
    "MC": "868 968",
}


def _ecuador(key: str) -> tuple[str, tuple[str, ...]]:
    # Mobiles count as the mainland's: 30,000 of 18 million people live on the islands.
    return "", ("Pacific/Galapagos" if key else "America/Guayaquil",)


def _argentina(key: str) -> tuple[str, tuple[str, ...]]:
    return "C" if key == "11" else "", ("America/Argentina/Buenos_Aires",)  # one clock in all provinces


def _united_states(key: str) -> tuple[str, tuple[str, ...]] | None:
    state = next((state for state, codes in _US_STATES.items() if key in codes.split()), "")
    zones = _library_zones(f"1{key}") if key else ()
    return (state, zones) if zones and len(zones) <= _SEVERAL else None


def _canada(key: str) -> tuple[str, tuple[str, ...]] | None:
    zones = _library_zones(f"1{key}") if key else ()
    return ("", zones) if zones and len(zones) <= _SEVERAL else None


_SEVERAL: Final = 6  #: more zones than one area code has; toll-free numbers have dozens, which say nothing

#: Area codes of the states whose law is stricter than the federal rule.
_US_STATES: Final[Mapping[str, str]] = {
    "FL": "239 305 321 324 352 386 407 448 561 645 656 689 727 728 754 772 786 813 850 863 904 941 954",
    "OK": "405 539 572 580 918",
    "WA": "206 253 360 425 509 564",
    "MD": "227 240 301 410 443 667",
    "MA": "339 351 413 508 617 774 781 857 978",
    "CT": "203 475 860 959",
    "NV": "702 725 775",
    "KY": "270 364 502 606 859",
    "AL": "205 251 256 334 483 659 938",
    "LA": "225 318 337 457 504 985",
    "MS": "228 471 601 662 769",
}

_READ: Final = {
    "BR": _brazil,
    "MX": _mexico,
    "CL": _chile,
    "ES": _spain,
    "EC": _ecuador,
    "AR": _argentina,
    "US": _united_states,
    "CA": _canada,
}


@functools.cache
def _library_zones(prefix: str) -> tuple[str, ...]:
    """All zones that the library knows for this prefix; if it knows none, those of the longest shorter prefix."""
    from phonenumbers.tzdata import TIMEZONE_DATA

    longer = [zones for known, zones in TIMEZONE_DATA.items() if known.startswith(prefix)]
    for end in range(len(prefix) - 1, 0, -1):
        if prefix in TIMEZONE_DATA or (longer and end <= 2):
            break
        if (zones := TIMEZONE_DATA.get(prefix[:end])) is not None:
            longer.insert(0, zones)
            break
    return tuple(dict.fromkeys(zone for zones in longer for zone in zones))


@functools.cache
def _zones_of_country(country: str) -> tuple[str, ...]:
    return _zone_table().get(country, ())


@functools.cache
def _zone_table() -> Mapping[str, tuple[str, ...]]:
    """Country -> zones, as the IANA database lists them, the most populous first."""
    found: dict[str, list[str]] = {}
    text = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found.setdefault(country, []).append(zone)
    return {country: tuple(zones) for country, zones in found.items()}


def known_zone(name: str) -> bool:
    """Whether this machine knows a time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        return False
    return True
