"""Rules that hold for every route there is: who may come in, and what a browser must not send unasked."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.web.auth import access_of
from tests.conftest import API_KEY
from tests.support.desk import add_person, sign_in
from tests.support.routes import UNSAFE, address, methods, rules


@pytest.fixture
def signed_in(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client of an administrator."""
    add_person(app)
    sign_in(client)
    return client


# Public by their nature: what anyone may see or send.
PUBLIC = {
    "/",
    "/thanks",
    "/public/leads",
    "/openapi.json",
    "/docs",
    "/healthz",
    "/readyz",
    "/login",
    "/login/code",
    "/login/recovery-code",
    "/login/sso",
    "/login/sso/callback",
    "/login/passkey",
    "/login/passkey/options",
    "/setup/<token>",
    "/invitation/<token>",
    "/reset/<token>",
    "/login/forgotten",
    "/change-email/<token>",
    "/static/<path:filename>",
}


def test_every_route_declares_its_access(app: Flask) -> None:
    with app.app_context():
        undeclared = [rule.rule for rule in rules(app) if access_of(rule.endpoint) is None]
    assert undeclared == []


def test_only_the_public_routes_are_public(app: Flask) -> None:
    with app.app_context():
        public = {rule.rule for rule in rules(app) if access_of(rule.endpoint).permission is None}
    assert public == PUBLIC


def test_every_other_route_refuses_strangers(app: Flask, client: FlaskClient) -> None:
    for rule in rules(app):
        if rule.rule in PUBLIC:
            continue
        for method in methods(rule):
            asked = client.open(address(rule), method=method)
            assert asked.status_code == 401, (method, rule.rule)
            page = client.open(address(rule), method=method, headers={"Accept": "text/html"})
            assert page.status_code == 303, (method, rule.rule)
            assert page.headers["Location"].startswith("/login"), (method, rule.rule)


def test_every_form_refuses_a_missing_csrf_token(app: Flask, signed_in: FlaskClient) -> None:
    checked = 0
    for rule in rules(app):
        if rule.rule == "/public/leads":  # no session has a say there
            continue
        for method in methods(rule) & UNSAFE:
            answer = signed_in.open(address(rule), method=method, data={"x": "y"})
            assert answer.status_code == 400, (method, rule.rule, answer.data)
            checked += 1
    assert checked > 5


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, accept: str) -> None:
    assert client.get("/static/app.css", buffered=True).headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/", "/thanks", "/login", "/nowhere", "/internal/leads", "/docs"):
        headers = client.get(path, headers={"Accept": accept}).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self'"), path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Request-ID"]


def test_nothing_is_served_that_no_route_names(app: Flask, client: FlaskClient) -> None:
    for path in ("/.git/config", "/.env", "/static/", "/static/vendor", "/static/../.env", "/static/%2e%2e/.env"):
        assert client.get(path).status_code == 404, path
    for rule in rules(app):
        assert client.open(address(rule), method="TRACE").status_code == 405, rule.rule
    assert client.open("/static/app.css", method="TRACE").status_code == 405


def test_a_number_beyond_any_id_is_a_404_for_every_method(app: Flask, signed_in: FlaskClient) -> None:
    asked = 0
    for rule in rules(app):
        if "<int" not in rule.rule:
            continue
        for number in (2**63, 10**40):
            path = re.sub(r"<[^>]*>", "x", re.sub(r"<int[^>]*>", str(number), rule.rule))
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                for headers in ({"X-API-Key": API_KEY}, {"Accept": "text/html"}):
                    answer = signed_in.open(path, method=method, headers=headers)
                    assert answer.status_code == 404, (method, path)
                    asked += 1
    assert asked > 100
    assert signed_in.put("/internal/leads/1").status_code == 405


def test_paths_are_kebab_case(app: Flask) -> None:
    for rule in rules(app):
        static = re.sub(r"<[^>]*>", "", rule.rule)
        assert re.fullmatch(r"[a-z0-9./-]*", static), rule.rule
