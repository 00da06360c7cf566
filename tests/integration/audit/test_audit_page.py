"""The page of the audit log over HTTP, and its exports."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from alma_leads.accounts.core.models import ApiKey, Role
from alma_leads.audit.audit_log import LogFilter, events_query
from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.common.extensions import db
from alma_leads.database.base import from_stamp
from alma_leads.web.internal.settings.audit_words import WORDS
from tests.conftest import API_KEY
from tests.support.desk import HTML, Page, add_person, get, run, sign_in, value
from tests.support.plans import query_plan

PAGE = "/internal/settings/audit"
AT = from_stamp("2026-11-18T14:05:09Z")
KIM = "Daniel Kim"


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator in Berlin, with a colleague."""
    add_person(app, time_zone="Europe/Berlin")
    add_person(app, KIM, role=Role.ATTORNEY)
    sign_in(client)
    return client


def happened(app: Flask, *events: dict[str, Any]) -> None:
    """Write events into the log as they are given."""
    usual = {
        "at": AT,
        "action": "signed_out",
        "actor_kind": "user",
        "actor_id": 1,
        "actor_name": "Rosa Delgado",
        "actor_address": "192.0.2.7",
        "subject": "Rosa Delgado",
        "data": {},
    }
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(insert(AuditEvent), [usual | event for event in events])


def sentences(page: Page) -> list[str]:
    """Return the first cell of each row."""
    rows = [row for row in page.all("tr") if row.findall("{*}td")]
    return ["".join(row.findall("{*}td")[0].itertext()) for row in rows]


def test_each_event_is_a_sentence_with_address_and_time(app: Flask, desk: FlaskClient) -> None:
    happened(
        app,
        {"action": "role_changed", "subject": KIM, "data": {"old": "viewer", "new": "attorney"}},
        {"action": "password_changed"},
        {"action": "assigned", "subject": "lead 12", "data": {"old": None, "new": KIM}},
        {"action": "outbox_retried", "subject": "every dead letter", "data": {"count": 3}},
        {
            "action": "sign_in_failed",
            "actor_kind": "stranger",
            "actor_id": None,
            "actor_name": "Someone",
            "subject": "an unknown account",
            "data": {"by": "password"},
        },
        {"action": "from_the_future", "subject": "<b>x</b>"},
    )
    page = get(desk, f"{PAGE}?to=2026-11-18")
    assert sentences(page) == [
        "From the future: Rosa Delgado, <b>x</b>.",
        "Someone tried to sign in to an account that does not exist.by: password",
        "Rosa Delgado had every dead letter sent again.count: 3",
        "Rosa Delgado assigned lead 12 to Daniel Kim.",
        "Rosa Delgado changed their own password.",
        "Rosa Delgado changed Daniel Kim’s role.old: viewer, new: attorney",
    ]
    assert [link.get("href") for link in page.all("a") if link.text == "lead 12"] == ["/internal/leads/12"]
    assert "192.0.2.7" in page.text
    moment = page.all("time")[0]
    assert moment.get("title") == "Wednesday 18 November 2026, 15:05:09, Europe/Berlin"
    assert (moment.text or "").endswith("15:05")


def test_signing_in_is_the_first_thing_there(desk: FlaskClient) -> None:
    page = get(desk, PAGE)
    assert sentences(page) == ["Rosa Delgado signed in.by: password"]
    assert page.all("a", aria_current="page", href=PAGE)


def test_every_action_has_its_words() -> None:
    assert set(WORDS) == set(Action)
    labels = [name for name, _sentence in WORDS.values()]
    assert len(set(labels)) == len(labels)


