"""One's own name and email address: changed by the person, confirmed at the new address, told to the old one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from alma_leads.accounts.core import links
from alma_leads.accounts.core.errors import UserExists
from alma_leads.accounts.core.models import LinkPurpose, OneTimeLink, User, UserSession
from alma_leads.accounts.users.profile_service import change_email
from alma_leads.audit.models import AuditEvent
from alma_leads.common.actor import Actor
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from tests.integration.accounts.users.test_people_page import mailed
from tests.support.desk import HTML, add_person, count, get, post, run, sign_in, token, value
from tests.support.outbox import enqueued

ACCOUNT = "/internal/account"
OLD, NEW = "rosa.delgado@alma.example", "rosa@delgado.example"


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in."""
    add_person(app)
    sign_in(client)
    return client


def ask(client: FlaskClient, email: str = NEW) -> int:
    return post(client, f"{ACCOUNT}/email", on=f"{ACCOUNT}/email", email=email).status_code


def email_now(app: Flask) -> str:
    return str(value(app, select(User.email).order_by(User.id).limit(1)))


def test_a_name_is_changed(app: Flask, desk: FlaskClient) -> None:
    assert post(desk, f"{ACCOUNT}/name", on=ACCOUNT, name="  Rosa D. Vega ").status_code == 303
    page = get(desk, f"{ACCOUNT}?saved=name")
    assert "Rosa D. Vega" in page.text
    assert "Your name is changed" in page.text
    for wrong in ("", "x" * 201, "a\nb"):
        answer = post(desk, f"{ACCOUNT}/name", on=ACCOUNT, name=wrong)
        assert answer.status_code == 422
        assert "Enter your name" in answer.get_data(as_text=True)
    assert count(app, AuditEvent, AuditEvent.action == "name_changed") == 1


def test_an_address_changes_when_its_owner_confirms_it(app: Flask, desk: FlaskClient) -> None:
    other = app.test_client()
    sign_in(other)
    assert ask(desk) == 303
    assert value(app, "SELECT recipient FROM outbox_messages") == NEW
    link = mailed(app, "email_change")
    for look in (desk.get, desk.head):  # mail scanners do
        assert look(link, headers=HTML).status_code == 200
    assert email_now(app) == OLD
    form = desk.get(link, headers=HTML)
    answer = desk.post(link, data={"csrf_token": token(form)}, headers=HTML)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{ACCOUNT}?saved=email-changed")
    assert email_now(app) == NEW
    assert value(app, "SELECT recipient FROM outbox_messages WHERE kind = 'account_notice'") == OLD
    assert "email address of your account was changed" in enqueued(app, "account_notice")[0][1].text
    assert desk.get("/internal/leads").status_code == 200
    assert other.get("/internal/leads").status_code == 401
    gone = desk.get(link, headers=HTML)
    assert gone.status_code == 410
    assert "Your account" in gone.get_data(as_text=True)
    assert count(app, AuditEvent, AuditEvent.action == "email_changed") == 1


def test_the_link_alone_hands_nobody_an_account(app: Flask, desk: FlaskClient) -> None:
    # Rosa mistypes, and the e-mail reaches a stranger.
    ask(desk)
    link = mailed(app, "email_change")
    add_person(app, "Ian Park")
    ian, stranger = app.test_client(), app.test_client()
    sign_in(ian, "Ian Park")
    for browser, on in ((ian, ACCOUNT), (stranger, "/login")):
        page = browser.get(link, headers=HTML)
        assert page.status_code == 403
        assert "Sign in first" in page.get_data(as_text=True)
        assert NEW not in page.get_data(as_text=True)
        csrf = token(browser.get(on, headers=HTML))
        assert browser.post(link, data={"csrf_token": csrf}, headers=HTML).status_code == 403
    assert email_now(app) == OLD


def test_an_address_that_somebody_has_is_refused_also_at_the_last_moment(app: Flask, desk: FlaskClient) -> None:
    for taken in (OLD, OLD.upper(), "rosa@"):
        assert ask(desk, taken) == 422
    assert ask(desk) == 303
    link = mailed(app, "email_change")
    form = desk.get(link, headers=HTML)
    add_person(app, "Ian Park")
    run(app, update(User).where(User.name == "Ian Park").values(email=NEW))
    answer = desk.post(link, data={"csrf_token": token(form)}, headers=HTML)
    assert answer.status_code == 409
    assert "has an account already" in answer.get_data(as_text=True)
    assert email_now(app) == OLD


def test_a_second_wish_ends_the_first(app: Flask, desk: FlaskClient) -> None:
    ask(desk)
    first = mailed(app, "email_change")
    ask(desk, "rosa@other.example")
    assert desk.get(first, headers=HTML).status_code == 410
    assert value(app, "SELECT count(*) FROM outbox_messages") == 1
    run(app, update(OneTimeLink).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert desk.get(mailed(app, "email_change"), headers=HTML).status_code == 410


def test_whoever_signed_in_long_ago_is_asked_again(app: Flask, desk: FlaskClient) -> None:
    csrf = token(desk.get(f"{ACCOUNT}/email", headers=HTML))
    run(app, update(UserSession).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    answer = desk.post(f"{ACCOUNT}/email", data={"csrf_token": csrf, "email": NEW}, headers=HTML)
    assert answer.headers["Location"].startswith("/internal/account/confirm")
    assert value(app, "SELECT count(*) FROM outbox_messages") == 0


def test_of_two_who_take_one_address_at_once_one_gets_it(app: Flask) -> None:
    people = [add_person(app), add_person(app, "Ian Park")]
    barrier = Barrier(len(people))
    tokens = []
    with app.app_context(), transaction() as session:
        for number in people:
            purpose = LinkPurpose.CHANGE_EMAIL
            tokens.append(
                links.create_link(session, purpose, user_id=number, now=utc_now(), new_email="new@alma.example")
            )

    def take(number: int, token: str) -> bool:
        with app.app_context():
            barrier.wait(10)
            try:
                change_email(token, actor=Actor("user", number, "X"), keep_session="")
            except UserExists:
                return False
            return True

    with ThreadPoolExecutor(len(people)) as pool:
        assert sum(pool.map(take, people, tokens)) == 1
    assert count(app, User, User.email == "new@alma.example") == 1
