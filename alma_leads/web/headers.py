"""Headers of every response: what a browser must not do with our pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, redirect, request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from config import Settings

# No inline script or style, nothing from elsewhere. `img-src` allows `data:` for nothing: pictures are files.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Flask-WTF may compare the referrer of a form on HTTPS, so our own pages still send it to us.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
HTTPS_HEADERS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}


def headers_for(settings: Settings) -> Mapping[str, str]:
    """Return the headers of every answer, whoever gives it."""
    return HEADERS | HTTPS_HEADERS if settings.PUBLIC_URL.startswith("https://") else HEADERS


def set_headers(app: Flask) -> None:
    """Make every response of `app` carry the headers; a value that is there already wins.

    To be called when everything that answers by itself (static files) has been put around `app.wsgi_app`.
    """
    app.wsgi_app = _WithHeaders(app.wsgi_app, headers_for(app.config["SETTINGS"]))  # type: ignore[method-assign]

    @app.after_request
    def add(response: Response) -> Response:
        if request.path.startswith("/internal") and "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "private, no-store"
        # Werkzeug builds the address of a path that it tidies up from the Host that the client sent.
        location = response.headers.get("Location")
        if location is not None and location.startswith(request.host_url):
            path = f"/{location.removeprefix(request.host_url).lstrip('/')}"
            response.headers["Location"] = path
            response.data = redirect(path, response.status_code).get_data()
        return response


class _WithHeaders:
    def __init__(self, wrapped: WSGIApplication, headers: Mapping[str, str]) -> None:
        self._wrapped = wrapped
        self._headers = [(name, name.lower(), value) for name, value in headers.items()]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""

        def start(status: str, given: list[tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
            present = {name.lower() for name, _ in given}
            missing = [(name, value) for name, lowered, value in self._headers if lowered not in present]
            return start_response(status, given + missing, *more)

        return self._wrapped(environ, start)
