"""To whom a prospect goes who is new: by domain, in turn, or to the helpdesk; also when many come at once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from alma_leads.accounts.core.models import Role, User
from alma_leads.audit.models import AuditEvent
from alma_leads.common.extensions import db
from alma_leads.leads.assignments.absence_service import add_absence
from alma_leads.leads.assignments.assignment_service import assign, unassign
from alma_leads.leads.assignments.rule_service import get_rules, remove_domain, set_domain, set_rotation
from alma_leads.leads.core.errors import BadDomain, NotAnActiveAttorney
from alma_leads.leads.core.models import Lead, LeadEvent, Prospect
from alma_leads.outbox.models import OutboxMessage
from tests.conftest import TestClock
from tests.support.desk import add_lead, add_person, count, run, value
from tests.support.first_contact import ROSA

ANN, BEN, CID = "ann@alma.example", "ben@alma.example", "cid@alma.example"


@pytest.fixture
def people(app: Flask) -> list[int]:
    """Return three attorneys, beside an administrator and a viewer."""
    add_person(app)
    add_person(app, "Vera View", role=Role.VIEWER)
    return [add_person(app, name, role=Role.ATTORNEY) for name in ("Ann", "Ben", "Cid")]


def rotate(app: Flask, *, on: bool = True, taking_part: list[int] | None = None) -> None:
    """Have prospects go in turn, to all attorneys or to these people."""
    with app.app_context():
        everyone = [each.id for each in get_rules().members]
        chosen = everyone[1:] if taking_part is None else taking_part
        shown = [] if taking_part is None else everyone
        set_rotation(in_turn=on, shown=shown, taking_part=chosen, actor=ROSA)


def away(app: Flask, user_id: int, first: str, last: str) -> None:
    with app.app_context():
        add_absence(user_id, first_day=date.fromisoformat(first), last_day=date.fromisoformat(last), actor=ROSA)


def owner(app: Flask, lead_id: int) -> str | None:
    """Return who has a lead; its prospect has to be with the same, and the notice to go there."""
    notice = OutboxMessage.correlation == f"lead:{lead_id}", OutboxMessage.kind == "lead_notification"
    with app.app_context():
        lead = db.session.get_one(Lead, lead_id)
        attorney = db.session.get_one(User, lead.attorney_id).email if lead.attorney_id else None
        assert db.session.get_one(Prospect, lead.prospect_id).attorney_id == lead.attorney_id
        assert db.session.scalars(select(OutboxMessage.recipient).where(*notice)).one() == attorney
    return attorney


def first_assigned_event(app: Flask) -> str:
    """Return the data of the event of the first lead's assignment."""
    return str(value(app, select(LeadEvent.data).where(LeadEvent.lead_id == 1, LeadEvent.kind == "assigned")))


def deactivate(app: Flask, user_id: int) -> None:
    """Deactivate a user."""
    run(app, update(User).where(User.id == user_id).values(active=False))


def came(app: Flask, email: str, **changes: Any) -> str | None:
    """Submit a lead and return who has it."""
    return owner(app, add_lead(app, email=email, **changes))


def test_at_first_everyone_new_goes_to_the_helpdesk(app: Flask, people: list[int]) -> None:
    assert came(app, "a@example.com") is None
    assert count(app, LeadEvent, LeadEvent.kind == "assigned") == 0


def test_in_turn_to_attorneys_and_an_administrator_who_takes_part(app: Flask, people: list[int]) -> None:
    rotate(app)
    owners = [came(app, f"p{number}@example.com") for number in range(6)]
    assert owners[:3] == owners[3:]
    assert sorted(map(str, owners[:3])) == [ANN, BEN, CID]
    assert first_assigned_event(app) == f'{{"attorney":{{"old":null,"new":"{owners[0]}"}},"rule":"in turn"}}'
    rotate(app, taking_part=[1, people[0]])
    assert {came(app, f"q{number}@example.com") for number in range(4)} == {ANN, "rosa.delgado@alma.example"}
    assert count(app, AuditEvent, AuditEvent.action == "rotation_set") == 2
    rotate(app, on=False)
    assert came(app, "last@example.com") is None


def test_whoever_is_away_or_off_or_left_out_is_passed_over(app: Flask, clock: TestClock, people: list[int]) -> None:
    clock.set("2026-11-24T10:00Z")
    rotate(app, taking_part=people[:2])
    away(app, people[0], "2026-11-24", "2026-11-25")
    assert {came(app, f"a{number}@example.com") for number in range(3)} == {BEN}
    deactivate(app, people[1])
    assert came(app, "b@example.com") is None, "nobody is left: the helpdesk"
    clock.set("2026-11-26T10:00Z")
    assert came(app, "c@example.com") == ANN


