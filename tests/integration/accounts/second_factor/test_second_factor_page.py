"""Setting an authenticator app up, changing and removing it, and recovery codes: the pages of one's own account."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core.models import Authenticator, Firm, RecoveryCode, User, UserSession
from alma_leads.audit.models import AuditEvent
from alma_leads.database.base import utc_now
from tests.support.desk import HTML, Page, add_person, count, get, post, run, sign_in, token, value
from tests.support.pages import StrictClient
from tests.support.second_factors import Phone, enrol

PAGE = "/internal/account/second-factor"
REMOVE = f"{PAGE}/app/remove"
ACCOUNT = "/internal/account"


@pytest.fixture
def rosa(app: Flask, client: StrictClient) -> StrictClient:
    """Return Rosa's browser."""
    add_person(app)
    sign_in(client)
    return client


def browser(app: Flask) -> StrictClient:
    """Return another browser."""
    client = app.test_client()
    assert isinstance(client, StrictClient)
    return client


def begin(client: StrictClient) -> Phone:
    """Begin to set up an app, and type its secret into a phone."""
    assert post(client, f"{PAGE}/app", on=PAGE).headers["Location"] == PAGE
    return Phone(secret_on(get(client, PAGE)))


def secret_on(page: Page) -> str:
    found = page.all("p", class_="secret")
    assert len(found) == 1
    return found[0].text or ""


def confirm(client: StrictClient, code: str) -> TestResponse:
    return post(client, PAGE, on=PAGE, code=code)


def codes_on(answer: TestResponse) -> list[str]:
    return (Page(answer).all("textarea")[0].text or "").split()


def sid(client: StrictClient) -> str:
    with client.session_transaction() as cookie:
        return str(cookie["sid"])


def test_setting_up_an_app(app: Flask, rosa: StrictClient) -> None:
    other = browser(app)
    sign_in(other)
    before = sid(rosa)
    phone = begin(rosa)
    assert count(app, Authenticator, Authenticator.confirmed_at.is_not(None)) == 0
    answer = confirm(rosa, phone.code())
    assert answer.headers["Cache-Control"] == "no-store"
    codes = codes_on(answer)
    assert len(codes) == len(set(codes)) == 10
    assert sid(rosa) != before
    assert value(app, select(UserSession.proofs)) == "password code"  # the only session that is left
    assert other.get(ACCOUNT, headers=HTML).status_code == 303
    page = get(rosa, ACCOUNT)
    assert "10 left" in page.text
    assert codes[0] not in page.html
    done = [row for row in ("authenticator_added", "recovery_codes_made") if count_of(app, row) == 1]
    assert len(done) == 2
    # The code that set it up is used.
    run(app, delete(UserSession))
    assert "/login/code" in password_step(other).headers["Location"]
    csrf = token(other.get("/login/code", headers=HTML))
    assert other.post("/login/code", data={"code": phone.code(), "csrf_token": csrf}, headers=HTML).status_code == 422


def count_of(app: Flask, action: str) -> int:
    return count(app, AuditEvent, AuditEvent.action == action)


def password_step(client: StrictClient) -> TestResponse:
    csrf = token(client.get("/login", headers=HTML))
    data = {"email": "rosa.delgado@alma.example", "password": "a long enough word 1", "csrf_token": csrf}
    return client.post("/login", data=data, headers=HTML)


def test_the_picture_holds_the_secret_and_no_style(app: Flask, rosa: StrictClient) -> None:
    begin(rosa)
    picture = rosa.get(f"{PAGE}/qr.svg")
    assert (picture.content_type, picture.headers["Cache-Control"]) == ("image/svg+xml", "no-store")
    root = ElementTree.fromstring(picture.data)
    assert root.tag.endswith("svg")
    assert not any("style" in element.attrib for element in root.iter())
    assert browser(app).get(f"{PAGE}/qr.svg").status_code == 401


def test_a_wrong_code_sets_nothing_up(app: Flask, rosa: StrictClient) -> None:
    phone = begin(rosa)
    assert confirm(rosa, "000000").status_code == 422
    assert "Off" in get(rosa, ACCOUNT).text
    assert confirm(rosa, phone.code()).status_code == 200


def test_the_secret_is_shown_to_the_browser_that_sets_it_up_alone(app: Flask, rosa: StrictClient) -> None:
    begin(rosa)
    thief = browser(app)
    sign_in(thief)
    assert get(thief, PAGE).all("p", class_="secret") == []
    assert thief.get(f"{PAGE}/qr.svg").status_code == 404
    # Whoever begins later is the only one who can end it: the first is told to begin again.
    begin(thief)
    assert get(rosa, PAGE).all("p", class_="secret") == []
    assert rosa.get(f"{PAGE}/qr.svg").status_code == 404


def test_changing_the_app(app: Flask, rosa: StrictClient) -> None:
    old = begin(rosa)
    confirm(rosa, old.code())
    new = begin(rosa)
    answer = confirm(rosa, new.code())
    assert answer.headers["Location"] == f"{ACCOUNT}?saved=app"  # the recovery codes stay
    assert count(app, Authenticator) == 1
    visitor = browser(app)
    password_step(visitor)
    csrf = token(visitor.get("/login/code", headers=HTML))
    sent = {"csrf_token": csrf, "code": old.code(later=1)}
    assert visitor.post("/login/code", data=sent, headers=HTML).status_code == 422
    sent["code"] = new.code(later=1)
    assert visitor.post("/login/code", data=sent, headers=HTML).status_code == 303


