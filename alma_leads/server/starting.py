"""What each process does once when it starts, unless `serve.py` started it and has done it already."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import structlog
from flask import Flask
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from alma_leads.accounts.core.errors import WeakPassword
from alma_leads.accounts.sso.provider import ProviderFailed, identity_provider
from alma_leads.accounts.users.setup_service import prepare_start
from alma_leads.common.extensions import db

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from config import Settings

log = structlog.get_logger(__name__)

# While the database is not migrated, or does not answer, it is asked this often at most.
AGAIN_S = 1.0
# How long the start is held up by a server that does not answer, and that it can do without.
WAIT_FOR_OTHERS_S = 1.0
_WITHOUT_DATABASE = frozenset({"/", "/thanks", "/docs", "/openapi.json", "/healthz"})


def prepare_server(app: Flask, settings: Settings) -> None:
    """Prepare the first administrator in a process that serves `app`: now, or when the database is there.

    The command line loads the same module for every command, and a command that lists people is no start: there it
    happens at the first request, which only `flask run` gets.
    """
    prepared = False
    if os.environ.get("FLASK_RUN_FROM_CLI") != "true":
        say_warnings(app, settings)
        prepared = _prepare(app)
        with app.app_context():
            db.engine.dispose()  # a server that forks now must not share our connections with its children
    if not prepared:
        app.wsgi_app = _AtFirstRequest(app, app.wsgi_app)  # type: ignore[method-assign]


def prepare_process(app: Flask, settings: Settings) -> None:
    """Prepare the first administrator in a process that a command starts and that goes on."""
    say_warnings(app, settings)
    _prepare(app)


def say_warnings(app: Flask, settings: Settings) -> None:
    """Log what is odd about the settings, and which servers they name do not answer."""
    for line in (*settings.warnings(), *unreachable(app, settings)):
        log.warning(line)


def unreachable(app: Flask, settings: Settings) -> Iterator[str]:
    """Yield a line for each server that is not needed to start, and does not answer. No line shows a password."""
    effects = {
        "RATE_LIMIT_STORAGE_URL": "each process counts by itself",
        "TASK_QUEUE_URL": "emails go out later than they could",
    }
    for name, effect in effects.items():
        url = getattr(settings, name)
        if url.startswith("redis") and not _answers(url):
            yield f"{name} names a Redis that does not answer. Until it does, {effect}."
    with app.app_context():
        provider = identity_provider()
    if provider is not None:
        try:
            provider.check(wait_s=WAIT_FOR_OTHERS_S)
        except ProviderFailed as failed:
            yield f"OIDC_ISSUER names a provider that cannot be used: {failed}. No work account works until then."


def _answers(url: str) -> bool:
    timeouts = {"socket_timeout": WAIT_FOR_OTHERS_S, "socket_connect_timeout": WAIT_FOR_OTHERS_S}
    try:
        with Redis.from_url(url, retry=Retry(NoBackoff(), 0), **timeouts) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def _prepare(app: Flask) -> bool:
    try:
        with app.app_context():
            return prepare_start()
    except WeakPassword as weak:
        sys.stderr.write(f"FIRST_ADMIN_PASSWORD cannot be used: {weak}.\n")
        raise SystemExit(2) from None


def needs_no_database(method: str, path: str) -> bool:
    """Say whether a page is served without asking the database, so that one that does not answer is no matter."""
    return method in {"GET", "HEAD"} and (path in _WITHOUT_DATABASE or path.startswith("/static/"))


class _AtFirstRequest:
    """Prepares the first administrator before the first request, and tries again as long as that fails."""

    def __init__(self, app: Flask, wrapped: WSGIApplication) -> None:
        self._app = app
        self._wrapped = wrapped
        self._lock = threading.Lock()
        self._again_at = 0.0
        self._prepared = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request. Those that come while another one prepares do not wait for it."""
        if (
            not self._prepared
            and not needs_no_database(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
            and time.monotonic() >= self._again_at
            and self._lock.acquire(blocking=False)
        ):
            try:
                self._try()
            finally:
                self._lock.release()
        return self._wrapped(environ, start_response)

    def _try(self) -> None:
        self._again_at = time.monotonic() + AGAIN_S
        try:
            with self._app.app_context():
                self._prepared = prepare_start()
        except WeakPassword as weak:
            self._prepared = True
            log.error("FIRST_ADMIN_PASSWORD cannot be used", reason=str(weak))
