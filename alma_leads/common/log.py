"""How this application logs: one event a line on stderr, as JSON or for eyes; libraries' records go the same way.

Of personal data, the line about a request carries the client's network address and the number of the user or key, so
that misuse can be traced. Nothing else does: events carry numbers and routes, never names, email addresses or paths.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

if TYPE_CHECKING:
    from config import Settings

STDERR = 2
# A stranger must not make us write much: some hundred frames of a recursion were 149 kB a request.
MAX_TRACEBACK_LENGTH = 8_000
# Chatty at INFO, and what they say there is either ours to say or of no use to an operator.
QUIET = ("werkzeug", "alembic", "huey", "flask-limiter", "urllib3")

# PostgreSQL says here what stood in the row that it refused: names and addresses.
_ROW = re.compile(r"^DETAIL:.*?(?=^\[SQL:|^$|\Z)", re.DOTALL | re.MULTILINE)


class _Line:
    """Write whole lines: one system call each, so that the lines of several processes do not mix."""

    def msg(self, line: str | bytes) -> None:
        data = line if isinstance(line, bytes) else line.encode()
        with contextlib.suppress(OSError):  # whoever read our stderr is gone; that must not end a request
            os.write(STDERR, data + b"\n")

    debug = info = warning = error = critical = exception = log = msg


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write a record of the standard library's logging."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 -- what cannot be formatted must not end what it was said about
            self.handleError(record)
        else:
            _Line().msg(line)


def _as_json(_logger: WrappedLogger, _name: str, event: EventDict) -> bytes:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS)


def _as_json_text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    return _as_json(logger, name, event).decode()


def _shortened(text: str) -> str:
    """Return a traceback or stack without rows of the database, and without its middle when it is long."""
    text = _ROW.sub("", text)
    if len(text) <= MAX_TRACEBACK_LENGTH:
        return text
    first, last = text[: MAX_TRACEBACK_LENGTH // 2], text[-MAX_TRACEBACK_LENGTH // 2 :]
    left_out = len(text) - len(first) - len(last)
    return f"{first}\n… {left_out:,} characters left out …\n{last}"


def _shorten(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for field in ("exception", "stack"):
        if isinstance(event.get(field), str):
            event[field] = _shortened(event[field])
    return event


def _plain_traceback(out: TextIO, exc_info: ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    out.write(_shortened(written.getvalue()))


def configure_logging(settings: Settings) -> None:
    """Make structlog and the standard library's logging write as `settings` say."""
    level = logging.getLevelNamesMapping()[settings.LOG_LEVEL]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _shorten,
    ]
    if settings.LOG_FORMAT == "json":
        shared += [structlog.processors.format_exc_info, _shorten]
        ours: Processor = _as_json
        theirs: Processor = _as_json_text
    else:
        ours = theirs = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_plain_traceback)
    structlog.configure(
        processors=[*shared, ours],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_make_line,
        cache_logger_on_first_use=False,  # caching saves 1 µs a line; loggers in use would keep their level
    )
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, theirs],
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Handler)] + [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(level if level == logging.DEBUG else max(level, logging.WARNING))
    logging.getLogger("uvicorn.error").setLevel(max(level, logging.ERROR))  # it warns of each request that is no HTTP


def _make_line(*_args: Any) -> _Line:
    return _Line()
