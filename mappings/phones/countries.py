"""Countries as people name them in a column: by name in es, pt and en, by ISO code, by calling code."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

import phonenumbers

from mappings.normalisation import nfkd

code_of_region: Final = cache(phonenumbers.country_code_for_region)

#: Countries with numbers that appear without + in each other's forms, and differ from home numbers.
_NEIGHBOURS: Final = "CO MX BR AR CL PE EC UY PY BO VE CR GT PA DO SV HN NI PR US CA ES PT CU"
NEIGHBOUR_CODES: Final = frozenset(code_of_region(region) for region in _NEIGHBOURS.split())

#: ISO code -> names, folded: lower case, no accents, one blank between words. The ISO codes themselves are added.
_NAMES: Final = {
    "CO": "colombia col|republica de colombia",
    "MX": "mexico mejico mex|estados unidos mexicanos|republica mexicana",
    "BR": "brasil brazil bra|republica federativa do brasil|republica federativa de brasil",
    "AR": "argentina arg|republica argentina",
    "CL": "chile chl chi|republica de chile",
    "PE": "peru per|republica del peru",
    "EC": "ecuador equador ecu|republica del ecuador",
    "UY": "uruguay uruguai ury uru",
    "PY": "paraguay paraguai pry par",
    "BO": "bolivia bol|estado plurinacional de bolivia",
    "VE": "venezuela ven|republica bolivariana de venezuela",
    "CR": "cri|costa rica",
    "GT": "guatemala gtm gua",
    "PA": "panama pan|republica de panama",
    "DO": "dom rd|republica dominicana|rep dominicana|dominican republic",
    "SV": "slv salvador|el salvador",
    "HN": "honduras hnd hon",
    "NI": "nicaragua nic",
    "PR": "pri|puerto rico|porto rico",
    "CU": "cuba cub",
    "HT": "haiti hti",
    "BZ": "belice belize blz",
    "JM": "jamaica jam",
    "TT": "tto|trinidad y tobago|trinidad and tobago|trinidad e tobago|trinidad",
    "GY": "guyana guy",
    "SR": "surinam suriname sur",
    "CW": "curazao curacao cuw",
    "AW": "aruba abw",
    "US": "usa eeuu eua estadosunidos|estados unidos|ee uu|e e u u|u s a|u s|united states|estados unidos de america"
    "|united states of america|estados unidos da america|estados unidos de norteamerica|norteamerica",
    "CA": "canada can",
    "ES": "espana spain espanha esp|reino de espana",
    "PT": "portugal prt",
    "FR": "francia france franca fra",
    "DE": "alemania germany alemanha deu",
    "IT": "italia italy ita",
    "GB": "inglaterra england gbr uk|reino unido|united kingdom|gran bretana|great britain|escocia",
    "IE": "irlanda ireland irl",
    "NL": "holanda netherlands nld|paises bajos|paises baixos|the netherlands",
    "BE": "belgica belgium bel",
    "CH": "suiza switzerland suica che",
    "AT": "austria aut",
    "SE": "suecia sweden swe",
    "NO": "noruega norway nor",
    "DK": "dinamarca denmark dnk",
    "FI": "finlandia finland fin",
    "PL": "polonia poland pol",
    "RO": "rumania romania rou",
    "RU": "rusia russia rus",
    "UA": "ucrania ukraine ukr",
    "TR": "turquia turkey tur",
    "IL": "israel isr",
    "MA": "marruecos morocco marrocos mar",
    "AO": "angola ago",
    "MZ": "mozambique mocambique moz",
    "ZA": "sudafrica zaf|south africa|africa do sul",
    "CN": "china chn",
    "JP": "japon japan japao jpn",
    "KR": "corea kor|corea del sur|south korea|coreia do sul",
    "IN": "india ind",
    "PH": "filipinas philippines phl",
    "AE": "are|emiratos arabes unidos|united arab emirates|emirados arabes unidos",
    "AU": "australia aus",
    "NZ": "nzl|nueva zelanda|new zealand|nova zelandia",
}


def _table() -> dict[str, str]:
    table = {region.lower(): region for region in phonenumbers.SUPPORTED_REGIONS}
    for region, names in _NAMES.items():
        words, *phrases = names.split("|")
        table.update(dict.fromkeys((*words.split(), *phrases, words), region))
    return table


_BY_NAME: Final = _table()
_LONGEST: Final = 100  #: characters; no name of a country is longer
_CODE: Final = re.compile(r"\+?0{0,2}([1-9][0-9]{0,2})(?![0-9])")
_CODE_BESIDE: Final = re.compile(r"[+(]\s*\+?\s*([1-9][0-9]{0,2})(?![0-9])")
_BETWEEN_NAMES: Final = re.compile(r"\s[-–—/|]\s|[-–—/|,;:()]")
#: Flags are pairs of these; each stands for a letter.
_FIRST_FLAG_LETTER: Final = 0x1F1E6


def plain(text: str) -> str:
    """Lower case, no accents, single blanks between words."""
    text = nfkd(text)
    return " ".join(re.findall(r"[a-z0-9]+", "".join(c for c in text if not unicodedata.combining(c)).lower()))


def _unflagged(text: str) -> str:
    return "".join(
        chr(ord(c) - _FIRST_FLAG_LETTER + ord("A")) if 0 <= ord(c) - _FIRST_FLAG_LETTER < 26 else c for c in text
    )


def region_named(text: str) -> str:
    """The region ("MX") of a name, an ISO code or a flag; "" if there is none. Reads at most 100 characters.

    A name may stand beside a code or a city: "CO - Colombia", "Colombia (+57)", "Bogotá, Colombia".
    """
    if found := _BY_NAME.get(text.lower()):
        return found
    text = _unflagged(text[:_LONGEST])
    if found := _BY_NAME.get(plain(text)):
        return found
    named = {_BY_NAME.get(plain(part), "") for part in _BETWEEN_NAMES.split(text)} - {""}
    return named.pop() if len(named) == 1 else ""


def calling_code(text: str) -> str:
    """The calling code ("57") of a field: "+57", "0057", "(+57)", "57", "Colombia +57", "CO"; "" for none."""
    text = text[:_LONGEST].strip().removesuffix(".0")
    match = _CODE.fullmatch(text.strip("() ")) or _CODE_BESIDE.search(text)
    if match:
        return match[1] if int(match[1]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE else ""
    region = region_named(text)
    return str(code_of_region(region)) if region else ""
