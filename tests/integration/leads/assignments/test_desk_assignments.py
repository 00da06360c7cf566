"""The settings page of assignments over HTTP."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from alma_leads.accounts.core.models import Role, User
from alma_leads.common.actor import SYSTEM
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.leads.core.models import Prospect
from tests.support.desk import HTML, add_lead, add_person, get, post, sign_in, value

PAGE = "/internal/settings/assignments"
KIM = "daniel.kim@alma.example"


def test_assigns_a_prospect_before_the_first_lead(app: Flask, desk: FlaskClient) -> None:
    answer = post(desk, PAGE, on=PAGE, email=" New@Example.com ", attorney=KIM)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    page = get(desk, PAGE)
    assert "new@example.com is with Daniel Kim." in page.text
    lead_id = add_lead(app, email="new@example.com")
    assert "Daniel Kim" in get(desk, f"/internal/leads/{lead_id}").text


def test_changes_and_removes(app: Flask, desk: FlaskClient) -> None:
    post(desk, PAGE, on=PAGE, email="a@example.com", attorney=KIM)
    changing = get(desk, f"{PAGE}?email=a%40example.com")
    assert changing.all("input", id="pe")[0].get("value") == "a@example.com"
    assert [option.get("value") for option in changing.all("option") if option.get("selected") is not None] == [KIM]
    post(desk, PAGE, on=PAGE, email="a@example.com", attorney="rosa.delgado@alma.example")
    assert value(app, select(func.count(Prospect.id)).join(User).where(User.name.startswith("Rosa"))) == 1
    post(desk, PAGE, on=PAGE, email="a@example.com", do="remove", seen=KIM)  # from a page opened before
    page = get(desk, PAGE)
    assert "Nothing was changed: a colleague was faster, and a@example.com is with Rosa" in page.text
    assert "rosa.delgado@alma.example" in [each.get("value") for each in page.all("input", name="seen")]
    for words in ("is with the helpdesk.", "was with the helpdesk already."):
        post(desk, PAGE, on=PAGE, email="a@example.com", do="remove")
        assert words in get(desk, PAGE).text


@pytest.mark.parametrize(
    ("fields", "message", "field"),
    [
        ({"email": "", "attorney": KIM}, "Enter the prospect’s email address", "pe"),
        ({"email": '"><script>', "attorney": KIM}, "Enter an email address like name@example.com", "pe"),
        ({"email": "a@example.com", "attorney": "nobody@alma.example"}, "Choose an active attorney", "pa"),
    ],
)
def test_says_what_to_do_and_keeps_what_was_typed(
    desk: FlaskClient, fields: dict[str, str], message: str, field: str
) -> None:
    answer = post(desk, PAGE, on=PAGE, **fields)
    assert answer.status_code == 422
    words = answer.get_data(as_text=True)
    assert words.count(message) == 2
    assert f'href="#{field}"' in words
    assert "<title>Error: " in words
    assert '<script>"' not in words


def test_searches_and_pages(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        for number in range(52):
            assign(f"p{number:02}@example.com", attorney_email=KIM, actor=SYSTEM)
    first = get(desk, PAGE)
    assert "p00@example.com" in first.text
    assert "p50@example.com" not in first.text
    second = get(desk, first.link("next"))
    assert "p50@example.com" in second.text
    assert "p51@example.com" in second.text
    assert "p00@example.com" not in second.text
    assert "p51@example.com" in get(desk, f"{PAGE}?q=51%40").text
    assert "No assigned address contains “zz”." in get(desk, f"{PAGE}?q=zz").text


def test_a_viewer_may_not_come_in(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Vera View", role=Role.VIEWER)
    sign_in(client, "Vera View")
    assert client.get(PAGE, headers=HTML).status_code == 403
    assert client.post(PAGE, headers=HTML).status_code == 403
