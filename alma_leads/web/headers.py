"""Headers of every response: what a browser must not do with our pages."""

from __future__ import annotations

from flask import Flask, Response, request

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


def set_headers(app: Flask) -> None:
    """Make `app` send the headers; a view's own value wins."""
    secure = app.config["SETTINGS"].PUBLIC_URL.startswith("https://")
    fixed = list((HEADERS | HTTPS_HEADERS if secure else HEADERS).items())

    @app.after_request
    def add(response: Response) -> Response:
        present = {name.lower() for name, _ in response.headers}
        response.headers.extend([pair for pair in fixed if pair[0].lower() not in present])
        if request.path.startswith("/internal") and "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "private, no-store"
        return response
