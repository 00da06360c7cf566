"""The pages of people: inviting, roles, links, turning off and on, and who may do it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from alma_leads.accounts.core.models import Authenticator, OneTimeLink, Role, User, UserSession
from alma_leads.audit.models import AuditEvent
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from tests.support.desk import HTML, PASSWORD, add_lead, add_person, count, get, post, run, sign_in, token, value
from tests.support.outbox import enqueued

HOME = "/internal/settings/people"
IAN = "ian.park@alma.example"
NEW = "entirely different words 2"


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator."""
    add_person(app)
    sign_in(client)
    return client


def invite(client: FlaskClient, **changes: str) -> int:
    fields = {"name": "Ian Park", "email": IAN, "role": "attorney", **changes}
    return post(client, HOME, on=f"{HOME}/new", **fields).status_code


def number(app: Flask, email: str = IAN) -> int:
    return int(value(app, select(User.id).where(User.email == email)))


def mailed(app: Flask, kind: str = "invitation") -> str:
    """Return the path of the link in the last e-mail of a kind."""
    body = enqueued(app, kind)[-1][1].text
    found = re.search(r"http://127\.0\.0\.1:8000(/\S+)", body)
    assert found
    return found[1]


def actions(app: Flask) -> str:
    with app.app_context():
        return " ".join(db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


def test_an_invited_person_comes_in_by_the_link_in_the_email(app: Flask, desk: FlaskClient) -> None:
    assert invite(desk) == 303
    page = get(desk, HOME)
    assert f"An invitation goes to {IAN}." in page.text
    assert "Invited" in page.text
    assert value(app, "SELECT recipient FROM outbox_messages") == IAN
    assert "Rosa Delgado has made an account for you" in enqueued(app, "invitation")[0][1].text
    assert actions(app).endswith("person_added invitation_sent")
    browser = app.test_client()
    link = mailed(app)
    form = browser.get(link, headers=HTML)
    answer = browser.post(link, data={"csrf_token": token(form), "password": NEW}, headers=HTML)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/leads")
    page = get(desk, HOME)
    assert "Password only" in page.text
    assert "Invited" not in page.text
    assert browser.get(HOME, headers=HTML).status_code == 403


def test_what_is_wrong_is_said_at_its_field(app: Flask, desk: FlaskClient) -> None:
    for changes, words in (
        ({"name": " "}, "Enter the person’s name"),
        ({"email": "ian@"}, "Enter an email address like name@example.com"),
        ({"email": "rosa.delgado@alma.example"}, "has an account already"),
        ({"role": "king"}, "Choose a role"),
    ):
        fields = {"name": "Ian Park", "email": IAN, "role": "attorney", **changes}
        answer = post(desk, HOME, on=f"{HOME}/new", **fields)
        assert answer.status_code == 422
        assert words in answer.get_data(as_text=True)
    assert count(app, User) == 1
    assert value(app, "SELECT count(*) FROM outbox_messages") == 0


def test_a_new_invitation_ends_the_earlier_one(app: Flask, desk: FlaskClient) -> None:
    invite(desk)
    first, page = mailed(app), f"{HOME}/{number(app)}"
    assert "The link works until" in get(desk, page).text
    assert post(desk, f"{page}/invitation", on=page, do="send").status_code == 303
    assert mailed(app) != first
    assert value(app, "SELECT count(*) FROM outbox_messages") == 1, "nobody needs the first any more"
    stranger = app.test_client()
    gone = stranger.get(first, headers=HTML)
    assert gone.status_code == 410
    assert "Ask an administrator for a new one" in gone.get_data(as_text=True)
    assert stranger.get(mailed(app), headers=HTML).status_code == 200
    run(app, update(OneTimeLink).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert "The link is too old" in get(desk, page).text
    assert "Invitation too old" in get(desk, HOME).text


def test_a_revoked_invitation_opens_nothing_and_may_be_sent_anew(app: Flask, desk: FlaskClient) -> None:
    invite(desk)
    link, page = mailed(app), f"{HOME}/{number(app)}"
    form = app.test_client().get(link, headers=HTML)
    assert post(desk, f"{page}/invitation", on=page, do="revoke").status_code == 303
    assert "Invitation revoked" in get(desk, page).text
    assert value(app, "SELECT count(*) FROM outbox_messages") == 0
    stranger = app.test_client()
    csrf = token(stranger.get("/login", headers=HTML))
    assert form.status_code == 200
    assert stranger.post(link, data={"csrf_token": csrf, "password": NEW}, headers=HTML).status_code == 410
    assert post(desk, f"{page}/active", on=page, do="activate").status_code == 409
    assert "invitation_revoked" in actions(app)
    assert invite(desk, name="Ian B. Park", role="viewer") == 303
    assert stranger.get(mailed(app), headers=HTML).status_code == 200
    assert "Ian B. Park" in get(desk, page).text


def test_who_has_come_cannot_be_uninvited(app: Flask, desk: FlaskClient) -> None:
    page = f"{HOME}/{add_person(app, 'Ian Park')}"
    for do in ("send", "revoke"):
        answer = post(desk, f"{page}/invitation", on=page, do=do)
        assert answer.status_code == 409
        assert "has come in already" in answer.get_data(as_text=True)
    assert value(app, select(User.active).where(User.email == IAN))


def test_a_role_holds_from_the_next_click_on_and_the_person_is_told(app: Flask, desk: FlaskClient) -> None:
    page = f"{HOME}/{add_person(app, 'Ian Park', role=Role.ATTORNEY)}"
    his = app.test_client()
    sign_in(his, "Ian Park")
    assert his.get("/internal/leads.csv").status_code == 200
    assert post(desk, f"{page}/role", on=page, role="viewer").status_code == 303
    assert his.get("/internal/leads.csv").status_code == 403
    assert value(app, "SELECT recipient FROM outbox_messages WHERE kind = 'account_notice'") == IAN
    body = enqueued(app, "account_notice")[0][1].text
    assert "Your role was changed." in body
    assert "by Rosa Delgado" in body
    assert "http" not in body
    assert post(desk, f"{page}/role", on=page, role="viewer").status_code == 303
    assert actions(app).count("role_changed") == 1, "nothing changed the second time"


def test_the_last_administrator_stays_one(app: Flask, desk: FlaskClient) -> None:
    page = f"{HOME}/{number(app, 'rosa.delgado@alma.example')}"
    add_person(app, "Hannah Weiss", active=False)
    for path, fields in (("role", {"role": "viewer"}), ("active", {"do": "deactivate"})):
        answer = post(desk, f"{page}/{path}", on=page, **fields)
        assert answer.status_code == 409
        assert "is the last active administrator" in answer.get_data(as_text=True)
    add_person(app, "Ian Park")
    answer = post(desk, f"{page}/role", on=page, role="attorney")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/leads")


def test_a_reset_link_leaves_the_password_until_it_is_used(app: Flask, desk: FlaskClient) -> None:
    page = f"{HOME}/{add_person(app, 'Ian Park')}"
    his = app.test_client()
    sign_in(his, "Ian Park")
    assert post(desk, f"{page}/reset-link", on=page).status_code == 303
    assert his.get("/internal/leads").status_code == 200
    link = mailed(app, "password_reset")
    assert link.startswith("/reset/")
    for ask in (his.get, his.head):  # mail scanners look too
        assert ask(link, headers=HTML).status_code == 200
    other = app.test_client()
    form = other.get(link, headers=HTML)
    assert other.post(link, data={"csrf_token": token(form), "password": NEW}, headers=HTML).status_code == 303
    assert his.get("/internal/leads").status_code == 401, "a new password ends every session"
    body = enqueued(app, "account_notice")[0][1].text
    assert "Your password was changed." in body
    assert other.get(link, headers=HTML).status_code == 410


def test_someone_turned_off_is_out_and_old_links_stay_dead(app: Flask, desk: FlaskClient) -> None:
    number_ = add_person(app, "Ian Park", role=Role.ATTORNEY)
    page = f"{HOME}/{number_}"
    his = app.test_client()
    sign_in(his, "Ian Park")
    post(desk, f"{page}/reset-link", on=page)
    link = mailed(app, "password_reset")
    assert post(desk, f"{page}/active", on=page, do="deactivate").status_code == 303
    assert his.get("/internal/leads").status_code == 401
    assert "Turned off" in get(desk, HOME).text
    assert value(app, "SELECT count(*) FROM outbox_messages") == 0
    assert post(desk, f"{page}/reset-link", on=page).status_code == 409
    assert post(desk, f"{page}/active", on=page, do="activate").status_code == 303
    assert app.test_client().get(link, headers=HTML).status_code == 410
    sign_in(his, "Ian Park")
    assert "person_deactivated" in actions(app)
    assert "person_activated" in actions(app)


def test_new_leads_of_someone_turned_off_go_to_the_helpdesk_and_old_ones_stay(app: Flask, desk: FlaskClient) -> None:
    page = f"{HOME}/{add_person(app, 'Ian Park', role=Role.ATTORNEY)}"
    post(desk, "/internal/settings/assignments", email="ada@example.com", attorney=IAN)
    add_lead(app, email="ada@example.com")
    told = "SELECT recipient FROM outbox_messages WHERE kind = 'lead_notification' ORDER BY id DESC LIMIT 1"
    assert value(app, told) == IAN
    post(desk, f"{page}/active", on=page, do="deactivate")
    add_lead(app, email="ada@example.com", first_name="Ada")
    assert value(app, told) is None, "nobody in particular: the helpdesk"
    assert "Ian Park" in get(desk, "/internal/leads").text


def test_resetting_a_second_factor_is_offered_where_there_is_one(app: Flask, desk: FlaskClient) -> None:
    person_id = add_person(app, "Ian Park")
    page = f"{HOME}/{person_id}"
    assert "Reset the second factor" not in get(desk, page).text
    now = utc_now()
    run(app, insert(Authenticator).values(user_id=person_id, secret="x", created_at=now, confirmed_at=now))
    assert "Password and code" in get(desk, HOME).text
    assert post(desk, f"{page}/second-factor", on=page).status_code == 303
    assert count(app, Authenticator) == 0
    assert "second factor was reset" in enqueued(app, "account_notice")[0][1].text


def test_changes_are_made_by_someone_who_signed_in_lately(app: Flask, desk: FlaskClient) -> None:
    page = f"{HOME}/{add_person(app, 'Ian Park')}"
    get(desk, page)
    csrf = token(desk.get(page, headers=HTML))
    run(app, update(UserSession).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    for path in (f"{page}/role", f"{page}/active", f"{page}/reset-link", f"{page}/invitation", HOME):
        answer = desk.post(path, data={"csrf_token": csrf, "role": "viewer"}, headers=HTML)
        assert answer.headers["Location"].startswith("/internal/account/confirm"), path
    assert desk.get(page, headers=HTML).headers["Location"].startswith("/internal/account/confirm")
    assert desk.get(HOME, headers=HTML).status_code == 200
    assert value(app, select(User.role).where(User.email == IAN)) == "administrator"


def test_nobody_is_a_404(desk: FlaskClient) -> None:
    assert desk.get(f"{HOME}/4711", headers=HTML).status_code == 404
    for path in ("role", "active", "reset-link", "invitation", "second-factor"):
        assert post(desk, f"{HOME}/4711/{path}", on=f"{HOME}/new", role="viewer").status_code == 404


def test_the_list_says_when_someone_last_signed_in(app: Flask, desk: FlaskClient) -> None:
    add_person(app, "Ian Park")
    rows = {
        "".join(row.itertext()).split(".")[0].lower(): "".join(row.itertext()) for row in get(desk, HOME).all("tr")[1:]
    }
    assert len(rows) == 2
    assert "Today" in next(text for text in rows.values() if "Rosa" in text)
    assert "–" in next(text for text in rows.values() if "Ian" in text)
    assert PASSWORD not in str(rows)
