"""Assigning prospects: one and many at once, each lead's event, and the one e-mail to the attorney."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text

from alma_leads.accounts.models import Role
from alma_leads.actor import OPERATOR, Actor
from alma_leads.extensions import db
from alma_leads.leads import assignment_service
from alma_leads.leads.assignment_service import Moved, assign, assign_leads, import_assignments, unassign
from alma_leads.leads.errors import NotAnActiveAttorney
from alma_leads.leads.service import mark_reached_out
from tests.desk import add_lead, add_person, value
from tests.first_contact import ROSA

IAN = "ian.park@alma.example"
KIM = "daniel.kim@alma.example"


@pytest.fixture
def ian(app: Flask) -> int:
    """Return an attorney, who has a colleague and an administrator."""
    add_person(app)
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    return add_person(app, "Ian Park", role=Role.ATTORNEY)


def notices(app: Flask) -> list[tuple[str, str, str, str]]:
    """Return (recipient, correlation, subject, text) of each e-mail about an assignment."""
    query = """
        SELECT recipient, correlation, subject, text_body FROM outbox_messages
        WHERE kind = 'lead_assigned' ORDER BY id"""
    with app.app_context(), db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def changes(app: Flask) -> list[tuple[int, str | None, str | None]]:
    """Return (lead, old attorney, new attorney) of each event of an assignment."""
    query = "SELECT lead_id, data FROM lead_events WHERE kind IN ('assigned', 'unassigned') ORDER BY id"
    with app.app_context(), db.engine.connect() as connection:
        rows = [(row[0], json.loads(row[1])["attorney"]) for row in connection.execute(text(query))]
    return [(lead_id, change["old"], change["new"]) for lead_id, change in rows]


def test_the_new_attorney_is_told_once_with_the_leads_that_wait(app: Flask, ian: int) -> None:
    first = add_lead(app, email="a@example.com", first_name="Amara", last_name="Okafor")
    second = add_lead(
        app, email="a@example.com", first_name="Amara", last_name="Okafor", resume_url="https://x.example"
    )
    with app.app_context():
        mark_reached_out(first, actor=ROSA)
        for _ in range(2):  # a double click
            assign("a@example.com", attorney_email=IAN, actor=ROSA)
    ((to, correlation, subject, body),) = notices(app)
    assert (to, correlation) == (IAN, f"lead:{second}")
    assert subject == f"With you now: Amara Okafor (lead {second})"
    assert "Rosa Delgado gave you Amara Okafor." in body
    assert f"/internal/leads/{second}\n" in body
    assert f"/internal/leads/{first}\n" not in body, "nobody waits there"
    assert changes(app) == [(first, None, IAN), (second, None, IAN)]


def test_a_prospect_for_whom_nothing_waits_is_named_by_the_newest_lead(app: Flask, ian: int) -> None:
    lead_id = add_lead(app, email="a@example.com")
    with app.app_context():
        mark_reached_out(lead_id, actor=ROSA)
        assign("a@example.com", attorney_email=IAN, actor=OPERATOR)
    assert "Nothing waits for a first contact. The newest lead:\nhttp" in notices(app)[0][3]
    assert f"/internal/leads/{lead_id}\n" in notices(app)[0][3]


def test_nobody_is_told_of_what_they_did_themselves_nor_before_a_first_lead(app: Flask, ian: int) -> None:
    add_lead(app, email="a@example.com")
    with app.app_context():
        assign("a@example.com", attorney_email=IAN, actor=Actor("user", ian, "Ian Park"))
        assign("new@example.com", attorney_email=IAN, actor=ROSA)
        unassign("a@example.com", actor=ROSA)
    assert notices(app) == []


def test_two_who_assign_at_once_tell_once(app: Flask, ian: int) -> None:
    add_lead(app, email="a@example.com")

    def press(_: int) -> None:
        with app.app_context():
            assign("a@example.com", attorney_email=IAN, actor=ROSA)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(press, range(8)))
    assert len(notices(app)) == 1
    assert len(changes(app)) == 1


def test_many_at_once_make_one_email_and_an_event_each(app: Flask, ian: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment_service, "LEADS_BATCH", 10)
    leads = [add_lead(app, email=f"p{number}@example.com") for number in range(25)]
    twin = add_lead(app, email="p3@example.com", resume_url="https://x.example")
    with app.app_context():
        assign("p1@example.com", attorney_email=KIM, actor=OPERATOR)
        assign("p2@example.com", attorney_email=IAN, actor=ROSA)
        assert assign_leads([*leads, 10_000], attorney_email=IAN, actor=ROSA) == Moved(24, 25)
        assert assign_leads(leads, attorney_email=IAN, actor=ROSA) == Moved(0, 0)
    _, _, (to, correlation, subject, body) = notices(app)
    assert (to, correlation, subject) == (IAN, f"assigned:{ian}", "Prospects are with you now")
    assert body.count("/internal/leads/") == 10, "those of the first batch; the link leads to all"
    assert "assigned_to=me&status=PENDING" in body
    moved = changes(app)[2:]
    assert sorted(lead_id for lead_id, _, _ in moved) == sorted({*leads, twin} - {leads[2]})
    assert {(old, new) for _, old, new in moved} == {(None, IAN), (KIM, IAN)}
    assert value(app, "SELECT count(*) FROM leads WHERE attorney_id = :ian", ian=ian) == 26
    assert value(app, "SELECT count(*) FROM audit_events WHERE subject LIKE '% prospects'") == 3


def test_many_go_back_to_the_helpdesk_without_an_email(app: Flask, ian: int) -> None:
    leads = [add_lead(app, email=f"p{number}@example.com") for number in range(3)]
    with app.app_context():
        assign_leads(leads[:2], attorney_email=KIM, actor=ROSA)
        assert assign_leads(leads, attorney_email="", actor=ROSA) == Moved(2, 2)
        with pytest.raises(NotAnActiveAttorney):
            assign_leads(leads, attorney_email="nobody@alma.example", actor=ROSA)
    assert len(notices(app)) == 1
    assert value(app, "SELECT count(*) FROM leads WHERE attorney_id IS NULL") == 3


def test_two_who_give_the_same_many_to_others_do_not_wait_for_each_other(app: Flask, ian: int) -> None:
    leads = [add_lead(app, email=f"p{number}@example.com") for number in range(20)]

    def press(number: int) -> None:
        with app.app_context():
            assign_leads(leads[:: 1 if number % 2 else -1], attorney_email=IAN if number % 2 else KIM, actor=ROSA)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(press, range(8)))
    assert value(app, "SELECT count(DISTINCT attorney_id) FROM leads") == 1
    mismatch = (
        "SELECT count(*) FROM leads l JOIN prospects p ON p.id = l.prospect_id WHERE l.attorney_id <> p.attorney_id"
    )
    assert value(app, mismatch) == 0


def test_an_import_makes_one_email_for_each_attorney(app: Flask, ian: int) -> None:
    for number in range(4):
        add_lead(app, email=f"p{number}@example.com")
    pairs = [(number + 2, f"p{number}@example.com", IAN if number < 3 else KIM) for number in range(4)]
    with app.app_context():
        import_assignments([*pairs, (6, "new@example.com", KIM)], actor=OPERATOR)
        import_assignments(pairs, actor=OPERATOR)
    (ian_to, _, ian_subject, _), (kim_to, _, kim_subject, kim_body) = notices(app)
    assert (ian_to, ian_subject) == (IAN, "Prospects are with you now")
    assert (kim_to, kim_subject.startswith("With you now: ")) == (KIM, True), "the other has sent nothing yet"
    assert "Operator, command line gave you" in kim_body
