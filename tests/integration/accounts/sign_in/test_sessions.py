"""Sessions as rows: what ends them, and what a stolen or planted cookie is worth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from alma_leads.accounts.core.models import Role, User, UserSession
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.sign_in.sign_in_service import open_session
from alma_leads.accounts.users.user_service import activate, deactivate, invite
from alma_leads.common.actor import OPERATOR
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.jobs.upkeep_service import purge_expired
from config import Settings
from tests.conftest import MakeSettings, TestClock
from tests.support.desk import HTML, PASSWORD, Page, add_lead, add_person, count, csrf, post, run, sign_in, token, value
from tests.support.pages import StrictClient
from tests.support.routes import address, methods, rules

ROSA = "rosa.delgado@alma.example"
NEW = "entirely different words 2"


@pytest.fixture
def signed_in(app: Flask, client: StrictClient) -> StrictClient:
    """Return Rosa's browser."""
    add_person(app)
    sign_in(client)
    return client


@pytest.fixture
def other(app: Flask, signed_in: StrictClient) -> StrictClient:
    """Return another browser of hers."""
    client = app.test_client()
    assert isinstance(client, StrictClient)
    sign_in(client)
    return client


def is_in(client: StrictClient) -> bool:
    """Say whether a browser may see the desk."""
    return client.get("/internal/account", headers=HTML).status_code == 200


def cookie_of(client: StrictClient) -> str:
    cookie = client.get_cookie("session")
    assert cookie
    return cookie.value


def ago(**of: float) -> datetime:
    return utc_now() - timedelta(**of)


