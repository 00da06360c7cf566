"""`POST /public/leads`: every row of the contract about a script that sends a lead."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.http import parse_options_header

from alma_leads.leads.core import emails
from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.models import Lead, LeadEvent, Prospect
from alma_leads.leads.intake.submission_service import reserve_key
from alma_leads.outbox.models import OutboxMessage
from alma_leads.resumes.models import Resume
from alma_leads.web.public.intake import key_owner
from tests.support.desk import count, run, value
from tests.support.factories import GOOD_LEAD, docx_bytes, lead_body, pdf_bytes

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def post(client: FlaskClient, body: Any, **headers: str) -> Any:
    """Send a lead as JSON."""
    return client.post("/public/leads", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_answers_with_the_stored_record(app: Flask, client: FlaskClient) -> None:
    answer = post(client, GOOD_LEAD)
    assert answer.status_code == 201
    assert answer.json == {"id": answer.json["id"], **GOOD_LEAD, "status": "PENDING"}
    assert answer.headers["Location"] == f"/internal/leads/{answer.json['id']}"
    assert count(app, Lead) == 1
    assert count(app, OutboxMessage) == 2
    assert value(app, select(LeadEvent.kind)) == "submitted"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"first_name": "\xff"}', "application/json", 400),
        (b'{"first_name": "a\\u0000b"}', "application/json", 400),
        (b'{"first_name": NaN}', "application/json", 400),
        (b"[" * 2000, "application/json", 400),
        (b"", "application/json", 400),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"<a/>", "application/xml", 415),
        (b"{}", "", 415),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"x": "' + b"y" * 140_000 + b'"}', "application/json", 413),
    ],
)
def test_what_cannot_be_read_is_a_problem_document(
    client: FlaskClient, body: bytes, content_type: str, status: int
) -> None:
    answer = client.post("/public/leads", data=body, content_type=content_type or None)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    document = json.loads(answer.data)
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]


def test_a_wrong_field_is_named_with_a_remedy(app: Flask, client: FlaskClient) -> None:
    answer = post(client, lead_body(email="nobody", surname="x"))
    assert answer.status_code == 422
    errors = {error["field"]: error["message"] for error in answer.json["errors"]}
    assert errors == {
        "email": "Enter an email address like name@example.com",
        "surname": "This field is not known. Leave it out",
    }
    assert count(app, Lead) == 0


def test_neither_link_nor_file(client: FlaskClient) -> None:
    body = lead_body()
    del body["resume_url"]
    answer = post(client, body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == ["resume_url"]


def test_wrong_method_names_the_right_one(client: FlaskClient) -> None:
    answer = client.get("/public/leads")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert answer.content_type == "application/problem+json"


def test_the_same_content_is_the_same_submission(app: Flask, client: FlaskClient) -> None:
    body = lead_body(first_name="José")
    first = post(client, body)
    again = post(client, {**body, "first_name": " Jose\u0301 ", "email": body["email"].upper()})
    assert again.status_code == first.status_code == 201
    assert again.json == first.json
    assert count(app, Lead) == 1
    assert value(app, select(Prospect.lead_count)) == 1
    assert count(app, OutboxMessage) == 2


def test_the_same_content_is_new_again_after_ten_minutes(app: Flask, client: FlaskClient) -> None:
    body = lead_body()
    post(client, body)
    run(app, update(Lead).values(created_at=LONG_AGO))
    assert post(client, body).status_code == 201
    assert count(app, Lead) == 2


def test_twenty_at_the_same_instant_make_one_lead(app: Flask) -> None:
    body = lead_body()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(app.test_client(), body), range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert count(app, Lead) == 1
    assert value(app, select(Prospect.lead_count)) == 1
    assert count(app, OutboxMessage) == 2


def test_other_content_is_a_new_lead_of_the_same_prospect(app: Flask, client: FlaskClient) -> None:
    body = lead_body()
    first = post(client, body).json
    second = post(client, {**body, "last_name": "Other", "email": body["email"].title()}).json
    assert second["id"] != first["id"]
    assert count(app, Prospect) == 1
    assert value(app, select(Prospect.lead_count)) == 2
    assert value(app, select(Lead.last_name).where(Lead.id == first["id"])) == "Maryada"


def test_a_prospect_gets_at_most_five_confirmations_a_day(app: Flask, client: FlaskClient) -> None:
    body = lead_body()
    ids = [post(client, {**body, "last_name": f"Number {n}"}).json["id"] for n in range(7)]
    assert count(app, OutboxMessage, OutboxMessage.kind == emails.CONFIRMATION) == 5
    assert count(app, OutboxMessage, OutboxMessage.kind == emails.NOTIFICATION) == 7
    suppressed = LeadEvent.kind == EventKind.CONFIRMATION_SUPPRESSED
    assert [count(app, LeadEvent, suppressed, LeadEvent.lead_id == each) for each in ids] == [0, 0, 0, 0, 0, 1, 1]


def test_idempotency_key_replays_the_first_answer(app: Flask, client: FlaskClient) -> None:
    body = lead_body()
    first = post(client, body, Idempotency_Key="one")
    again = post(client, body, Idempotency_Key="one")
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert count(app, Lead) == 1


def test_idempotency_key_outlives_the_ten_minutes(app: Flask, client: FlaskClient) -> None:
    body = lead_body()
    first = post(client, body, Idempotency_Key="one")
    run(app, update(Lead).values(created_at=LONG_AGO))
    assert post(client, body, Idempotency_Key="one").json == first.json


def test_idempotency_key_with_another_body(client: FlaskClient) -> None:
    body = lead_body()
    post(client, body, Idempotency_Key="one")
    answer = post(client, {**body, "last_name": "Other"}, Idempotency_Key="one")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "Idempotency-Key"


def test_after_an_error_the_key_may_be_used_again(client: FlaskClient) -> None:
    assert post(client, lead_body(email="nobody"), Idempotency_Key="one").status_code == 422
    assert post(client, lead_body(), Idempotency_Key="one").status_code == 201


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ä"])
def test_a_malformed_key_is_refused(client: FlaskClient, key: str) -> None:
    answer = post(client, lead_body(), Idempotency_Key=key)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "Idempotency-Key"


def test_twenty_with_one_key_make_one_lead(app: Flask) -> None:
    body = lead_body()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(app.test_client(), body, Idempotency_Key="one"), range(20)))
    statuses = {answer.status_code for answer in answers}
    assert 201 in statuses
    assert statuses <= {201, 409}
    assert count(app, Lead) == 1


def test_a_key_whose_first_request_still_runs(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context(environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        reserve_key("one", owner=key_owner())
    answer = post(client, lead_body(), Idempotency_Key="one")
    assert answer.status_code == 409
    assert int(answer.headers["Retry-After"]) > 0


def upload(client: FlaskClient, content: bytes, name: str, **changes: Any) -> Any:
    """Send a lead with a file."""
    fields = {**lead_body(**changes), "resume": (io.BytesIO(content), name)}
    fields = {name: each for name, each in fields.items() if each is not None}
    return client.post("/public/leads", data=fields, content_type="multipart/form-data")


@pytest.mark.parametrize(("make", "name"), [(pdf_bytes, "CV Amara.pdf"), (docx_bytes, "履歴書.DOCX")])
def test_an_uploaded_file_gets_a_protected_address(app: Flask, client: FlaskClient, make: Any, name: str) -> None:
    content = make()
    answer = upload(client, content, name, resume_url=None)
    assert answer.status_code == 201, answer.json
    lead_id = answer.json["id"]
    assert answer.json["resume_url"].endswith(f"/internal/leads/{lead_id}/resume")
    assert client.get(f"/internal/leads/{lead_id}/resume").status_code == 401
    key = {"X-API-Key": app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()}
    file = client.get(f"/internal/leads/{lead_id}/resume", headers=key)
    assert file.status_code == 200
    assert file.data == content
    kind, named = parse_options_header(file.headers["Content-Disposition"])
    assert (kind, named["filename"]) == ("attachment", name)
    assert file.headers["X-Content-Type-Options"] == "nosniff"


def test_a_link_beside_a_file_is_kept_in_the_event_log(app: Flask, client: FlaskClient) -> None:
    answer = upload(client, pdf_bytes(), "cv.pdf")
    assert answer.json["resume_url"].endswith("/resume")
    assert GOOD_LEAD["resume_url"] in value(app, select(LeadEvent.data))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "cv.pdf"),
        (b"MZ\x90\x00", "cv.pdf"),
        (b"%PDF-1.7 half", "cv.pdf"),
        (pdf_bytes(), "cv.docx"),
        (pdf_bytes(), "cv.exe"),
        (docx_bytes(), "cv.pdf"),
        (b"hello", "cv.txt"),
    ],
)
def test_a_refused_file_stores_nothing(app: Flask, client: FlaskClient, content: bytes, name: str) -> None:
    answer = upload(client, content, name)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == ["resume"]
    assert count(app, Lead) == 0
    assert count(app, Resume) == 0


def test_the_same_file_again_is_the_same_submission(app: Flask, client: FlaskClient) -> None:
    content = pdf_bytes()
    first = upload(client, content, "cv.pdf", email="same@example.com")
    again = upload(client, content, "other name.pdf", email="same@example.com")
    assert again.json == first.json
    assert count(app, Resume) == 1
