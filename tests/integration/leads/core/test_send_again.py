"""Sending an e-mail of a lead again, from its page: a dead letter as it is, a sent one composed anew, no flood."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from alma_leads.accounts.core.models import Role
from alma_leads.common.actor import OPERATOR
from alma_leads.common.extensions import db
from alma_leads.leads.core.resend_service import Sending, send_again
from tests.support.desk import HTML, add_lead, add_person, get, post, run, sign_in, value

WHO: dict[str, Any] = {"first_name": "Ioana", "last_name": "Țepeș", "email": "ioana@example.ro"}


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an attorney."""
    add_person(app, role=Role.ATTORNEY)
    sign_in(client)
    return client


def _messages(app: Flask) -> list[tuple[Any, ...]]:
    with app.app_context(), db.engine.connect() as connection:
        columns = "id, kind, recipient, state, CAST(facts AS text), language, message_id"
        return [tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM outbox_messages ORDER BY id"))]


def _as_sent(app: Flask, *, minutes: int = 5) -> None:
    """Let every message have been sent some minutes ago, as the worker leaves it."""
    run(app, "UPDATE outbox_messages SET state = 'sent', settled_at = created_at")
    _age(app, minutes)


def _age(app: Flask, minutes: int) -> None:
    earlier = f"created_at - interval '{minutes} minutes'"
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            earlier = f"strftime('%Y-%m-%dT%H:%M:%f000Z', created_at, '-{minutes} minutes')"
    run(app, f"UPDATE outbox_messages SET created_at = {earlier}")


def _press(client: FlaskClient, lead_id: int, message_id: int) -> str:
    """Press the button on the page of the lead, and return what the next page says."""
    page = f"/internal/leads/{lead_id}?status=PENDING"
    answer = post(client, f"/internal/leads/{lead_id}/emails/{message_id}/send", on=page, next=page)
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    return get(client, page).text


def test_a_sent_email_goes_out_as_a_new_message(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, **WHO)
    before = _messages(app)
    _as_sent(app)
    confirmation, notice = (row[0] for row in before)
    assert "The confirmation to ioana@example.ro goes out again." in _press(desk, lead_id, confirmation)
    said = _press(desk, lead_id, notice)
    assert "You sent the confirmation again." in said
    assert "You sent the notice to" in said
    after = _messages(app)
    assert len(after) == 4
    for first, again in zip(before, after[2:], strict=True):
        assert first[1:6] == again[1:6]  # the same kind, recipient, state, facts and language
        assert first[6] != again[6]
    assert value(app, "SELECT count(*) FROM lead_events WHERE kind = 'sent_again' AND data LIKE '%ioana%'") == 0


def test_a_second_press_is_harmless(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, **WHO)
    first = _messages(app)[0][0]
    _as_sent(app)
    _press(desk, lead_id, first)
    assert "is on its way already" in _press(desk, lead_id, first)
    _as_sent(app, minutes=0)
    assert "went out less than a minute ago" in _press(desk, lead_id, first)
    assert len(_messages(app)) == 3
    _age(app, 2)
    assert "goes out again" in _press(desk, lead_id, first)
    assert len(_messages(app)) == 4


def test_two_presses_at_once_send_one(app: Flask) -> None:
    lead_id = add_lead(app, **WHO)
    first = _messages(app)[0][0]
    _as_sent(app)
    found: list[Sending] = []

    def press() -> None:
        with app.app_context():
            found.append(send_again(lead_id, first, actor=OPERATOR).sending)

    threads = [Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.name for each in found) == ["GOES_OUT", "ON_ITS_WAY", "ON_ITS_WAY", "ON_ITS_WAY"]
    assert len(_messages(app)) == 3


def test_nobodys_inbox_is_flooded(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, **WHO)
    first = _messages(app)[0][0]
    for _ in range(4):
        _as_sent(app)
        assert "goes out again" in _press(desk, lead_id, first)
    _as_sent(app)
    assert "went out 5 times in 24 hours" in _press(desk, lead_id, first)
    _age(app, 24 * 60)
    assert "goes out again" in _press(desk, lead_id, first)


def test_all_leads_of_a_prospect_count(app: Flask, desk: FlaskClient) -> None:
    for number in range(4):
        lead_id = add_lead(app, **WHO, resume_url=f"https://example.com/{number}")
    newest = max(row[0] for row in _messages(app) if row[1] == "lead_confirmation")
    _as_sent(app)
    assert "goes out again" in _press(desk, lead_id, newest)
    _as_sent(app)
    assert "went out 5 times in 24 hours" in _press(desk, lead_id, newest)


def test_a_notice_goes_to_who_has_the_lead_now(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, **WHO)
    notice = _messages(app)[1][0]
    _as_sent(app)
    post(desk, f"/internal/leads/{lead_id}/assign", attorney="rosa.delgado@alma.example")
    assert "The notice to rosa.delgado@alma.example goes out again." in _press(desk, lead_id, notice)
    assert _messages(app)[-1][2] == "rosa.delgado@alma.example"


def test_a_dead_letter_goes_out_as_it_is(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, **WHO)
    first = _messages(app)[0]
    run(
        app,
        "UPDATE outbox_messages SET state = 'dead', attempts = 10, settled_at = created_at WHERE id = :id",
        id=first[0],
    )
    page = get(desk, f"/internal/leads/{lead_id}")
    assert page.all("form", action=f"/internal/leads/{lead_id}/emails/{first[0]}/send")
    assert "goes out again" in _press(desk, lead_id, first[0])
    assert _messages(app)[0] == first
    assert value(app, "SELECT count(*) FROM audit_events WHERE action = 'outbox_retried'") == 1


def test_what_is_another_leads_or_too_old_is_not_sent(app: Flask, desk: FlaskClient) -> None:
    lead_id, other = add_lead(app, **WHO), add_lead(app)
    first = _messages(app)[0][0]
    for wrong_lead, message in ((other, first), (lead_id, 999), (999, first)):
        answer = post(desk, f"/internal/leads/{wrong_lead}/emails/{message}/send")
        assert answer.status_code == 404
    old = "'2020-01-01T00:00:00.000000Z'"
    run(
        app,
        f"UPDATE outbox_messages SET state = 'dead', settled_at = created_at, expires_at = {old} WHERE id = :id",
        id=first,
    )
    assert "no longer works" in _press(desk, lead_id, first)
    assert (
        get(desk, f"/internal/leads/{lead_id}").all("form", action=f"/internal/leads/{lead_id}/emails/{first}/send")
        == []
    )
    run(app, "UPDATE outbox_messages SET state = 'sent', kind = 'lead_reminder' WHERE id = :id", id=first)
    assert post(desk, f"/internal/leads/{lead_id}/emails/{first}/send").status_code == 404


def test_a_viewer_sends_nothing(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Vera View", role=Role.VIEWER)
    sign_in(client, "Vera View")
    lead_id = add_lead(app, **WHO)
    _as_sent(app)
    assert "Send again" not in get(client, f"/internal/leads/{lead_id}").text
    first = _messages(app)[0][0]
    assert post(client, f"/internal/leads/{lead_id}/emails/{first}/send").status_code == 403
    assert client.post(f"/internal/leads/{lead_id}/emails/{first}/send", headers=HTML).status_code in (400, 403)
    assert len(_messages(app)) == 2
