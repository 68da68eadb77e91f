"""Texts as programs leave them: HTML's entities, words for "nothing", merge fields that nothing was put into.

A template that found no value still writes something: ``undefined``, ``{{contact.firstname}}``, ``*|FNAME|*``. An agent
would read it out to a person.
"""

from __future__ import annotations

import html
import re
from collections.abc import Set
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any, Final
from urllib.parse import unquote

#: Empty values of programs. "Nan" and "Nil" are names of people.
NOTHING: Final = {
    *("undefined", "Undefined", "UNDEFINED", "null", "Null", "NULL", "(null)", "<null>", "none", "None", "NONE"),
    *("(none)", "<none>", "nan", "NaN", "NAN", "NaT", "<NA>", "n/a", "N/A", "n.a.", "N.A.", "#N/A", "#N/D", "\\N"),
    *("#REF!", "#VALUE!", "#VALOR!", "#¡VALOR!", "#NAME?", "#¿NOMBRE?", "#NUM!", "#¡NUM!", "#NULL!", "#¡NULO!"),
    *("#DIV/0!", "#¡DIV/0!", "#¡REF!", "#ERROR!", "[object Object]", "(not set)", "not set", "(empty)", "<empty>"),
    *("nil", "NIL", "<nil>", "NA", "N/D", "n/d", "N.D.", "S/D", "s/d", "S/I", "s/i", "(sin nombre)", "(desconocido)"),
    *(
        said
        for word in (
            *("unknown", "desconocido", "desconocida", "desconhecido", "sin nombre", "sem nome", "no name", "noname"),
            *("sin datos", "sem dados", "no aplica", "não se aplica", "no disponible", "não informado", "no informado"),
            *("no registra", "sin información", "sin informacion", "not available", "not provided", "anonymous"),
        )
        for said in (word, word.capitalize(), word.title(), word.upper())
    ),
    *(sign * times for sign in "-–—._*?/" for times in range(1, 11)),
}
#: Signs, mixed ("_-_"), with which people and programs fill a field that has to be filled.
_NO_WORD: Final = re.compile(r"[-–—._*?/'\"\s]{1,40}")
#: The same where a word may be a real value, as "none" is of priorities.
_NOTHING_ANYWHERE: Final = frozenset(
    {"undefined", "Undefined", "UNDEFINED", "null", "Null", "NULL", "[object Object]", "NaN", "(null)"}
)
#: A merge field that cannot be anything else, wherever it stands.
_MERGE: Final = re.compile(
    r"\{\{\{?[^{}]{0,200}\}\}\}?|\{%[^{}]{0,200}%\}|\*\|[^|*]{1,80}\|\*|<%=?[^<>]{0,200}%>|\$\{[^{}]{1,80}\}|\{![^{}]{1,80}\}"
    r"|\[\[[\w .:-]{1,80}\]\]|%%[\w .:-]{1,60}%%|##[\w .:-]{1,60}##|@\{[^{}]{1,80}\}"
    r"|#\{[^{}]{1,80}\}|<<[\w .:-]{1,80}>>"
)
#: One only as the whole text: people use these signs, too.
_MERGE_ALONE: Final = re.compile(
    r"\[[A-Za-z_][\w .:=\"'-]{1,80}\]|\{[A-Za-z_$][\w .-]{0,80}(?::[\d.]{1,8}|=\"[\w .-]{1,40}\")?\}"
    r"|%[A-Za-z_]\w{1,60}%|\$[A-Za-z_]\w{2,60}\$?|<[A-Za-z_][\w -]{1,40}>"
    r"|:[A-Za-z_]\w{1,40}:|__[A-Za-z]\w{1,40}__|\|{1,2}[A-Za-z_]\w{1,40}\|{1,2}",
    re.ASCII,
)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_SIGNS: Final = re.compile(r"[&{\[<*$%#@:_\\|?]")  #: one of these is in every entity and merge field
#: Characters that only a program, or a wrong encoding, puts into a text.
_UNCLEAN: Final = re.compile(r"[&{\[<*$%#@:_\\|?ÃÂâÅ\ufffd]|undefined|null")
#: ASCII without those signs, and accented letters that are one character in NFC and begin no text in a wrong encoding.
_PLAIN: Final = re.compile(r"[ !\"'()+,\-./0-9;=>A-Z\]^`a-z}~ÀÁÄÆ-ÖØ-áãä-öø-ÿ]*")
_REST: Final = re.compile(r"[\s,;.\-–|/()]*")  #: characters that a template may put between two merge fields
_MOST_WORDS: Final = 6  #: of a name
_LONGEST: Final = 20_000  #: characters that are searched
#: Signs in JSON that a text inside may need cleaning.
_SUSPECT: Final = re.compile(
    rb"&[#A-Za-z]|\{\{|\{%|\*\||<%|\$\{|\{!|\[\[|%%|##|@\{|[\[:,{]\"[\[{%$<:_]|\"[Uu]ndefined\"|\"[Nn]ull\"|NULL|UNDEF|NaN|\(null"
)

