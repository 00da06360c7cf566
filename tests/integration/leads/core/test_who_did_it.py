"""What is written into the audit log, by whom, and that it names no prospect."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from alma_leads.accounts.api_keys.key_refusal_service import MOST_IN_AN_HOUR
from alma_leads.accounts.api_keys.key_service import create_key, revoke_key
from alma_leads.common.actor import OPERATOR
from alma_leads.common.extensions import db
from alma_leads.database.base import to_stamp, utc_now
from tests.conftest import API_KEY
from tests.support.desk import HTML, add_lead, add_person, post, run, sign_in, token, value

KEY = {"X-API-Key": API_KEY}
KIM = "daniel.kim@alma.example"
ASSIGNMENTS = "/internal/settings/assignments"


class Event(NamedTuple):
    """A row of the audit log."""

    action: str
    who: str
    address: str | None
    subject: str
    data: dict[str, Any]


def log(app: Flask) -> list[Event]:
    """Return the audit log, oldest first, without the sign-in that nearly every test begins with."""
    with app.app_context(), db.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT action, actor_name, actor_address, subject, data FROM audit_events ORDER BY id")
        )
        events = [Event(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]
    return events[1:] if events and events[0].action == "signed_in" else events


def dead_letters(app: Flask) -> list[int]:
    """Make every message a dead letter, and return their numbers."""
    run(app, "UPDATE outbox_messages SET state = 'dead', attempts = 1, settled_at = created_at")
    with app.app_context(), db.engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM outbox_messages ORDER BY id")).scalars())


def test_a_way_in_and_out(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    sign_in(client)
    assert client.post("/logout", data={"csrf_token": token(client.get("/internal/leads", headers=HTML))}).status_code
    page = client.get("/login", headers=HTML)
    wrong = {"email": "rosa.delgado@alma.example", "password": "not the words", "csrf_token": token(page)}
    client.post("/login", data=wrong, headers=HTML)
    client.post("/login", data=wrong | {"email": "forty green umbrellas"}, headers=HTML)
    events = log(app)
    assert [event[:4] for event in events] == [
        ("signed_out", "Rosa Delgado", "127.0.0.1", "Rosa Delgado"),
        ("sign_in_failed", "Someone", "127.0.0.1", "Rosa Delgado"),
        # What was typed is nobody's address: it may be a password.
        ("sign_in_failed", "Someone", "127.0.0.1", "an unknown account"),
    ]
    assert events[-1].data == {"by": "password"}


def test_an_export_says_how_many_and_which_but_not_what_was_searched_for(app: Flask, desk: FlaskClient) -> None:
    for number in range(3):
        add_lead(app, last_name=f"Marked {number}")
    desk.get("/internal/leads.csv", query_string={"q": "marked", "status": "PENDING", "created_from": "2020-01-01"})
    desk.get("/internal/leads.ndjson?assigned_to=none")
    desk.get(f"/internal/leads.csv?assigned_to={KIM}", headers=KEY)
    desk.get("/internal/leads.csv?overdue=true&returning=true&mail=trouble&conflict=conflict")
    first, second, third, fourth = log(app)
    asked = {"overdue": True, "returning": True, "mail_trouble": True, "in_conflict": True}
    assert fourth.data == {"format": "csv", "count": 0, **asked}
    assert first[:4] == ("leads_exported", "Rosa Delgado", "127.0.0.1", "3 leads")
    assert first.data == {
        "format": "csv",
        "count": 3,
        "status": "PENDING",
        "created_from": "2020-01-01T00:00:00.000000Z",
        "searched": True,
    }
    assert second.data == {"format": "ndjson", "count": 3, "attorney": "none"}
    assert third[:4] == ("leads_exported", "INTERNAL_API_KEY", "127.0.0.1", "0 leads")
    assert third.data == {"format": "csv", "count": 0, "attorney": "Daniel Kim"}


def test_an_export_is_written_down_before_the_first_lead_leaves(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    answer = desk.get("/internal/leads.csv", buffered=False)
    assert [event.action for event in log(app)] == ["leads_exported"]
    answer.close()


def test_asking_for_the_headers_of_an_export_exports_nothing(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    for path in ("leads.csv", "leads.ndjson", "leads.xlsx", "settings/audit.csv", "settings/audit.ndjson"):
        answer = desk.head(f"/internal/{path}")
        assert (answer.status_code, answer.data) == (200, b"")
        assert answer.headers["Content-Disposition"] == f"attachment; filename={path.split('/')[-1]}"
    assert desk.head("/internal/leads.csv?status=NONE").status_code == 422
    assert log(app) == []


def test_a_refused_export_is_none(app: Flask, desk: FlaskClient) -> None:
    assert desk.get("/internal/leads.csv?status=NONE").status_code == 422
    assert log(app) == []


def test_sending_again(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app)
    first, second = dead_letters(app)
    post(desk, f"/internal/outbox/{first}/send")
    post(desk, f"/internal/outbox/{first}/send")  # on its way already: nothing happens, and nothing is said to have
    post(desk, "/internal/outbox/send-dead")
    post(desk, "/internal/outbox/send-dead")
    one, every = log(app)
    assert one[:4] == ("outbox_retried", "Rosa Delgado", "127.0.0.1", f"lead {lead_id}")
    assert one.data == {"message": first, "kind": "lead_confirmation"}
    assert every[:4] == ("outbox_retried", "Rosa Delgado", "127.0.0.1", "every dead letter")
    assert every.data == {"count": 1}
    assert second


def test_assigning_names_the_newest_lead_and_the_attorneys(app: Flask, desk: FlaskClient) -> None:
    add_lead(app, email="a@example.com")
    newest = add_lead(app, email="a@example.com", first_name="Other")
    for attorney in (KIM, KIM, "rosa.delgado@alma.example"):
        post(desk, ASSIGNMENTS, on=ASSIGNMENTS, email="a@example.com", attorney=attorney)
    post(desk, ASSIGNMENTS, on=ASSIGNMENTS, email="new@example.com", attorney=KIM)
    for _ in range(2):
        post(desk, ASSIGNMENTS, on=ASSIGNMENTS, email="a@example.com", do="remove")
    events = log(app)
    new = value(app, "SELECT id FROM prospects WHERE email = 'new@example.com'")
    assert [(event.action, event.who, event.subject, event.data) for event in events] == [
        ("assigned", "Rosa Delgado", f"lead {newest}", {"old": None, "new": "Daniel Kim"}),
        ("assigned", "Rosa Delgado", f"lead {newest}", {"old": "Daniel Kim", "new": "Rosa Delgado"}),
        ("assigned", "Rosa Delgado", f"prospect {new}", {"old": None, "new": "Daniel Kim"}),
        ("unassigned", "Rosa Delgado", f"lead {newest}", {"old": "Rosa Delgado", "new": None}),
    ]


def test_the_command_line_is_the_operators(app: Flask, desk: FlaskClient, tmp_path: Path) -> None:
    add_lead(app, email="a@example.com")
    dead_letters(app)
    table = tmp_path / "assignments.csv"
    table.write_text(f"email,attorney\na@example.com,{KIM}\nb@example.com,{KIM}\n")
    for words in (
        ["outbox", "retry", "1"],
        ["outbox", "retry", "--all"],
        ["assignments", "import", str(table)],
        ["assignments", "import", str(table)],
        ["assignments", "export", str(tmp_path / "out.csv")],
    ):
        done = app.test_cli_runner().invoke(args=words)
        assert done.exit_code == 0, done.output
    with app.app_context():
        app.extensions["background"].huey.storage.close()
    events = log(app)
    assert {(event.who, event.address) for event in events} == {("Operator, command line", None)}
    assert [(event.action, event.subject, event.data) for event in events] == [
        ("outbox_retried", "lead 1", {"message": 1, "kind": "lead_confirmation"}),
        ("outbox_retried", "every dead letter", {"count": 1}),
        ("assignments_imported", "2 assignments", {"count": 2, "changed": 2}),
        ("assignments_imported", "2 assignments", {"count": 2, "changed": 0}),
        ("assignments_exported", "2 assignments", {"count": 2}),
    ]


def test_an_import_that_fails_is_none(app: Flask, desk: FlaskClient, tmp_path: Path) -> None:
    table = tmp_path / "assignments.csv"
    table.write_text(f"email,attorney\na@example.com,{KIM}\nb@example.com,nobody@alma.example\n")
    assert app.test_cli_runner().invoke(args=["assignments", "import", str(table)]).exit_code == 1
    assert log(app) == []


def ask(client: FlaskClient, key: str, address: str = "192.0.2.7") -> int:
    """Ask for leads with a key, and return the status."""
    answer = client.get("/internal/leads", headers={"X-API-Key": key}, environ_base={"REMOTE_ADDR": address})
    return answer.status_code


def test_a_key_that_is_refused_is_named_where_it_is_one(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        revoked, revoked_secret = create_key(
            "website-import", scopes=["leads:read"], networks=[], expires_at=None, actor=OPERATOR
        )
        revoke_key(revoked.id, actor=OPERATOR)
        bound, bound_secret = create_key(
            "crm", scopes=["leads:read"], networks=["198.51.100.0/24"], expires_at=None, actor=OPERATOR
        )
    before = len(log(app))
    assert ask(client, "forty green umbrellas") == 401
    assert ask(client, revoked_secret) == 401
    assert ask(client, bound_secret) == 403
    assert ask(client, bound_secret, "198.51.100.4") == 200
    unknown, first, second = log(app)[before:]
    assert unknown == ("key_refused", "Someone", "192.0.2.7", "an unknown key", {})
    assert (first.address, first.subject) == ("192.0.2.7", "script: website-import")
    assert first.data == {"key": revoked.id, "why": "it was revoked"}
    assert (second.subject, second.data) == ("script: crm", {"key": bound.id, "why": "not from this address"})


def test_a_flood_of_wrong_keys_does_not_fill_the_log(app: Flask, client: FlaskClient) -> None:
    noted = "SELECT count(*) FROM audit_events WHERE action = 'key_refused'"
    for number in range(5):
        ask(client, f"wrong {number}")
    assert value(app, noted) == 1
    for number in range(1, 40):
        ask(client, "wrong", f"198.51.100.{number}")
    assert value(app, noted) == MOST_IN_AN_HOUR
    # One that was given to someone is still told of.
    with app.app_context():
        revoked, revoked_secret = create_key(
            "website-import", scopes=["leads:read"], networks=[], expires_at=None, actor=OPERATOR
        )
        revoke_key(revoked.id, actor=OPERATOR)
    ask(client, revoked_secret)
    assert log(app)[-1].subject == "script: website-import"


def test_a_wrong_key_is_noted_again_after_a_while(app: Flask, client: FlaskClient) -> None:
    for minutes in (61, 16):
        run(
            app,
            "INSERT INTO audit_events (at, action, actor_kind, actor_name, actor_address, subject, data)"
            " VALUES (:at, 'key_refused', 'stranger', 'Someone', '192.0.2.7', 'an unknown key', '{}')",
            at=to_stamp(utc_now() - timedelta(minutes=minutes)),
        )
    for _ in range(2):
        ask(client, "wrong")
    assert value(app, "SELECT count(*) FROM audit_events") == 3


def test_no_prospect_is_named(app: Flask, desk: FlaskClient, tmp_path: Path) -> None:
    mark = "Zzyzx"
    email = f"{mark}@example.com".lower()
    person = {"first_name": f"{mark} A", "last_name": f"{mark} B", "email": email, "resume_url": f"https://x.co/{mark}"}
    lead_id = desk.post("/public/leads", json=person, headers=KEY).json["id"]
    dead_letters(app)
    post(desk, f"/internal/leads/{lead_id}/reached-out")
    post(desk, f"/internal/leads/{lead_id}/notes", text=f"{mark} called.")
    post(desk, f"/internal/leads/{lead_id}/assign", attorney=KIM)
    for more in ({"attorney": KIM}, {"do": "remove"}):
        post(desk, ASSIGNMENTS, on=ASSIGNMENTS, email=f"other-{email}", **more)
    post(desk, "/internal/outbox/1/send")
    post(desk, "/internal/outbox/send-dead")
    for path in ("leads.csv", "leads.ndjson"):
        assert desk.get(f"/internal/{path}?q={mark}").status_code == 200
    desk.get("/internal/settings/audit.csv")
    table = tmp_path / f"{mark}.csv"
    table.write_text(f"email,attorney\nthird-{email},{KIM}\n")
    for words in (["assignments", "import", str(table)], ["assignments", "export", str(tmp_path / f"{mark} out.csv")]):
        assert app.test_cli_runner().invoke(args=words).exit_code == 0
    desk.get("/internal/leads", headers={"X-API-Key": mark})
    post(desk, "/logout")
    for typed in (email, mark):  # a prospect tries the desk, and someone types a password into the wrong field
        page = token(desk.get("/login", headers=HTML))
        desk.post("/login", data={"email": typed, "password": mark, "csrf_token": page}, headers=HTML)
    assert {event.action for event in log(app)} >= {
        "assigned", "unassigned", "outbox_retried", "leads_exported", "audit_exported", "assignments_imported",
        "assignments_exported", "key_refused", "signed_out", "sign_in_failed",
    }  # fmt: skip
    with app.app_context(), db.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM audit_events")).all()
        attempts = connection.execute(text("SELECT * FROM sign_in_attempts")).all()
    assert mark.lower() not in repr([rows, attempts]).lower()
    assert f"lead {lead_id}" in repr(rows)
