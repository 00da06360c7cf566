"""Leads from before today's rules: nothing that shows them fails, and no page leads where no link may lead today."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.leads.core.emails import notification
from alma_leads.leads.core.schemas import LeadIn
from tests.conftest import API_KEY
from tests.support.desk import HTML, add_lead, add_person, csrf, get, run, sign_in
from tests.support.outbox import rendered

KEY = {"X-API-Key": API_KEY}
ODD = [
    f"https://{'a' * 64}.com/cv",
    "https://a..b.com",
    "https://.example.com",
    "https://example../",
    "https://xn--a.com/x",
    "https://exa\u2100mple.com/",
    "https://x.co:99999/",
    "https://user@x.co/",
    "http://[::1]:8080/cv",
    "http://[::1",
    "http://2130706433/",
    "http://printer.local/cv",
    "drive.google.com/x",
    "javascript:alert(1)",
    "https://",
]
SAME = ["https://faß.de/cv", "https://drive。google。com/x"]
MARKS = "a" + "\u0315\u0300\u05ae" * 33


@pytest.fixture
def old(app: Flask, client: FlaskClient) -> dict[int, str]:
    """Return links by the numbers of the leads that hold them."""
    add_person(app)
    sign_in(client)
    links = {add_lead(app): link for link in (*ODD, *SAME)}
    for lead_id, link in links.items():
        change = "UPDATE leads SET resume_url = :link, first_name = :name, email = :email WHERE id = :id"
        run(app, change, link=link, name=MARKS, email=f"{'x' * 70}@example.com", id=lead_id)
    return links


def test_every_page_and_export_shows_them(client: FlaskClient, old: dict[int, str]) -> None:
    assert len(get(client, "/internal/leads?status=").names()) == len(old)
    listed = client.get("/internal/leads", headers=KEY)
    assert {lead["id"]: lead["resume_url"] for lead in listed.json} == old
    for kind in ("csv", "ndjson", "xlsx"):
        assert client.get(f"/internal/leads.{kind}", headers=KEY).status_code == 200
    for lead_id, link in old.items():
        lead = client.get(f"/internal/leads/{lead_id}", headers=KEY)
        assert lead.json["resume_url"] == link
        assert client.get(f"/internal/leads/{lead_id}/resume", headers=KEY).status_code == 409
        for page in (get(client, f"/internal/leads/{lead_id}"), get(client, f"/internal/leads/{lead_id}/resume")):
            outside = [
                a.get("href") for a in page.all("a") if not (a.get("href") or "").startswith(("/", "#", "mailto:"))
            ]
            if link in ODD:
                assert outside == []
                assert link in page.text
            else:
                assert outside == ["https://xn--fa-hia.de/cv" if "fa" in link else "https://drive.google.com/x"]
                assert outside[0] in page.text


def test_their_email_can_be_sent_again(app: Flask) -> None:
    for link in (*ODD, *SAME):
        lead = LeadIn.model_construct(first_name=MARKS, last_name="Li", email="a@example.com", resume_url=link)
        with app.app_context():
            message = rendered(notification(lead, lead_id=1, attorney_email=None, file_name=None, earlier=[]))
        host = "a link" if link in ODD else "xn--fa-hia.de" if "fa" in link else "drive.google.com"
        assert f"Resume    {host}\n" in message.text


def test_a_new_one_is_refused_at_its_field(client: FlaskClient) -> None:
    body = {"first_name": "A", "last_name": "B", "email": "a@example.com", "resume_url": ODD[0]}
    answer = client.post("/public/leads", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == ["resume_url"]
    page = client.post("/", data={**body, "csrf_token": csrf(client, "/")}, headers=HTML)
    assert page.status_code == 422
    assert "one of its parts is empty or too long" in page.text


def test_the_same_link_with_and_without_a_scheme_is_one_submission(client: FlaskClient) -> None:
    body = {"first_name": "A", "last_name": "B", "email": "a@example.com", "resume_url": "drive.google.com/x"}
    first = client.post("/public/leads", json=body)
    assert first.json["resume_url"] == "https://drive.google.com/x"
    again = client.post("/public/leads", json={**body, "resume_url": "https://drive.google.com/x"})
    assert again.json == first.json