LOST: Final = "\ufffd"  #: replaces a letter that a program could not read
#: UTF-8 decoded as Windows-1252: "MuÃ±oz".
_TAKEN_WRONG: Final = re.compile("[ÃÂâÅ][\x80-\xff\u0152-\u2122]")
_TIMES_WRONG: Final = 3  #: as programs pass it on one to the other
#: A letter as written in JSON, in a text that was escaped twice.
_ESCAPED: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
#: A break, a tab or a quote with the backslash that a program put before it.
_BACKSLASHED: Final = re.compile(r"\\(?:r\\n|[nrt](?![a-z])|(['\"]))")
_OF_AN_ADDRESS: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_CDATA: Final = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_OF_MAIL: Final = re.compile(r"=\?[\w-]{3,20}\?[bBqQ]\?[^?\s]{1,400}\?=")
_TAGS: Final = (
    "a|abbr|b|big|blockquote|body|br|button|center|code|div|em|embed|font|form|h[1-6]|head|hr|html|i|iframe|img|input|ins"
    "|li|link|meta|object|ol|p|pre|s|script|small|span|strike|strong|style|sub|sup|svg|table|tbody|td|th|thead|tr|u|ul"
)
_MARKUP: Final = re.compile(
    rf"<(script|style)\b[^<>]*>.*?</\1\s*>|</?(?:{_TAGS})(?:\s[^<>]*)?/?>|<!--.*?-->", re.IGNORECASE | re.DOTALL
)

TEST_LEAD: Final = "<test lead:"  #: how the answers of Meta's testing tool begin
TEST_ADDRESSES: Final = frozenset({"test@fb.com", "test@meta.com"})


def unescaped(text: str) -> str:
    """`text` with HTML entities decoded; "&copy=2" in an address is not one. Twice, because some encode twice."""
    for _ in range(2):
        if "&" not in text or not _ENTITY.search(text):
            return text
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    return text


def written(text: str, nothing: Set[str] = NOTHING) -> str:
    """`text` without entities and unfilled merge fields; "" if it is empty."""
    if text in nothing:
        return ""
    if not _SIGNS.search(text) or len(text) > _LONGEST:
        return text
    if _NO_WORD.fullmatch(text):
        return ""
    text = unescaped(text)
    if _MERGE.search(text):
        text = _MERGE.sub("", text)
        return "" if _REST.fullmatch(text) or text.strip() in nothing else text.strip()
    return "" if _MERGE_ALONE.fullmatch(text.strip()) or text.strip() in nothing else text


def spoken(text: str) -> str:
    """A short text without a program's words for nothing among others: "Ana undefined" of two fields in a template."""
    if "undefined" not in text and "null" not in text:
        return text
    words = text.split()
    if not 1 < len(words) <= _MOST_WORDS:
        return text
    return " ".join(word for word in words if word not in ("undefined", "null"))


