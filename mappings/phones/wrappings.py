"""Wrappings that programs put around a number: links, WhatsApp ids, URIs, HTML, percent signs, spreadsheet formats.

The result is plain text with the number in it, or `REFUSED` in place of digits that are not a phone number.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final
from urllib.parse import unquote

#: Stands for a part without a phone: it separates numbers and is none.
REFUSED: Final = "\x1a"
#: Stands before a number that certainly begins with its country's code.
INTERNATIONAL: Final = "\x1b"
#: Stands where an extension was.
EXTENSION: Final = "\x1c"

_TAG: Final = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,10}(?:\s[^<>]{0,500})?/?>")
_HREF: Final = re.compile(r"""(?:href|src)\s*=\s*["']?\s*([^"'\s<>]{1,300})""", re.IGNORECASE)
_PERCENT: Final = re.compile(r"%(?:25)*[0-9A-Fa-f]{2}")
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_KEYCAP: Final = re.compile("[\ufe0e\ufe0f\u20e3]")
_LINK: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}://|\b(?:www\.|wa\.me/|t\.me/|(?:api|web|chat)\.whatsapp\.com/|whatsapp\.com/|wa\.link/))[^\s<>\"']*",
    re.IGNORECASE,
)
_LINKED: Final = re.compile(
    r"(?:wa\.me/|t\.me/|signal\.me/|intent://send/|[?&](?:phone|number|phonenumber|tel|to|telefono|numero)=)(?:[pc]/|#p/|send/)?"
    r"\+?([0-9][0-9 ().-]{5,24})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_PHONE_HOSTS: Final = re.compile(
    r"^(?:https?://)?(?:www\.)?(?:wa\.me/|t\.me/|signal\.me/|(?:api\.|web\.)?whatsapp\.com/)|^(?:whatsapp|viber|intent|tg|signal)://",
    re.IGNORECASE,
)
_WHATSAPP_ID: Final = re.compile(
    r"(?<![\w.+-])\+?([0-9]{6,20})(?:[:_.][0-9]{1,3}){0,2}@(?:s\.whatsapp\.net|c\.us)\b", re.IGNORECASE
)
#: Names that Skype gives; the digits in them are nobody's number.
_NAMED_LIVE: Final = re.compile(r"(?<![\w.])(?:skype:)?live:\S{1,100}", re.IGNORECASE)
_URI: Final = re.compile(
    r"\b(?:tel|sips?|callto|sms|smsto|mmsto|facetime|facetime-audio|skype|h323|whatsapp)\s*:\s*(?://)?", re.I
)
_SIP: Final = re.compile(r"\bsips?:(\+?[0-9().-]{3,24})(?:;[^@\s]{0,80})?@[^\s,;<>]{1,200}", re.IGNORECASE)
_CONTEXT: Final = re.compile(
    r"([0-9().\s-]{3,24})((?:;[a-z-]{1,20}=[^;\s]{0,40}){0,4}?);phone-context=(\+[0-9]{1,3})(?![0-9])", re.I
)
_PARAMETER: Final = re.compile(
    r";(?:isub|phone-context|user|transport|postd|npdi|rn|cic|verstat)(?:=[^;\s]{0,80})?|\?(?:call|chat|add|body|text)\b\S{0,300}",
    re.I,
)
_EMAIL: Final = re.compile(r"[^\s@,;<>:()]{1,64}@[^\s@,;<>()]{1,190}")
_DATE: Final = re.compile(
    r"(?<![\w.+-])(?:(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])|(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|1[0-2])\2(?:19|20)\d\d)"
    r"(?:[T ]{1,2}\d{1,2}:\d\d(?::\d\d)?)?(?![\w-])"
)
#: A place on the map; CPF and RUT as they are always written.
_NO_PHONES: Final = re.compile(
    r"(?<![\w.])-?\d{1,3}\.\d{3,}\s*[,;]\s*-?\d{1,3}\.\d{3,}(?![\w.])"
    r"|(?<![\w.])(?:\d{3}\.\d{3}\.\d{3}-\d{2}|\d{1,2}\.\d{3}\.\d{3}-[\dkK])(?!\w)"
)
_CLOCK: Final = re.compile(r"(?<![\w.:+])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?![\w:])")

