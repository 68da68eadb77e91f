"""Replaces real persons by invented ones, the same for the same, so that a payload can be kept as a test.

Names, e-mails, phones and documents are replaced wherever they occur: in their fields, in free text, in JSON inside a
text, in HTML entities. The form stays: accents, capitals, separators and the number of digits, because a wrong reading
depends on them. Free text about other persons cannot be recognised: a person must read it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
import phonenumbers

from mappings import names, texts
from mappings.base import Locale
from mappings.events import Event, Lead, Phone
from mappings.normalisation import nfkd
from mappings.phones.reader import read_phones
from mappings.reach import NAME_KEYS, VALUE_KEYS

_FIRST: Final = ("Ana", "Luis", "Marta", "Pedro", "Clara", "Jorge", "Elena", "Diego", "Laura", "Pablo")
_ACCENTED: Final = ("Sofía", "Raúl", "Íñigo", "Núñez", "Peña", "Muñoz", "Tomás", "João", "Inês", "Simões")
_TRIES: Final = 900
_LONGEST: Final = 5_000  #: characters of a text that are searched for persons


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LETTERS: Final = r"[^\W\d_]"
_WORD: Final = re.compile(rf"{_LETTERS}+(?:['’]{_LETTERS}+)*")
_SMALL: Final = _set("de del la las los da das do dos van von der san santa y e the and")
_ADDRESS: Final = re.compile(r"[^\s@,;:<>()\[\]\"'|/\\=&]{1,64}(@|%40)[\w-]+(?:\.[\w-]+)+")
_DIGITS: Final = re.compile(r"(?<![\w.:-])\+?\d(?:[\s().\-/–]{0,3}\d){6,}")
_NAME_PARTS: Final = _set(
    "name nombre nombres nome apellido apellidos sobrenome surname firstname lastname fullname author requester"
)
_NO_PERSON: Final = _set(
    "form campaign campana company empresa program programa course curso product producto file event page field ad"
    " adset column vendor brand product conversion event channel channel_name stage pipeline agency"
)
_DOCUMENT_PARTS: Final = _set("documento cedula dni rut cpf curp identificacion identification document")
#: A field's own name, or its kind.
_LABEL: Final = re.compile(r"(?:^|[\[ ])(?:@\w+|(?:title|label|type|id|placeholder|required)\]?)$")
_STREET: Final = "Calle 1 # 2-3"
#: A person who is named in free text: "soy Ana Ruiz", "mi mamá Gloria", "Sr. Paz".
_CAPITAL: Final = r"[^\W\d_a-zà-öø-ÿ][^\W\d_]+"
_INTRODUCED: Final = re.compile(
    r"(?i:\b(?:soy|me llamo|mi nombre es|sra?|srta|don|doñ?a|dra?|ing|lic|mam[aá]|pap[aá]|madre|padre|m[aã]e|pai"
    r"|espos[oa]|hij[oa]|herman[oa]|prim[oa]|t[ií][oa]|abuel[oa]|novi[oa]|amig[oa]|jef[ea]|asesora?|vendedora?"
    r"|atendid[oa] por|habl[eóo] con|atte|att|sou(?: [oa])?|me chamo|meu nome [eé]|filh[oa]|irm[aã]o?|marido|mulher"
    r"|namorad[oa]|i am|i'm|my name is|this is|mrs?|ms|wife|husband|son|daughter|mother|father|friend))"
    rf"[.:,]?\s+({_CAPITAL}(?:\s+(?:(?:de|del|la|las|los|da|do|dos|y|e)\s+){{0,2}}{_CAPITAL}){{0,3}})"
)
#: Local parts of addresses that name nobody.
_OFFICES: Final = _set(
    "info contact contacto contato ventas vendas sales admin hola hello mail email correo test prueba soporte support"
    " comercial gerencia oficina office noreply reply client cliente"
)
_SHORTEST_NICKNAME: Final = 4
_TIMES: Final = _set("time date at on created updated timestamp fecha hora data received occurred closed")


class Invented:
    """Replaces the persons of one event, and everything that looks like one, in its payload and its fetched parts."""

    def __init__(self, event: Event | None, locale: Locale) -> None:
        self._locale = locale
        self._words: dict[str, str] = {}  #: plain word -> invented
        self._emails: dict[str, str] = {}
        self._digits: dict[str, str] = {}  #: digits of a number -> invented, as many
        for text in _names_of(event):
            self._learn_name(text)
        for phone in _phones_of(event):
            self._invent_phone(phone)
        self._street = event.address.strip() if isinstance(event, Lead) else ""

    def value(self, json_value: Any, key: str = "") -> Any:
        """The same value with invented persons; ``key`` is the name under which it stands."""
        if isinstance(json_value, dict):
            return self._object(json_value, key)
        if isinstance(json_value, list):
            return [self.value(inner, key) for inner in json_value]
        if isinstance(json_value, str):
            return self._text(json_value, key)
        if isinstance(json_value, int) and not isinstance(json_value, bool) and _is_number(key):
            text = self._number(str(json_value))
            return int(text) if text.isdecimal() else json_value
        return json_value

    def _object(self, json_object: dict[str, Any], key: str) -> dict[str, Any]:
        """An object; if it names a field and its value, the name stays and decides how the value is treated."""
        if not any(name in json_object for name in VALUE_KEYS):
            return {k: self.value(inner, _joined(key, k)) for k, inner in json_object.items()}
        label = next((json_object[name] for name in NAME_KEYS if isinstance(json_object.get(name), str)), "")
        return {
            k: inner if k in NAME_KEYS else self.value(inner, label or key if k in VALUE_KEYS else _joined(key, k))
            for k, inner in json_object.items()
        }

    @property
    def originals(self) -> frozenset[str]:
        """Everything that must be left nowhere: plain words, digits, addresses."""
        return frozenset(self._words) | frozenset(self._emails) | frozenset(self._digits)

    def _text(self, text: str, key: str) -> str:
        if text[:1] in "{[" and (inner := _json(text)) is not None:
            return orjson.dumps(self.value(inner, key)).decode()
        if text.strip() and names.known(key.rpartition(_WITHIN)[2]) == "address":
            return _STREET
        if _is_name(key) and "@" not in text:
            self._learn_name(text)
        elif " " in text.strip() and not _is_id(key):
            self._learn_introduced(text)
        plain = texts.unescaped(text)
        if plain != text and self._replaced(plain, key) != plain:
            return html.escape(self._replaced(plain, key)).encode("ascii", "xmlcharrefreplace").decode()
        return self._replaced(text, key)

    def _replaced(self, text: str, key: str) -> str:
        replacements: list[str] = []

        def keep(replacement: str) -> str:
            replacements.append(replacement)
            return f"\x00{len(replacements) - 1}\x00"

        text = _ADDRESS.sub(lambda found: keep(self._email(found[0])), text)
        if len(self._street) > _SHORTEST_NICKNAME:
            text = text.replace(self._street, keep(_STREET)) if self._street in text else text
        for digits, invented in sorted(self._digits.items(), key=lambda one: -len(one[0])):
            text = _spaced(digits).sub(lambda found, new=invented: keep(_with_digits(found[0], new)), text)  # type: ignore[misc]
        if not _is_time(key) and (_is_number(key) or not _is_id(key)):
            text = _DIGITS.sub(lambda found: keep(self._number(found[0])), text)
        text = _WORD.sub(lambda found: self._word(found[0]), text)
        return re.sub("\x00(\\d+)\x00", lambda found: replacements[int(found[1])], text)

    # Names

    def _learn_name(self, text: str) -> None:
        for word in _WORD.findall(texts.unescaped(text)[:200]):
            plain = _plain(word)
            if len(plain) > 2 and plain not in _SMALL and plain not in self._words and not names.known(word):
                pool = _FIRST if word.isascii() else _ACCENTED
                used = sum(one in pool for one in self._words.values())
                self._words[plain] = pool[used % len(pool)]

    def _learn_introduced(self, text: str) -> None:
        """Names of persons that a text introduces; of a text in capitals the first word alone can be told."""
        for name in _INTRODUCED.findall(texts.unescaped(text)[:_LONGEST]):
            self._learn_name(name.split()[0] if text.isupper() else name)

    def _word(self, word: str) -> str:
        plain = _plain(word)
        new = self._words.get(plain)
        if new is None and word[:1].isupper() and len(plain) >= _SHORTEST_NICKNAME:
            new = next((self._words[one] for one in self._words if one.startswith(plain)), None)
        if new is None:
            return word
        return new.upper() if word.isupper() and len(word) > 1 else new.lower() if word.islower() else new

    # Addresses and numbers

    def _email(self, address: str) -> str:
        at = "%40" if "%40" in address else "@"
        known = address.casefold().replace("%40", "@")
        number = len(self._emails) + 1
        if known not in self._emails:
            words = [one for one in re.findall(_LETTERS + "+", known.partition("@")[0]) if _plain(one) not in _OFFICES]
            self._learn_name(" ".join(one for one in words if len(one) >= _SHORTEST_NICKNAME))
        return self._emails.setdefault(known, f"persona{number}@example.com").replace("@", at)

    def _invent_phone(self, phone: Phone) -> None:
        """A number in use of the same kind: another last part that is valid too."""
        region = phonenumbers.region_code_for_country_code(phone.country_code)
        number = phonenumbers.parse(phone.e164, region)
        kind = phonenumbers.number_type(number)
        head, size = phone.national[:-6], min(6, len(phone.national))
        for step in range(1, _TRIES):
            digits = f"{head}{(len(self._digits) + 1) * 1000 + step:0{size}}"
            again = phonenumbers.parse(f"+{phone.country_code}{digits}", region)
            if (
                digits != phone.national
                and phonenumbers.is_valid_number(again)
                and phonenumbers.number_type(again) == kind
            ):
                break
        self._digits.setdefault(phone.national, digits)

    def _number(self, text: str) -> str:
        """Digits of an unknown kind: the first three stay, because they show what the number looks like."""
        for number in read_phones(text, self._locale).numbers:
            if number.phone.national not in self._digits:
                self._invent_phone(number.phone)
            if _spaced(number.phone.national).search(text):
                return _with_digits_of(text, number.phone.national, self._digits[number.phone.national])
        digits = "".join(filter(str.isdecimal, text))
        if digits not in self._digits:
            serial = f"{len(self._digits) + 1:0{max(1, len(digits) - 3)}}"
            self._digits[digits] = (digits[:3] + serial)[: len(digits)]
        return _with_digits(text, self._digits[digits])


def _names_of(event: Event | None) -> Iterable[str]:
    if event is None:
        return ()
    if isinstance(event, Lead):
        return (event.first_name, event.last_name)
    return (event.customer.name, event.agent.name)


def _phones_of(event: Event | None) -> Iterable[Phone]:
    if event is None:
        return ()
    found = (*event.phones, event.callback_phone) if isinstance(event, Lead) else (event.customer.phone,)
    return tuple(phone for phone in found if phone is not None)


def _plain(word: str) -> str:
    letters = nfkd(word.casefold())
    return "".join(c for c in letters if not unicodedata.combining(c))


def _joined(before: str, key: str) -> str:
    """The name of a value: its key, behind that of the object around it."""
    if key in VALUE_KEYS or key == "#text" or key.isdecimal():
        return before
    return f"{before.rpartition(_WITHIN)[2]}{_WITHIN}{key}" if before else key


_WITHIN: Final = " > "


def _parts(key: str) -> frozenset[str]:
    return frozenset(names.snake(key).split("_"))


def _is_name(key: str) -> bool:
    parts = _parts(key)
    return not parts.isdisjoint(_NAME_PARTS) and parts.isdisjoint(_NO_PERSON) and not _LABEL.search(key)


def _is_number(key: str) -> bool:
    """Whether a phone or a document stands under this key."""
    return names.guess(key.rpartition(_WITHIN)[2], "0000000") == "phones" or not _parts(key).isdisjoint(_DOCUMENT_PARTS)


def _is_id(key: str) -> bool:
    return not _parts(key.rpartition(_WITHIN)[2]).isdisjoint({"id", "uuid", "gclid", "url", "hash"})


def _is_time(key: str) -> bool:
    return not _parts(key.rpartition(_WITHIN)[2]).isdisjoint(_TIMES)


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _spaced(digits: str) -> re.Pattern[str]:
    """These digits with the separators that people write between them."""
    return re.compile(r"[\s().\-/–]{0,3}".join(digits))


def _with_digits(text: str, digits: str) -> str:
    """A text with other digits in the places of its own."""
    left = iter(digits)
    return "".join(next(left, "0") if c.isdecimal() else c for c in text)


def _with_digits_of(text: str, digits: str, others: str) -> str:
    return _spaced(digits).sub(lambda found: _with_digits(found[0], others), text)


def remains(invented: Invented, value: Any) -> list[str]:
    """The real words, numbers and addresses that are still in a JSON value."""
    text = _plain("\n".join(_texts_in(value)))
    words = set(map(_plain, _WORD.findall(text)))
    digits = re.sub(r"(?<=\d)[\s().\-/–]+(?=\d)", "", text)
    new = {_plain(one) for one in (*_FIRST, *_ACCENTED)}
    return sorted(
        one
        for one in invented.originals
        if (one.isdecimal() and one in digits) or ("@" in one and one in text) or (one in words and one not in new)
    )


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)
    elif value is not None:
        yield str(value)