def whole(text: str) -> str:
    """`text` without HTML tags, with letters that were escaped twice decoded."""
    if "\\" in text:
        text = _BACKSLASHED.sub(lambda found: found[1] or " ", _ESCAPED.sub(_letter, text))
    if "=?" in text:
        text = _OF_MAIL.sub(_of_mail, text)
    if "%" in text and " " not in text:
        text = _of_an_address(text)
    if "<![" in text:
        text = _CDATA.sub(r"\1", text)
    return " ".join(_MARKUP.sub(" ", text).split(" ")).strip() if has_markup(text) else text


def has_markup(text: str) -> bool:
    """Whether a text contains HTML tags; "Ana <ana@example.com>" has none."""
    return "<" in text and len(text) <= _LONGEST and _MARKUP.search(text) is not None


def _letter(found: re.Match[str]) -> str:
    letter = chr(int(found[1] or found[2], 16))
    return letter if letter.isalpha() else found[0]


def _of_mail(word: re.Match[str]) -> str:
    """A word as mail writes it in a header: =?UTF-8?Q?Mu=C3=B1oz?="""
    try:
        return str(make_header(decode_header(word[0])))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return word[0]


def _of_an_address(text: str) -> str:
    """A text with the percent signs of an address, "Ana%20Mar%C3%ADa"; unchanged where they may be a person's own."""
    try:
        plain = unquote(text, errors="strict")
    except UnicodeError:
        return text
    signs = "".join(unquote(found, errors="replace") for found in _OF_AN_ADDRESS.findall(text))
    if not signs or not all(sign == " " or (sign.isalpha() and not sign.isascii()) for sign in signs):
        return text
    return plain.replace("+", " ")


def encoded_right(text: str) -> str:
    """UTF-8 that was decoded in another encoding, repaired if all of it can be; otherwise unchanged."""
    for _ in range(_TIMES_WRONG):
        if text.isascii() or len(text) > _LONGEST or not _TAKEN_WRONG.search(text):
            break
        if (right := _decoded_again(text)) == text:
            break
        text = right
    return text


def _decoded_again(text: str) -> str:
    for codec in ("cp1252", "latin-1"):
        try:
            return text.encode(codec).decode("utf-8")
        except UnicodeError:
            continue
    return text


def is_clean(text: str) -> bool:
    """Whether a text of any letters certainly needs no cleaning: no sign of a program or of another encoding in it."""
    return not _UNCLEAN.search(text) and text not in NOTHING


def is_plain(text: str) -> bool:
    """Whether a short text certainly needs no cleaning: it says something, or is "", and has no sign of a program."""
    plain = _PLAIN.fullmatch(text) is not None and text not in NOTHING
    return plain and "undefined" not in text and "null" not in text


def is_blank(text: str) -> bool:
    """Whether a text is an empty value."""
    text = text.strip()
    if not text or text[0].isalnum():  # every merge field begins with a sign
        return not text or text in NOTHING
    return not written(text)


def suspect(raw: bytes) -> bool:
    """Whether the texts in a JSON text have to go through `mended`."""
    return _SUSPECT.search(raw) is not None


def mended(value: Any) -> Any:
    """A JSON value with its texts `written`; empty ones are left out of objects."""
    if isinstance(value, str):
        return written(value, _NOTHING_ANYWHERE)
    if isinstance(value, dict):
        return {key: text for key, inner in value.items() if (text := mended(inner)) != "" or inner == ""}
    return [mended(inner) for inner in value] if isinstance(value, list) else value


def is_of_a_test(value: Any) -> bool:
    """Whether an answer, or one of several, is one that Meta's testing tool gives."""
    if isinstance(value, list):
        return any(map(is_of_a_test, value))
    if not isinstance(value, str) or not ("@" in value or "<" in value):
        return False
    return value.lstrip().startswith(TEST_LEAD) or value.strip().lower() in TEST_ADDRESSES