def test_who_comes_back_stays_where_they_are(app: Flask, clock: TestClock, people: list[int]) -> None:
    clock.set("2026-11-24T10:00Z")
    early = came(app, "early@example.com")
    rotate(app)
    first = came(app, "a@example.com")
    away(app, value(app, select(User.id).where(User.email == first)), "2026-11-24", "2026-11-30")
    assert came(app, "a@example.com", resume_url="https://x.example/2") == first, "also while away"
    assert came(app, "early@example.com", resume_url="https://x.example/2") is early is None
    with app.app_context():
        assign("known@example.com", attorney_email=BEN, actor=ROSA)
        assign("taken@example.com", attorney_email=BEN, actor=ROSA)
        unassign("taken@example.com", actor=ROSA)
    assert came(app, "known@example.com") == BEN
    assert came(app, "taken@example.com") is not None, "nobody has it, and it is the first lead"


def test_a_domain_and_those_below_it(app: Flask, clock: TestClock, people: list[int]) -> None:
    clock.set("2026-11-24T10:00Z")
    with app.app_context():
        assert set_domain("@Corp.Example ", attorney_email=ANN, actor=ROSA) == "corp.example"
        set_domain("eu.corp.example", attorney_email=BEN, actor=ROSA)
        assert set_domain("müller.example", attorney_email=CID, actor=ROSA) == "xn--mller-kva.example"
    assert came(app, "a@corp.example") == ANN
    assert came(app, "a@us.corp.example") == ANN
    assert came(app, "a@Mail.EU.corp.example") == BEN
    assert came(app, "a@müller.example") == CID
    assert came(app, "a@mycorp.example") is None
    assert '"rule":"corp.example"' in first_assigned_event(app)
    away(app, people[1], "2026-11-24", "2026-11-24")
    assert came(app, "b@eu.corp.example") == ANN, "the next longer domain has someone who is there"
    deactivate(app, people[0])
    assert came(app, "c@eu.corp.example") is None
    rotate(app)
    assert came(app, "d@eu.corp.example") == CID, "nobody of the domain is there: in turn"
    with app.app_context():
        remove_domain("müller.example", actor=ROSA)
        remove_domain("xn--mller-kva.example", actor=ROSA)
        assert [each.domain for each in get_rules().domains] == ["corp.example", "eu.corp.example"]


def test_what_is_no_domain_or_no_attorney_is_refused(app: Flask, people: list[int]) -> None:
    with app.app_context():
        for typed in ("", "corp", "a@corp.example", "corp example", "-.example"):
            with pytest.raises(BadDomain):
                set_domain(typed, attorney_email=ANN, actor=ROSA)
        with pytest.raises(NotAnActiveAttorney):
            set_domain("corp.example", attorney_email="vera.view@alma.example", actor=ROSA)


def test_at_the_same_instant_everyone_gets_as_many(app: Flask, people: list[int]) -> None:
    rotate(app)
    with ThreadPoolExecutor(8) as pool:
        leads = list(pool.map(lambda number: add_lead(app, email=f"p{number}@example.com"), range(30)))
    assert Counter(owner(app, each) for each in leads) == {ANN: 10, BEN: 10, CID: 10}


def test_twenty_identical_ones_at_once_are_one_lead_of_one_attorney(app: Flask, people: list[int]) -> None:
    rotate(app)
    with ThreadPoolExecutor(8) as pool:
        leads = set(pool.map(lambda _: add_lead(app, email="same@example.com"), range(20)))
    assert len(leads) == 1
    assert owner(app, leads.pop()) in (ANN, BEN, CID)
    assert count(app, LeadEvent, LeadEvent.kind == "assigned") == 1


def test_an_assignment_made_at_the_same_instant_wins(app: Flask, people: list[int]) -> None:
    rotate(app)

    def press(number: int) -> None:
        with app.app_context():
            assign(f"p{number}@example.com", attorney_email=CID, actor=ROSA)

    with ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(add_lead, app, email=f"p{number}@example.com") for number in range(10)]
        waits += [pool.submit(press, number) for number in range(10)]
        for each in waits:
            each.result()
    assert count(app, Lead, Lead.attorney_id == people[2]) == 10
