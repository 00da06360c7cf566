"""Text that is costly to normalise, wherever a request can carry it: answered soon, and never with a 500.

The walks over all routes send a text that costs little in any case, and watch what is handed to `normalize`, ours or of
a library: so they are quick, and a busy machine fools none. The others send what stopped the whole site, and are timed.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.test import TestResponse

from alma_leads.accounts.core.passwords import MAX_LENGTH
from alma_leads.accounts.users.setup_service import prepare_first_administrator
from alma_leads.web.requests.bodies import AppRequest
from config import Settings
from tests.conftest import API_KEY
from tests.integration.accounts.users.test_accounts import invited
from tests.support.desk import HTML, PASSWORD, add_lead, add_person, csrf, run, sign_in
from tests.support.factories import GOOD_LEAD, lead_body, pdf_bytes
from tests.support.routes import address, methods, rules

MARKS = "\u0315\u0300\u05ae"
HOSTILE = "a" + MARKS * 6_500  # 39 kB, and 117 kB in a form: nearly all that a body may have
SHORT = "a" + MARKS * 1000
QUOTED = quote(SHORT)
MOST = 1100  # characters that may be normalised at once
FORM = "application/x-www-form-urlencoded"
SECONDS = 0.5
# What gets a form past its other fields.
USUAL = {
    **GOOD_LEAD,
    "email": "rosa.delgado@alma.example",
    "password": PASSWORD,
    "current_password": PASSWORD,
    "new_password": PASSWORD,
    "name": "Ann Example",
    "do": "assign",
    "id": "1",
    "role": "attorney",
    "attorney": "rosa.delgado@alma.example",
    "domain": "example.com",
    "verdict": "clear",
    "scopes": "leads:read",
    "text": "A note",
    "first": "2030-01-01",
    "last": "2030-01-02",
}


class Asked(ImmutableMultiDict[str, str]):
    """Form fields or parameters that note which names a view asks for."""

    names: ClassVar[set[str]] = set()

    def get(self, key: str, *args: Any, **more: Any) -> Any:
        Asked.names.add(key)
        return super().get(key, *args, **more)

    def getlist(self, key: str, *args: Any, **more: Any) -> Any:
        Asked.names.add(key)
        return super().getlist(key, *args, **more)

    def __getitem__(self, key: str) -> Any:
        Asked.names.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        Asked.names.add(str(key))
        return super().__contains__(key)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the names that views ask for, as they do."""
    monkeypatch.setattr(AppRequest, "parameter_storage_class", Asked)
    monkeypatch.setattr(Asked, "names", set())
    return Asked.names