def test_signing_out_ends_the_session_for_good(app: Flask, signed_in: StrictClient, other: StrictClient) -> None:
    stolen = cookie_of(signed_in)
    answer = post(signed_in, "/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert not is_in(signed_in)
    signed_in.set_cookie("session", stolen)
    assert not is_in(signed_in)
    assert is_in(other)
    assert count(app, UserSession) == 1


def test_no_link_and_no_foreign_form_signs_out(signed_in: StrictClient) -> None:
    assert signed_in.get("/logout", headers=HTML).status_code == 405
    assert signed_in.post("/logout", headers=HTML).status_code == 400
    assert is_in(signed_in)


def test_a_planted_cookie_is_worth_nothing_after_sign_in(app: Flask, client: StrictClient) -> None:
    add_person(app)
    csrf_before = token(client.get("/login", headers=HTML))
    planted = cookie_of(client)
    sign_in(client)
    attacker = app.test_client()
    attacker.set_cookie("session", planted)
    assert attacker.get("/internal/account", headers=HTML).status_code == 303
    # Nor may the planter post in the victim's name with the token of before.
    answer = client.post("/internal/account/sessions/end", data={"csrf_token": csrf_before}, headers=HTML)
    assert answer.status_code == 400


def test_the_cookie_holds_no_token_of_the_table(app: Flask, signed_in: StrictClient) -> None:
    with signed_in.session_transaction() as cookie:
        kept = cookie["sid"]
    stored = value(app, select(UserSession.token_hash))
    assert kept != stored
    assert len(kept) >= 43  # 32 random bytes
    with signed_in.session_transaction() as cookie:
        cookie["sid"] = stored
    assert not is_in(signed_in)


def test_only_the_token_says_whose_session_it_is(app: Flask, signed_in: StrictClient) -> None:
    run(app, update(User).values(handle="rosa"))
    ian = add_person(app, "Ian Park")
    with app.app_context():
        his = open_session(ian, [Proof.PASSWORD], client=ClientInfo("", ""), instead_of="")
    assert his
    with signed_in.session_transaction() as cookie:
        cookie["_user_id"], cookie["sid"] = "rosa", his.token
    assert "Ian Park" in Page(signed_in.get("/internal/account", headers=HTML)).text


def test_signing_in_again_replaces_the_session(app: Flask, signed_in: StrictClient) -> None:
    add_person(app, "Ian Park")
    # As through a set-up link opened in Rosa's browser: whoever was in is out.
    with app.app_context():
        link = invite("marcus.bell@alma.example", name="Marcus Bell", role=Role.VIEWER, actor=OPERATOR).token
    page = signed_in.get(f"/invitation/{link}", headers=HTML)
    data = {"csrf_token": token(page), "password": NEW}
    assert signed_in.post(f"/invitation/{link}", data=data, headers=HTML).status_code == 303
    assert "Marcus Bell" in Page(signed_in.get("/internal/account", headers=HTML)).text
    assert count(app, UserSession) == 1


@pytest.mark.parametrize(
    ("last_seen", "created", "holds"),
    [
        ({"minutes": 59}, {"hours": 11.9}, True),
        ({"minutes": 60.1}, {"hours": 2}, False),
        ({"minutes": 0}, {"hours": 12.01}, False),
    ],
)
def test_a_session_ends_unused_and_in_any_case(
    app: Flask, signed_in: StrictClient, last_seen: dict[str, float], created: dict[str, float], holds: bool
) -> None:
    run(app, update(UserSession).values(last_seen_at=ago(**last_seen), created_at=ago(**created)))
    assert is_in(signed_in) is holds
    with app.app_context():
        assert purge_expired() == (not holds)


def test_a_used_session_writes_at_most_once_a_minute(app: Flask, signed_in: StrictClient) -> None:
    def last_seen() -> Any:
        return value(app, select(UserSession.last_seen_at))

    fresh = last_seen()
    assert is_in(signed_in)
    assert last_seen() == fresh
    run(app, update(UserSession).values(last_seen_at=ago(seconds=61)))
    assert is_in(signed_in)
    assert last_seen() > fresh


def test_a_request_asks_once_who_it_is(app: Flask, signed_in: StrictClient) -> None:
    borrowed: list[object] = []
    with app.app_context():
        engine = db.engine
    event.listen(engine, "checkout", lambda *args: borrowed.append(args[0]))
    assert signed_in.get("/internal/settings", headers=HTML).status_code == 303
    assert len(borrowed) == 1


def test_turning_someone_off_ends_their_sessions_at_once(app: Flask, signed_in: StrictClient) -> None:
    add_person(app, "Ian Park")
    rosa = value(app, select(User.id).where(User.email == ROSA))
    with app.app_context():
        deactivate(rosa, actor=OPERATOR)
    assert not is_in(signed_in)
    with app.app_context():
        activate(rosa, actor=OPERATOR)
    assert not is_in(signed_in)  # on again is not in again
    sign_in(signed_in)
    assert is_in(signed_in)


def change(client: StrictClient, current: str, new: str) -> Any:
    return post(
        client, "/internal/account/password", on="/internal/account", current_password=current, new_password=new
    )


def test_a_new_password_signs_out_every_other_browser(app: Flask, signed_in: StrictClient, other: StrictClient) -> None:
    stolen = cookie_of(signed_in)
    answer = change(signed_in, PASSWORD, NEW)
    assert answer.status_code == 303
    page = Page(signed_in.get(answer.headers["Location"], headers=HTML))
    assert "Your password is changed" in page.text
    assert not is_in(other)
    other.set_cookie("session", stolen)  # the browser that stays has a new token too
    assert not is_in(other)
    data = {"email": ROSA, "csrf_token": token(other.get("/login", headers=HTML))}
    assert other.post("/login", data=data | {"password": PASSWORD}, headers=HTML).status_code == 422
    assert other.post("/login", data=data | {"password": NEW}, headers=HTML).status_code == 303
    assert value(app, select(User.password_changed_at)) is not None


def test_a_new_password_needs_the_present_one(signed_in: StrictClient, other: StrictClient) -> None:
    for _ in range(5):
        answer = change(signed_in, "not the present words", NEW)
        assert answer.status_code == 422
        assert "This is not your present password" in answer.get_data(as_text=True)
    waits = change(signed_in, PASSWORD, NEW)
    assert waits.status_code == 429
    assert int(waits.headers["Retry-After"]) > 800
    assert is_in(other)


def test_a_weak_new_password_changes_nothing(signed_in: StrictClient, other: StrictClient) -> None:
    for weak, why in (("short", "at least 12"), ("password1234", "harder to guess"), (ROSA, "harder to guess")):
        answer = change(signed_in, PASSWORD, weak)
        assert answer.status_code == 422
        assert why in answer.get_data(as_text=True)
    assert is_in(other)


def test_a_password_with_accents_opens_the_door_from_every_keyboard(app: Flask, signed_in: StrictClient) -> None:
    assert change(signed_in, PASSWORD, "cre\u0300me bru\u0302le\u0301e encore").status_code == 303
    assert change(signed_in, "cr\u00e8me br\u00fbl\u00e9e encore", NEW).status_code == 303
    assert change(signed_in, NEW, "cr\u00e8me br\u00fbl\u00e9e encore").status_code == 303
    browser = app.test_client()
    data = {"email": ROSA, "password": "cre\u0300me bru\u0302le\u0301e encore"}
    data["csrf_token"] = token(browser.get("/login", headers=HTML))
    assert browser.post("/login", data=data, headers=HTML).status_code == 303


def test_sign_out_everywhere_else(app: Flask, signed_in: StrictClient, other: StrictClient) -> None:
    page = Page(signed_in.get("/internal/account", headers=HTML))
    assert len(page.all("tr")) == 3  # the heading and two browsers
    assert page.text.count("This one") == 1
    answer = post(signed_in, "/internal/account/sessions/end", on="/internal/account")
    assert answer.status_code == 303
    assert is_in(signed_in)
    assert not is_in(other)
    page = Page(signed_in.get("/internal/account", headers=HTML))
    assert "Sign out everywhere else" not in page.text


def test_preferences_are_kept_and_followed(app: Flask, signed_in: StrictClient) -> None:
    answer = post(
        signed_in, "/internal/account/preferences", on="/internal/account", time_zone="Asia/Kolkata", theme="dark"
    )
    assert answer.status_code == 303
    assert "theme=dark" in answer.headers["Set-Cookie"]
    page = Page(signed_in.get("/internal/account", headers=HTML))
    assert page.root.get("data-theme") == "dark"
    chosen = [option.text for option in page.all("option") if "selected" in option.attrib]
    assert chosen == ["Asia/Kolkata"]
    assert count(app, User, User.single_key_shortcuts.is_(True)) == 0
    assert 'data-theme="dark"' in signed_in.get("/", headers=HTML).get_data(as_text=True)


@pytest.mark.parametrize("fields", [{"time_zone": "Mars/Base"}, {"time_zone": "../etc"}, {"theme": "pink"}])
def test_other_preferences_are_refused(signed_in: StrictClient, fields: dict[str, str]) -> None:
    sent = {"time_zone": "UTC", "theme": "", **fields}
    answer = post(signed_in, "/internal/account/preferences", on="/internal/account", **sent)
    assert answer.status_code == 422


def test_settings_lead_to_what_everyone_has(app: Flask, client: StrictClient) -> None:
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    sign_in(client, "Ian Park")
    assert client.get("/internal/settings", headers=HTML).headers["Location"] == "/internal/account"
    assert "/internal/settings/people" not in client.get("/internal/account", headers=HTML).get_data(as_text=True)
    assert client.get("/internal/settings/people", headers=HTML).status_code == 403


def test_administrators_see_everyone(app: Flask, signed_in: StrictClient) -> None:
    add_person(app, "Ian Park", active=False)
    page = Page(signed_in.get("/internal/settings/people", headers=HTML))
    assert "Rosa Delgado" in page.text
    assert "Turned off" in page.text


def test_a_key_has_no_account(signed_in: StrictClient) -> None:
    stranger = signed_in.application.test_client()
    key = {"X-API-Key": signed_in.application.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()}
    assert stranger.get("/internal/account", headers=key).status_code == 403
    assert stranger.post("/logout", headers=key).status_code == 403
    assert csrf(signed_in, "/internal/account")


def test_signing_out_is_in_sight_on_every_page(app: Flask, signed_in: StrictClient) -> None:
    add_lead(app)
    seen = 0
    for rule in rules(app):
        if "GET" not in methods(rule) or not rule.rule.startswith("/internal/"):
            continue
        answer = signed_in.get(address(rule), headers=HTML, buffered=True)
        if answer.status_code == 200 and answer.mimetype == "text/html":
            assert 'action="/logout"' in answer.get_data(as_text=True), rule.rule
            seen += 1
    assert seen > 8


@pytest.mark.parametrize("idle_minutes", [1, 2, 60])
def test_someone_at_work_is_never_signed_out_however_short_the_idle_time(
    make_app: Callable[[Settings], Flask],
    make_settings: MakeSettings,
    sqlite_url: str,
    clock: TestClock,
    idle_minutes: int,
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, SESSION_IDLE_MINUTES=idle_minutes))
    add_person(app)
    client = app.test_client()
    assert isinstance(client, StrictClient)
    sign_in(client)
    pauses = [0.4 * idle_minutes, 58.5 * idle_minutes, 59 * idle_minutes, *[30.2 * idle_minutes] * 4, 59 * idle_minutes]
    for pause in pauses:
        clock.forward(seconds=pause)
        assert is_in(client), f"signed out after a pause of {pause} s"
    clock.forward(seconds=60 * idle_minutes + 1)
    assert not is_in(client)
