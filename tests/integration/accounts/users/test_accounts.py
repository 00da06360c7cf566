"""People: the first administrator, one-time links, and the operator's commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core.errors import LastAdministrator, LinkExpired, WeakPassword
from alma_leads.accounts.core.models import OneTimeLink, Role, User
from alma_leads.accounts.sign_in import password_service
from alma_leads.accounts.users import setup_service
from alma_leads.accounts.users.setup_service import prepare_first_administrator
from alma_leads.accounts.users.setup_service import set_up as set_up_first
from alma_leads.accounts.users.user_service import change_role, deactivate
from alma_leads.audit.models import AuditEvent
from alma_leads.common.actor import OPERATOR
from alma_leads.database.base import utc_now
from alma_leads.jobs.upkeep_service import purge_expired
from config import Settings
from tests.support.desk import HTML, PASSWORD, Page, add_person, count, run, sign_in, token, value
from tests.support.outbox import enqueued
from tests.support.pages import StrictClient

IAN = "ian.park@alma.example"
NEW = "entirely different words 2"


def prepare(app: Flask, email: str | None = None, password: str | None = None) -> str | None:
    """Do what the start does."""
    with app.app_context():
        return prepare_first_administrator(email=email, password=password)


def send(client: StrictClient, address: str, **fields: str) -> TestResponse:
    """Open a page behind a link, fill in its form and send it."""
    page = client.get(address, headers=HTML)
    return client.post(address, data={"csrf_token": token(page), **fields}, headers=HTML)


def set_up(client: StrictClient, link: str, **changes: str) -> TestResponse:
    fields = {"name": "Rosa Delgado", "email": "Rosa.Delgado@alma.example", "password": PASSWORD, **changes}
    return send(client, f"/setup/{link}", **fields)


def flask(app: Flask, *arguments: str) -> Result:
    """Run a command of the operator."""
    return app.test_cli_runner().invoke(args=["people", *arguments])


def invited(app: Flask, email: str = IAN, **options: str) -> str:
    """Add a person by command, and return the path of the link that it prints."""
    more = [part for name, given in options.items() for part in (f"--{name}", given)]
    result = flask(app, "add", email, "--name", "Ian Park", *more)
    assert result.exit_code == 0, result.output
    found = re.search(r"http://127\.0\.0\.1:8000(/invitation/\S+)\n$", result.output)
    assert found, result.output
    return found[1]


def signs_in(app: Flask, email: str, password: str) -> bool:
    browser = app.test_client()
    data = {"email": email, "password": password, "csrf_token": token(browser.get("/login", headers=HTML))}
    return browser.post("/login", data=data, headers=HTML).status_code == 303


# The first administrator


def test_the_set_up_link_makes_an_administrator_once(app: Flask, client: StrictClient) -> None:
    link = prepare(app)
    assert link
    page = client.get(f"/setup/{link}", headers=HTML)
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    answer = set_up(client, link)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/leads")
    assert client.get("/internal/settings/people", headers=HTML).status_code == 200
    assert signs_in(app, "rosa.delgado@alma.example", PASSWORD)
    gone = app.test_client().get(f"/setup/{link}", headers=HTML)
    assert gone.status_code == 410
    assert gone.headers["Cache-Control"] == "no-store"
    assert prepare(app) is None


def test_looking_at_a_link_does_not_use_it_up(app: Flask, client: StrictClient) -> None:
    # Mail programs and scanners open links to look at them.
    link = prepare(app)
    for _ in range(3):
        assert client.get(f"/setup/{link}", headers=HTML).status_code == 200
        assert client.head(f"/setup/{link}", headers=HTML).status_code == 200
    path = invited(app)
    for _ in range(3):
        assert client.get(path, headers=HTML).status_code == 200
    assert send(client, path, password=NEW).status_code == 303


def test_each_start_offers_the_same_link_until_the_secret_key_changes(
    app: Flask, client: StrictClient, make_app: Callable[[Settings], Flask], settings: Settings
) -> None:
    first, second = prepare(app), prepare(app)
    assert first == second
    assert client.get(f"/setup/{first}", headers=HTML).status_code == 200
    assert count(app, OneTimeLink, OneTimeLink.token_hash == first) == 0
    other = make_app(settings.model_copy(update={"SECRET_KEY": SecretStr("another secret, which is long enough")}))
    third = prepare(other)
    assert third != first
    assert other.test_client().get(f"/setup/{third}", headers=HTML).status_code == 200
    assert other.test_client().get(f"/setup/{first}", headers=HTML).status_code == 410


def test_what_is_wrong_in_the_set_up_is_said_at_its_field_and_the_link_still_works(
    app: Flask, client: StrictClient
) -> None:
    link = prepare(app)
    assert link
    for changes, words in (
        ({"name": "  "}, "Enter your name"),
        ({"email": "rosa@"}, "Enter an email address like name@example.com"),
        ({"password": "short"}, "at least 12 characters"),
        ({"password": "rosa.delgado@alma.example"}, "harder to guess"),
    ):
        answer = set_up(client, link, **changes)
        assert answer.status_code == 422
        assert words in answer.get_data(as_text=True)
    assert set_up(client, link).status_code == 303


def test_two_who_set_up_at_once_make_one_account(app: Flask) -> None:
    link = prepare(app)

    def make(number: int) -> bool:
        with app.app_context():
            try:
                set_up_first(link or "", name="X", email=f"x{number}@alma.example", password=NEW, address="")
            except LinkExpired:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(make, range(4))) == 1
    assert count(app, User) == 1


def test_once_somebody_can_sign_in_the_set_up_is_over(app: Flask, client: StrictClient) -> None:
    link = prepare(app)
    page = client.get(f"/setup/{link}", headers=HTML)
    add_person(app)
    assert client.get(f"/setup/{link}", headers=HTML).status_code == 410
    data = {"csrf_token": token(page), "name": "Mallory", "email": "m@x.example", "password": NEW}
    assert client.post(f"/setup/{link}", data=data, headers=HTML).status_code == 410
    assert count(app, User) == 1


def test_a_strangers_guess_of_a_link_costs_no_hash(app: Flask, client: StrictClient, monkeypatch: Any) -> None:
    def never(_password: str) -> str:
        raise AssertionError("hashed for a stranger")

    csrf_token = token(client.get("/login", headers=HTML))
    for service in (setup_service, password_service):
        monkeypatch.setattr(service, "hash_password", never)
    for path in ("/setup/guess", "/invitation/guess", "/invitation/%00%ff"):
        data = {"csrf_token": csrf_token, "name": "x", "email": "x@x.example", "password": NEW}
        assert client.post(path, data=data, headers=HTML).status_code == 410


def test_settings_make_the_first_administrator(app: Flask) -> None:
    assert prepare(app, "Rosa.Delgado@alma.example", NEW) is None
    assert value(app, select(User.name)) == "Rosa Delgado"
    assert value(app, select(User.role)) == "administrator"
    assert signs_in(app, "rosa.delgado@alma.example", NEW)
    # Later starts change nothing, whatever the settings say then.
    assert prepare(app, "other@alma.example", "and yet other words 3") is None
    assert count(app, User) == 1


def test_a_weak_password_in_the_settings_makes_nobody(app: Flask) -> None:
    with pytest.raises(WeakPassword):
        prepare(app, "rosa@alma.example", "password1234")
    assert count(app, User) == 0


# Links by which people choose a password


def test_an_invited_person_chooses_a_password_once(app: Flask, client: StrictClient) -> None:
    path = invited(app)
    page = client.get(path, headers=HTML)
    assert IAN in page.get_data(as_text=True)
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert client.post(path, data={"password": NEW}, headers=HTML).status_code == 400  # no CSRF token
    weak = send(client, path, password="short")
    assert weak.status_code == 422
    assert "at least 12 characters" in weak.get_data(as_text=True)
    answer = send(client, path, password=NEW)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/leads")
    assert "Ian Park" in Page(client.get("/internal/account", headers=HTML)).text
    assert client.get(path, headers=HTML).status_code == 410
    assert signs_in(app, IAN, NEW)


def test_a_link_is_too_old_after_a_day(app: Flask, client: StrictClient) -> None:
    path = invited(app)
    run(app, update(OneTimeLink).values(expires_at=utc_now() + timedelta(seconds=30)))
    page = client.get(path, headers=HTML)
    assert page.status_code == 200
    run(app, update(OneTimeLink).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert client.get(path, headers=HTML).status_code == 410
    data = {"csrf_token": token(page), "password": NEW}
    assert client.post(path, data=data, headers=HTML).status_code == 410
    assert value(app, select(User.password)) is None
    with app.app_context():
        assert purge_expired() == 1


def test_a_new_link_lasts_a_day(app: Flask) -> None:
    invited(app)
    expires_at = value(app, select(OneTimeLink.expires_at))
    left = utc_now() + timedelta(hours=24)
    assert left - timedelta(minutes=1) < expires_at <= left


def test_a_link_for_one_purpose_is_none_for_another(app: Flask, client: StrictClient) -> None:
    link = prepare(app)
    assert client.get(f"/invitation/{link}", headers=HTML).status_code == 410
    assert client.get(invited(app).replace("invitation", "setup"), headers=HTML).status_code == 410


def test_the_link_of_someone_turned_off_does_nothing(app: Flask, client: StrictClient) -> None:
    path = invited(app)
    page = client.get(path, headers=HTML)
    assert flask(app, "deactivate", IAN).exit_code == 0
    data = {"csrf_token": token(page), "password": NEW}
    assert client.post(path, data=data, headers=HTML).status_code == 410
    assert value(app, select(User.password)) is None


# The operator's commands


def test_inviting_again_replaces_the_link_the_name_and_the_role(app: Flask, client: StrictClient) -> None:
    first = invited(app)
    second = invited(app, IAN.upper(), role="viewer")
    assert client.get(first, headers=HTML).status_code == 410
    assert client.get(second, headers=HTML).status_code == 200
    assert value(app, select(User.role)) == "viewer"
    assert count(app, User) == 1


def test_adding_someone_who_is_there_says_so(app: Flask) -> None:
    add_person(app, "Ian Park")
    for role in Role:
        result = flask(app, "add", IAN, "--name", "Somebody Else", "--role", role.value)
        assert result.exit_code != 0
        assert f"{IAN} has an account already" in result.output
    assert value(app, select(User.name)) == "Ian Park"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "not an address", "--name", "X"), "is not an email address"),
        (("add", IAN), "--name"),
        (("add", IAN, "--name", " "), "a name of 1 to 200 characters"),
        (("add", IAN, "--name", "X\nY"), "a name of 1 to 200 characters"),
        (("add", IAN, "--name", "X", "--role", "king"), "attorney"),
        (("deactivate", IAN), f"Nobody has the address {IAN}"),
        (("activate", IAN), f"Nobody has the address {IAN}"),
        (("deactivate", "x"), "is not an email address"),
    ],
)
def test_what_a_command_cannot_do_it_says_and_fails(app: Flask, arguments: tuple[str, ...], words: str) -> None:
    result = flask(app, *arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output
    assert count(app, User) == 0


def test_the_list_says_who_can_sign_in(app: Flask) -> None:
    add_person(app)
    add_person(app, "Hannah Weiss", active=False, role=Role.VIEWER)
    invited(app)
    lines = [line.split("  ") for line in flask(app, "list").output.splitlines()]
    cells = [tuple(cell.strip() for cell in line if cell) for line in lines]
    assert cells[0] == ("EMAIL", "NAME", "ROLE", "STATE", "SECOND FACTOR", "LAST SIGN-IN")
    assert ("hannah.weiss@alma.example", "Hannah Weiss", "viewer", "deactivated", "no", "never") in cells
    assert (IAN, "Ian Park", "attorney", "invited", "no", "never") in cells
    assert ("rosa.delgado@alma.example", "Rosa Delgado", "administrator", "active", "no", "never") in cells


def test_someone_turned_off_is_out_at_once_and_may_be_turned_on_again(app: Flask, client: StrictClient) -> None:
    add_person(app)
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    sign_in(client, "Ian Park")
    result = flask(app, "deactivate", "Ian.Park@alma.example")
    assert result.exit_code == 0
    assert "turned off" in result.output
    assert client.get("/internal/leads").status_code == 401
    assert not signs_in(app, IAN, PASSWORD)
    assert flask(app, "activate", IAN).exit_code == 0
    assert signs_in(app, IAN, PASSWORD)


def test_the_last_administrator_stays(app: Flask) -> None:
    add_person(app)
    add_person(app, "Hannah Weiss", active=False)
    add_person(app, "Marcus Bell", role=Role.ATTORNEY)
    invited(app, role="administrator")  # who has no password yet
    result = flask(app, "deactivate", "rosa.delgado@alma.example")
    assert result.exit_code != 0
    assert "the last active administrator" in result.output
    assert flask(app, "deactivate", IAN).exit_code == 0
    assert flask(app, "activate", "hannah.weiss@alma.example").exit_code == 0
    assert flask(app, "deactivate", "rosa.delgado@alma.example").exit_code == 0


def test_two_administrators_cannot_turn_each_other_off_at_once(app: Flask) -> None:
    both = [add_person(app), add_person(app, "Ian Park")]

    def turn_off(person_id: int) -> bool:
        with app.app_context():
            try:
                deactivate(person_id, actor=OPERATOR)
            except LastAdministrator:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(turn_off, both)) == 1
    assert count(app, User, User.active.is_(True)) == 1


def test_two_administrators_cannot_demote_each_other_at_once(app: Flask) -> None:
    both = [add_person(app), add_person(app, "Ian Park")]

    def demote(person_id: int) -> bool:
        with app.app_context():
            try:
                change_role(person_id, role=Role.VIEWER, actor=OPERATOR)
            except LastAdministrator:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(demote, both)) == 1
    assert count(app, User, User.role == "administrator") == 1


def test_the_role_command_says_what_it_changed(app: Flask) -> None:
    add_person(app)
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    result = flask(app, "role", IAN, "viewer")
    assert (result.exit_code, result.output) == (0, f"{IAN} is viewer now, and was attorney.\n")
    assert value(app, select(User.role).where(User.email == IAN)) == "viewer"
    assert value(app, "SELECT kind FROM outbox_messages") == "account_notice"
    assert flask(app, "role", IAN, "viewer").output == f"{IAN} is viewer already.\n"
    assert count(app, AuditEvent, AuditEvent.action == "role_changed") == 1
    refused = flask(app, "role", "rosa.delgado@alma.example", "viewer")
    assert refused.exit_code != 0
    assert "the last active administrator" in refused.output


def test_adding_someone_says_whether_the_mail_goes_out(app: Flask) -> None:
    first = flask(app, "add", IAN, "--name", "Ian Park").output
    assert f"{IAN} is added as attorney." in first
    assert "No mail server is set (SMTP_HOST): hand this link over yourself." in first
    assert value(app, "SELECT count(*) FROM outbox_messages WHERE kind = 'invitation'") == 1
    again = flask(app, "add", IAN, "--name", "Ian Park").output
    assert f"{IAN} was invited before and never came: now attorney, with a new link." in again
    assert value(app, "SELECT count(*) FROM outbox_messages") == 1, "the e-mail with the old link goes nowhere"
    link = again.split()[-1].rpartition("/")[2]
    assert link in enqueued(app, "invitation")[0][1].text
    assert count(app, AuditEvent, AuditEvent.action == "person_added") == 1


def test_the_librarys_own_commands_are_not_offered(app: Flask) -> None:
    # They know nothing of our rules: the last administrator, sessions that end at once.
    assert not {"users", "roles"} & set(app.cli.commands)