def test_older_pages_go_on_where_the_last_one_ended(app: Flask, desk: FlaskClient) -> None:
    # Many at the same moment, and one that was committed late: the order is by time, then by number.
    happened(app, *({"subject": f"N {n}", "action": "person_added"} for n in range(120)))
    happened(app, {"subject": "N late", "action": "person_added", "at": AT - timedelta(seconds=1)})
    address, seen = f"{PAGE}?action=person_added", []
    while address:
        page = get(desk, address)
        seen += sentences(page)
        older = page.all("a", rel="next")
        address = (older[0].get("href") or "") if older else ""
    assert seen == [f"Rosa Delgado added N {n}." for n in [*range(119, -1, -1), "late"]]
    assert "1 shown" not in page.text
    assert page.all("a", href=f"{PAGE}?action=person_added")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=key_created", ["by a key's maker"]),
        ("who=user-2", ["by Kim"]),
        ("who=key-7", ["by a script"]),
        ("who=key", ["by the static key"]),
        ("who=system", ["by the operator"]),
        ("who=stranger", ["by nobody"]),
        ("who=user-2&action=key_created", []),
        # The day begins and ends in Berlin, at 23:00 of the day before in UTC.
        ("from=2026-03-02&to=2026-03-02", ["in time, late", "in time, early"]),
        ("from=2026-03-03&to=2026-03-03", ["a day late"]),
        ("from=2026-03-01&to=2026-03-01", ["a day early"]),
    ],
)
def test_filters(app: Flask, desk: FlaskClient, query: str, found: list[str]) -> None:
    nobody = {"actor_id": None, "at": from_stamp("2026-01-01T00:00:00Z"), "action": "person_added"}
    days = {"actor_id": 1, "action": "person_added"}
    happened(
        app,
        {**days, "action": "key_created", "subject": "by a key's maker"},
        {**days, "actor_id": 2, "subject": "by Kim"},
        {**days, "actor_kind": "key", "actor_id": 7, "subject": "by a script"},
        {**nobody, "actor_kind": "key", "subject": "by the static key"},
        {**nobody, "actor_kind": "system", "subject": "by the operator"},
        {**nobody, "actor_kind": "stranger", "subject": "by nobody"},
        {**days, "at": from_stamp("2026-03-01T22:59:59.999999Z"), "subject": "a day early"},
        {**days, "at": from_stamp("2026-03-01T23:00:00Z"), "subject": "in time, early"},
        {**days, "at": from_stamp("2026-03-02T22:59:59.999999Z"), "subject": "in time, late"},
        {**days, "at": from_stamp("2026-03-02T23:00:00Z"), "subject": "a day late"},
    )
    page = get(desk, f"{PAGE}?{query}")
    lines = [
        line.removeprefix("Rosa Delgado added ").removeprefix("Rosa Delgado created the key ").removesuffix(".")
        for line in sentences(page)
    ]
    assert lines == found
    if not found:
        assert "Nothing like that happened" in page.text
    exported = csv.DictReader(io.StringIO(desk.get(f"{PAGE}.csv?{query}", headers=HTML).text))
    assert [row["subject"] for row in exported] == found


def test_what_was_chosen_stays_chosen(app: Flask, desk: FlaskClient) -> None:
    key = {"name": "website-import", "prefix": "x", "key_hash": "y", "scopes": "leads:read", "networks": ""}
    at = from_stamp("2026-11-01T00:00:00Z")
    run(app, insert(ApiKey).values(**key, created_by="Rosa", created_at=at, revoked_at=at))
    number = value(app, select(ApiKey.id))
    page = get(desk, f"{PAGE}?action=key_created&who=key-{number}&from=2026-01-02&to=2026-01-03")
    chosen = [option for option in page.all("option") if option.get("selected") is not None]
    assert [option.text for option in chosen] == ["Key created", "website-import (revoked)"]
    assert page.all("input", name="from")[0].get("value") == "2026-01-02"
    assert page.all("input", name="to")[0].get("value") == "2026-01-03"
    assert page.all("a", href=PAGE)


