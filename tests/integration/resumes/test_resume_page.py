"""What the lead page shows of an uploaded resume: a picture, how its text begins, or why there is neither."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from alma_leads.accounts.core.models import UserSession
from alma_leads.leads.resume_text.resume_service import read_next_resume
from alma_leads.resumes.models import Preview, Resume
from config import Settings
from tests.integration.leads.resume_text.test_resume_previews import add_resume
from tests.support.desk import HTML, add_lead, add_person, get, run, sign_in, value
from tests.support.factories import docx_bytes, pdf_with_text

SCRIPT = {"HX-Request": "true", "HX-Target": "cv"}


@pytest.fixture
def settings(make_settings: Callable[..., Settings], sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: what the page says does not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator."""
    add_person(app)
    sign_in(client)
    return client


def _add(app: Flask, content: bytes, name: str = "CV.pdf", *, read: bool = True) -> int:
    with app.app_context():
        lead_id = add_resume(content, name)
        if read:
            read_next_resume(threading.Event())
    return lead_id


def test_the_first_page_is_shown_as_a_picture_beside_the_download(app: Flask, desk: FlaskClient) -> None:
    lead_id = _add(app, pdf_with_text("one", "two"))
    page = get(desk, f"/internal/leads/{lead_id}")
    [picture] = page.all("img")
    assert picture.get("alt") == "First page of the resume of Sai Maryada"
    assert (picture.get("width"), picture.get("height")) == ("1000", "1295")
    assert "PDF, 2 pages, 1 kB" in page.text
    answer = desk.get(picture.get("src") or "")
    assert answer.status_code == 200
    assert answer.data[8:12] == b"WEBP"
    assert dict(answer.headers) | {
        "Content-Type": "image/webp",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    } == dict(answer.headers)


def test_of_a_word_document_its_beginning_is_shown(app: Flask, desk: FlaskClient) -> None:
    lead_id = _add(app, docx_bytes("Amara &lt;b&gt; " + "word " * 300 + "the end"), "CV.docx")
    page = get(desk, f"/internal/leads/{lead_id}")
    [beginning] = page.all("div", class_="begin")
    said = "".join(beginning.itertext())
    assert said.startswith("Amara <b> word")
    assert said.endswith("word …")
    assert "Word document, 1 kB" in page.text
    assert desk.get(f"/internal/leads/{lead_id}/resume/page-1").status_code == 404


def test_a_page_that_lies_open_looks_a_few_times_and_moves_no_session_on(app: Flask, desk: FlaskClient) -> None:
    lead_id = _add(app, pdf_with_text("one"), read=False)
    where, waits = f"/internal/leads/{lead_id}/resume/preview?look=1", []
    [part] = get(desk, f"/internal/leads/{lead_id}").all("div", class_="cv")
    assert part.get("hx-get") == where
    future = datetime(2099, 1, 1, tzinfo=UTC)
    run(app, update(UserSession).values(last_seen_at=future))
    while where:
        words = desk.get(where, headers=SCRIPT).text
        assert "is being made" in words
        where, _, rest = words.partition('hx-get="')[2].partition('"')
        waits += [rest.partition("delay:")[2].partition("s")[0]] if where else []
    assert waits == ["4", "8", "16", "32", "64"]
    assert value(app, select(UserSession.last_seen_at)) == future
    with app.app_context():
        read_next_resume(threading.Event())
    words = desk.get(f"/internal/leads/{lead_id}/resume/preview?look=1", headers=SCRIPT).text
    assert "page-1" in words
    assert "hx-get" not in words
    assert desk.get(f"/internal/leads/{lead_id}/resume/preview", headers=HTML).status_code == 303


@pytest.mark.parametrize(
    ("failure", "words"), [("TOO_COMPLEX", "too complicated"), ("LOCKED", "password"), ("LOST", "lost")]
)
def test_it_says_why_there_is_no_picture(app: Flask, desk: FlaskClient, failure: str, words: str) -> None:
    lead_id = _add(app, pdf_with_text("one"), read=False)
    run(app, update(Resume).values(preview=Preview.NONE, preview_failure=failure))
    page = get(desk, f"/internal/leads/{lead_id}")
    assert words in page.text
    assert page.all("a", href=f"/internal/leads/{lead_id}/resume")


def test_what_is_not_there_is_not_found(app: Flask, desk: FlaskClient, settings: Settings) -> None:
    link = add_lead(app)
    for lead_id in (link, 99):
        assert desk.get(f"/internal/leads/{lead_id}/resume/page-1", headers=HTML).status_code == 404
    assert desk.get("/internal/leads/99/resume/preview", headers=SCRIPT).status_code == 404
    assert 'id="cv"' not in get(desk, f"/internal/leads/{link}").html


def test_the_operator_has_files_read_again(app: Flask, desk: FlaskClient) -> None:
    lead_id = _add(app, pdf_with_text("one"))
    for option, words in (([], "Queued 0 resumes"), (["--all"], "Queued 1 resume ")):
        answer = app.test_cli_runner().invoke(args=["resumes", "reread", *option])
        assert answer.exit_code == 0, answer.output
        assert answer.output.startswith(words)
    assert "is being made" in get(desk, f"/internal/leads/{lead_id}").text