_FORMULA: Final = re.compile(r"""=\s*"?\s*([^"=]{1,60}?)\s*"?""")
_DECIMALS: Final = re.compile(r"\d{7,18}[.,]0{1,6}")
_THOUSANDS: Final = re.compile(r"\d{1,3}(?:([,.'’´` ])\d{3})(?:\1\d{3}){2,3}(?:[.,]0{1,2})?")
_EXPONENT: Final = re.compile(r"([1-9])(?:[.,](\d{1,17}))?\s?[eE]\s?\+?\s?0?(\d{1,2})")
_EXPONENT_ANYWHERE: Final = re.compile(r"(?<!\w)\d{1,3}[.,]?\d{0,17}[eE]\+?\d{1,2}(?!\w)")
#: Brazil's XX (or **, or a blank line) for a carrier of one's own choice: 0XX11, (0**11).
_ANY_CARRIER: Final = re.compile(r"(?<!\w)0\s?(?:xx|\*\*|__)\s?(?=[(\d])", re.IGNORECASE)
#: Markers that count the numbers of a list: 1. … 2. …
_COUNT: Final = re.compile(r"(?<![\d.+-])[1-9](?:(?:[.)°ºª]-?|-)[ \t]+(?=[+(]?\d)|[.)](?=\d{7}))")
_EXTENSION: Final = re.compile(
    r"(?:;\s*ext=|[\s,;./()-]{0,4}(?<![^\W\d_])(?:extensi[oó]n|extensao|extensão|extension|exten|extn|exts?|anexos?|anx|internos?|int|ramal|ramais|rml|rm"
    r"|r|e|x|opci[oó]n|opç[aã]o|opcao|option|opc|opt|op|marcar|marque|dial|disque|digite|tecla|presione)(?:[\s.:#º°-]{0,4}|[.\s]{0,3}(?:no|n[º°]|nro)[.:\s]{0,3})"
    r"|\s?\#\s?)([0-9]{1,6})(?:\s?[-/,yeo]\s?[0-9]{1,5}(?![0-9]))?(?![0-9]|[\s.-]?[0-9]{3,})",
    re.IGNORECASE,
)


def unwrapped(text: str) -> tuple[str, bool]:
    """The text without wrappings; and whether it is a number that a spreadsheet has rounded."""
    text = _plain_characters(text)
    if text[:1] in "'`´’=":
        text = _uncelled(text)
    if any(character in text for character in "<&%@:=/?;_"):
        text = _unlinked(text)
    whole = text.strip(" \"'“”\n").removeprefix("$").strip()
    if _DECIMALS.fullmatch(whole):
        return re.split("[.,]", whole)[0], False
    if _THOUSANDS.fullmatch(whole):
        return re.sub(
            r"\D", "", re.sub(r"(?<=\d{3})[.,]0{1,2}$", "", whole) if not whole.endswith("000") else whole
        ), False
    if "e" in text or "E" in text:
        if match := _EXPONENT.fullmatch(whole):
            digits = match[1] + (match[2] or "")
            digits = digits[: int(match[3]) + 1] + digits[int(match[3]) + 1 :].rstrip("0")
            exact = len(digits) == int(match[3]) + 1
            return (digits, False) if exact and len(digits) > 6 else (REFUSED, True)
        text = _EXPONENT_ANYWHERE.sub(REFUSED, text)
    text = _ANY_CARRIER.sub("0", text)
    if len(_COUNT.findall(text)) > 1:
        text = _COUNT.sub(REFUSED, text)
    if "." in text:
        text = _NO_PHONES.sub(REFUSED, text)
    return _DATE.sub(REFUSED, text), False


def without_extensions(text: str) -> str:
    """The text with `EXTENSION` where extensions are written in the words of es, pt and en."""
    return _EXTENSION.sub(EXTENSION, text)


def _plain_characters(text: str) -> str:
    """Digits of every script as 0 to 9, full-width signs as plain ones, one kind of dash, no keycaps."""
    if text.isascii():
        return text
    text = _KEYCAP.sub("", text)
    return "".join(_plain_character(character) for character in text)


#: Bullets and middle dots between the groups of a number.
_DOTS: Final = dict.fromkeys("•·∙‧・･⋅", " ")


def _plain_character(character: str) -> str:
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd" or character == "\u2212":
        return "-"
    if category == "Zs":
        return " "
    if category == "Cf":
        return ""
    if category in ("No", "Nl", "So"):
        return " "
    return {"＋": "+", "﹢": "+", "（": "(", "）": ")", "．": ".", "，": ",", "／": "/", "＠": "@", **_DOTS}.get(
        character, character
    )


def _uncelled(text: str) -> str:
    """A cell's apostrophe, and the formula around a text."""
    text = text.lstrip("'`´’")
    match = _FORMULA.fullmatch(text.strip())
    return match[1] if match else text


def _unlinked(text: str) -> str:
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    if "<" in text:
        text = _TAG.sub(lambda tag: f" {match[1]} " if (match := _HREF.search(tag[0])) else " ", text)
    if "&" in text:
        text = html.unescape(text).replace("\xa0", " ")
    for _ in range(2):
        if not _PERCENT.search(text):
            break
        text = unquote(text)
    text = _WHATSAPP_ID.sub(rf" {INTERNATIONAL}\1 ", text)
    text = _LINK.sub(_linked, text)
    text = _NAMED_LIVE.sub(REFUSED, text)
    text = _SIP.sub(r" \1 ", text)
    if "context" in text:
        text = _CONTEXT.sub(_in_context, text)
    text = _URI.sub(" ", text)
    text = _EMAIL.sub(REFUSED, text)
    text = _PARAMETER.sub("", text)
    return _CLOCK.sub(REFUSED, text)


def _linked(link: re.Match[str]) -> str:
    """The number in a link to a chat or a call; digits in other links are not numbers."""
    scheme = link[0].partition(":")[0].lower()
    if scheme in ("tel", "callto", "sms", "sip"):
        return f" {link[0].partition('://')[2]} "
    match = _LINKED.search(link[0]) if _PHONE_HOSTS.match(link[0]) else None
    return f" {INTERNATIONAL}{match[1]} " if match else REFUSED


def _in_context(found: re.Match[str]) -> str:
    return f" {found[3]} {found[1].strip()}{found[2]} "
