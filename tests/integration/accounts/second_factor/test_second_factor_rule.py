"""The firm's rule that everyone needs a second factor, and setting one up because of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core.models import Firm, Role, SessionStage, User, UserSession
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.second_factor.second_factor_service import require_second_factor, reset_second_factor
from alma_leads.accounts.sign_in.sign_in_service import open_session
from alma_leads.audit.models import AuditEvent
from alma_leads.common.actor import OPERATOR
from alma_leads.database.base import utc_now
from tests.support.desk import HTML, PASSWORD, add_person, count, get, post, run, sign_in, token, value
from tests.support.pages import StrictClient
from tests.support.second_factors import Enrolled, Phone, enrol

PAGE = "/internal/account/second-factor"
PEOPLE = "/internal/settings/people"
LEADS = "/internal/leads"


@pytest.fixture
def rosa(app: Flask) -> Enrolled:
    """Return what Rosa has, an administrator with an app."""
    return enrol(app, add_person(app))


@pytest.fixture
def admin(client: StrictClient, rosa: Enrolled) -> StrictClient:
    """Return Rosa's browser, in which she has come in by both factors."""
    sign_in(client)
    code = {"code": rosa.phone.code(), "csrf_token": token(client.get("/login/code", headers=HTML))}
    assert client.post("/login/code", data=code, headers=HTML).status_code == 303
    return client


def ians(app: Flask) -> StrictClient:
    """Return the browser of Ian, who comes in by a password."""
    client = app.test_client()
    assert isinstance(client, StrictClient)
    sign_in(client, "Ian Park")
    return client


def set_rule(client: StrictClient, required: str) -> TestResponse:
    return post(client, f"{PEOPLE}/second-factor", on=PEOPLE, required=required)


def leads_to(client: StrictClient) -> str:
    """Return where the desk leads, or "" when it opens."""
    answer = client.get(LEADS, headers=HTML)
    return str(answer.headers["Location"]) if answer.status_code == 303 else ""


def test_whoever_is_in_without_one_is_led_to_setting_it_up(app: Flask, admin: StrictClient) -> None:
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    ian = ians(app)
    opened = update(UserSession).where(UserSession.stage == SessionStage.OPEN)
    run(app, opened.values(created_at=utc_now() - timedelta(hours=2)))
    assert "1 person has none. If you require one" in get(admin, PEOPLE).text
    assert set_rule(admin, "yes").headers["Location"] == PEOPLE
    page = get(admin, PEOPLE)  # Rosa has shown two
    assert "1 person has none yet" in page.text
    assert leads_to(ian) == PAGE
    refused = ian.get(LEADS)
    assert (refused.status_code, "set one up" in refused.json["detail"]) == (403, True)
    part = ian.get(LEADS, headers={**HTML, "HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Redirect"]) == (403, PAGE)
    assert ian.get("/internal/account", headers=HTML).headers["Location"] == PAGE
    post(ian, f"{PAGE}/app", on=PAGE)
    phone = Phone(get(ian, PAGE).all("p", class_="secret")[0].text or "")
    answer = post(ian, PAGE, on=PAGE, code=phone.code())
    assert "Keep your recovery codes" in answer.get_data(as_text=True)
    assert leads_to(ian) == ""
    assert "Everyone has one." in get(admin, PEOPLE).text


def test_whoever_signs_in_without_one_sets_it_up_first(app: Flask, admin: StrictClient) -> None:
    set_rule(admin, "yes")
    add_person(app, "Ian Park", role=Role.VIEWER)
    ian = ians(app)
    assert value(app, select(UserSession.stage).order_by(UserSession.id.desc()).limit(1)) == "enrolment"
    assert leads_to(ian) == PAGE
    assert "The firm requires it" in get(ian, PAGE).text
    assert post(ian, "/logout", on=PAGE).headers["Location"] == "/login"
    assert leads_to(ian).startswith("/login")


def test_someone_who_knows_the_password_alone_cannot_change_the_app(app: Flask, admin: StrictClient) -> None:
    set_rule(admin, "yes")
    add_person(app, "Ian Park")
    thief, ian = ians(app), ians(app)
    post(ian, f"{PAGE}/app", on=PAGE)
    phone = Phone(get(ian, PAGE).all("p", class_="secret")[0].text or "")
    post(ian, PAGE, on=PAGE, code=phone.code())
    assert leads_to(thief).startswith("/login")  # it began before the app, and ended with it
    again = ians(app)
    assert again.get(PAGE, headers=HTML).headers["Location"].startswith("/login/code")
    assert post(again, f"{PAGE}/app", on="/login").headers["Location"].startswith("/login/code")


def test_after_long_the_password_is_asked_for_again(app: Flask, admin: StrictClient) -> None:
    add_person(app, "Ian Park")
    ian = ians(app)
    by_password = update(UserSession).where(UserSession.proofs == Proof.PASSWORD)
    run(app, by_password.values(authenticated_at=utc_now() - timedelta(hours=1)))
    set_rule(admin, "yes")
    assert leads_to(ian) == PAGE
    confirm = ian.get(PAGE, headers=HTML).headers["Location"]
    assert confirm.startswith("/internal/account/confirm")
    answer = post(ian, "/internal/account/confirm", on=confirm, password=PASSWORD, next=PAGE)
    assert answer.headers["Location"] == PAGE
    assert "The firm requires it" in get(ian, PAGE).text


def test_the_rule_ends(app: Flask, admin: StrictClient) -> None:
    set_rule(admin, "yes")
    set_rule(admin, "yes")
    set_rule(admin, "no")
    assert count(app, AuditEvent, AuditEvent.action.startswith("second_factor_", autoescape=True)) == 2
    add_person(app, "Ian Park")
    assert leads_to(ians(app)) == ""
    assert set_rule(admin, "perhaps").status_code == 422


def test_only_administrators_make_the_rule(app: Flask, client: StrictClient) -> None:
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    sign_in(client, "Ian Park")
    assert post(client, f"{PEOPLE}/second-factor", on="/internal/account", required="yes").status_code == 403
    assert not value(app, select(Firm.second_factor_required))


def test_nobody_slips_in_while_the_rule_is_made(app: Flask) -> None:
    person = add_person(app)
    client_info = ClientInfo("192.0.2.1", "test")

    def come_in(_: int) -> None:
        with app.app_context():
            assert open_session(person, [Proof.PASSWORD], client=client_info, instead_of="")

    def rule(_: int) -> None:
        with app.app_context():
            require_second_factor(required=True, actor=OPERATOR)

    with ThreadPoolExecutor(9) as pool:
        done = [pool.submit(rule if number == 12 else come_in, number) for number in range(24)]
        for one in done:
            one.result()
    assert count(app, UserSession) == 23
    assert count(app, UserSession, UserSession.stage == SessionStage.OPEN) == 0


def test_a_reset_ends_everything(app: Flask, admin: StrictClient, rosa: Enrolled) -> None:
    person = value(app, select(User.id))
    with app.app_context():
        assert reset_second_factor(person, actor=OPERATOR).name == "Rosa Delgado"
    assert leads_to(admin).startswith("/login")
    sign_in(admin)
    assert leads_to(admin) == ""
