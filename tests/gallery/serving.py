"""The product served from this process, with a clock that stands still, so that every picture of it is the same."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from flask import Flask
from werkzeug.serving import make_server

from alma_leads.app import create_app
from alma_leads.common.extensions import db
from alma_leads.database import base
from alma_leads.web.auth import PUBLIC, access
from tests.conftest import TestClock, settings_for
from tests.support.databases import migrate

BREAKING = "/breaking"


@contextmanager
def stopped_clock() -> Iterator[TestClock]:
    """Stop the application's clock."""
    clock, real = TestClock(), base._clock
    base._clock = lambda: clock.now
    yield clock
    base._clock = real


@contextmanager
def serve(folder: Path, port: int, **settings: Any) -> Iterator[Flask]:
    """Serve an application on an empty database in `folder`. One of its pages breaks."""
    folder.mkdir(exist_ok=True)
    made = settings_for(folder, PORT=port, PUBLIC_URL=f"http://localhost:{port}", LOG_LEVEL="ERROR", **settings)
    migrate(made)
    app = create_app(made)
    app.add_url_rule(BREAKING, view_func=access(PUBLIC)(_break))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        app.extensions["background"].stopping.set()
        with app.app_context():
            db.engine.dispose()


def _break() -> NoReturn:
    raise RuntimeError("A page that breaks, to be seen.")
