"""Many leads at once: marked and assigned as they were seen, by somebody who is told what was left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core.models import Role, User
from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.leads.bulk import bulk_service
from alma_leads.leads.bulk.models import BulkAction, BulkActionItem, Kind
from alma_leads.leads.core import emails
from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.models import Lead, LeadEvent, Prospect
from alma_leads.leads.core.state import LeadStatus
from alma_leads.outbox.models import OutboxMessage
from bench.seeding import seed
from config import ROOT, Settings
from tests.conftest import TestClock
from tests.integration.outbox.test_outbox_delivery import environment_of
from tests.support.desk import HTML, Page, add_lead, add_person, count, get, post, run, value
from tests.support.pages import XHTML

BULK = "/internal/leads/bulk"
WHERE = "/internal/leads?status=PENDING"
DANIEL = "daniel.kim@alma.example"

DYING = """
import os, signal
from alma_leads.app import create_app
from alma_leads.leads.bulk import bulk_service
from config import Settings

mark, batches = bulk_service._mark, iter(range(3))

def die(*args):
    marked = mark(*args)
    if next(batches) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return marked

bulk_service._mark, bulk_service.BATCH = die, 50
with create_app(Settings(_env_file=None)).app_context():
    bulk_service.process_actions()
"""


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
    return [value(app, select(Lead.status).where(Lead.id == lead_id)) for lead_id in lead_ids]


def attorneys(app: Flask, *lead_ids: int) -> list[str | None]:
    name = select(User.name).join(Lead, Lead.attorney_id == User.id)
    return [value(app, name.where(Lead.id == lead_id)) for lead_id in lead_ids]


def events(app: Flask, kind: str) -> int:
    return count(app, LeadEvent, LeadEvent.kind == kind, LeadEvent.actor_name == "Rosa Delgado")


def emails_to(app: Flask, address: str) -> int:
    return count(app, OutboxMessage, OutboxMessage.recipient == address)


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
    assert count(app, AuditEvent, AuditEvent.action == Action.LEADS_MARKED, AuditEvent.subject == "3 leads") == 1
    assert count(app, BulkActionItem) == 0


def test_what_was_marked_already_is_named_with_who_did_it(app: Flask, desk: FlaskClient) -> None:
    first, second = add_lead(app), add_lead(app, first_name="Faster", last_name="Done")
    boxes = ticked(desk, first, second)
    marked = {"status": LeadStatus.REACHED_OUT, "reached_out_at": Lead.updated_at, "reached_out_by": "Daniel Kim"}
    run(app, update(Lead).where(Lead.id == second).values(marked))
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
    assert emails_to(app, DANIEL) == 1
    assert count(app, AuditEvent, AuditEvent.action == Action.LEADS_ASSIGNED) == 1
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


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Return how to have something happen between what was agreed to and its first batch."""

    def let(happen: Callable[[], None]) -> None:
        finish = bulk_service.finish

        def late(action: Any) -> Any:
            happen()
            return finish(action)

        monkeypatch.setattr(bulk_service, "finish", late)

    return let


def test_a_prospect_given_away_after_the_last_look_is_skipped(
    app: Flask, desk: FlaskClient, meanwhile: Callable[[Callable[[], None]], None]
) -> None:
    ann = add_person(app, "Ann Lee", role=Role.ATTORNEY)
    first, second = add_lead(app), add_lead(app)
    question = ask(desk, do="assign", attorney=DANIEL, id=ticked(desk, first, second))
    prospect = select(Lead.prospect_id).where(Lead.id == second).scalar_subquery()
    meanwhile(lambda: run(app, update(Prospect).where(Prospect.id == prospect).values(attorney_id=ann)))
    agree(desk, question)
    assert attorneys(app, first, second) == ["Daniel Kim", None]
    assert (
        "1 prospect is with Daniel Kim. 1 prospect was given to somebody else by a colleague meanwhile, and left there."
        in get(desk, WHERE).text
    )


def test_an_attorney_who_was_deactivated_after_the_last_look_gets_nobody(
    app: Flask, desk: FlaskClient, meanwhile: Callable[[Callable[[], None]], None]
) -> None:
    first, second = add_lead(app), add_lead(app)
    question = ask(desk, do="assign", attorney=DANIEL, id=ticked(desk, first, second))
    meanwhile(lambda: run(app, update(User).where(User.email == DANIEL).values(active=False)))
    agree(desk, question)
    assert attorneys(app, first, second) == [None, None]
    assert count(app, OutboxMessage, OutboxMessage.kind == emails.ASSIGNED) == 0
    said = "2 prospects were left where they were: Daniel Kim takes no prospects any more."
    assert said in get(desk, WHERE).text


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


