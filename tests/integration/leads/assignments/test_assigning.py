"""Assigning prospects: one and many at once, each lead's event, and the one e-mail to the attorney."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select

from alma_leads.accounts.core.models import Role
from alma_leads.common.actor import OPERATOR, Actor
from alma_leads.common.extensions import db
from alma_leads.leads.assignments import assignments
from alma_leads.leads.assignments.assignment_service import assign, import_assignments, unassign
from alma_leads.leads.core.emails import ASSIGNED
from alma_leads.leads.core.errors import BadAssignments
from alma_leads.leads.core.models import Lead, LeadEvent, Prospect
from alma_leads.leads.first_contact.status_service import mark_reached_out
from tests.support.desk import add_lead, add_person, count, value
from tests.support.first_contact import ROSA
from tests.support.outbox import enqueued

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
    return [
        (message.recipient or "", message.correlation, said.subject, said.text)
        for message, said in enqueued(app, ASSIGNED)
    ]


def changes(app: Flask) -> list[tuple[int, str | None, str | None]]:
    """Return (lead, old attorney, new attorney) of each event of an assignment."""
    query = select(LeadEvent).where(LeadEvent.kind.in_(["assigned", "unassigned"])).order_by(LeadEvent.id)
    with app.app_context():
        rows = [(event.lead_id, json.loads(event.data)["attorney"]) for event in db.session.scalars(query)]
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


def table(*lines: str) -> bytes:
    """Return a CSV file of assignments."""
    return "\n".join(["email,attorney", *lines]).encode()


def test_an_import_makes_one_email_for_each_attorney(app: Flask, ian: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignments, "BATCH", 2)
    leads = [add_lead(app, email=f"p{number}@example.com") for number in range(4)]
    lines = [f"p{number}@example.com,{IAN if number < 3 else KIM}" for number in range(4)]
    with app.app_context():
        assign("p0@example.com", attorney_email=KIM, actor=OPERATOR)
        assert import_assignments(table(*lines, f"new@example.com,{KIM}"), actor=OPERATOR) == 5
        assert import_assignments(table(*lines), actor=OPERATOR) == 4
    _, (ian_to, about, ian_subject, ian_body), (kim_to, _, kim_subject, kim_body) = notices(app)
    assert (ian_to, about, ian_subject) == (IAN, f"assigned:{ian}", "Prospects are with you now")
    assert ian_body.count("/internal/leads/") == 3
    assert "assigned_to=me&status=PENDING" in ian_body
    assert (kim_to, kim_subject.startswith("With you now: ")) == (KIM, True), "the other has sent nothing yet"
    assert "Operator, command line gave you" in kim_body
    assert sorted(changes(app)[1:]) == [
        (leads[0], KIM, IAN),
        *((each, None, IAN) for each in leads[1:3]),
        (leads[3], None, KIM),
    ]


def test_imports_of_the_same_prospects_at_once_do_not_wait_for_each_other(app: Flask, ian: int) -> None:
    add_lead(app, email="p3@example.com")
    lines = [f"p{number}@example.com" for number in range(20)]

    def press(number: int) -> None:
        mine = lines[:: 1 if number % 2 else -1]
        with app.app_context():
            import_assignments(table(*(f"{line},{IAN if number % 2 else KIM}" for line in mine)), actor=ROSA)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(press, range(8)))
    assert value(app, select(func.count(Prospect.attorney_id.distinct()))) == 1
    apart = Lead.prospect_id == Prospect.id, Lead.attorney_id != Prospect.attorney_id
    assert value(app, select(func.count(Lead.id)).where(*apart)) == 0


def test_an_import_by_the_operator_is_all_or_none(app: Flask, ian: int) -> None:
    with app.app_context(), pytest.raises(BadAssignments) as raised:
        import_assignments(table(f"a@example.com,{IAN}", "b@example.com,", "c,x@y.example", f"d,{IAN}"), actor=OPERATOR)
    assert [number for number, _ in raised.value.problems] == [3, 4, 5]
    assert count(app, Prospect) == 0
