"""The application factory. Only `wsgi`, the server and tests import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

import alma_leads.models  # noqa: F401 -- the session knows all tables
from alma_leads import cli
from alma_leads.accounts.sso import provider
from alma_leads.common.extensions import csrf, db, mail, migrate
from alma_leads.common.log import configure_logging
from alma_leads.database.engine import prepare_engine
from alma_leads.jobs import tasks
from alma_leads.web import assets, auth, headers, health, passkeys, theme, throttle
from alma_leads.web.errors import problems, refusals, server_refusals
from alma_leads.web.internal import internal
from alma_leads.web.public import public
from alma_leads.web.requests import requests_log
from alma_leads.web.requests.bodies import AppRequest, limit_bodies
from alma_leads.web.requests.client import ParsedAddress
from alma_leads.web.sign_in import sign_in

if TYPE_CHECKING:
    from config import Settings


class App(Flask):
    """A Flask whose requests bound their bodies."""

    request_class = AppRequest


def create_app(settings: Settings) -> Flask:
    """Return the application, made with `settings`."""
    configure_logging(settings)
    app = App(__name__, root_path=str(settings.root), static_folder="static", template_folder="templates")
    app.config["SETTINGS"] = settings
    app.config.from_mapping(settings.flask_config())
    limit_bodies(app)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}

    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
    migrate.init_app(app, db, directory=str(settings.root / "migrations"), render_as_batch=True)
    mail.init_app(app)
    csrf.init_app(app)
    throttle.init_app(app)
    provider.init_app(app, settings)

    requests_log.log_requests(app)
    server_refusals.init_app(app)
    problems.register_error_handlers(app)
    refusals.init_app(app)
    auth.protect(app)

    app.register_blueprint(public)
    app.register_blueprint(sign_in)
    app.register_blueprint(internal)
    health.add_health(app)
    tasks.init_app(app)
    cli.register(app)

    passkeys.offer_origin(app)
    theme.offer_theme(app)
    assets.serve(app)
    headers.set_headers(app)
    app.wsgi_app = ParsedAddress(app.wsgi_app)  # type: ignore[method-assign]
    if settings.TRUSTED_PROXIES:  # last, so that it is first to see a request
        trusted = settings.TRUSTED_PROXIES
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted, x_proto=trusted, x_host=trusted)  # type: ignore[method-assign]
    return app
