"""Signing in over HTTP: who is let in, what strangers learn, where it leads, and how guesses are held back."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import insert, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core.errors import TooManyAttempts
from alma_leads.accounts.core.models import SignInAttempt, User
from alma_leads.accounts.sign_in.sign_in_service import begin_attempt
from alma_leads.accounts.sign_in.throttle import PER_ACCOUNT, PER_ADDRESS, account_key
from alma_leads.database.base import utc_now
from tests.support.desk import HTML, PASSWORD, Page, add_person, count, run, token
from tests.support.pages import StrictClient

ROSA = "rosa.delgado@alma.example"
WRONG = "The email address or the password is wrong"


def attempt(client: StrictClient, email: str = ROSA, password: str = PASSWORD, **more: Any) -> TestResponse:
    """Fill in the sign-in page."""
    data = {"email": email, "password": password, "csrf_token": token(client.get("/login", headers=HTML)), **more}
    return client.post("/login", data=data, headers=HTML)


def failed(app: Flask, times: int, *, email: str, address: str, minutes_ago: float = 1) -> None:
    """Note that sign-ins failed some time ago."""
    at = utc_now() - timedelta(minutes=minutes_ago)
    for _ in range(times):
        run(app, insert(SignInAttempt).values(account=account_key(email), address=address, at=at))


def without_token(response: TestResponse) -> str:
    return re.sub(r'name="csrf_token" value="[^"]*"', "", response.get_data(as_text=True))


@pytest.mark.parametrize("typed", [ROSA, "Rosa.Delgado@Alma.Example", f" {ROSA} "])
def test_the_right_password_leads_to_the_desk(app: Flask, client: StrictClient, typed: str) -> None:
    add_person(app)
    answer = attempt(client, typed)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/leads")
    assert client.get("/internal/leads", headers=HTML).status_code == 200
    again = client.get("/login", headers=HTML)
    assert (again.status_code, again.headers["Location"]) == (303, "/internal/leads")


def test_an_international_domain_signs_in_as_it_is_typed(app: Flask, client: StrictClient) -> None:
    person = add_person(app)
    run(app, update(User).where(User.id == person).values(email="rosa@xn--bcher-kva.example"))
    assert attempt(client, "rosa@bücher.example").status_code == 303


def test_what_is_wrong_is_told_in_the_same_words(app: Flask, client: StrictClient) -> None:
    add_person(app)
    add_person(app, "Ian Park", active=False)
    run(app, update(User).where(User.id == add_person(app, "Marcus Bell")).values(password=None))
    pages = []
    for email in (ROSA, "nobody@alma.example", "marcus.bell@alma.example", "no address"):
        page = attempt(client, email, "not the right words")
        assert page.status_code == 422
        pages.append(without_token(page).replace(email, ""))
    # Someone who was turned off learns nothing either, even with the right password.
    pages.append(without_token(attempt(client, "ian.park@alma.example")).replace("ian.park@alma.example", ""))
    assert len(set(pages)) == 1
    assert WRONG in pages[0]
    assert client.get("/internal/leads", headers=HTML).status_code == 303


def test_the_typed_address_comes_back_and_the_password_does_not(app: Flask, client: StrictClient) -> None:
    page = attempt(client, '"><b>x', "secret words nobody knows")
    assert "secret words" not in page.get_data(as_text=True)
    assert "&#34;&gt;&lt;b&gt;x" in page.get_data(as_text=True)
    assert "no-store" in page.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/internal/leads?q=x", "/internal/leads?q=x"),
        ("/internal/outbox", "/internal/outbox"),
        ("", "/internal/leads"),
        ("https://evil.example/", "/internal/leads"),
        ("//evil.example/", "/internal/leads"),
        ("////evil.example", "/internal/leads"),
        ("javascript:alert(1)", "/internal/leads"),
        ("https:evil.example", "/internal/leads"),
    ],
)
def test_signing_in_leads_back_only_into_this_application(make_one: Any, wanted: str, leads_to: str) -> None:
    client = make_one()
    page = client.get("/login", query_string={"next": wanted}, headers=HTML)
    data = {"email": ROSA, "password": PASSWORD, "csrf_token": token(page), "next": wanted}
    assert client.post("/login", data=data, headers=HTML).headers["Location"] == leads_to


@pytest.mark.parametrize("wanted", ["\\\\evil.example", "/\\evil.example", " //evil.example", "\t//evil.example"])
def test_no_trick_with_slashes_leads_elsewhere(make_one: Any, wanted: str) -> None:
    client = make_one()
    for sent in ({"next": wanted}, {}):
        query = {} if sent else {"next": wanted}
        data = {"email": ROSA, "password": PASSWORD, "csrf_token": token(client.get("/login", headers=HTML)), **sent}
        location = client.post("/login", query_string=query, data=data, headers=HTML).headers["Location"]
        # What a browser makes of it: it drops white space and reads \ as /.
        seen = re.sub(r"[\s\x00-\x20]", "", location).replace("\\", "/")
        assert not re.match(r"//|[a-z]+:", seen), location
        client.delete_cookie("session")


@pytest.fixture
def make_one(make_app: Any, make_settings: Any, sqlite_url: str) -> Any:
    """Return a maker of clients of one application on SQLite, where Rosa may sign in."""
    app = make_app(make_settings(DATABASE_URL=sqlite_url))
    add_person(app)
    return app.test_client


def test_a_form_without_its_token_is_refused_and_not_counted(app: Flask, client: StrictClient) -> None:
    add_person(app)
    assert client.post("/login", data={"email": ROSA, "password": PASSWORD}, headers=HTML).status_code == 400
    assert client.post("/login", json={"email": ROSA, "password": PASSWORD}).status_code == 400
    assert count(app, SignInAttempt) == 0


def test_no_cookie_but_that_of_the_device_outlives_the_session(app: Flask, client: StrictClient) -> None:
    add_person(app)
    answer = attempt(client, remember="y")
    device, session = sorted(answer.headers.getlist("Set-Cookie"))
    assert (device.partition("=")[0], session.partition("=")[0]) == ("device", "session")
    assert "Expires" not in session
    assert all({"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; ")) for cookie in (device, session))


def test_on_https_the_cookie_is_bound_to_this_host(make_app: Any, make_settings: Any, sqlite_url: str) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, PUBLIC_URL="https://leads.alma.example"))
    cookie = app.test_client().get("/login", base_url="https://leads.alma.example", headers=HTML).headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("password", "status"),
    [(b"", 422), (b"x" * 100_000, 422), (b"\xed\xa0\x80 half a pair", 400), (b"a zero \0 byte", 400)],
    ids=["empty", "long", "not UTF-8", "NUL"],
)
def test_a_strange_password_is_only_wrong(make_one: Any, password: bytes, status: int) -> None:
    client = make_one()
    body = urlencode({"email": ROSA, "password": password, "csrf_token": token(client.get("/login", headers=HTML))})
    answer = client.post("/login", data=body, content_type="application/x-www-form-urlencoded", headers=HTML)
    assert answer.status_code == status


def test_no_script_signs_in(make_one: Any) -> None:
    # Scripts have keys: a password in a script is one that nobody changes.
    client = make_one()
    headers = {"X-CSRFToken": token(client.get("/login", headers=HTML))}
    answer = client.post("/login", json={"email": ROSA, "password": PASSWORD}, headers=headers)
    assert "Location" not in answer.headers
    assert client.get("/internal/leads").status_code == 401


def test_five_wrong_passwords_make_an_account_wait_whether_it_exists_or_not(app: Flask, client: StrictClient) -> None:
    add_person(app)
    pages = []
    for number, email in enumerate((ROSA, "nobody@alma.example"), 1):
        failed(app, PER_ACCOUNT - 1, email=email, address=f"192.0.2.{number}")
        assert attempt(client, email, "not the right words").status_code == 422
        refused = attempt(client, email)  # the right password, too late
        assert refused.status_code == 429
        assert 800 < int(refused.headers["Retry-After"]) <= 900
        pages.append(re.sub(r"\d+ (seconds|minutes)|[0-9a-f-]{20,}", "", without_token(refused)))
    assert pages[0] == pages[1]
    assert attempt(client, "Rosa.Delgado@ALMA.example").status_code == 429


def test_twenty_failures_make_an_address_wait(app: Flask, client: StrictClient) -> None:
    add_person(app)
    for number in range(PER_ADDRESS - 1):
        failed(app, 1, email=f"{number}@alma.example", address="127.0.0.1")
    assert attempt(client, "someone@alma.example", "not the right words").status_code == 422
    assert attempt(client).status_code == 429
    elsewhere = app.test_client()
    data = {"email": ROSA, "password": PASSWORD, "csrf_token": token(elsewhere.get("/login", headers=HTML))}
    answer = elsewhere.post("/login", data=data, headers=HTML, environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert answer.status_code == 303


def test_after_a_quarter_of_an_hour_nobody_waits(app: Flask, client: StrictClient) -> None:
    add_person(app)
    failed(app, PER_ADDRESS, email=ROSA, address="127.0.0.1", minutes_ago=15.1)
    assert attempt(client).status_code == 303


def test_the_wait_ends_when_the_first_failure_is_a_quarter_of_an_hour_old(app: Flask) -> None:
    failed(app, 1, email=ROSA, address="a", minutes_ago=10)
    failed(app, PER_ACCOUNT - 1, email=ROSA, address="a", minutes_ago=1)
    with app.app_context(), pytest.raises(TooManyAttempts) as refused:
        begin_attempt(ROSA, address="b")
    assert 290 < refused.value.wait_seconds <= 300


def test_the_right_password_forgets_the_wrong_ones(app: Flask, client: StrictClient) -> None:
    add_person(app)
    failed(app, PER_ACCOUNT - 1, email=ROSA, address="192.0.2.1")
    failed(app, 3, email="other@alma.example", address="192.0.2.1")
    assert attempt(client).status_code == 303
    assert count(app, SignInAttempt) == 3


def test_guesses_at_the_same_instant_are_not_more_than_the_limit(app: Flask) -> None:
    def guess(number: int) -> bool:
        with app.app_context():
            try:
                begin_attempt(ROSA, address=f"192.0.2.{number}")
            except TooManyAttempts:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(24))) == PER_ACCOUNT


@pytest.mark.real_password_cost
def test_known_and_unknown_accounts_take_the_same_time(make_one: Any) -> None:
    client = make_one()
    run(client.application, update(User).where(User.id == add_person(client.application, "M B")).values(password=None))
    took: dict[str, list[float]] = {ROSA: [], "m.b@alma.example": [], "nobody@alma.example": []}
    csrf_token = token(client.get("/login", headers=HTML))
    for _ in range(4):
        for email, times in took.items():
            started = time.perf_counter()
            data = {"email": email, "password": "not the right words", "csrf_token": csrf_token}
            assert client.post("/login", data=data, headers=HTML).status_code == 422
            times.append(time.perf_counter() - started)
    quickest = {email: min(times) for email, times in took.items()}
    # Hashing dominates; without the dummy hash an unknown account would answer at a tenth of it.
    assert max(quickest.values()) < 2 * min(quickest.values()), quickest


def test_the_page_says_how_long_to_wait(app: Flask, client: StrictClient) -> None:
    failed(app, PER_ACCOUNT, email=ROSA, address="192.0.2.1", minutes_ago=14)
    refused = attempt(client)
    assert refused.status_code == 429
    refused.status_code = 200
    assert re.search(r"minute|seconds", Page(refused).text)
