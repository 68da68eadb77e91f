"""The words of HTML, as a reader of the page would see them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_LONGEST = 20_000  #: characters that are read
#: html.parser searches the end of unclosed signs again and again: such signs become text, and tags get an end.
_UNCLOSED = re.compile(r"<(?![^<>]*>)")
_NO_ELEMENT = re.compile(r"<[!?][^<>]*>|<[^<>]{2000,}>")
#: An invalid character reference. html.parser would read it whole, and Python reads at most 4,300 digits.
_NO_CHARACTER = re.compile("&#(?:[xX][0-9a-fA-F]{7,}|[0-9]{8,});?")
_BLOCKS = frozenset(
    {"br", "div", "p", "li", "tr", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table"}
)
_UNSEEN = frozenset({"script", "style", "head", "title"})


class _Words(HTMLParser):
    """The text that a reader of the page would see, a line for each block."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in _UNSEEN
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data.replace("\n", " "))


def _readable(html: str) -> str:
    """The same text without the parts for which html.parser needs quadratic time."""
    shown, *after = html.split("<!--")
    html = shown + "".join(piece.partition("-->")[2] for piece in after)
    return _NO_ELEMENT.sub("", _UNCLOSED.sub("&lt;", _NO_CHARACTER.sub("\ufffd", html)))


def plain_text(html: str) -> str:
    """A line for each block; the HTML itself if it cannot be read."""
    words = _Words()
    try:
        words.feed(_readable(html[:_LONGEST]))
        words.close()
    except (AssertionError, ValueError):  # html.parser's errors for unknown declarations
        return html
    lines = (" ".join(line.split()) for line in "".join(words.pieces).split("\n"))
    return "\n".join(filter(None, lines))
