"""The daily digest: for whom, when, once a day, and never about nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from alma_leads.accounts.core.models import Role, User
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.leads.core.emails import DIGEST
from alma_leads.leads.first_contact.status_service import mark_reached_out
from alma_leads.leads.reminders.digest_service import send_digests, set_digest, wants_digest
from tests.conftest import TestClock
from tests.support.desk import add_lead, add_person, get, post, run, sign_in
from tests.support.first_contact import ROSA, set_clock
from tests.support.outbox import enqueued

IAN = "ian.park@alma.example"
ADDRESS = "waits@example.com"


@pytest.fixture
def ian(app: Flask, clock: TestClock) -> int:
    """Return an attorney who wants the digest since Tuesday afternoon, and has a lead that waits."""
    clock.set("2026-11-24T15:00+01:00")
    set_clock(app)
    user_id = add_person(app, "Ian Park", role=Role.ATTORNEY)
    with app.app_context():
        set_digest(user_id, wanted=True)
        assign(ADDRESS, attorney_email=IAN, actor=ROSA)
    add_lead(app, email=ADDRESS, first_name="Amara", last_name="Okafor")
    return user_id


def send(app: Flask) -> int:
    with app.app_context():
        return send_digests()


def sent(app: Flask) -> list[tuple[str, str, str]]:
    return [(message.recipient or "", said.subject, said.text) for message, said in enqueued(app, DIGEST)]


def test_once_a_working_day_when_it_begins(app: Flask, clock: TestClock, ian: int) -> None:
    assert send(app) == 0, "the day on which it was asked for had begun"
    clock.set("2026-11-25T08:59+01:00")
    assert send(app) == 0
    clock.set("2026-11-25T09:00+01:00")
    assert send(app) == 1
    assert send(app) == 0
    clock.set("2026-11-28T10:00+01:00")  # a Saturday
    assert send(app) == 0
    clock.set("2026-11-30T18:00+01:00")  # after work: a worker that was down all day lets it be
    assert send(app) == 0
    clock.set("2026-12-01T11:00+01:00")  # late, but within the day
    assert send(app) == 1
    (to, subject, body), (_, _, later) = sent(app)
    assert (to, subject) == (IAN, "1 lead waits for you")
    assert "Amara Okafor\n    since Tuesday 24 November 2026, 15:00 (Europe/Berlin)" in body
    assert "Amara Okafor, overdue\n" in later


def test_none_when_nothing_waits_and_none_later_that_day(app: Flask, clock: TestClock, ian: int) -> None:
    with app.app_context():
        mark_reached_out(1, actor=ROSA)
    clock.set("2026-11-25T09:00+01:00")
    assert send(app) == 0
    clock.set("2026-11-25T11:00+01:00")
    add_lead(app, email=ADDRESS)
    assert send(app) == 0
    assert sent(app) == []


@pytest.mark.parametrize("change", [{"active": False}, {"role": Role.VIEWER}])
def test_only_active_attorneys_get_it(app: Flask, clock: TestClock, ian: int, change: dict[str, Any]) -> None:
    run(app, update(User).where(User.id == ian).values(change))
    clock.set("2026-11-25T09:00+01:00")
    assert send(app) == 0


def test_of_several_workers_one_sends(app: Flask, clock: TestClock, ian: int) -> None:
    clock.set("2026-11-25T09:00+01:00")
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: send(app), range(4))) == 1
    assert len(sent(app)) == 1


def test_many_leads_are_cut_short(app: Flask, clock: TestClock, ian: int) -> None:
    for _ in range(21):
        add_lead(app, email=ADDRESS, resume_url=f"https://example.com/{_}")
    clock.set("2026-11-25T09:00+01:00")
    assert send(app) == 1
    ((_, subject, body),) = sent(app)
    assert subject == "22 leads wait for you"
    assert body.count("since Tuesday") == 20
    assert "and more" in body


def test_the_account_page_turns_it_on_and_off(app: Flask, client: FlaskClient, ian: int) -> None:
    add_person(app, "Rosa Delgado")
    user_id = 2
    sign_in(client)
    assert not get(client, "/internal/account").all("input", name="daily_digest", checked="")
    form = {"time_zone": "UTC", "theme": "", "single_key_shortcuts": "on"}
    post(client, "/internal/account/preferences", on="/internal/account", **form, daily_digest="on")
    assert get(client, "/internal/account").all("input", name="daily_digest", checked="")
    with app.app_context():
        assert wants_digest(user_id)
    post(client, "/internal/account/preferences", on="/internal/account", **form)
    with app.app_context():
        assert not wants_digest(user_id)
        assert wants_digest(ian), "nobody else's"


def test_a_viewer_is_not_offered_it(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Vera View", role=Role.VIEWER)
    sign_in(client, "Vera View")
    assert not get(client, "/internal/account").all("input", name="daily_digest")
