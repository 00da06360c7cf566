"""The internal JSON API: every row of the contract that a script with a key relies on."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from alma_leads.common.extensions import db
from tests.support.factories import lead_body

FULL = [
    "id",
    "first_name",
    "last_name",
    "email",
    "resume_url",
    "status",
    "created_at",
    "updated_at",
    "reached_out_at",
    "assigned_to",
]


@pytest.fixture
def key(app: Flask) -> dict[str, str]:
    """Return the headers of a script."""
    return {"X-API-Key": app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()}


def send(client: FlaskClient, **changes: Any) -> int:
    """Send a lead and return its number."""
    answer = client.post("/public/leads", json=lead_body(**changes))
    assert answer.status_code == 201, answer.data
    number: int = answer.json["id"]
    return number


def add_attorney(app: Flask, email: str, *, active: bool = True) -> None:
    """Store an attorney."""
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO users (email, name, role, active, handle, time_zone, theme, single_key_shortcuts,"
                " created_at) VALUES (:email, 'Rosa Delgado', 'attorney', :active, :email, 'UTC', '', TRUE,"
                " '2026-01-01T00:00:00.000000Z')"
            ),
            {"email": email, "active": active},
        )


def ids(answer: Any) -> list[int]:
    """Return the numbers of the leads in an answer."""
    assert answer.status_code == 200, answer.data
    return [lead["id"] for lead in answer.json]


@pytest.mark.parametrize("value", [None, "", "wrong", "ä", "x" * 5000])
def test_without_the_right_key(client: FlaskClient, value: str | None) -> None:
    headers = {} if value is None else {"X-API-Key": value}
    answer = client.get("/internal/leads", headers=headers)
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert "ApiKey" in answer.headers["WWW-Authenticate"]


def test_missing_and_wrong_keys_get_the_same_answer(client: FlaskClient) -> None:
    missing = client.get("/internal/leads")
    wrong = client.get("/internal/leads", headers={"X-API-Key": "wrong"})
    assert missing.data == wrong.data
    assert missing.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"]


def test_sixty_wrong_keys_a_minute(client: FlaskClient, key: dict[str, str]) -> None:
    answers = [client.get("/internal/leads", headers={"X-API-Key": f"wrong {n}"}).status_code for n in range(61)]
    assert answers == [401] * 60 + [429]
    refused = client.get("/internal/leads", headers={"X-API-Key": "wrong"})
    assert int(refused.headers["Retry-After"]) >= 1
    assert client.get("/internal/leads", headers=key).status_code == 200


def test_a_full_lead(client: FlaskClient, key: dict[str, str]) -> None:
    number = send(client, first_name="Zoë")
    lead = client.get(f"/internal/leads/{number}", headers=key)
    assert list(lead.json) == FULL
    assert lead.json["first_name"] == "Zoë"
    assert lead.json["reached_out_at"] is None
    assert lead.json["assigned_to"] is None
    assert lead.json["created_at"].endswith("Z")
    assert client.get("/internal/leads", headers=key).json == [lead.json]


def test_no_such_lead(client: FlaskClient, key: dict[str, str]) -> None:
    for address in ("/internal/leads/999", "/internal/leads/999/events", "/internal/leads/999/resume"):
        assert client.get(address, headers=key).status_code == 404
    assert client.patch("/internal/leads/999", headers=key, json={"status": "REACHED_OUT"}).status_code == 404
    assert client.get("/internal/leads/99999999999999999999999", headers=key).status_code == 404


def test_html_is_served_only_to_who_names_it(client: FlaskClient, key: dict[str, str]) -> None:
    for accept in (None, "*/*", "application/json", "text/html;q=0.4, application/json;q=0.5"):
        answer = client.get("/internal/leads", headers={"Accept": accept} if accept else {})
        assert answer.status_code == 401
    for accept in ("text/html", "text/html, application/json", "text/html,application/xml;q=0.9,*/*;q=0.8"):
        answer = client.get("/internal/leads", headers={"Accept": accept})
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login")
    answer = client.get("/internal/leads", headers={**key, "Accept": "text/html"})
    assert answer.content_type == "application/json"
    assert "Accept" in answer.headers["Vary"]


def test_paging_meets_every_lead_once(client: FlaskClient, key: dict[str, str]) -> None:
    numbers = [send(client) for _ in range(7)]
    for sort, expected in (("-created_at", numbers[::-1]), ("created_at", numbers), ("-last_name", numbers[::-1])):
        address: str | None = f"/internal/leads?limit=3&sort={sort}"
        met = []
        while address:
            answer = client.get(address, headers=key)
            met += ids(answer)
            link = answer.headers.get("Link")
            assert link is None or link.endswith('; rel="next"')
            address = link and link[1 : link.index(">")]
        assert met == expected


def test_a_lead_that_arrives_does_not_shift_the_pages(client: FlaskClient, key: dict[str, str]) -> None:
    numbers = [send(client) for _ in range(4)]
    first = client.get("/internal/leads?limit=2", headers=key)
    send(client)
    link = first.headers["Link"]
    second = client.get(link[1 : link.index(">")], headers=key)
    assert ids(first) + ids(second) == numbers[::-1]


def test_filter_by_status(client: FlaskClient, key: dict[str, str]) -> None:
    one, two = send(client), send(client)
    client.patch(f"/internal/leads/{one}", headers=key, json={"status": "REACHED_OUT"})
    assert ids(client.get("/internal/leads?status=PENDING", headers=key)) == [two]
    assert ids(client.get("/internal/leads?status=REACHED_OUT", headers=key)) == [one]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tepes", True),
        ("ȚEPEȘ", True),
        ("ana Țe", True),
        ("na t", True),
        ("an", True),
        ("EXAMPLE.RO", True),
        ("%", False),
        ("_", False),
        ("a%s", False),
        ('"', False),
        ("'; DROP", False),
        ("Țepeș x", False),
        ("zz", False),
        ("OR", False),
        ("NEAR(", False),
    ],
)
def test_search(client: FlaskClient, key: dict[str, str], query: str, found: bool) -> None:
    number = send(client, first_name="Ioana", last_name="Țepeș", email="i.tepes@example.ro")
    send(client, first_name="Bob", last_name="Quux", email="q@quux.biz")
    answer = client.get("/internal/leads", query_string={"q": query}, headers=key)
    assert ids(answer) == ([number] if found else [])


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "last_name", "-last_name", "updated_at", "-updated_at"])
def test_search_pages_in_every_order(client: FlaskClient, key: dict[str, str], sort: str) -> None:
    numbers = {send(client, last_name=f"Common {n:02}") for n in range(5)}
    send(client, last_name="Other")
    address: str | None = f"/internal/leads?limit=2&q=common&sort={sort}"
    met: list[int] = []
    while address:
        answer = client.get(address, headers=key)
        met += ids(answer)
        link = answer.headers.get("Link")
        address = link and link[1 : link.index(">")]
    assert met == sorted(numbers, reverse=sort.startswith("-"))


def test_filter_by_time_includes_both_ends(app: Flask, client: FlaskClient, key: dict[str, str]) -> None:
    number = send(client)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE leads SET created_at = '2026-03-01T23:59:59.999999Z'"))
    for query, found in (
        ("created_from=2026-03-01&created_to=2026-03-01", True),
        ("created_from=2026-03-02", False),
        ("created_to=2026-02-28", False),
        ("created_from=2026-03-01T23:59:59.999999Z", True),
        ("created_to=2026-03-01T23:59:59.999998Z", False),
        ("created_to=2026-03-02T00:59:59.999999%2B01:00", True),
        ("created_from=2026-03-02T01:00:00%2B01:00", False),
    ):
        assert ids(client.get(f"/internal/leads?{query}", headers=key)) == ([number] if found else []), query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("status=pending", "status"),
        ("status=PENDING&status=PENDING", "status"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=-1", "limit"),
        ("sort=email", "sort"),
        ("cursor=x", "cursor"),
        ("cursor=bm9wZQ", "cursor"),
        ("created_from=yesterday", "created_from"),
        ("created_to=2026-13-01", "created_to"),
        ("created_from=2026-03-01T10:00:00", "created_from"),
        ("assigned_to=nobody", "assigned_to"),
        ("q=" + "x" * 201, "q"),
        ("q=a%00b", "q"),
    ],
)
def test_a_parameter_that_cannot_be_used(client: FlaskClient, key: dict[str, str], query: str, field: str) -> None:
    for address in ("/internal/leads", "/internal/leads.csv", "/internal/leads.ndjson"):
        answer = client.get(f"{address}?{query}", headers=key)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json["errors"]] == [field]


def test_a_cursor_belongs_to_its_order(client: FlaskClient, key: dict[str, str]) -> None:
    for _ in range(3):
        send(client)
    link = client.get("/internal/leads?limit=1", headers=key).headers["Link"]
    address = link[1 : link.index(">")] + "&sort=last_name"
    assert client.get(address, headers=key).status_code == 422


def test_marking_makes_one_event(client: FlaskClient, key: dict[str, str]) -> None:
    number = send(client)
    address = f"/internal/leads/{number}"
    first = client.patch(address, headers=key, json={"status": "REACHED_OUT"})
    assert first.status_code == 200
    assert first.json["status"] == "REACHED_OUT"
    assert first.json["reached_out_at"] == first.json["updated_at"]
    again = client.patch(address, headers=key, json={"status": "REACHED_OUT"})
    assert (again.status_code, again.json) == (200, first.json)
    events = client.get(f"{address}/events", headers=key).json
    assert [event["type"] for event in events] == ["reached_out", "submitted"]
    assert events[0]["data"] == {"status": {"old": "PENDING", "new": "REACHED_OUT"}}
    assert events[0]["actor"]["name"] == "INTERNAL_API_KEY"


def test_twenty_marks_at_once_make_one_event(app: Flask, client: FlaskClient, key: dict[str, str]) -> None:
    number = send(client)

    def mark(_: int) -> int:
        client = app.test_client()
        return client.patch(f"/internal/leads/{number}", headers=key, json={"status": "REACHED_OUT"}).status_code

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(mark, range(20))) == {200}
    events = client.get(f"/internal/leads/{number}/events", headers=key).json
    assert [event["type"] for event in events].count("reached_out") == 1


def test_a_lead_never_goes_back(client: FlaskClient, key: dict[str, str]) -> None:
    address = f"/internal/leads/{send(client)}"
    assert client.patch(address, headers=key, json={"status": "PENDING"}).status_code == 200
    assert len(client.get(f"{address}/events", headers=key).json) == 1
    client.patch(address, headers=key, json={"status": "REACHED_OUT"})
    assert client.patch(address, headers=key, json={"status": "PENDING"}).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "status"),
        ({"status": "DONE"}, "status"),
        ({"status": None}, "status"),
        ({"status": 1}, "status"),
        ({"status": "REACHED_OUT", "first_name": "x"}, "first_name"),
        ([], "body"),
    ],
)
def test_other_changes_are_refused(client: FlaskClient, key: dict[str, str], body: Any, field: str) -> None:
    answer = client.patch(f"/internal/leads/{send(client)}", headers=key, json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_if_match(client: FlaskClient, key: dict[str, str]) -> None:
    address = f"/internal/leads/{send(client)}"
    etag = client.get(address, headers=key).headers["ETag"]
    change = {"status": "REACHED_OUT"}
    assert client.patch(address, headers={**key, "If-Match": '"other"'}, json=change).status_code == 412
    fresh = client.patch(address, headers={**key, "If-Match": etag}, json=change)
    assert fresh.status_code == 200
    assert fresh.headers["ETag"] != etag
    assert client.patch(address, headers={**key, "If-Match": etag}, json=change).status_code == 412
    assert client.patch(address, headers={**key, "If-Match": "*"}, json=change).status_code == 200
    same = client.get(address, headers={**key, "If-None-Match": fresh.headers["ETag"]})
    assert (same.status_code, same.headers["Cache-Control"]) == (304, "no-store")


def test_no_cache_keeps_personal_data(client: FlaskClient, key: dict[str, str]) -> None:
    lead_id = send(client)
    for path in (f"leads/{lead_id}", "leads", f"leads/{lead_id}/events", "leads.csv", "leads.ndjson", "outbox"):
        assert "no-store" in client.get(f"/internal/{path}", headers=key).headers["Cache-Control"], path


def test_assignments(app: Flask, client: FlaskClient, key: dict[str, str]) -> None:
    add_attorney(app, "rosa@firm.test")
    add_attorney(app, "ian@firm.test", active=False)
    address = "/internal/assignments/Known@Example.com"
    assert client.get(address, headers=key).status_code == 404
    assert client.delete(address, headers=key).status_code == 404
    for wrong in ("nobody@firm.test", "ian@firm.test", "x"):
        answer = client.put(address, headers=key, json={"attorney": wrong})
        assert answer.status_code == 422
        assert answer.json["errors"][0]["field"] == "attorney"
    assert client.put("/internal/assignments/x", headers=key, json={"attorney": "rosa@firm.test"}).status_code == 422
    stored = client.put(address, headers=key, json={"attorney": "Rosa@firm.test"})
    assert stored.status_code == 200
    assert stored.json["attorney"] == "rosa@firm.test"
    assert client.get(address, headers=key).json == stored.json
    number, other = send(client, email="KNOWN@example.com"), send(client)
    lead = client.get(f"/internal/leads/{number}", headers=key).json
    assert lead["assigned_to"] == "rosa@firm.test"
    with app.app_context(), db.engine.connect() as connection:
        to = connection.execute(
            text("SELECT recipient FROM outbox_messages WHERE kind = 'lead_notification' ORDER BY id")
        )
        assert next(to)[0] == "rosa@firm.test"
    assert ids(client.get("/internal/leads?assigned_to=rosa@firm.test", headers=key)) == [number]
    assert ids(client.get("/internal/leads?assigned_to=none", headers=key)) == [other]
    assert client.delete(address, headers=key).status_code == 204
    assert client.get(f"/internal/leads/{number}", headers=key).json["assigned_to"] is None
    kinds = [event["type"] for event in client.get(f"/internal/leads/{number}/events", headers=key).json]
    assert kinds == ["unassigned", "submitted"]


def test_the_helpdesk_hears_of_leads_of_someone_inactive(app: Flask, client: FlaskClient, key: dict[str, str]) -> None:
    add_attorney(app, "rosa@firm.test")
    client.put("/internal/assignments/a@example.com", headers=key, json={"attorney": "rosa@firm.test"})
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE users SET active = FALSE"))
    send(client, email="a@example.com")
    with app.app_context(), db.engine.connect() as connection:
        to = connection.execute(text("SELECT recipient FROM outbox_messages WHERE kind = 'lead_notification'"))
        assert to.scalar() in (None, app.config["SETTINGS"].HELPDESK_EMAIL)


def test_exports_hold_all_rows_of_the_filter(client: FlaskClient, key: dict[str, str]) -> None:
    numbers = [send(client, last_name=f"N {n}") for n in range(5)]
    send(client, last_name="Other")
    answer = client.get("/internal/leads.csv?q=N%20&limit=2", headers=key)
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == FULL
    assert [int(row["id"]) for row in rows] == numbers[::-1]
    lines = client.get("/internal/leads.ndjson?q=N%20", headers=key).text.splitlines()
    wanted = client.get("/internal/leads?q=N%20", headers=key).json
    assert [json.loads(line) for line in lines] == wanted
    for row, lead in zip(rows, wanted, strict=True):
        assert row == {name: "" if value is None else str(value) for name, value in lead.items()}


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "＝1"])
def test_a_formula_is_neutralised_in_csv(client: FlaskClient, key: dict[str, str], name: str) -> None:
    send(client, first_name=name, last_name='quote " comma , back\\slash')
    row = next(csv.DictReader(io.StringIO(client.get("/internal/leads.csv", headers=key).text)))
    assert row["first_name"] == f"'{name}"
    assert row["last_name"] == 'quote " comma , back\\slash'
    line = client.get("/internal/leads.ndjson", headers=key).text
    assert json.loads(line)["first_name"] == name