def test_removing_the_app(app: Flask, rosa: StrictClient) -> None:
    confirm(rosa, begin(rosa).code())
    assert post(rosa, REMOVE, on=ACCOUNT).headers["Location"] == f"{ACCOUNT}?saved=app-removed"
    assert count(app, Authenticator) == count(app, RecoveryCode) == 0
    assert count_of(app, "authenticator_removed") == 1
    assert password_step(browser(app)).headers["Location"] == "/internal/leads"
    assert post(rosa, REMOVE, on=ACCOUNT).status_code == 303  # twice is once
    assert count_of(app, "authenticator_removed") == 1


def test_the_last_second_factor_stays_while_the_firm_requires_one(app: Flask, rosa: StrictClient) -> None:
    confirm(rosa, begin(rosa).code())
    run(app, update(Firm).values(second_factor_required=True))
    answer = post(rosa, REMOVE, on=ACCOUNT)
    assert answer.status_code == 409
    assert "your last one stays" in answer.get_data(as_text=True)
    assert count(app, Authenticator) == 1
    assert count(app, RecoveryCode) == 10
    assert get(rosa, ACCOUNT).text.count("The firm requires a second factor of everyone.") == 1


def test_new_recovery_codes_replace_the_old(app: Flask, rosa: StrictClient) -> None:
    first = codes_on(confirm(rosa, begin(rosa).code()))
    second = codes_on(post(rosa, "/internal/account/recovery-codes", on=ACCOUNT))
    assert len(second) == 10
    assert not set(first) & set(second)
    assert count(app, RecoveryCode) == 10
    assert count_of(app, "recovery_codes_made") == 2


def test_without_a_second_factor_there_are_no_recovery_codes(app: Flask, rosa: StrictClient) -> None:
    assert post(rosa, "/internal/account/recovery-codes", on=ACCOUNT).status_code == 303
    assert count(app, RecoveryCode) == 0


@pytest.mark.parametrize(
    "path", [PAGE, f"{PAGE}/app", REMOVE, "/internal/account/recovery-codes", "/internal/account/password"]
)
def test_whoever_signed_in_long_ago_shows_both_factors_first(app: Flask, rosa: StrictClient, path: str) -> None:
    phone = enrol(app, value(app, select(User.id))).phone
    run(app, update(UserSession).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    answer = post(rosa, path, on=ACCOUNT)
    assert answer.headers["Location"].startswith("/internal/account/confirm?next=")
    assert count(app, RecoveryCode) == 10
    confirm_page = "/internal/account/confirm"
    shown = {"password": "a long enough word 1", "code": "000000", "next": PAGE}
    answer = post(rosa, confirm_page, on=confirm_page, **shown)
    assert "The password or the code is wrong" in answer.get_data(as_text=True)
    answer = post(rosa, confirm_page, on=confirm_page, **{**shown, "password": "x", "code": phone.code()})
    assert answer.status_code == 422
    answer = post(rosa, confirm_page, on=confirm_page, **{**shown, "code": phone.code()})
    assert answer.headers["Location"] == PAGE
    assert "saved" in post(rosa, REMOVE, on=ACCOUNT).headers["Location"]


def test_the_other_browsers_are_signed_out_one_by_one_or_all(app: Flask, rosa: StrictClient) -> None:
    second, third, ian = browser(app), browser(app), browser(app)
    sign_in(second)
    sign_in(third)
    add_person(app, "Ian Park")
    sign_in(ian, "Ian Park")
    numbers = {form.get("action") for form in get(rosa, ACCOUNT).all("form") if form.get("action").endswith("/end")}
    assert len(numbers) == 3  # two others, and all at once
    for number in range(1, 5):  # his among them
        post(ian, f"/internal/account/sessions/{number}/end", on=ACCOUNT)
    assert second.get(ACCOUNT, headers=HTML).status_code == 200
    mine = value(app, select(func.min(UserSession.id)))
    post(rosa, f"/internal/account/sessions/{mine + 1}/end", on=ACCOUNT)
    assert [c.get(ACCOUNT, headers=HTML).status_code for c in (rosa, second, third)] == [200, 303, 200]
    assert post(rosa, "/internal/account/sessions/end", on=ACCOUNT, which="all").headers["Location"] == "/login"
    assert [c.get(ACCOUNT, headers=HTML).status_code for c in (rosa, third)] == [303, 303]
    assert count_of(app, "sessions_ended") >= 2


def test_whoever_has_no_password_signs_in_again_instead(app: Flask, rosa: StrictClient) -> None:
    run(app, update(User).values(password=None))
    assert "None" in get(rosa, ACCOUNT).text
    run(app, update(UserSession).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    asked = rosa.get(PAGE, headers=HTML).headers["Location"]
    page = get(rosa, asked)
    assert "Sign out, and in again" in page.text
    assert page.all("input", name="password") == []