def test_all_that_match_are_said_in_words_and_newer_ones_are_not_touched(app: Flask, desk: FlaskClient) -> None:
    waiting = [add_lead(app, days_ago=days, last_name="Cho") for days in (3, 2, 1)]
    sibling = add_lead(app, email="again@example.com", last_name="Cho")
    older = add_lead(app, email="again@example.com", last_name="Other")
    left = add_lead(app, last_name="Kim")
    query = "q=cho&assigned_to=none&sort=last_name&limit=20"
    question = ask(desk, do="reached_out", all="1", query=query, id=f"{left} ")
    page = Page(question)
    assert "Mark 5 leads of 4 people reached out?" in page.text
    assert "All that match the list: Without attorney, with “cho” in name or address. Leads that come in" in page.text
    late = add_lead(app, email="again@example.com", last_name="Chou"), add_lead(app, last_name="Cho")
    assert agree(desk, question).status_code == 303
    assert statuses(app, *waiting, sibling, older) == ["REACHED_OUT"] * 5
    assert statuses(app, left, *late) == ["PENDING"] * 3
    assert "5 leads are marked reached out." in get(desk, WHERE).text
    assert "cho" not in str(value(app, select(AuditEvent.data).where(AuditEvent.action == Action.LEADS_MARKED)))


def test_a_list_that_has_changed_is_asked_about_again(app: Flask, desk: FlaskClient) -> None:
    first, second = add_lead(app), add_lead(app)
    question = ask(desk, do="reached_out", all="1", query="")
    assert "Mark 2 leads reached out?" in Page(question).text
    post(desk, f"/internal/leads/{second}/reached-out")
    again = agree(desk, question)
    assert again.status_code == 409
    assert "Nothing was changed: these leads are not as you saw them any more." in again.text
    assert "Mark 1 lead reached out?" in again.text
    assert statuses(app, first) == ["PENDING"]
    again.status_code = 200  # for the reader, who presses its button all the same
    agree(desk, again)
    assert statuses(app, first) == ["REACHED_OUT"]
    assert events(app, "reached_out") == 2


@pytest.mark.parametrize("query", ["status=REACHED_OUT", "status=PENDING&q=nobody"])
def test_a_list_with_nothing_to_do_says_so(app: Flask, desk: FlaskClient, query: str) -> None:
    add_lead(app)
    assert ask(desk, do="reached_out", all="1", query=query).status_code == 303
    assert "These leads were reached out already." in get(desk, WHERE).text


