"""Logs for machines and people, one line an entry on stderr, in which no person and no secret can be read.

JSON lines, or colours on a terminal. The libraries' own logs go the same way, from WARNING on. Every entry passes
`redacted`: values under telling names are masked whole; e-mails, phones and credentials are masked wherever they stand.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from connector.core import tracing
from connector.core.errors import ConnectorError
from connector.core.settings import Secret
from mappings.base import Invalid

if TYPE_CHECKING:  # structlog brings rich with it: it is loaded when something is logged
    from structlog.typing import EventDict, FilteringBoundLogger

MASK = "***"

_LIBRARIES = (
    "alembic",
    "pika",
    "py.warnings",
    "sqlalchemy",
    "urllib3",
    "uvicorn",
    "werkzeug",
)

#: Keys under which nothing is shown at all: by a word of theirs, or by letters anywhere in them.
_SECRET_WORD = re.compile("auth|passwd|cookies?|credentials?|signatures?")
_SECRET_PART = re.compile("token|secret|password|authoriz|apikey")
#: Keys under which only a short number is shown: a count of records does not identify a person.
_PERSONAL_WORD = re.compile(
    "tel|telephone|telefono|celular|mobile|cell|fax|e?mails?|correo|nombre|apellido|surname|address|identification"
    "|identity|comment|contact|customers?|extra|lead|person|people|payloads?|records?|row|body|bodies"
)
_PERSONAL_PART = re.compile("phone|email|firstname|lastname|fullname|username")
#: Words before "name" in keys that do not name a person.
_OUR_NAME = re.compile(
    "account|class|destination|event|exchange|field|file|func|function|host|logger|mapping|module|path|process|queue"
    "|route|server|source|table|thread|variable|vendor"
)
#: Keys of whole numbers that are not phones, however long: our ids, counts and measures.
_OUR_NUMBERS = re.compile(
    "(delivery|event|attempt)(_id)?|deliveries|events|attempts|rows|waiting|backlog|pid|lineno|.+_(ms|s|bytes|count)"
)
_SHORT = 1_000_000  #: seven digits may be a phone

_LONGEST = 4000  #: characters of a text
_MOST = 100  #: entries of a list or a table
_DEEPEST = 6
_LONGEST_KEY = 60  #: characters of a key that is remembered
_FRAMES = 15

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_WORD = re.compile("[A-Z]+(?![a-zà-ÿ])|[A-Z]?[a-zà-ÿ]+")
_CREDENTIAL = re.compile(
    r"""(?xi)
    (?P<label>
        \b bearer \b [\s:=]+
      | \b basic \s+ (?=[\w+/=-]{12})
      | \b authorization \b ["']? \s*[:=]\s* ["']? (?:[a-z]+\s+)?
      | (?<![\w-]) [\w-]{0,64}? (?:token|secret|password|passwd|api_?key|google_key|signature) \s*=\s* ["']?
      | ["'] [\w-]{0,64}? (?:token|secret|password|passwd|key|signature|name) ["'] \s*:\s* ["']
      | (?<![\w-]) [\w-]{1,64}? -(?:token|secret|signature|key) \s*:\s*
      | \b whsec_
    )
    [^\s"'&,;]+
    """
)
_EMAIL = re.compile(
    r"""(?x)
    (?<=://) [^\s/]{1,512} (?=@[^\s@/])
    | (?!//) (?<!:/) [^\s@<>(),;:"\\\[\]]{1,128} (?:@|%40|\uff20|\ufe6b) (?:[\w.-]+ | \[[^\]\s]{1,64}\]?)
    """
)
_AT = re.compile("@|%40|\uff20|\ufe6b")  # spares most texts the slower search
# Alternatives with many digits that are not phones come first and are kept; then seven or more loosely spaced digits.
_DIGITS = re.compile(
    r"""(?x)
    (?P<kept>
        (?<![\w+-]) [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12} (?![\w-])
      | (?<![\w+.-]) (?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])
        (?: [T\ ][0-2]\d:[0-5]\d (?: :[0-5]\d (?:\.\d{1,6})? )? (?:Z|[+-][01]\d:?[0-5]\d)? )? (?![\w-]|[.:]\d)
      | (?: (?<=//) | (?<=@) ) (?:\d{1,3}\.){3}\d{1,3} (?=[:/]\D?)
    )
    | \(?\+?\(? \d (?: [\s().\-\u00ad\u00b7\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060\u2212\ufeff/_]{0,3} \d ){6,}
    """
)
_FOREIGN_VALUES = re.compile(r""""[^"]*"|'[^']*'""")
_DATABASE_VALUES = re.compile(r"\n|\[SQL:|\[parameters:|DETAIL:")

_known_secrets: list[str] = []
_threshold: list[int] = [logging.INFO]  #: of our own entries, until structlog is loaded


def configure(level: str = "INFO", *, secrets: Iterable[Secret] = ()) -> None:
    """Log from ``level`` on (the libraries from WARNING on at least), and never print any of ``secrets``."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    texts = {secret.reveal() for secret in secrets}
    _known_secrets[:] = sorted((text for text in texts if len(text) >= 6), key=len, reverse=True)
    _threshold[0] = threshold
    if "structlog" in sys.modules:
        _configure_ours(threshold)
    _configure_libraries(max(threshold, logging.WARNING))


def get(name: str) -> FilteringBoundLogger:
    """A logger with ``logger: name`` in its entries. Entries before `configure` are redacted too."""
    return cast("FilteringBoundLogger", _Logger(name))


class _Logger:
    """A logger of structlog, which is loaded by the first entry."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Any = None

    def __getattr__(self, method: str) -> Any:
        if method.startswith("__"):
            raise AttributeError(method)
        import structlog

        if not structlog.is_configured():
            _configure_ours(_threshold[0])
        if self._logger is None:
            self._logger = structlog.get_logger(self._name)
        return getattr(self._logger, method)


def redacted(value: Any, key: str = "") -> Any:
    """A value as it may be printed: made of texts, numbers, lists and tables, with persons and secrets masked."""
    return _redacted(value, key, 0)


def masked(text: str) -> str:
    """A text on one line, its e-mails, phones and credentials masked."""
    text = _CONTROL.sub(" ", text[:_LONGEST])
    for secret in _known_secrets:
        text = text.replace(secret, MASK)
    text = _CREDENTIAL.sub(lambda found: found["label"] + MASK, text)
    if _AT.search(text):
        text = _EMAIL.sub(MASK, text)
    return _DIGITS.sub(lambda found: found["kept"] or MASK, text)


def error_text(error: BaseException) -> str:
    """An exception as one line: type and message; of a foreign one only the parts that cannot contain our values."""
    text = str(error)
    if not _is_ours(error):
        text = _DATABASE_VALUES.split(text, maxsplit=1)[0]
        if not isinstance(error, OSError):
            text = _FOREIGN_VALUES.sub(MASK, text)
    return f"{type(error).__name__}: {masked(text).strip()}".removesuffix(": ")


class Bridge(logging.Handler):
    """Sends the log entries of libraries (`logging`) to the same output in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, LookupError):
            message = str(record.msg)
        logger = _Stderr(record.name)
        entry: Any = {"event": message, "exc_info": record.exc_info}
        for step in _chain():
            entry = step(logger, record.levelname.lower(), entry)
        logger.msg(entry)


class _Stderr:
    """The target of structlog: the stderr of the moment. A log that cannot be written stops nothing."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError, AttributeError):  # full, closed, or missing
            sys.stderr.write(line.encode("utf-8", "backslashreplace").decode() + "\n")
            sys.stderr.flush()

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


def _configure_ours(threshold: int) -> None:
    import structlog

    structlog.configure(
        processors=_chain(),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,  # loggers made at import must follow a later `configure`
    )


def _chain() -> list[Any]:
    import structlog

    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    return [
        structlog.contextvars.merge_contextvars,
        _tell_logger,
        _tell_exception,
        _redact_entry,
        _tell_trace,  # after that: a trace's id may look like a phone
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer() if on_terminal else _as_json,
    ]


def _configure_libraries(threshold: int) -> None:
    root, bridge = logging.getLogger(), Bridge(threshold)
    others = [old for old in root.handlers if type(old) is not logging.StreamHandler and not isinstance(old, Bridge)]
    root.handlers = [*others, bridge]
    root.setLevel(threshold)
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
        library.setLevel(threshold)
    logging.captureWarnings(True)


def _tell_logger(logger: Any, _method: str, entry: EventDict) -> EventDict:
    return {**entry, "logger": logger.name}


def _tell_trace(_logger: Any, _method: str, entry: EventDict) -> EventDict:
    return {**entry, **tracing.ids()} if tracing.is_on else entry


def _tell_exception(_logger: Any, _method: str, entry: EventDict) -> EventDict:
    error = _exception(entry.pop("exc_info", None))
    if error is not None:
        entry["error"] = error_text(error)
        if error.__cause__ is not None:
            entry["caused_by"] = error_text(error.__cause__)
        if not _is_ours(error):
            entry["trace"] = _frames(error)
    return entry


def _exception(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    found = exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1] if exc_info else None
    return found if isinstance(found, BaseException) else None


def _frames(error: BaseException) -> list[str]:
    """The places of an exception, innermost last: no source lines, no values."""
    frames = extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{'/'.join(PurePath(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}" for frame in frames]


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, ConnectorError | Invalid)


def _redact_entry(_logger: Any, _method: str, entry: EventDict) -> EventDict:
    values = {masked(str(key)): redacted(value, str(key)) for key, value in entry.items() if key != "event"}
    return {**values, "event": redacted(entry.get("event"))}  # "event" is the message here


def _as_json(_logger: Any, _method: str, entry: EventDict) -> str:
    first = {key: entry.pop(key) for key in ("timestamp", "level", "logger", "event") if key in entry}
    return json.dumps({**first, **entry}, ensure_ascii=False)


def _redacted(value: Any, key: str, depth: int) -> Any:
    if value is None or isinstance(value, bool) or value in ("", b""):
        return value if not isinstance(value, bytes) else ""
    if isinstance(value, Secret) or _is_secret(key):
        return MASK
    if isinstance(value, Enum):
        return _redacted(value.value, key, depth)
    if isinstance(value, int | float):
        return _number(value, key)
    if _is_personal(key) or depth > _DEEPEST:
        return MASK
    if key == _FOREIGN and isinstance(value, str):
        return _of_others(value)
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST]
        return {masked(str(name)): _redacted(inner, str(name), depth + 1) for name, inner in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(inner, key, depth + 1) for inner in list(value)[:_MOST]]
    return _plain(value)


_FOREIGN = "words"  #: what a vendor said, who may quote a person
_foreign_texts: list[Callable[[str], str]] = []


def show_foreign_by(shown: Callable[[str], str]) -> None:
    """Vendors' words are shown by this function from now on; until then not at all."""
    _foreign_texts[:] = [shown]


def _of_others(text: str) -> str:
    return next((shown(text) for shown in _foreign_texts), MASK)


def _plain(value: Any) -> str:
    """A single value as text. Of an object that could hold anything, only its type."""
    if isinstance(value, str | PurePath | UUID | Decimal):
        return masked(str(value))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, BaseException):
        return error_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return f"<{type(value).__name__}>"


def _number(value: float, key: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if abs(value) < _SHORT or _OUR_NUMBERS.fullmatch(key):
        return value
    return MASK


def _remembered(judge: Callable[[str], bool]) -> Callable[[str], bool]:
    """The same with a cache for short keys: a longer one may be anybody's text."""
    cached = lru_cache(maxsize=1024)(judge)
    return lambda key: cached(key) if len(key) <= _LONGEST_KEY else judge(key)


@_remembered
def _is_secret(key: str) -> bool:
    words = _words(key)
    return any(map(_SECRET_WORD.fullmatch, words)) or bool(_SECRET_PART.search("".join(words)))


@_remembered
def _is_personal(key: str) -> bool:
    words = _words(key)
    before_names = [before for before, word in pairwise(["", *words]) if word in ("name", "names")]
    return (
        any(map(_PERSONAL_WORD.fullmatch, words))
        or bool(_PERSONAL_PART.search("".join(words)))
        or not all(map(_OUR_NAME.fullmatch, before_names))
    )


def _words(key: str) -> list[str]:
    """``customerPhone`` and ``customer-phone`` are both customer, phone."""
    return [word.lower() for word in _WORD.findall(key)]
