"""Open the task queue that `TASK_QUEUE_URL` names. What runs on it is in `tasks`."""

from __future__ import annotations

import logging
import threading
import time

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from redis import ConnectionPool
from sqlalchemy import URL, make_url

from alma_leads.database.engine import keep_private
from alma_leads.database.postgresql import DEFAULTS, BoundedConnection

QUEUE_NAME = "alma"
CONNECT_TIMEOUT_S = 3
# Longer than huey's blocking read, which waits a second for a task.
REDIS_TIMEOUT_S = 5
TABLES_LOCK = 4_142_005  # any number, as long as nothing else takes this advisory lock
LOG_AGAIN_S = 600.0


def queue_at(url: str) -> Huey:
    """Return the queue that `TASK_QUEUE_URL` names. Nothing needs results, so none are stored.

    Nothing is connected before the first task, so that a server that is down does not stop us from starting.
    """
    if url.startswith("redis"):
        # Timeouts in the URL override these.
        pool = ConnectionPool.from_url(url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=CONNECT_TIMEOUT_S)
        return RedisHuey(QUEUE_NAME, connection_pool=pool, results=False)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        # Without fsync: if a power cut loses a wake-up, the worker catches up when it starts.
        queue = SqliteHuey(QUEUE_NAME, filename=parsed.database, results=False, fsync=False)
        keep_private(str(parsed.database))
        return queue
    return _postgresql_queue(parsed)


def _postgresql_queue(url: URL) -> Huey:
    _, options = url.get_dialect()().create_connect_args(url)
    made = threading.Event()

    def connect() -> BoundedConnection:
        connection = BoundedConnection.connect(**{**DEFAULTS, **options}, autocommit=True)
        if not made.is_set():
            # Two workers that start at once must not both create the tables, and IF NOT EXISTS does not prevent it.
            # Statements sent together are one transaction.
            connection.execute("; ".join([f"SELECT pg_advisory_xact_lock({TABLES_LOCK})", *queue.storage.ddl]))
            made.set()
        return connection

    queue = PostgresHuey(QUEUE_NAME, connection=connect, create_tables=False, results=False)
    return queue


class QueueTrouble:
    """Whether the task queue is down, so that this is logged once and not at every attempt."""

    def __init__(self) -> None:
        self._logged_at: float | None = None

    def is_news(self) -> bool:
        """Record a failure, and return whether it should be logged."""
        now = time.monotonic()
        if self._logged_at is not None and now - self._logged_at < LOG_AGAIN_S:
            return False
        self._logged_at = now
        return True

    def is_over(self) -> bool:
        """Record that the queue answered, and return whether it was down before."""
        was, self._logged_at = self._logged_at, None
        return was is not None

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass one of the lines that huey would log with a traceback every few seconds while the queue is down."""
        if record.exc_info and str(record.msg).startswith("Error "):
            if not self.is_news():
                return False
            record.msg, record.args = "%s %s", (record.getMessage(), record.exc_info[1])
            record.exc_info = None
        return True
