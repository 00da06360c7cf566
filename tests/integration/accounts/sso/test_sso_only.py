"""Where the work account is all there is: nothing is done with a password, and confirming who one is goes there too."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update

from alma_leads.accounts.core.models import Role, User, UserSession
from alma_leads.accounts.users.setup_service import prepare_first_administrator
from alma_leads.accounts.users.user_service import invite
from alma_leads.common.actor import OPERATOR
from alma_leads.database.base import utc_now
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import HTML, PASSWORD, add_person, count, csrf, get, run, token, value
from tests.support.oidc import Provider
from tests.support.second_factors import add_app
from tests.support.sso import address_on, assert_refused, come_back, events, sso

CONFIRM = "/internal/account/confirm"


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str, provider: Provider) -> Settings:
    """Return settings with which nobody has a password."""
    return make_settings(DATABASE_URL=sqlite_url, PASSWORD_SIGN_IN="off", **provider.settings())


@pytest.fixture
def desk(client: FlaskClient, provider: Provider) -> FlaskClient:
    """Return a client of someone who signed in with the work account, a while ago."""
    assert sso(client, provider).status_code == 303
    run(client.application, update(UserSession).values(authenticated_at=long_ago()))
    return client


def long_ago() -> Any:
    return utc_now() - timedelta(minutes=30)


def ask_again(desk: FlaskClient) -> str:
    """Press the button of the page that asks who one is, and return the address at the provider."""
    page = desk.get(f"{CONFIRM}?next=/internal/account", headers=HTML)
    assert 'name="password"' not in page.get_data(as_text=True)
    data = {"csrf_token": token(page), "next": "/internal/account"}
    return address_on(desk.post(f"{CONFIRM}/sso", data=data, headers=HTML))


def test_the_sign_in_page_asks_for_no_password(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    page = client.get("/login", headers=HTML)
    assert 'type="password"' not in page.get_data(as_text=True)
    data = {"email": "rosa.delgado@alma.example", "password": PASSWORD, "csrf_token": token(page)}
    assert client.post("/login", data=data, headers=HTML).status_code == 403
    assert count(app, UserSession) == 0


def test_an_invitation_leads_to_the_work_account(app: Flask, client: FlaskClient, provider: Provider) -> None:
    with app.app_context():
        link = invite("rosa.delgado@alma.example", name="Rosa", role=Role.ATTORNEY, actor=OPERATOR).token
    page = get(client, f"/invitation/{link}")
    assert "Use the work account with the address rosa.delgado@alma.example" in page.text
    data = {"password": "a long enough word 2", "csrf_token": token(page.response)}
    assert client.post(f"/invitation/{link}", data=data, headers=HTML).status_code == 403
    assert count(app, User, User.password.is_not(None)) == 0
    answer = come_back(client, provider.answer(address_on(client.post("/login/sso", data=data, headers=HTML))))
    assert answer.status_code == 303
    assert value(app, select(User.role)) == "attorney"


def test_the_first_administrator_needs_no_password(app: Flask, client: FlaskClient, provider: Provider) -> None:
    with app.app_context():
        link = prepare_first_administrator(email=None, password=None)
    page = client.get(f"/setup/{link}", headers=HTML)
    assert 'type="password"' not in page.get_data(as_text=True)
    data = {"name": "Rosa", "email": "rosa.delgado@alma.example", "csrf_token": token(page)}
    assert b"Use the work account" in client.post(f"/setup/{link}", data=data, headers=HTML).data
    assert client.get("/internal/leads", headers=HTML).status_code == 303, "an address is not a proof"
    assert sso(client, provider).status_code == 303
    assert value(app, select(User.role)) == "administrator"


def test_no_password_is_changed_on_the_account_page(app: Flask, client: FlaskClient, provider: Provider) -> None:
    add_person(app)
    assert sso(client, provider).status_code == 303
    assert "you sign in with your work account" in get(client, "/internal/account").text
    assert client.get("/internal/account/password", headers=HTML).status_code == 403
    data = {"current_password": PASSWORD, "new_password": "a long enough word 2"}
    data["csrf_token"] = csrf(client, "/internal/account")
    assert client.post("/internal/account/password", data=data, headers=HTML).status_code == 403
    assert client.post(CONFIRM, data={**data, "password": PASSWORD}, headers=HTML).status_code == 403


def test_who_one_is_is_shown_again_at_the_provider(app: Flask, desk: FlaskClient, provider: Provider) -> None:
    address = ask_again(desk)
    asked = parse_qs(urlsplit(address).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    cookie = desk.get_cookie("session")
    answer = come_back(desk, provider.answer(address, auth_time=int(time.time())))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/account")
    assert value(app, select(UserSession.authenticated_at)) > utc_now() - timedelta(minutes=1)
    assert count(app, UserSession) == 1
    assert desk.get("/internal/account", headers=HTML).status_code == 200
    assert cookie is not None
    desk.set_cookie("session", cookie.value)
    assert desk.get("/internal/account", headers=HTML).status_code == 303, "the token before is worth nothing"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"auth_time": None}, "not_shown_again"),
        ({"auth_time": 1}, "not_shown_again"),
        ({"auth_time": 1e300}, "not_shown_again"),
        ({"auth_time": "now"}, "wrong_answer"),
        ({"auth_time": 99_999_999_999, "sub": "somebody else"}, "another_person"),
    ],
    ids=repr,
)
def test_what_does_not_show_it_confirms_nothing(
    app: Flask, desk: FlaskClient, provider: Provider, claims: dict[str, Any], reason: str
) -> None:
    answer = come_back(desk, provider.answer(ask_again(desk), **claims))
    assert answer.status_code == 403
    assert re.search(r'href="/internal/leads"', answer.get_data(as_text=True))
    assert events(app, "sign_in_failed")[-1][1]["reason"] == reason
    assert value(app, select(UserSession.authenticated_at)) < long_ago() + timedelta(minutes=1)
    assert count(app, User) == 1


def test_whoever_has_two_factors_shows_two(app: Flask, desk: FlaskClient, provider: Provider) -> None:
    add_app(app, value(app, select(User.id)))
    query = provider.answer(ask_again(desk), auth_time=int(time.time()))
    assert come_back(desk, query).status_code == 403
    assert events(app, "sign_in_failed")[-1][1]["reason"] == "one_factor"
    query = provider.answer(ask_again(desk), auth_time=int(time.time()), amr=["pwd", "mfa"])
    assert come_back(desk, query).status_code == 303


def test_a_sign_in_is_no_confirmation_of_somebody_else(app: Flask, client: FlaskClient, provider: Provider) -> None:
    # What was begun as a confirmation and comes back after signing out is a sign-in, under all of its rules.
    assert sso(client, provider).status_code == 303
    address = ask_again(client)
    run(app, delete(UserSession))
    assert_refused(app, client, come_back(client, provider.answer(address, sub="new", email=None)), "unverified_email")
