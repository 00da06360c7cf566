"""A stranger's failures keep nobody out of a browser in which they have signed in before."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select
from werkzeug.test import TestResponse

from alma_leads.accounts.core.models import SignInAttempt, User
from alma_leads.accounts.sign_in.sign_in_service import begin_attempt
from alma_leads.accounts.sign_in.throttle import PER_ACCOUNT, PER_ADDRESS, account_key
from alma_leads.database import base
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import HTML, PASSWORD, add_person, run, sign_in, token, value
from tests.support.second_factors import enrol

ROSA = "rosa.delgado@alma.example"
HERE = "127.0.0.1"


def attempt(client: FlaskClient, email: str = ROSA, password: str = PASSWORD) -> int:
    """Fill in the sign-in page."""
    data = {"email": email, "password": password, "csrf_token": token(client.get("/login", headers=HTML))}
    status: int = client.post("/login", data=data, headers=HTML).status_code
    return status


def sign_out(client: FlaskClient) -> None:
    """Sign out through the desk."""
    data = {"csrf_token": token(client.get("/internal/account", headers=HTML))}
    assert client.post("/logout", data=data, headers=HTML).status_code == 303


def strangers_guess(app: Flask, *, email: str = ROSA, times: int = PER_ACCOUNT, address: str = "198.51.100.7") -> None:
    """Let a stranger fail."""
    with app.app_context():
        for _ in range(times):
            begin_attempt(email, address=address)


@pytest.fixture
def known(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a browser in which Rosa has signed in, and out."""
    add_person(app)
    sign_in(client)
    sign_out(client)
    return client


def test_a_stranger_locks_nobody_out_of_a_browser_they_have_used(app: Flask, known: FlaskClient) -> None:
    strangers_guess(app)
    for number in range(PER_ADDRESS):  # from the same network, too
        strangers_guess(app, email=f"{number}@alma.example", times=1, address=HERE)
    assert attempt(app.test_client()) == 429
    assert attempt(known) == 303
    assert attempt(app.test_client()) == 429  # what the stranger has failed is not forgotten


def test_such_a_browser_has_five_failures_of_its_own(app: Flask, known: FlaskClient) -> None:
    assert [attempt(known, password="not the right words") for _ in range(PER_ACCOUNT)] == [422] * PER_ACCOUNT
    assert attempt(known) == 429
    assert attempt(app.test_client()) == 303  # nor does it lock out anyone else


def test_right_words_forget_the_browser_s_own_failures(app: Flask, known: FlaskClient) -> None:
    for _ in range(2):
        assert [attempt(known, password="not the right words") for _ in range(PER_ACCOUNT - 1)] == [422] * 4
        assert attempt(known) == 303
        sign_out(known)


def test_a_browser_is_known_to_those_who_have_used_it(app: Flask, known: FlaskClient) -> None:
    add_person(app, "Ian Park")
    strangers_guess(app, email="ian.park@alma.example")
    assert attempt(known, "ian.park@alma.example") == 429
    run(app, delete(SignInAttempt))
    assert attempt(known, "ian.park@alma.example") == 303
    sign_out(known)
    for email in (ROSA, "ian.park@alma.example"):
        strangers_guess(app, email=email)
        assert attempt(known, email) == 303
        sign_out(known)


@pytest.mark.parametrize(("days", "status"), [(179, 303), (181, 429)])
def test_a_browser_is_known_for_180_days(
    app: Flask, known: FlaskClient, monkeypatch: pytest.MonkeyPatch, days: int, status: int
) -> None:
    later = base._clock() + timedelta(days=days)
    monkeypatch.setattr(base, "_clock", lambda: later)
    strangers_guess(app)
    assert attempt(known) == status


def test_what_is_no_device_cookie_of_ours_is_of_no_use(app: Flask, known: FlaskClient) -> None:
    cookie = known.get_cookie("device")
    assert cookie is not None
    strangers_guess(app)
    for forged in (cookie.value[:-3] + "abc", cookie.value.rpartition(".")[0], "x" * 4000, "é", ""):
        other = app.test_client()
        other.set_cookie("device", forged)
        assert attempt(other) == 429


def test_the_second_step_is_counted_apart_too(app: Flask, known: FlaskClient) -> None:
    person_id = value(app, select(User.id))
    rosa = enrol(app, person_id)
    new = app.test_client()
    assert attempt(new) == 303  # who knows but the password has no device cookie
    assert new.get_cookie("device") is None
    strangers_guess(app, times=PER_ACCOUNT - 1)
    assert attempt(known) == 303
    page = known.get("/login/code", headers=HTML)
    answer = known.post("/login/code", data={"code": rosa.phone.code(), "csrf_token": token(page)}, headers=HTML)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/leads")


def test_the_cookie_is_kept_from_scripts_and_names_nobody(
    make_app: Callable[[Settings], Flask], make_settings: MakeSettings, sqlite_url: str
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, PUBLIC_URL="https://leads.alma.example"))
    add_person(app)
    client = app.test_client()
    page = client.get("/login", headers=HTML, base_url="https://leads.alma.example")
    data = {"email": ROSA, "password": PASSWORD, "csrf_token": token(page)}
    headers = {**HTML, "Referer": "https://leads.alma.example/login"}
    answer: TestResponse = client.post("/login", data=data, headers=headers, base_url="https://leads.alma.example")
    assert answer.status_code == 303
    (sent,) = [each for each in answer.headers.getlist("Set-Cookie") if each.startswith("__Host-device=")]
    about = set(re.sub(r"Expires=[^;]+; ", "", sent.partition("; ")[2]).split("; "))
    assert about == {"Secure", "HttpOnly", "Max-Age=15552000", "Path=/", "SameSite=Lax"}
    content = SimpleCookie(sent)["__Host-device"].value.rpartition(".")[0]
    packed = base64.urlsafe_b64decode(content.lstrip(".") + "==")
    readable = (zlib.decompress(packed) if content.startswith(".") else packed).decode()
    assert readable.startswith("[")
    assert "rosa" not in readable
    assert account_key(ROSA)[:16] not in readable