@pytest.fixture(autouse=True)
def _watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail when anything that calls `unicodedata.normalize` gives it a long text."""
    real = unicodedata.normalize
    longest = 0

    def watched(form: Any, text: str) -> str:
        nonlocal longest
        longest = max(longest, len(text))
        return real(form, text[: 2 * MOST])

    monkeypatch.setattr(unicodedata, "normalize", watched)
    yield
    assert longest <= MOST


@pytest.fixture
def stage(app: Flask) -> Flask:
    """Return the application with somebody and something in it."""
    add_person(app)
    add_lead(app)
    return app


def hostile_fields(asked: set[str], send: Callable[[str], None]) -> set[str]:
    """Call `send` with each field that a view asks for, as long as it asks for new ones; return them."""
    tried: set[str] = set()
    while waiting := sorted({*asked, ""} - tried - {"csrf_token"}):
        tried.add(waiting[0])
        send(waiting[0])
    return tried - {""}


def answered(client: FlaskClient, path: str, **request: Any) -> TestResponse:
    """Send a request, and fail when the answer is a 500."""
    answer = client.open(path, **request)
    assert answer.status_code < 500, (path[:80], answer.status_code)
    return answer


def quickly(client: FlaskClient, path: str, **request: Any) -> TestResponse:
    """Send a request, and fail when it costs much or is a 500."""
    began = time.thread_time()
    answer = answered(client, path, **request)
    spent = time.thread_time() - began
    assert spent < SECONDS, (path[:80], spent)
    return answer


def visitor(app: Flask, *, signed_in: bool) -> FlaskClient:
    """Return a new browser whose attempts are all left."""
    run(app, "DELETE FROM sign_in_attempts")
    run(app, "UPDATE users SET active = TRUE, role = 'administrator', email = 'rosa.delgado@alma.example'")
    client = app.test_client()
    if signed_in:
        sign_in(client)
    return client


@pytest.fixture
def one_stage(make_app: Callable[[Settings], Flask], make_settings: Callable[..., Settings], sqlite_url: str) -> Flask:
    """Return the same on one database: the walks below take seconds, and are not about databases."""
    app = make_app(make_settings(DATABASE_URL=sqlite_url))
    app.test_client_class = FlaskClient  # other tests read these pages as strict HTML, which takes most of the time
    add_person(app)
    add_lead(app)
    return app


def test_every_field_of_every_form(one_stage: Flask, asked: set[str]) -> None:
    tried: set[str] = set()
    for rule in rules(one_stage):
        if "POST" not in methods(rule):
            continue
        path = address(rule)
        browsers: list[FlaskClient] = []

        def send(field: str, path: str = path, browsers: list[FlaskClient] = browsers) -> None:
            browser = browsers.pop() if browsers else visitor(one_stage, signed_in=path.startswith("/internal"))
            body = f"{field}={QUOTED}&{urlencode({**USUAL, 'csrf_token': csrf(browser, '/')})}"
            answer = answered(browser, path, method="POST", data=body, content_type=FORM, headers=HTML)
            if not answer.headers.get("Location", "").startswith("/login"):
                browsers.append(browser)

        asked.clear()
        tried |= hostile_fields(asked, send)
    assert {"first_name", "resume_url", "password", "current_password", "new_password", "text", "domain"} <= tried


def test_every_parameter_of_every_page(one_stage: Flask, asked: set[str]) -> None:
    client = visitor(one_stage, signed_in=True)
    tried: set[str] = set()
    for rule in rules(one_stage):
        if "GET" not in methods(rule):
            continue

        def look(name: str, path: str = address(rule)) -> None:
            answered(client, f"{path}?{name}={QUOTED}", headers=HTML).close()

        asked.clear()
        tried |= hostile_fields(asked, look)
    assert {"q", "email", "domain", "after", "period"} <= tried


def test_filters_of_lists(one_stage: Flask) -> None:
    client = visitor(one_stage, signed_in=True)
    for path in ("/internal/leads", "/internal/leads.csv", "/internal/audit", "/internal/outbox"):
        for name in ("q", "resume", "assigned_to", "cursor", "sort", "limit", "status", "created_from"):
            answer = answered(client, path, query_string={name: SHORT}, headers=HTML)
            # The page of leads has no size to choose any more: an old address gets the page and a notice.
            expected = (200,) if (path, name) == ("/internal/leads", "limit") else (404, 422)
            assert answer.status_code in expected, (path, name)


def test_a_field_of_a_lead(client: FlaskClient) -> None:
    for field in ("first_name", "last_name", "email", "resume_url", "other"):
        body = lead_body(**{field: HOSTILE})
        for sent in ({"data": orjson.dumps(body), "content_type": "application/json"}, {"data": body}):
            answer = quickly(client, "/public/leads", method="POST", **{"content_type": "multipart/form-data", **sent})
            assert answer.status_code == 422, answer.data
            assert [error["field"] for error in answer.json["errors"]] == [field]


def test_the_name_of_a_file(client: FlaskClient) -> None:
    body = {**lead_body(), "resume": (BytesIO(pdf_bytes()), f"a{MARKS * 500}.pdf")}
    answer = quickly(client, "/public/leads", method="POST", data=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == ["resume"]


def shown(page: TestResponse) -> str:
    """Return what a page shows, without its CSRF token."""
    return re.sub(r'value="[^"]{40,}"', "", page.get_data(as_text=True).partition("<main")[2])


def test_a_password_that_nobody_can_have_is_a_wrong_one(stage: Flask) -> None:
    client = visitor(stage, signed_in=False)
    wrong = {"email": "rosa.delgado@alma.example", "password": "wrong", "csrf_token": csrf(client, "/login")}
    expected = client.post("/login", data=wrong, headers=HTML)
    for password in (HOSTILE[:20_000], HOSTILE[:40], "x" * 300):
        answer = quickly(client, "/login", method="POST", data={**wrong, "password": password}, headers=HTML)
        assert answer.status_code == expected.status_code == 422
        assert shown(answer) == shown(expected)


def test_a_password_behind_a_link(app: Flask) -> None:
    with app.app_context():
        path = f"/setup/{prepare_first_administrator(email=None, password=None)}"
    client = app.test_client()
    for field in ("name", "email", "password"):
        fields = {**USUAL, "csrf_token": csrf(client, path), field: HOSTILE}
        assert quickly(client, path, method="POST", data=fields, headers=HTML).status_code == 422
    link = invited(app)
    fields = {"csrf_token": csrf(client, link), "password": HOSTILE}
    page = quickly(client, link, method="POST", data=fields, headers=HTML)
    assert page.status_code == 422
    assert f"at most {MAX_LENGTH} characters" in page.get_data(as_text=True)


def test_the_address_of_an_assignment(stage: Flask) -> None:
    client = stage.test_client()
    key = {"X-API-Key": API_KEY}
    for method, body in (("GET", None), ("PUT", {"attorney": "a@example.com"}), ("DELETE", None)):
        path = f"/internal/assignments/{HOSTILE}@example.com"
        assert quickly(client, path, method=method, json=body, headers=key).status_code == 422
    refused = quickly(
        client, "/internal/assignments/a@example.com", method="PUT", json={"attorney": SHORT}, headers=key
    )
    assert refused.status_code == 422


def test_cells_of_an_import(stage: Flask) -> None:
    client = visitor(stage, signed_in=True)
    rows = f"email,attorney\n{HOSTILE}@example.com,rosa.delgado@alma.example\na@example.com,{HOSTILE}\n"
    for content in (rows, f"{HOSTILE},email,attorney\na,b,c\n"):
        data = {"csrf_token": csrf(client, "/"), "file": (BytesIO(content.encode()), f"{HOSTILE[:5000]}.csv")}
        quickly(client, "/internal/settings/assignments/imports", method="POST", data=data, headers=HTML)
