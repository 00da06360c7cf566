"""What every answer tells a browser, whoever gives it, and what no answer repeats of what a stranger sent."""

from __future__ import annotations

import base64
import select
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.server import front
from alma_leads.server.web import limits_of
from alma_leads.web import headers as headers_module
from alma_leads.web.back import is_inside
from config import Settings
from tests.conftest import API_KEY, MakeSettings
from tests.support.desk import HTML, Page, add_lead, add_person, get, post, sign_in
from tests.support.routes import address, methods, rules
from tests.support.served import connect, read_answer, served

PUBLIC_URL = "https://intake.firm.example"


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Settings:
    return make_settings(DATABASE_URL=sqlite_url)


@pytest.fixture
def behind_tls(make_app: Callable[[Settings], Flask], make_settings: MakeSettings, sqlite_url: str) -> Flask:
    return make_app(make_settings(DATABASE_URL=sqlite_url, PUBLIC_URL=PUBLIC_URL))


STATIC = "/static/app.css"
ANSWERS = [
    ("GET", STATIC, {}, 200),
    ("GET", STATIC, {"Accept-Encoding": "gzip"}, 200),
    ("HEAD", STATIC, {}, 200),
    ("GET", STATIC, {"Range": "bytes=0-9"}, 206),
    ("GET", STATIC, {"Range": "bytes=99999999-"}, 416),
    ("POST", STATIC, {}, 405),
    ("GET", "/static/nothing.css", {}, 404),
    ("GET", "/static/../config.py", {}, 404),
    ("GET", "/", {}, 200),
    ("GET", "/nothing", HTML, 404),
    ("DELETE", "/", {}, 405),
    ("GET", "/healthz", {}, 200),
    ("GET", "/internal/leads", HTML, 303),
    ("GET", "/internal/leads", {}, 401),
    ("GET", "/openapi.json", {}, 200),
]


def test_every_answer_has_every_header(behind_tls: Flask) -> None:
    client = behind_tls.test_client()
    modified = client.get(STATIC, buffered=True).headers["Last-Modified"]
    cases = [*ANSWERS, ("GET", STATIC, {"If-Modified-Since": modified}, 304)]
    for method, path, sent, status in cases:
        answer = client.open(path, method=method, headers=sent, buffered=True)
        assert answer.status_code == status, (path, answer.status_code)
        for name, value in (headers_module.HEADERS | headers_module.HTTPS_HEADERS).items():
            assert answer.headers.getlist(name) == [value], (method, path, sent, name)


def test_what_the_server_answers_by_itself_has_them_too(behind_tls: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "WAITING_PER_CLIENT", 1)
    limits = replace(limits_of(behind_tls, settings_of(behind_tls)), threads=1)
    wanted = headers_module.HEADERS | headers_module.HTTPS_HEADERS
    held = threading.Event()
    plain = behind_tls.wsgi_app

    def slow(environ: Any, start_response: Any) -> Any:
        held.wait(20)
        return plain(environ, start_response)

    with served(slow, limits) as port, ExitStack() as opened:
        try:
            waiting = [opened.enter_context(connect(port)) for _ in range(3)]
            for connection in waiting:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            readable, _, _ = select.select(waiting, [], [], 20)
            status, busy, _ = read_answer(readable[0])
            assert status == 503
            with connect(port) as probe:
                probe.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                status, alive, _ = read_answer(probe)
            assert status == 200
        finally:
            held.set()
    for name, value in wanted.items():
        assert busy[name.lower()] == value, name
        assert alive[name.lower()] == value, name


HOST = "evil.example:666"
ODD_PATHS = ("/internal", "//internal//leads", "/internal/leads/", "//login", "/internal//evil.example/")


def test_no_answer_repeats_the_host_that_a_client_named(app: Flask) -> None:
    add_person(app)
    for number in range(3):
        add_lead(app, last_name=f"Number {number}")
    browser, script = app.test_client(), app.test_client()
    sign_in(browser)
    found = [address(rule) for rule in rules(app) if "GET" in methods(rule)]
    lists = [f"{path}?limit=1" for path in ("/internal/leads", "/internal/outbox")]
    for path in (*found, *lists, *ODD_PATHS):
        for client, sent in ((browser, HTML), (app.test_client(), HTML), (script, {"X-API-Key": API_KEY})):
            answer = client.open(path, method="GET", headers={**sent, "Host": HOST})
            assert "evil" not in str(answer.headers).replace("//evil.example/", ""), (path, answer.headers)
            assert HOST.encode() not in answer.data, path
    for path in lists:
        link = script.get(path, headers={"X-API-Key": API_KEY, "Host": HOST}).headers["Link"]
        assert link.startswith(f"<{settings_of(app).PUBLIC_URL}{urlsplit(path).path}?"), link
        following = urlsplit(link[1 : link.index(">")])
        again = script.get(f"{following.path}?{following.query}", headers={"X-API-Key": API_KEY})
        assert len(again.get_json()) == 1


def settings_of(app: Flask) -> Settings:
    settings: Settings = app.config["SETTINGS"]
    return settings