@pytest.mark.parametrize(
    ("query", "field"),
    [("action=x", "action"), ("who=x", "who"), ("who=user-", "who"), ("who=user-99999999999", "who"),
     ("from=yesterday", "from"), ("from=0001-01-01", "from"), ("from=9999-12-31", ""), ("to=9999-12-31", "to"),
     ("before=x", "before"), ("before=2026-11-18T14:05:09Z/x", "before"), ("before=2026-11-18T14:05:09/1", "before"),
     ("before=2026-11-18/1", "before"), ("colour=red", "colour")],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_a_sentence(desk: FlaskClient, query: str, field: str) -> None:
    for path in (PAGE, f"{PAGE}.csv"):
        answer = desk.get(f"{path}?{query}")
        if not field:
            assert answer.status_code == 200
            continue
        assert answer.status_code == 422, query
        assert [error["field"] for error in answer.json["errors"]] == [field]


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}.csv", f"{PAGE}.ndjson"])
def test_only_an_administrator_reads_it(app: Flask, client: FlaskClient, path: str) -> None:
    add_person(app, KIM, role=Role.ATTORNEY)
    add_person(app, "Ian Park", role=Role.VIEWER)
    for name in (KIM, "Ian Park"):
        sign_in(client, name)
        assert client.get(path).status_code == 403
        assert "Audit log" not in get(client, "/internal/account").text
        client.delete_cookie("session")
    assert client.get(path, headers={"X-API-Key": API_KEY}).status_code == 403


def test_an_export_holds_everything_and_is_an_event_itself(app: Flask, desk: FlaskClient) -> None:
    happened(
        app,
        {"actor_name": "=1+1", "subject": '@x, "quoted" \\ back', "data": {"old": "a", "new": 'b"'}},
        {"actor_kind": "key", "actor_id": None, "actor_address": None, "subject": "", "actor_name": "INTERNAL_API_KEY"},
    )
    answer = desk.get(f"{PAGE}.csv?to=2026-11-20", headers=HTML)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename=audit.csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[1] == {
        "id": rows[1]["id"],
        "at": "2026-11-18T14:05:09.000000Z",
        "action": "signed_out",
        "actor_type": "user",
        "actor_id": "1",
        "actor_name": "'=1+1",
        "actor_address": "192.0.2.7",
        "subject": '\'@x, "quoted" \\ back',
        "data": '{"old":"a","new":"b\\""}',
    }
    assert (rows[0]["actor_id"], rows[0]["actor_address"], rows[0]["subject"]) == ("", "", "")
    answer = desk.get(f"{PAGE}.ndjson?who=user-1", headers=HTML)
    assert answer.headers["Content-Disposition"] == "attachment; filename=audit.ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    own = lines[0]  # of the first export: its own is not in it
    assert (own["action"], own["subject"]) == ("audit_exported", "2 events")
    assert own["data"] == {"format": "csv", "count": 2, "filter": {"until": "2026-11-20T22:59:59.999999Z"}}
    assert lines[-1]["actor_name"] == "=1+1"
    assert lines[-1]["data"] == {"old": "a", "new": 'b"'}
    assert "exported the audit log, 3 events." in sentences(get(desk, PAGE))[0]


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(),
        LogFilter(action="signed_in"),
        LogFilter(actor_kind="user", actor_id=3),
        LogFilter(actor_kind="key"),
        LogFilter(action="leads_exported", actor_kind="user", actor_id=3),
        LogFilter(since=from_stamp("2026-01-01T00:00:00Z"), until=from_stamp("2026-01-02T00:00:00Z")),
    ],
    ids=repr,
)
def test_each_choice_is_read_from_an_index(app: Flask, wanted: LogFilter) -> None:
    events = (
        {"action": action, "actor_id": number % 20, "at": from_stamp(f"2026-01-0{number % 9 + 1}T00:00:00Z")}
        for number in range(1000)
        for action in ("signed_in", "signed_out", "assigned")
    )
    happened(app, *events)
    run(app, "ANALYZE audit_events")
    plan = query_plan(app, events_query(wanted).limit(51))
    assert "ix_audit_events_" in plan, plan
    # PostgreSQL may sort the few rows that it expects of a doer without a number; it knows no order among NULLs.
    assert not any(word in plan for word in ("Seq Scan", "TEMP B-TREE", "SCAN audit_events\n")), plan
