"""Many leads at once: marked and assigned as they were seen, by somebody who is told what was left alone."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from alma_leads.accounts.models import Role
from alma_leads.leads import bulk_service
from tests.desk import HTML, Page, add_lead, add_person, get, post, run, sign_in, value
from tests.pages import XHTML

BULK = "/internal/leads/bulk"
WHERE = "/internal/leads?status=PENDING"
DANIEL = "daniel.kim@alma.example"


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator; there is an attorney too."""
    add_person(app)
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    sign_in(client)
    return client


def ticked(desk: FlaskClient, *lead_ids: int, where: str = WHERE) -> list[str]:
    """Return what the boxes of these leads say on the list as it is now."""
    boxes = {box.get("value") or "" for box in get(desk, where).all("input", name="id")}
    return [text for text in boxes if int(text.split(" ")[0]) in lead_ids]


def ask(desk: FlaskClient, **fields: Any) -> TestResponse:
    """Ask for something, on the list."""
    return post(desk, BULK, next=WHERE, **fields)


def agree(desk: FlaskClient, question: TestResponse) -> TestResponse:
    """Press the button of the page that asks once more, with all that its form holds."""
    form = Page(question).all("form", action=BULK)[0]
    fields: dict[str, list[str]] = {}
    for field in form.iter(f"{XHTML}input"):
        fields.setdefault(field.get("name") or "", []).append(field.get("value") or "")
    return desk.post(BULK, data=fields, headers=HTML)


def statuses(app: Flask, *lead_ids: int) -> list[str]:
    return [value(app, "SELECT status FROM leads WHERE id = :id", id=lead_id) for lead_id in lead_ids]


def attorneys(app: Flask, *lead_ids: int) -> list[str | None]:
    name = "SELECT u.name FROM leads l LEFT JOIN users u ON u.id = l.attorney_id WHERE l.id = :id"
    return [value(app, name, id=lead_id) for lead_id in lead_ids]


def events(app: Flask, kind: str) -> Any:
    return value(app, "SELECT count(*) FROM lead_events WHERE kind = :kind AND actor_name = 'Rosa Delgado'", kind=kind)


def test_marking_asks_once_and_says_of_how_many_leads_and_people(app: Flask, desk: FlaskClient) -> None:
    first, again = add_lead(app, email="ioana@example.ro"), add_lead(app, email="ioana@example.ro", last_name="Again")
    other, left = add_lead(app, first_name="Other", last_name="Person"), add_lead(app)
    question = ask(desk, do="reached_out", id=ticked(desk, first, other))
    assert "Mark 3 leads of 2 people reached out?" in Page(question).text
    assert "Other Person" in Page(question).text
    assert statuses(app, first, other) == ["PENDING", "PENDING"]
    done = agree(desk, question)
    assert (done.status_code, done.headers["Location"]) == (303, WHERE)
    assert statuses(app, first, again, other, left) == ["REACHED_OUT"] * 3 + ["PENDING"]
    assert events(app, "reached_out") == 3
    assert "3 leads are marked reached out." in get(desk, WHERE).text
    assert value(app, "SELECT count(*) FROM audit_events WHERE action = 'leads_marked' AND subject = '3 leads'") == 1
    assert value(app, "SELECT count(*) FROM bulk_action_items") == 0


def test_what_was_marked_already_is_named_with_who_did_it(app: Flask, desk: FlaskClient) -> None:
    first, second = add_lead(app), add_lead(app, first_name="Faster", last_name="Done")
    boxes = ticked(desk, first, second)
    run(
        app,
        "UPDATE leads SET status = 'REACHED_OUT', reached_out_at = updated_at, reached_out_by = 'Daniel Kim'"
        " WHERE id = :id",
        id=second,
    )
    page = Page(ask(desk, do="reached_out", id=boxes))
    assert "Mark 1 lead reached out?" in page.text
    assert "Faster DoneReached out already, by Daniel Kim" in page.text
    nothing = Page(ask(desk, do="reached_out", id=[f"{second} "]))
    assert "There is nothing left to do" in nothing.text
    assert nothing.all("button", class_="pri") == []


