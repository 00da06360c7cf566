"""One web process: an application behind its front, under uvicorn."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from socket import IPPROTO_TCP, TCP_NODELAY, socket
from typing import TYPE_CHECKING, Any

import uvicorn
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from alma_leads.server.connections import connections_of, prepare_connections
from alma_leads.server.front import Front, Limits
from alma_leads.server.starting import needs_no_database
from alma_leads.web.auth import access_of
from alma_leads.web.headers import headers_for

if TYPE_CHECKING:
    from config import Settings

GRACE_S = 8  # how long requests in flight may take when told to stop; everything is gone within 10 s
KEEP_ALIVE_S = 15
UPLOAD_WRAPPING_BYTES = 65_536  # what a form needs beside its file

Pulse = Callable[[], Awaitable[None]]


def make_server(app: Any, limits: Limits, *, pulse: Pulse | None = None) -> uvicorn.Server:
    """Return a server of a WSGI application. Run it once, in the process that it is made in.

    Args:
        app: the WSGI application.
        limits: what its clients may ask of it.
        pulse: called every few seconds from the event loop, for as long as it runs.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_no_client_that_left)
    register = prepare_connections()
    config = uvicorn.Config(
        Front(app, limits, register),
        http=connections_of(register),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,  # `web.requests_log` writes a line for each request
        proxy_headers=False,  # the application believes as many proxies as TRUSTED_PROXIES says
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        timeout_notify=5,
        callback_notify=pulse,
    )
    return uvicorn.Server(config)


def serve_web(app: Any, limits: Limits, *, listening: Sequence[socket], pulse: Pulse | None = None) -> None:
    """Serve `app` on `listening` until SIGTERM or SIGINT."""
    for listener in listening:
        # Accepted sockets inherit it. asyncio sets it only where a socket says that its protocol is TCP, and without it
        # a head and a body that are written one after the other are 40 ms apart.
        listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    make_server(app, limits, pulse=pulse).run(list(listening))


def limits_of(app: Flask, settings: Settings) -> Limits:
    """Return what the clients of the application may ask of its server."""
    urls = app.url_map.bind("")

    def takes_file(method: str, path: str) -> bool:
        try:
            endpoint, _ = urls.match(path, method=method)
        except (HTTPException, RequestRedirect):
            return False
        with app.app_context():
            rule = access_of(endpoint)
        return rule is not None and rule.takes_file

    return Limits(
        threads=settings.WEB_THREADS,
        trusted_proxies=settings.TRUSTED_PROXIES,
        body_bytes=app.config["MAX_CONTENT_LENGTH"],
        upload_bytes=settings.RESUME_MAX_BYTES + UPLOAD_WRAPPING_BYTES,
        takes_file=takes_file,
        needs_no_database=needs_no_database,
        headers=[(name.lower().encode(), value.encode()) for name, value in headers_for(settings).items()],
    )


def _is_no_client_that_left(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of requests that were not answered: the front answers none whose client hung up."""
    return not str(record.msg).startswith("ASGI callable returned without")
