"""Finding leads by words of their resumes: on the desk, in views, exports and counts, and through the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.common.extensions import db
from alma_leads.database.transactions import transaction_on
from alma_leads.leads.resume_text.resume_texts import store_text
from alma_leads.resumes.sandbox.words import words_of
from config import Settings
from tests.conftest import API_KEY
from tests.integration.resumes.test_resume_page import _add as add_read_resume
from tests.support.desk import HTML, add_lead, add_person, get, post, sign_in, value
from tests.support.factories import pdf_with_text

KEY = {"X-API-Key": API_KEY}


@pytest.fixture
def settings(make_settings: Callable[..., Settings], sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: `test_lists` looks at both databases."""
    return make_settings(DATABASE_URL=sqlite_url)


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator, and two leads with resumes."""
    add_person(app)
    sign_in(client)
    for name, text in (("Ödön", "Études of patent law, <b>law</b>"), ("Ama", "law of the sea")):
        lead_id = add_lead(app, first_name=name)
        with app.app_context(), transaction_on(db.engine) as connection:
            store_text(connection, lead_id, text, words_of(text))
    add_lead(app, first_name="Law", last_name="Etudes")
    return client


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("law", ["Ama Maryada", "Ödön Maryada"]),
        ("LAW etudes", ["Ödön Maryada"]),
        ("étUdes, law!", ["Ödön Maryada"]),
        ("la", []),
        ("law AND nothing", []),
        (" ", ["Law Etudes", "Ama Maryada", "Ödön Maryada"]),
    ],
)
def test_whole_words_in_any_order(desk: FlaskClient, words: str, names: list[str]) -> None:
    assert get(desk, f"/internal/leads?resume={words}").names() == names
    assert len(desk.get(f"/internal/leads?resume={words}", headers=KEY).json) == len(names)


@pytest.mark.parametrize("words", ["--", '"', "a" * 201, "1 2 3 4 5 6 7 8 9 10 11", "a%00b"])
def test_what_holds_no_word_or_too_many_is_refused(desk: FlaskClient, words: str) -> None:
    answer = desk.get(f"/internal/leads?resume={words}", headers=KEY)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == ["resume"]


def test_search_offers_to_look_into_resumes_instead(desk: FlaskClient) -> None:
    page = get(desk, "/internal/leads?q=patent&status=PENDING")
    assert page.names() == []
    [link] = [link for link in page.all("a") if "".join(link.itertext()) == "Search resumes for “patent” instead"]
    there = get(desk, link.get("href") or "")
    assert there.names() == ["Ödön Maryada"]
    assert "Search resumes for" not in there.text
    assert there.all("input", name="resume", value="patent")
    nothing = get(desk, "/internal/leads?resume=nowhere")
    assert "No lead with “nowhere” in the resume" in nothing.text


def test_the_lead_page_shows_where_it_says_it(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_read_resume(app, pdf_with_text("Study of <b>membrane</b> proteins"))
    [address] = {
        link.get("href") or "" for link in get(desk, "/internal/leads?resume=proteins+study").all("a", class_="name")
    }
    assert address == f"/internal/leads/{lead_id}?resume=proteins+study"
    page = get(desk, address)
    assert ["".join(mark.itertext()) for mark in page.all("mark")] == ["Study", "proteins"]
    assert "Study of <b>membrane</b> proteins" in page.text
    assert get(desk, "/internal/leads?resume=MEMBRANE").names() == ["Sai Maryada"]


def test_views_exports_and_counts_know_the_filter(app: Flask, desk: FlaskClient) -> None:
    assert desk.get("/internal/leads/new?after=0&resume=law").json["count"] == 2
    page = get(desk, "/internal/leads?resume=law")
    assert [link for link in page.all("a") if "leads.csv?resume=law" in (link.get("href") or "")]
    assert len(desk.get("/internal/leads.csv?resume=patent", headers=HTML).text.splitlines()) == 2
    written = value(app, select(AuditEvent.data).where(AuditEvent.action == Action.LEADS_EXPORTED))
    assert written["searched_resumes"] is True
    assert "patent" not in str(written)
    post(desk, "/internal/views", query="resume=law", name="Law")
    saved = get(desk, "/internal/leads")
    assert [link for link in saved.all("a") if link.get("href") == "/internal/leads?resume=law"]
    assert "With “law” in the resume" in get(desk, "/internal/views").text
