"""An import of assignments: what is shown is what is changed, once, and never over what a colleague has done since."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from alma_leads.accounts.core.models import Role, User
from alma_leads.audit.models import AuditEvent
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.assignments import import_service
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.leads.assignments.import_service import (
    apply_import,
    discard_import,
    get_import,
    list_bad_lines,
    list_changes,
    list_skipped_lines,
    preview_import,
    purge_expired_imports,
)
from alma_leads.leads.assignments.models import AssignmentImport, AssignmentImportLine
from alma_leads.leads.core.errors import ImportNotFound
from alma_leads.leads.core.models import Lead, LeadEvent, Prospect
from alma_leads.outbox.models import OutboxMessage
from tests.support.desk import add_lead, add_person, count, run, value
from tests.support.first_contact import ROSA

IAN = "ian.park@alma.example"
KIM = "daniel.kim@alma.example"


@pytest.fixture
def people(app: Flask) -> None:
    """Make an administrator and two attorneys, of whom Ian has three prospects."""
    add_person(app)
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    with app.app_context():
        for name in ("stays", "moves", "leaves"):
            assign(f"{name}@example.com", attorney_email=IAN, actor=ROSA)


FILE = f"""email,attorney
new@example.com,{KIM}
stays@example.com,{IAN}
moves@example.com,{KIM}
leaves@example.com,
x,y
z@example.com,nobody@alma.example
nobodys@example.com,
"""


def look(app: Flask, content: str = FILE) -> int:
    with app.app_context():
        return preview_import(content.encode(), file_name="list.csv", actor=ROSA)


def apply(app: Flask, import_id: int) -> AssignmentImport:
    with app.app_context():
        apply_import(import_id, actor=ROSA)
        return get_import(import_id)


def owners(app: Flask) -> dict[str, str | None]:
    query = select(Prospect.email, User.name).outerjoin(User, User.id == Prospect.attorney_id)
    with app.app_context():
        return {row.email.partition("@")[0]: row.name for row in db.session.execute(query)}


def notices(app: Flask) -> list[str]:
    query = select(OutboxMessage.recipient).where(OutboxMessage.kind == "lead_assigned").order_by(OutboxMessage.id)
    with app.app_context():
        return [str(recipient) for recipient in db.session.scalars(query)]


def test_looking_changes_nothing_and_says_everything(app: Flask, people: None) -> None:
    import_id = look(app)
    with app.app_context():
        found = get_import(import_id)
        changes = list_changes(import_id, after=0, limit=10)
        bad = list_bad_lines(import_id, limit=10)
    assert (found.new, found.changed, found.removed, found.unchanged, found.bad) == (1, 1, 1, 2, 2)
    assert [(line.number, line.kind, line.value, line.old, line.new) for line in changes] == [
        (2, "new", "new@example.com", None, "Daniel Kim"),
        (4, "changed", "moves@example.com", "Ian Park", "Daniel Kim"),
        (5, "removed", "leaves@example.com", "Ian Park", None),
    ]
    assert [(line.number, line.field, line.value) for line in bad] == [
        (6, "email", "x"),
        (7, "attorney", "nobody@alma.example"),
    ]
    assert all(line.remedy for line in bad)
    assert owners(app) == {"stays": "Ian Park", "moves": "Ian Park", "leaves": "Ian Park"}


def test_applying_does_what_was_shown_once(app: Flask, people: None) -> None:
    lead_id = add_lead(app, email="moves@example.com")
    add_lead(app, email="new@example.com")
    import_id = look(app)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: apply(app, import_id), range(4)))
    assert {(each.applied, each.left) for each in done} == {(3, 0)}
    assert owners(app) == {"stays": "Ian Park", "moves": "Daniel Kim", "leaves": None, "new": "Daniel Kim"}
    assert notices(app) == [KIM]
    assert count(app, LeadEvent, LeadEvent.kind == "assigned") == 2
    attorney_of_lead = select(User.name).join(Lead, Lead.attorney_id == User.id).where(Lead.id == lead_id)
    assert value(app, attorney_of_lead) == "Daniel Kim"
    assert count(app, AuditEvent, AuditEvent.action == "assignments_imported") == 1
    told = value(app, select(AuditEvent.data).where(AuditEvent.action == "assignments_imported"))
    assert told == {"count": 3, "removed": 1, "left_out": 0, "bad_lines": 2}


def test_what_a_colleague_did_since_is_left_as_it_is(app: Flask, people: None) -> None:
    import_id = look(app)
    with app.app_context():
        assign("moves@example.com", attorney_email="rosa.delgado@alma.example", actor=ROSA)
        assign("new@example.com", attorney_email=KIM, actor=ROSA)
    found = apply(app, import_id)
    assert (found.applied, found.left) == (2, 1)
    assert owners(app)["moves"] == "Rosa Delgado"
    with app.app_context():
        assert [line.value for line in list_skipped_lines(import_id, limit=9)] == ["moves@example.com"]


def test_an_attorney_who_was_turned_off_since_gets_nobody(app: Flask, people: None) -> None:
    import_id = look(app)
    run(app, update(User).where(User.email == KIM).values(active=False))
    found = apply(app, import_id)
    assert (found.applied, found.left) == (1, 2)
    assert owners(app)["moves"] == "Ian Park"


def test_many_lines_go_in_batches_and_on_after_a_break(
    app: Flask, people: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_service, "PREVIEW_BATCH", 300)
    for number in (10, 700):
        add_lead(app, email=f"p{number}@example.com")
    import_id = look(app, "email,attorney\n" + "".join(f"p{number}@example.com,{KIM}\n" for number in range(1200)))
    with app.app_context():
        assert get_import(import_id).new == 1200
        with transaction() as session:  # as if it were killed after the first batch
            assert import_service._apply_batch(session, import_id, 0, ROSA) == 501
        assert (get_import(import_id).applied, get_import(import_id).applied_at) == (500, None)
    assert apply(app, import_id).applied == 1200
    assert notices(app) == [KIM], "once, though the leads are of two batches"


def test_what_was_applied_is_in_the_log_when_the_rest_is_discarded(app: Flask, people: None) -> None:
    import_id = look(app, "email,attorney\n" + "".join(f"p{number}@example.com,{KIM}\n" for number in range(501)))
    with app.app_context():
        with transaction() as session:  # as if it were killed after the first batch
            import_service._apply_batch(session, import_id, 0, ROSA)
        assert discard_import(import_id, actor=ROSA)
        with pytest.raises(ImportNotFound):
            get_import(import_id)
    subjects = select(AuditEvent.subject).where(AuditEvent.action == "assignments_imported")
    assert value(app, subjects) == "500 assignments"


def test_a_file_is_forgotten_after_a_day(app: Flask, people: None) -> None:
    import_id = look(app)
    with app.app_context():
        assert purge_expired_imports() == 0
    run(app, update(AssignmentImport).values(made_at=utc_now() - timedelta(days=1, minutes=1)))
    with app.app_context():
        assert purge_expired_imports() == 1
        with pytest.raises(ImportNotFound):
            apply_import(import_id, actor=ROSA)
    assert count(app, AssignmentImportLine) == 0
