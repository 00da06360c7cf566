"""Static files: served by WhiteNoise, compressed where `make` has compressed them, and cached for long."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask
from whitenoise import WhiteNoise

YEAR_SECONDS = 31_536_000


def serve(app: Flask) -> None:
    """Serve `static/`, and give templates `asset(name)`: the address of a file with a hash of its content in it.

    An address with that hash never means anything else, so browsers keep it for a year.
    """
    folder = Path(app.static_folder or "static")

    @cache
    def asset(name: str) -> str:
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12]
        return f"/static/{name}?v={digest}"

    app.add_template_global(asset)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = YEAR_SECONDS
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app, root=folder, prefix="static/", max_age=YEAR_SECONDS
    )
