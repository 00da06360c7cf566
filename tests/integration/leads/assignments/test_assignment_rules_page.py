"""The settings page of the assignment rules."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.models import Role
from alma_leads.leads.assignments.models import DomainRule
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import add_lead, add_person, count, get, post, sign_in

PAGE = "/internal/settings/assignment-rules"
KIM = "daniel.kim@alma.example"


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: what the page says does not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


def test_turns_are_off_at_first_and_attorneys_take_part(desk: FlaskClient) -> None:
    page = get(desk, PAGE)
    assert page.all("input", name="in_turn", checked="") == []
    assert [box.get("value") for box in page.all("input", name="takes_part", checked="")] == ["2"]


def test_turns_are_saved_and_decide(app: Flask, desk: FlaskClient) -> None:
    shown = ["1", "2", "x", "9" * 5000]
    answer = post(desk, f"{PAGE}/rotation", on=PAGE, in_turn="on", shown=shown, takes_part=["1", "77"])
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    page = get(desk, PAGE)
    assert page.all("input", name="in_turn", checked="")
    assert [box.get("value") for box in page.all("input", name="takes_part", checked="")] == ["1"]
    log = get(desk, "/internal/settings/audit").text
    assert "Rosa Delgado changed who gets new prospects in turn." in log
    assert "takes part: Rosa Delgado, left out: Daniel Kim" in log
    lead = get(desk, f"/internal/leads/{add_lead(app)}")
    assert "Alma assigned this prospect to Rosa Delgado, who was next in turn." in lead.text


def test_whoever_came_meanwhile_is_not_put_out(app: Flask, desk: FlaskClient) -> None:
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    post(desk, f"{PAGE}/rotation", on=PAGE, in_turn="on", shown=["1", "2"], takes_part=["2"])
    assert [box.get("value") for box in get(desk, PAGE).all("input", name="takes_part", checked="")] == ["2", "3"]


def test_a_domain_is_added_changed_and_removed(app: Flask, desk: FlaskClient) -> None:
    post(desk, f"{PAGE}/domains", on=PAGE, domain="@Corp.Example", attorney=KIM)
    page = get(desk, PAGE)
    assert "Saved: the rule for corp.example." in page.text
    changing = get(desk, f"{PAGE}?domain=corp.example")
    assert [option.get("value") for option in changing.all("option") if option.get("selected") is not None] == [KIM]
    lead = get(desk, f"/internal/leads/{add_lead(app, email='a@corp.example')}")
    assert "Alma assigned this prospect to Daniel Kim, by the rule for corp.example." in lead.text
    post(desk, f"{PAGE}/domains", on=PAGE, domain="corp.example", do="remove")
    assert count(app, DomainRule) == 0
    log = get(desk, "/internal/settings/audit").text
    assert "Rosa Delgado had new prospects from corp.example go to Daniel Kim." in log
    assert "Rosa Delgado removed the rule for corp.example." in log


def test_a_mail_service_for_everyone_is_warned_about(desk: FlaskClient) -> None:
    post(desk, f"{PAGE}/domains", on=PAGE, domain="gmail.com", attorney=KIM)
    page = get(desk, PAGE)
    assert "Anyone can have an address at gmail.com" in page.text
    assert "anyone can have an address here" in page.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"domain": "<b>", "attorney": KIM}, "Enter a domain like example.com"),
        ({"domain": "corp.example", "attorney": "nobody@alma.example"}, "Choose an active attorney"),
    ],
)
def test_says_what_to_do_and_keeps_what_was_typed(desk: FlaskClient, fields: dict[str, str], message: str) -> None:
    answer = post(desk, f"{PAGE}/domains", on=PAGE, **fields)
    assert answer.status_code == 422
    assert answer.text.count(message) == 2
    assert 'value="<b>"' not in answer.text


def test_an_attorney_may_not_come_in(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    sign_in(client, "Daniel Kim")
    assert client.get(PAGE, headers={"Accept": "text/html"}).status_code == 403
