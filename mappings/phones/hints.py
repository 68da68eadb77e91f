"""Other fields of a row about its phones: the country, its calling code, the area code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Final

from mappings.phones.countries import calling_code, plain, region_named


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words of such fields' names, as `plain` has them. A name with any other word ("código postal") is of none.
_COUNTRY: Final = _words("pais country internacional international")
_COUNTRY_CODE: Final = _words(
    "ddi isd idd countrycode phonecode dialcode codigopais calling dial dialing dialling internacional international"
)
_AREA_CODE: Final = _words(
    "ddd area areacode caracteristica ciudad cidade city local nacional provincial interurbano interurbana"
)
#: Each of these alone is the code of an area or of a country.
_EITHER: Final = _words("indicativo prefijo prefixo prefix lada")
_CODE: Final = _EITHER | _words("codigo cod code clave")
_PHONE: Final = _words(
    "phone telephone mobile cell telefono telefonico telefonica telefone telefonia tel celular cel movil whatsapp"
    " numero number num fijo fixo residencial comercial res casa contacto contato fono fone"
)
#: Where somebody lives, not where somebody was born.
_RESIDENCE: Final = _words(
    "residencia residence actual atual mailing billing home cliente contacto contato lead donde vive vives resides"
    " reside vivo en que te encuentras cual es tu su seu sua em qual voce mora onde your what is you live in do"
)
_SMALL: Final = _words("de del do da el la los las of the para")
_KNOWN: Final = _COUNTRY | _COUNTRY_CODE | _AREA_CODE | _CODE | _PHONE | _SMALL
_MAYBE: Final = re.compile(
    r"c[oó]d|dd[di]|area|área|indicativ|prefi|lada|i[sd]d|caracter|pa[ií]s|dial|calling|country", re.IGNORECASE
)
_LONGEST_NAME: Final = 60
_LONGEST_READ: Final = 200  #: characters of a longer one, a column's title
_MOST_NAMES: Final = 100  #: of a row
_DIGITS: Final = re.compile(r"\D+")
_LONGEST_AREA: Final = 5
#: The names of a row in our own shape. None of them is a hint; the country is read by itself.
OUR_OWN: Final = _words(
    "first_name last_name id_type id_number age gender country state city zone address phones email callback_at"
    " callback_phone channel reason extra"
)


@dataclass(frozen=True, slots=True)
class Hints:
    """The values of a row; "" if it has none."""

    region: str = ""  #: the country that it names
    code: str = ""  #: the country's calling code; where it is known, it counts for more than the region
    area: str = ""
    either: str = ""  #: the code of a country or of an area

    @property
    def prefixes(self) -> bool:
        return bool(self.area or self.either)


NO_HINTS: Final = Hints()


def hints(*, country: Any = "", code: Any = "", area: Any = "", either: Any = "") -> Hints:
    """From loose values; empty ones are left out."""
    named = _text(either)
    if named.startswith(("+", "00", "(+")) or (named and not _DIGITS.sub("", named)):
        code, named = code or named, ""
    return Hints(
        region=region_named(text) if (text := _text(country)) else "",
        code=calling_code(text) if (text := _text(code)) else "",
        area=_digits(area),
        either=_digits(named),
    )


def hints_beside(row: Mapping[str, Any]) -> Hints:
    """The hints of a row in our own shape: its country, and what its extra holds under the usual names of codes."""
    country = row.get("country")
    extra = row.get("extra")
    found: dict[str, Any] = {}
    for place in (row, extra) if type(extra) is dict or isinstance(extra, Mapping) else (row,):
        if type(place) is dict and place.keys() <= OUR_OWN:  # as of most rows
            continue
        for name in place if len(place) <= _MOST_NAMES else islice(place, _MOST_NAMES):
            if name in OUR_OWN:
                continue
            if type(name) is str and len(name) <= _LONGEST_NAME and (kind := _kind_of(name)):
                found.setdefault(kind, place[name])
    if not found:
        return _of_region(region_named(text)) if country and (text := _text(country)) else NO_HINTS
    return hints(country=country or found.get("country", ""), **{k: v for k, v in found.items() if k != "country"})


@cache
def _of_region(region: str) -> Hints:
    """The hints of a row that names its country only."""
    return Hints(region=region)


def kind_of_name(name: str) -> str:
    """The hint that a short name gives about the phones beside it, "" for none.

    "code" (of a country), "area", "either", "country".
    """
    return _kind_of(name) if len(name) <= _LONGEST_NAME else _kind_read(name[:_LONGEST_READ])


def _kind_read(name: str) -> str:
    if not _MAYBE.search(name):
        return ""
    words = _words(plain(_CAMEL.sub(" ", name)))
    if words & {"pais", "country"} and words <= {"pais", "country"} | _RESIDENCE | _SMALL:
        return "" if words == {"country"} else "country"  # our own field
    if not words <= _KNOWN or not words & (_COUNTRY | _COUNTRY_CODE | _AREA_CODE | _CODE):
        return ""
    if words & (_COUNTRY | _COUNTRY_CODE) or words == {"phone", "code"}:
        return "code" if words - {"dial", "calling"} else ""
    if words & _AREA_CODE or {"clave", "lada"} <= words:
        return "area" if words & (_CODE | _PHONE | _AREA_ALONE) else ""
    return "either" if words & _EITHER or words & (_PHONE - _NUMBERS) else ""


#: The same, remembered: for names of `_LONGEST_NAME` characters at most. A source's names are few.
_kind_of: Final = lru_cache(2048)(_kind_read)
#: Words that need no other to mean a code.
_AREA_ALONE: Final = _words("ddd area areacode caracteristica")
_NUMBERS: Final = _words("numero number num casa res contacto contato comercial residencial")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        value = int(value)
    if isinstance(value, int) and abs(value) < 1e6:
        return str(value)
    return value[:100].strip() if isinstance(value, str) else ""


def _digits(value: Any) -> str:
    digits = _DIGITS.sub("", _text(value).removesuffix(".0")).lstrip("0")
    return digits if digits.isascii() and len(digits) <= _LONGEST_AREA else ""
