"""Connections to PostgreSQL that nobody waits for in vain. Knows no table.

Each transaction begins with its limits (`SET LOCAL`, sent together with `BEGIN`): they pass through a pooler such as
pgbouncer, which neither takes start-up options nor gives the same server to the next transaction. A server that says
nothing at all is cut off by us, since its machine may still acknowledge every packet.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
import structlog
from psycopg.abc import PQGen
from psycopg.adapt import Loader
from psycopg.errors import ConnectionTimeout, _WaitTimeout
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

from alma_leads.database.deadlines import PAUSE_S, Limits, Outage, limits_of

log = structlog.get_logger(__name__)
# What DATABASE_URL may say otherwise (seconds, but for tcp_user_timeout, which is in milliseconds).
DEFAULTS = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
# BEGIN takes no time: a server that does not answer it does not answer anybody.
BEGIN_S = 3.0
# libpq knows none that is shorter.
PROBE_CONNECT_S = 2
# Set while somebody asks whether we are ready.
probing: ContextVar[bool] = ContextVar("probing", default=False)
_T = TypeVar("_T")


class DatabaseSilent(psycopg.OperationalError):
    """The database did not answer in time, or did not a moment ago and has not been asked again."""


class _StampLoader(Loader):
    """Load PostgreSQL's `2026-11-24 08:30:00.5+00` as the text that SQLite stores. Needs `TimeZone` to be UTC."""

    def load(self, data: Any) -> str:
        raw = bytes(data).decode("ascii")
        day, _, rest = raw.partition(" ")
        clock, _, fraction = rest.removesuffix("+00").partition(".")
        return f"{day}T{clock}.{fraction.ljust(6, '0')}Z"


class Server:
    """What is known of the server of one engine."""

    def __init__(self) -> None:
        self.outage = Outage(PAUSE_S)
        # Connections of an earlier generation are replaced before they are used again.
        self.generation = 0

    def note_silence(self, error: Exception) -> None:
        """Leave the server alone for a while."""
        self.generation += 1
        if self.outage.begins():
            log.warning("database does not answer", error=str(error).strip())

    def note_answer(self) -> None:
        """Ask the server as usual."""
        if self.outage.ends():
            log.warning("database answers again")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer takes too long."""

    answer_s: float = 15.0
    server: Server | None = None

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """Wait for an answer.

        Raises:
            DatabaseSilent: it did not come within `answer_s`.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_s or None)
        except _WaitTimeout:
            self.close()
            silence = DatabaseSilent(f"no answer within {self.answer_s:g} s")
            if self.server is not None:
                self.server.note_silence(silence)
            raise silence from None


_servers: WeakKeyDictionary[Engine, Server] = WeakKeyDictionary()


def prepare_postgresql(engine: Engine) -> None:
    """Set up each new connection of `engine`: time-outs, UTC stamps, limits of transactions."""
    server = _servers[engine] = Server()

    def connect(_dialect: Any, _record: Any, args: list[Any], options: dict[str, Any]) -> BoundedConnection:
        if not server.outage.may_ask():
            raise DatabaseSilent("no answer a moment ago")
        options = DEFAULTS | options
        if probing.get():
            options["connect_timeout"] = PROBE_CONNECT_S
        try:
            connection = BoundedConnection.connect(*args, **options, autocommit=True)
        except ConnectionTimeout as error:
            server.note_silence(error)
            raise
        except psycopg.OperationalError:
            server.note_answer()  # a refusal is an answer too
            raise
        connection.server = server
        return connection

    def set_up(connection: Any, record: Any) -> None:
        record.info["generation"] = server.generation
        connection.adapters.register_loader("timestamptz", _StampLoader)
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'; SELECT pg_backend_pid()")
            cursor.nextset()
            [pid] = cursor.fetchone()
        if pid != connection.info.backend_pid:
            # A pooler is in between: the next transaction may be on a server that knows no statement of ours.
            connection.prepare_threshold = None

    def check_out(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["generation"] != server.generation:
            raise DisconnectionError

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", set_up)
    event.listen(engine, "checkout", check_out)
    event.listen(engine, "begin", lambda connection: _begin(connection, server))


def replace_connections(engine: Engine) -> None:
    """Use no connection of today's pool again: they lead to a server that has become a standby."""
    _servers[engine].generation += 1


def _begin(connection: Connection, server: Server) -> None:
    """Begin a transaction; on another connection if the server has closed this one meanwhile.

    Nothing was executed yet, so this is safe, and it spares a ping for each connection that was idle.
    """
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    limits = limits_of(connection)
    try:
        _say_begin(connection, limits, server)
    except DatabaseSilent:
        connection.invalidate()
        raise
    except psycopg.OperationalError:
        server.generation += 1
        connection.invalidate()
        _say_begin(connection, limits, server)


def _say_begin(connection: Connection, limits: Limits, server: Server) -> None:
    driver = _driver(connection)
    if not server.outage.may_ask():
        raise DatabaseSilent("no answer a moment ago")
    driver.answer_s = min(BEGIN_S, limits.answer_s or BEGIN_S)
    driver.execute(_begin_statement(limits), prepare=False)
    driver.answer_s = limits.answer_s
    server.note_answer()


def _driver(connection: Connection) -> BoundedConnection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, BoundedConnection)
    return driver


@lru_cache(maxsize=16)
def _begin_statement(limits: Limits) -> str:
    given = {
        "statement_timeout": limits.statement_s,
        "lock_timeout": limits.lock_s,
        "idle_in_transaction_session_timeout": limits.idle_s,
    }
    return "; ".join(["BEGIN", *(f"SET LOCAL {name} = {round(value * 1000)}" for name, value in given.items())])
