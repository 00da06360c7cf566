"""An upload whose turn to be inspected does not come: what its sender reads, and what everyone else can still do."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from alma_leads.common.extensions import db
from alma_leads.leads.resume_text.resume_service import read_next_resume
from alma_leads.resumes import turns
from alma_leads.resumes.models import Resume
from alma_leads.resumes.service import installation
from alma_leads.resumes.turns import person_turn
from tests.integration.leads.resume_text.test_resume_previews import add_resume
from tests.support.desk import count, token
from tests.support.factories import lead_body, pdf_bytes
from tests.support.pages import StrictClient


def _multipart(**more: str) -> dict[str, object]:
    fields = {name: text for name, text in lead_body().items() if name != "resume_url"}
    return fields | more | {"resume": (io.BytesIO(pdf_bytes()), "CV.pdf")}


@contextmanager
def _busy() -> Iterator[None]:
    """Have the files of two others inspected during the block."""
    with person_turn(installation(), "192.0.2.1"), person_turn(installation(), "192.0.2.2"):
        yield


def test_an_upload_that_waited_in_vain_is_told_when_to_come_again(
    app: Flask, client: StrictClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.5)
    csrf_token = token(client.get("/"))
    with app.app_context(), _busy():
        answer = client.post("/public/leads", data=_multipart())
        page = client.post("/", data=_multipart(csrf_token=csrf_token, first_name="Amara"))
        assert client.post("/public/leads", json=lead_body()).status_code == 201
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "or give a link" in answer.get_json()["detail"]
    assert (page.status_code, page.headers["Retry-After"]) == (503, "10")
    assert 'value="Amara"' in page.text
    assert "or give a link" in page.text
    assert count(app, Resume) == 0


def test_who_waits_holds_no_connection_and_workers_go_on(app: Flask) -> None:
    answers = []

    def send() -> None:
        answers.append(app.test_client().post("/public/leads", data=_multipart()).status_code)

    sender = threading.Thread(target=send)
    with app.app_context():
        add_resume()
        with _busy():
            sender.start()
            time.sleep(1)
            assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
            assert read_next_resume(threading.Event())
            assert answers == []
        sender.join()
    assert answers == [201]