def test_who_is_led_to_the_sign_in_page_is_told_that_it_depends_on_accept(app: Flask) -> None:
    paths = [address(rule) for rule in rules(app) if rule.rule.startswith("/internal") and "GET" in methods(rule)]
    assert len(paths) > 30
    for path in paths:
        for sent in (HTML, {**HTML, "HX-Request": "true"}, {"Accept": "application/json"}):
            answer = app.test_client().get(path, headers=sent)
            assert answer.status_code in (303, 401), path
            assert "Accept" in [name.strip() for name in answer.headers.get("Vary", "").split(",")], (path, sent)


def test_signing_out_clears_what_the_browser_has_kept(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    for address_, fields in (("/logout", {}), ("/internal/account/sessions/end", {"which": "all"})):
        sign_in(client)
        answer = post(client, address_, on="/internal/account", **fields)
        assert answer.status_code == 303
        assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    sign_in(client)
    others = post(client, "/internal/account/sessions/end", on="/internal/account")
    assert "Clear-Site-Data" not in others.headers


def test_the_theme_is_kept_under_a_name_that_no_other_site_can_plant(behind_tls: Flask, app: Flask) -> None:
    add_person(behind_tls)
    for made, base, name in ((behind_tls, PUBLIC_URL, "__Host-theme"), (app, "http://localhost", "theme")):
        client = made.test_client()
        page = client.get("/login", headers=HTML, base_url=base)
        fields = {"email": "rosa.delgado@alma.example", "password": "a long enough word 1"}
        token = Page(page).all("input", name="csrf_token")[0].get("value")
        client.post("/login", data={**fields, "csrf_token": token}, headers=HTML, base_url=base)
        account = Page(client.get("/internal/account", headers=HTML, base_url=base))
        token = account.all("input", name="csrf_token")[0].get("value")
        data = {"csrf_token": token, "theme": "dark", "time_zone": ""}
        answer = client.post("/internal/account/preferences", data=data, headers=HTML, base_url=base)
        assert answer.status_code == 303
        kept = {each.partition("=")[0]: each for each in answer.headers.getlist("Set-Cookie") if "theme" in each}
        assert kept[name].startswith(f"{name}=dark;")
        assert "Path=/" in kept[name]
        assert "HttpOnly" in kept[name]
        assert ("Secure" in kept[name]) == (name == "__Host-theme")
        if name == "__Host-theme":
            assert "Max-Age=0" in kept["theme"]
        for path in ("/", "/login"):
            stranger = made.test_client()
            stranger.set_cookie(name, "dark")
            assert 'data-theme="dark"' in stranger.get(path, headers=HTML).get_data(as_text=True)
    earlier = behind_tls.test_client()
    earlier.set_cookie("theme", "light")
    assert 'data-theme="light"' in earlier.get("/", headers=HTML).get_data(as_text=True)


def texts_in(cookie: str) -> Iterator[str]:
    """Yield what anyone can read in a session cookie without a key."""
    payload = cookie.rsplit(".", 2)[0]
    raw = base64.urlsafe_b64decode(payload.lstrip(".") + "===")
    yield (zlib.decompress(raw) if payload.startswith(".") else raw).decode()


def test_no_cookie_can_be_read_for_whom_a_message_is_about(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    add_lead(app, first_name="Xochitl", last_name="Quetzal", email="xochitl@example.com")
    sign_in(client)
    presses = [
        ("/internal/leads/1/reached-out", {}, "Xochitl Quetzal is marked reached out."),
        ("/internal/leads/1/assign", {"attorney": "rosa.delgado@alma.example"}, "xochitl@example.com is with Rosa"),
        ("/internal/settings/assignments", {"do": "remove", "email": "xochitl@example.com"}, "xochitl@example.com is"),
    ]
    for path, fields, sentence in presses:
        assert post(client, path, **fields).status_code == 303
        cookie = client.get_cookie("session")
        assert cookie is not None
        (text,) = texts_in(cookie.value)
        assert "toast" in text
        assert "chitl" not in text
        assert sentence in get(client, "/internal/leads?status=").text
        assert sentence not in get(client, "/internal/leads?status=").text


@pytest.mark.parametrize(
    ("where", "inside"),
    [
        ("/internal/leads", True),
        ("/internal/leads?q=a..b&status=", True),
        ("/internal/leads?q=a%2F%2Fb%5C", True),
        ("/internal/leads/1#note", True),
        ("/internal/assignments/x%40example.com", True),
        ("/internal//evil.example", False),
        ("/internal/..//evil.example", False),
        ("/internal/%2e%2e//evil.example", False),
        ("/internal/%2E%2e/login", False),
        ("/internal/.%2e/login", False),
        ("/internal/%2f/evil.example", False),
        ("/internal/%5c%5cevil.example", False),
        ("/internal/\\evil.example", False),
        ("/internal/%0d%0aSet-Cookie:x", False),
        ("//evil.example/internal/", False),
        ("https://evil.example/internal/", False),
        ("", False),
    ],
)
def test_what_leads_back_is_a_plain_path_of_the_desk(where: str, inside: bool) -> None:
    assert is_inside(where) is inside
