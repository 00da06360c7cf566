"""Which kind of task queue `TASK_QUEUE_URL` names. What runs on it is in `tasks`."""

from __future__ import annotations

import logging

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from sqlalchemy import make_url

from alma_leads.engine import keep_private

QUEUE_NAME = "alma"


def queue_at(url: str) -> Huey:
    """Return the queue that `TASK_QUEUE_URL` names. Nobody waits for results, so none are kept."""
    if url.startswith("redis"):
        return RedisHuey(QUEUE_NAME, url=url, results=False)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        # Not worth a wait for the disk: a wake that a power cut loses is made up for when the worker starts.
        queue = SqliteHuey(QUEUE_NAME, filename=parsed.database, results=False, fsync=False)
        keep_private(str(parsed.database))
        return queue
    dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    return PostgresHuey(QUEUE_NAME, dsn=dsn, results=False)


def briefly(record: logging.LogRecord) -> bool:
    """Make one line of a traceback that huey would log every few seconds for as long as the queue is down."""
    if record.exc_info and str(record.msg).startswith("Error "):
        record.msg, record.args = "%s %s", (record.getMessage(), record.exc_info[1])
        record.exc_info = None
    return True
