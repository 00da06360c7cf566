"""What a failure means that is nobody's fault here: the database or the file store cannot be used just now."""

from __future__ import annotations

import sqlite3

import psycopg
import structlog
from flask import request
from obstore.exceptions import BaseError, InvalidPathError, NotFoundError, NotSupportedError, PreconditionError
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction
from sqlalchemy.exc import TimeoutError as PoolTimeout

from alma_leads.database.sqlite_writers import WritersStuck
from alma_leads.resumes.sandbox.errors import StoreSilent

log = structlog.get_logger(__name__)
RETRY_AFTER_S = 10
# Primary result codes: it is busy, interrupted, full, read-only or cannot be read. All else is a fault of ours.
_SQLITE_CODES = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    )
)
# OperationalError is also a statement or a wait for a lock that was cut off, a shutdown and a refused connection.
_POSTGRESQL = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    ReadOnlySqlTransaction,
    IdleInTransactionSessionTimeout,
)
_FILE_STORE_FAULTS = (NotFoundError, InvalidPathError, NotSupportedError, PreconditionError)


def is_unavailable(error: BaseException) -> bool:
    """Return whether a later attempt may succeed because the database or the file store then answers."""
    if isinstance(error, PoolTimeout | WritersStuck | StoreSilent):
        return True
    if isinstance(error, BaseError):
        return not isinstance(error, _FILE_STORE_FAULTS)
    cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps the driver's errors
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CODES
    return isinstance(cause, _POSTGRESQL)


def note_unavailable(error: BaseException) -> None:
    """Log that a request could not be served, in one line."""
    cause = getattr(error, "orig", None) or error
    said = (str(cause).strip() or "?").splitlines()[0]
    log.warning("cannot serve now", rule=str(request.url_rule), error=f"{type(cause).__name__}: {said}"[:300])