def test_assigning_gives_each_prospect_and_tells_the_attorney_once(app: Flask, desk: FlaskClient) -> None:
    first, second, left = add_lead(app), add_lead(app), add_lead(app)
    question = ask(desk, do="assign", attorney=DANIEL, id=ticked(desk, first, second))
    assert "Assign 2 leads to Daniel Kim?" in Page(question).text
    assert attorneys(app, first, second) == [None, None]
    assert agree(desk, question).status_code == 303
    assert "2 prospects are with Daniel Kim." in get(desk, WHERE).text
    assert attorneys(app, first, second, left) == ["Daniel Kim", "Daniel Kim", None]
    assert events(app, "assigned") == 2
    assert value(app, "SELECT count(*) FROM outbox_messages WHERE recipient = :to", to=DANIEL) == 1
    assert value(app, "SELECT count(*) FROM audit_events WHERE action = 'leads_assigned'") == 1
    assert "assigned 2 leads to Daniel Kim." in get(desk, "/internal/settings/audit").text
    again = ask(desk, do="assign", attorney=DANIEL, id=ticked(desk, first, second))
    assert again.status_code == 303
    assert "These prospects are with Daniel Kim already." in get(desk, WHERE).text
    agree(desk, ask(desk, do="assign", attorney="none", id=ticked(desk, first)))
    assert attorneys(app, first, second) == [None, "Daniel Kim"]
    assert "1 prospect is with the helpdesk." in get(desk, WHERE).text


def test_who_was_given_to_somebody_else_meanwhile_stays_there(app: Flask, desk: FlaskClient) -> None:
    """Whether the list was out of date, or the page that asks, or the moment before it is done."""
    add_person(app, "Ann Lee", role=Role.ATTORNEY)
    first, second = add_lead(app), add_lead(app, first_name="Faster", last_name="Given")
    boxes = ticked(desk, first, second)
    post(desk, f"/internal/leads/{second}/assign", attorney="ann.lee@alma.example", seen="")
    question = ask(desk, do="assign", attorney=DANIEL, id=boxes)
    assert "Assign 1 lead to Daniel Kim?" in Page(question).text
    assert "Faster GivenA colleague was faster: with Ann Lee now" in Page(question).text
    post(desk, f"/internal/leads/{first}/assign", attorney="ann.lee@alma.example", seen="")
    late = agree(desk, question)
    assert late.status_code == 409
    assert "Nothing was changed: these leads are not as you saw them any more." in late.text
    assert attorneys(app, first, second) == ["Ann Lee", "Ann Lee"]


def test_a_prospect_given_away_after_the_last_look_is_passed_over(
    app: Flask, desk: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = add_person(app, "Ann Lee", role=Role.ATTORNEY)
    first, second = add_lead(app), add_lead(app)
    question = ask(desk, do="assign", attorney=DANIEL, id=ticked(desk, first, second))
    finish = bulk_service.finish

    def slowly(action: Any) -> Any:
        run(
            app,
            "UPDATE prospects SET attorney_id = :ann WHERE id = (SELECT prospect_id FROM leads WHERE id = :id)",
            ann=ann,
            id=second,
        )
        return finish(action)

    monkeypatch.setattr(bulk_service, "finish", slowly)
    agree(desk, question)
    assert attorneys(app, first, second) == ["Daniel Kim", None]
    assert (
        "1 prospect is with Daniel Kim. 1 prospect was given to somebody else by a colleague meanwhile, and left there."
        in get(desk, WHERE).text
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"do": "reached_out"},
        {"do": "delete", "id": "1"},
        {"id": "1"},
        {"do": "reached_out", "id": "x"},
        {"do": "reached_out", "id": "-1"},
        {"do": "reached_out", "id": "9" * 30},
        {"do": "reached_out", "id": [str(number) for number in range(1001)]},
        {"do": "assign", "id": "1"},
        {"do": "assign", "id": "1", "attorney": "nobody@alma.example"},
    ],
)
def test_it_refuses_what_it_cannot_do(app: Flask, desk: FlaskClient, fields: dict[str, Any]) -> None:
    add_lead(app)
    assert post(desk, BULK, **fields).status_code == 422