def test_a_list_that_is_none_is_refused(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    assert ask(desk, do="reached_out", all="1", query="status=NEITHER").status_code == 422


@pytest.mark.parametrize("asked", ["status=PENDING", "returning=true", "mail=trouble", "overdue=true", "q=ma", ""])
@pytest.mark.parametrize("kind", list(Kind))
def test_any_list_can_be_chosen(app: Flask, desk: FlaskClient, asked: str, kind: Kind) -> None:
    """What is planned is what a plain count says."""
    for email in ("maria@example.com", "maria@example.com", "sai@example.com"):
        add_lead(app, email=email, last_name=f"Ma {email}")
        add_lead(app)
    fields = {"do": "reached_out"} if kind is Kind.REACHED_OUT else {"do": "assign", "attorney": DANIEL}
    answer = ask(desk, all="1", query=asked, **fields)
    listed = {
        int(box.get("value", "").split()[0]) for box in get(desk, f"/internal/leads?{asked}").all("input", name="id")
    }
    if not listed:
        assert answer.status_code == 303
        return
    prospects = select(Lead.prospect_id).where(Lead.id.in_(listed)).distinct()
    leads = count(app, Lead, Lead.prospect_id.in_(prospects))
    people = count(app, Prospect, Prospect.id.in_(prospects))
    said = Page(answer).text
    assert f" {leads} lead" in said
    if leads != people:
        assert f" of {people} p" in said


class TestMany:
    """More than are done while somebody waits."""

    @pytest.fixture
    def many(self, app: Flask, settings: Settings) -> int:
        """Have 3,000 leads, and return how many of them are pending."""
        seed(settings.DATABASE_URL, 3000)
        return count(app, Lead, Lead.status == LeadStatus.PENDING)

    @pytest.mark.usefixtures("many")
    def test_the_worker_does_it_and_the_pages_say_how_far_it_is(self, app: Flask, desk: FlaskClient) -> None:
        question = ask(desk, do="assign", attorney=DANIEL, all="1", query="")
        people = value(app, select(func.count(Lead.prospect_id.distinct())))
        assert f"Assign 3,000 leads of {people:,} people to Daniel Kim?" in Page(question).text
        progress = agree(desk, question).headers["Location"]
        assert progress.startswith(f"{BULK}/")
        doing = f"Assigning {people:,} prospects to Daniel Kim0 of {people:,} people."
        assert doing in get(desk, progress).text
        assert doing in get(desk, "/internal/leads").text
        assert count(app, Lead, Lead.attorney_id.is_not(None), Lead.updated_at > Lead.created_at) == 0
        with app.app_context():
            assert bulk_service.process_actions() is False
        said = f"{people:,} prospects are with Daniel Kim."
        assert said in get(desk, progress).text
        assert said in get(desk, "/internal/leads").text
        part = desk.get(progress, headers={**HTML, "HX-Request": "true", "HX-Target": "bulk"}).text
        assert part.startswith('<div class="notice narrow" id="bulk" role="status">')
        assert events(app, "assigned") == 3000
        assert emails_to(app, DANIEL) == 1
        assert count(app, AuditEvent, AuditEvent.action == Action.LEADS_ASSIGNED) == 1
        run(app, update(BulkAction).values(finished_at=utc_now() - timedelta(minutes=11)))
        assert said not in get(desk, "/internal/leads").text

    def test_a_killed_worker_loses_nothing_and_does_nothing_twice(
        self, app: Flask, settings: Settings, many: int, desk: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulk_service, "AT_ONCE", 50)
        monkeypatch.setattr(bulk_service, "BATCH", 50)
        agree(desk, ask(desk, do="reached_out", all="1", query="status=PENDING"))
        ended = subprocess.run(
            [sys.executable, "-c", DYING], cwd=ROOT, env=environment_of(settings), check=False, timeout=30
        )
        assert ended.returncode == -signal.SIGKILL
        done = events(app, "reached_out")
        assert 0 < done < many
        assert value(app, select(BulkAction.changed)) == done

        def work(_number: int) -> None:
            with app.app_context():
                bulk_service.process_actions()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))
        assert count(app, Lead, Lead.status == LeadStatus.PENDING) == 0
        assert events(app, "reached_out") == many
        marked = select(func.count(LeadEvent.lead_id.distinct())).where(LeadEvent.kind == EventKind.REACHED_OUT)
        assert value(app, marked) == many
        assert value(app, select(BulkAction.changed).where(BulkAction.finished_at.is_not(None))) == many

    @pytest.mark.usefixtures("many")
    def test_what_was_not_stored_whole_is_never_begun(self, app: Flask, desk: FlaskClient, clock: TestClock) -> None:
        agree(desk, ask(desk, do="assign", attorney=DANIEL, all="1", query=""))
        run(app, update(BulkAction).values(ready=False))
        with app.app_context():
            assert bulk_service.process_actions() is False
            assert count(app, BulkAction) == 1
            clock.forward(hours=2)
            bulk_service.purge_expired_actions()
        assert count(app, BulkAction) == 0
        assert count(app, BulkActionItem) == 0
        assert events(app, "assigned") == 0


def test_what_is_old_or_was_never_stored_whole_is_purged(app: Flask) -> None:
    now = utc_now()
    rows = [
        (1, True, timedelta(days=31)),
        (2, True, timedelta(days=29)),
        (3, False, timedelta(hours=2)),
        (4, False, timedelta(minutes=30)),
    ]
    with app.app_context():
        for number, done, ago in rows:
            action = {"id": number, "kind": Kind.REACHED_OUT, "up_to": 1, "people": 1, "leads": 1, "ready": done}
            rosa = {"actor_kind": "user", "actor_name": "Rosa", "requested_at": now - ago}
            db.session.add(BulkAction(**action, **rosa, finished_at=now - ago if done else None))
            db.session.flush()
            db.session.add(BulkActionItem(action_id=number, prospect_id=1))
        db.session.commit()
    with app.app_context():
        bulk_service.purge_expired_actions()
    assert count(app, BulkAction, BulkAction.id.in_([2, 4])) == 2
    assert count(app, BulkAction) == 2
    assert count(app, BulkActionItem) == 2


def test_nobody_finds_an_action_that_is_not_there(desk: FlaskClient) -> None:
    assert desk.get(f"{BULK}/99", headers=HTML).status_code == 404
