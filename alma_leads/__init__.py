"""The application factory. Nobody imports it but `wsgi`, the worker and the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from alma_leads.database import prepare_engine
from alma_leads.extensions import csrf, db, limiter, mail, migrate

if TYPE_CHECKING:
    from config import Settings


def create_app(settings: Settings) -> Flask:
    """Return the application, made with `settings`."""
    app = Flask(__name__, root_path=str(settings.root), static_folder="static", template_folder="templates")
    app.config["SETTINGS"] = settings
    app.config.from_mapping(settings.flask_config())
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
    migrate.init_app(app, db, directory=str(settings.root / "migrations"), render_as_batch=True)
    mail.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)
    return app
