"""The settings page of keys: a key is shown once, a form makes one, revoking asks first, and only who may sees any."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core.models import ApiKey, Role, UserSession
from alma_leads.accounts.core.permissions import Scope
from alma_leads.audit.models import AuditEvent
from alma_leads.database.base import utc_now
from tests.support.desk import HTML, Page, add_person, count, csrf, get, post, run, sign_in, token, value
from tests.support.keys import new_key
from tests.support.pages import StrictClient

HOME = "/internal/settings/keys"
NEW = f"{HOME}/new"


@pytest.fixture
def desk(app: Flask, client: StrictClient) -> StrictClient:
    """Return the browser of an administrator."""
    add_person(app)
    sign_in(client)
    return client


def fill(client: FlaskClient, **changes: Any) -> dict[str, Any]:
    """Open the form, and return its fields filled in."""
    page = client.get(NEW, headers=HTML)
    number = re.search(r'name="form" value="([^"]+)"', page.text)
    assert number
    fields = {"name": "Website form", "scopes": ["leads:create"], "expires": "", "networks": ""}
    return {"csrf_token": token(page), "form": number[1], **fields, **changes}


def send(client: FlaskClient, fields: dict[str, Any]) -> TestResponse:
    """Send the form."""
    return client.post(HOME, data=fields, headers=HTML)


def shown_key(answer: TestResponse) -> str:
    """Return the key on a page."""
    found = re.findall(r"alma_\w{49}", answer.text)
    assert len(found) == 1
    key: str = found[0]
    return key


def status_with(client: FlaskClient, key: str) -> int:
    status: int = client.get("/internal/leads", headers={"X-API-Key": key}).status_code
    return status


def test_a_new_key_is_shown_in_one_answer_and_works(app: Flask, desk: StrictClient) -> None:
    assert "There is no key yet" in get(desk, HOME).text
    fields = fill(
        desk, scopes=["leads:read", "leads:create"], expires="2999-02-24", networks="127.0.0.1\n::1, 192.0.2.0/24"
    )
    answer = send(desk, fields)
    key = shown_key(answer)
    assert "no-store" in answer.headers["Cache-Control"]
    page = Page(answer)
    assert page.all("h2", id="n-h", tabindex="-1")
    assert "Name: Website form. May create, read. Ends 24 Feb 2999." in page.text
    assert "create, read; from 127.0.0.1/32, ::1/128, 192.0.2.0/24" in page.text
    assert status_with(app.test_client(), key) == 200
    assert key not in desk.get(HOME, headers=HTML).text
    assert value(app, select(AuditEvent.subject).where(AuditEvent.action == "key_created")) == "script: Website form"
    assert value(app, select(AuditEvent.actor_name).where(AuditEvent.action == "key_created")) == "Rosa Delgado"


def test_the_key_is_in_no_cookie(desk: StrictClient) -> None:
    answer = send(desk, fill(desk))
    assert shown_key(answer) not in str(answer.headers)


def test_sending_the_form_again_makes_no_second_key_and_shows_none(app: Flask, desk: StrictClient) -> None:
    fields = fill(desk)
    shown_key(send(desk, fields))
    for changes in ({}, {"name": "Another"}):
        again = send(desk, {**fields, **changes})
        assert (again.status_code, again.headers["Location"]) == (303, HOME)
    page = get(desk, HOME)
    assert "That form has made its key." in page.text
    assert count(app, ApiKey) == 1


def test_after_a_mistake_what_was_typed_is_kept(app: Flask, desk: StrictClient) -> None:
    answer = send(desk, fill(desk, name="", scopes=[], networks="office"))
    assert answer.status_code == 422
    text = answer.text
    for said in ("Give the key a name", "Choose what the key may do", "office is not a network"):
        assert text.count(said) == 2  # in the summary and at the field
    assert "<title>Error: Make a key" in text
    assert ">office</textarea>" in text
    fields = {"form": re.search(r'name="form" value="([^"]+)"', text)[1], "csrf_token": token(answer)}
    shown_key(send(desk, {**fields, "name": "Website form", "scopes": "leads:read"}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expires": "2020-01-01"}, "Give a day that is still to come"),
        ({"expires": "soon"}, "Write the day like 2027-02-24"),
        ({"expires": "9999-12-31"}, "Write the day like 2027-02-24"),
        ({"scopes": ["people:manage"]}, "Choose what the key may do"),
        ({"networks": "192.0.2.7/24"}, "Write 192.0.2.0/24 for all of it"),
        ({"name": "taken"}, "Another key has this name"),
    ],
)
def test_what_cannot_be_is_said(app: Flask, desk: StrictClient, changes: dict[str, Any], said: str) -> None:
    new_key(app, "taken")
    answer = send(desk, fill(desk, **changes))
    assert answer.status_code == 422
    assert said in answer.text
    assert count(app, ApiKey) == 1


def test_a_key_that_ends_today_works_today(app: Flask, desk: StrictClient) -> None:
    key = shown_key(send(desk, fill(desk, expires=utc_now().date().isoformat(), scopes=["leads:read"])))
    assert status_with(app.test_client(), key) == 200


def test_the_list_says_how_each_key_is(app: Flask, desk: StrictClient) -> None:
    for name in ("fresh", "soon", "ended", "revoked"):
        new_key(app, name, Scope.EXPORT)
    for name, days in (("soon", 7.5), ("ended", -2)):
        at = utc_now() + timedelta(days=days)
        run(app, update(ApiKey).where(ApiKey.name == name).values(expires_at=at))
    run(app, update(ApiKey).where(ApiKey.name == "revoked").values(revoked_at=utc_now()))
    four = utc_now() - timedelta(minutes=4, seconds=5)
    run(app, update(ApiKey).where(ApiKey.name == "soon").values(last_used_at=four))
    page = get(desk, HOME)
    rows = [" ".join("".join(row.itertext()).split()) for row in page.all("tr")[1:]]
    assert [row.split("export")[0] for row in rows] == ["soon", "fresh", "revoked", "ended"]
    assert "4 minutes ago" in rows[0]
    assert "in 7 days" in rows[0]
    assert "Never" in rows[1]
    assert rows[2].endswith("Revoked todayRevoked")
    assert "Expired " in rows[3]
    assert [link.get("href") for link in page.all("a", class_="bad")] == [f"{HOME}/2/revoke", f"{HOME}/1/revoke"]


def test_revoking_asks_first_and_works_at_once(app: Flask, desk: StrictClient) -> None:
    key = new_key(app, "Website form")
    script = app.test_client()
    assert status_with(script, key) == 200
    assert "Revoke Website form?" in get(desk, f"{HOME}/1/revoke").text
    assert status_with(script, key) == 200
    done = post(desk, f"{HOME}/1/revoke", on=f"{HOME}/1/revoke")
    assert (done.status_code, done.headers["Location"]) == (303, HOME)
    assert status_with(script, key) == 401
    assert "Website form is revoked." in get(desk, HOME).text
    # Pressed twice, or opened again from the history.
    assert post(desk, f"{HOME}/1/revoke", on=NEW).status_code == 303
    assert desk.get(f"{HOME}/1/revoke", headers=HTML).status_code == 303
    assert "was revoked already" in get(desk, HOME).text
    assert count(app, AuditEvent, AuditEvent.action == "key_revoked") == 1
    assert value(app, select(ApiKey.revoked_by)) == "Rosa Delgado"


def test_no_such_key(desk: StrictClient) -> None:
    assert desk.get(f"{HOME}/9/revoke", headers=HTML).status_code == 404
    assert post(desk, f"{HOME}/99999999999999/revoke", on=NEW).status_code == 404


@pytest.mark.parametrize("role", [Role.ATTORNEY, Role.VIEWER])
def test_only_an_administrator_sees_keys(app: Flask, client: StrictClient, role: Role) -> None:
    add_person(app, "Ian Park", role=role)
    sign_in(client, "Ian Park")
    new_key(app)
    for address in (HOME, NEW, f"{HOME}/1/revoke"):
        assert client.get(address, headers=HTML).status_code == 403
    for address in (HOME, f"{HOME}/1/revoke"):
        assert post(client, address, on="/internal/account").status_code == 403
    assert HOME not in client.get("/internal/account", headers=HTML).text
    assert count(app, ApiKey, ApiKey.revoked_at.is_(None)) == 1


def test_whoever_signed_in_long_ago_shows_again_who_it_is(app: Flask, desk: StrictClient) -> None:
    new_key(app)
    fields = {**fill(desk), "next": NEW}
    run(app, update(UserSession).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    assert desk.get(HOME, headers=HTML).status_code == 200
    for address in (NEW, f"{HOME}/1/revoke"):
        assert desk.get(address, headers=HTML).headers["Location"].startswith("/internal/account/confirm?")
    refused = send(desk, fields)
    assert refused.headers["Location"] == "/internal/account/confirm?next=%2Finternal%2Fsettings%2Fkeys%2Fnew"
    assert desk.post(f"{HOME}/1/revoke", data={"csrf_token": csrf(desk, HOME)}, headers=HTML).status_code == 303
    assert count(app, ApiKey, ApiKey.revoked_at.is_(None)) == 1
