"""What workers read from resumes: once each, never lost, given up after a few tries, gone with its lead."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import column, delete, func, select, table, update

from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.core.models import Lead
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.intake.submission import Submission
from alma_leads.leads.intake.submission_service import submit_lead
from alma_leads.leads.resume_text import resume_service
from alma_leads.leads.resume_text.models import ResumeText
from alma_leads.leads.resume_text.resume_service import read_next_resume, read_resumes_again
from alma_leads.leads.resume_text.resume_texts import find_text
from alma_leads.resumes import storage
from alma_leads.resumes.models import Resume
from alma_leads.resumes.previews import claim_unread, has_unread
from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.service import find_resume, keep_file, purge_unattached, read_picture
from config import ROOT, Settings
from tests.integration.outbox.test_outbox_delivery import environment_of
from tests.support.desk import add_lead, count, run, value
from tests.support.factories import docx_bytes, lead_body, pdf_with_text

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def add_resume(content: bytes = b"", name: str = "CV.pdf") -> int:
    """Submit a lead with a file, and return its number."""
    kept = keep_file(io.BytesIO(content or pdf_with_text("Amara Okafor\nÉtudes à Zürich")), file_name=name)
    return submit_lead(Submission(LeadIn(**{**lead_body(), "resume_url": None}), kept)).lead.id


def _work() -> int:
    done = 0
    while read_next_resume(threading.Event()):
        done += 1
    return done


def _resume(lead_id: int) -> Resume:
    found = find_resume(db.session(), lead_id)
    db.session.close()  # or the next one would see what this one saw
    assert found is not None
    return found


def _text(lead_id: int) -> str:
    return find_text(lead_id)


def _age(app: Flask) -> None:
    run(app, update(Resume).where(Resume.preview_due_at.is_not(None)).values(preview_due_at=LONG_AGO))


def test_a_worker_reads_each_file_once(app: Flask) -> None:
    first, second, link = add_resume(), add_resume(docx_bytes("Lagos"), "CV.docx"), add_lead(app)
    assert (_resume(first).preview, _text(first)) == ("pending", "")
    assert _work() == 2
    assert _work() == 0
    pdf, docx = _resume(first), _resume(second)
    assert (pdf.preview, pdf.pages, pdf.picture_width, pdf.picture_height) == ("made", 1, 1000, 1295)
    assert b"".join(read_picture(pdf)).startswith(b"RIFF")
    assert (docx.preview, docx.pages, docx.picture_width) == ("made", None, None)
    assert (_text(first), _text(second), _text(link)) == ("Amara Okafor\nÉtudes à Zürich", "Lagos", "")
    with pytest.raises(FileNotFoundError):
        read_picture(docx)


def test_the_newest_file_is_read_first(app: Flask) -> None:
    old, new = add_resume(), add_resume()
    read_next_resume(threading.Event())
    assert (_resume(old).preview, _resume(new).preview) == ("pending", "made")


def test_a_file_that_belongs_to_nobody_is_not_read() -> None:
    keep_file(io.BytesIO(pdf_with_text("x")), file_name="CV.pdf")
    assert _work() == 0


def test_what_cannot_be_read_is_tried_three_times(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_more: Any) -> None:
        raise RefusedFile(Reason.TOO_COMPLEX)

    lead_id = add_resume()
    with monkeypatch.context() as broken:
        broken.setattr(resume_service, "read_in_sandbox", refuse)
        for _ in range(2):
            assert _work() == 1
            assert _work() == 0  # not before some minutes are over
            assert _resume(lead_id).preview == "pending"
            _age(app)
        assert _work() == 1
    assert (_resume(lead_id).preview, _resume(lead_id).preview_failure) == ("none", "TOO_COMPLEX")
    _age(app)
    assert _work() == 0
    assert read_resumes_again(everything=False) == 1
    assert _work() == 1
    assert (_resume(lead_id).preview, _resume(lead_id).preview_failure) == ("made", None)


def test_a_file_that_was_lost_is_given_up_at_once(app: Flask, settings: Settings) -> None:
    lead_id = add_resume()
    storage.delete(settings.RESUME_STORAGE_URL, _resume(lead_id).storage_name)
    assert _work() == 1
    assert (_resume(lead_id).preview, _resume(lead_id).preview_failure) == ("none", "LOST")


def test_a_storage_that_is_down_does_not_count_against_the_file(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> None:
        raise OSError("no route to host")

    lead_id = add_resume()
    for _ in range(5):
        with monkeypatch.context() as broken:
            broken.setattr(storage, "put", fail)
            with pytest.raises(OSError, match="no route"):
                _work()
        _age(app)
    assert _work() == 1
    assert _resume(lead_id).preview == "made"


def test_what_the_database_cannot_keep_is_given_up(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> None:
        raise ValueError("not that text")

    lead_id, other = add_resume(), add_resume()
    with monkeypatch.context() as broken:
        broken.setattr(resume_service, "store_text", fail)
        for _ in range(6):
            with pytest.raises(ValueError, match="not that text"):
                _work()
            _age(app)
        assert _work() == 1
    assert [_resume(each).preview_failure for each in (lead_id, other)] == ["TOO_COMPLEX"] * 2


def test_two_workers_do_not_read_the_same_file() -> None:
    add_resume()
    assert has_unread(db.session(), now=utc_now())
    with transaction() as session:
        assert claim_unread(session, now=utc_now()) is not None
        assert claim_unread(session, now=utc_now()) is None


DYING = """
import os, signal, sys, threading
from alma_leads.app import create_app
from alma_leads.leads.resume_text import resume_service
from config import Settings

def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(resume_service if sys.argv[1] != "put" else resume_service.storage, sys.argv[1], die)
with create_app(Settings(_env_file=None)).app_context():
    resume_service.read_next_resume(threading.Event())
"""


@pytest.mark.parametrize("where", ["read_in_sandbox", "put", "save_preview"])
def test_what_a_killed_worker_had_in_hand_is_found_again(app: Flask, settings: Settings, where: str) -> None:
    lead_id = add_resume()
    died = subprocess.run(
        [sys.executable, "-c", DYING, where], cwd=ROOT, env=environment_of(settings), timeout=60, check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert _work() == 0  # it may still be at it
    assert _resume(lead_id).preview == "pending"
    _age(app)
    assert _work() == 1
    assert _resume(lead_id).preview == "made"


def test_a_file_that_workers_die_of_is_given_up(app: Flask) -> None:
    lead_id = add_resume()
    run(app, update(Resume).values(preview_tries=3))
    assert _work() == 1
    assert (_resume(lead_id).preview, _resume(lead_id).preview_failure) == ("none", "TOO_COMPLEX")


def test_a_killed_reader_is_no_killed_worker(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen

    def start(*args: Any, **more: Any) -> subprocess.Popen[bytes]:
        process = real(*args, **more)
        os.kill(process.pid, signal.SIGKILL)
        return process

    lead_id = add_resume()
    with monkeypatch.context() as deadly:
        deadly.setattr(subprocess, "Popen", start)
        assert _work() == 1
    _age(app)
    assert _work() == 1
    assert _resume(lead_id).preview == "made"


def test_a_worker_that_is_stopped_gives_the_file_back(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    real = subprocess.Popen

    def start(*args: Any, **more: Any) -> subprocess.Popen[bytes]:
        process = real(*args, **more)
        os.kill(process.pid, signal.SIGSTOP)
        stop.set()
        return process

    lead_id = add_resume()
    with monkeypatch.context() as slow:
        slow.setattr(subprocess, "Popen", start)
        began = time.monotonic()
        read_next_resume(stop)
    assert time.monotonic() - began < 2
    assert _work() == 1
    assert _resume(lead_id).preview == "made"


def _objects(settings: Settings) -> list[str]:
    return sorted(path.name for path in Path(settings.RESUME_STORAGE_URL.removeprefix("file://")).iterdir())


def test_picture_and_text_go_with_their_lead(app: Flask, settings: Settings) -> None:
    lead_id, stays = add_resume(), add_resume()
    assert _work() == 2
    assert len(_objects(settings)) == 4
    run(app, delete(Lead).where(Lead.id == lead_id))
    run(app, update(Resume).values(created_at=LONG_AGO))
    assert value(app, select(ResumeText.lead_id)) == stays
    if db.engine.dialect.name == "sqlite":
        index = table("resume_texts_search", column("resume_texts_search"))
        found = select(func.count()).select_from(index).where(index.c.resume_texts_search.match("okafor"))
        assert value(app, found) == 1
    assert purge_unattached() == 1
    name = _resume(stays).storage_name
    assert _objects(settings) == [name, f"{name}-page-1"]


def test_a_file_is_not_swept_while_a_worker_reads_it(app: Flask, settings: Settings) -> None:
    lead_id = add_resume()
    with transaction() as session:
        claimed = claim_unread(session, now=utc_now())
    assert claimed is not None
    run(app, delete(Lead).where(Lead.id == lead_id))
    run(app, update(Resume).values(created_at=LONG_AGO))
    assert purge_unattached() == 0
    resume_service._save(claimed, resume_service._read(claimed, threading.Event()))
    assert count(app, ResumeText) == 0
    _age(app)
    assert purge_unattached() == 1
    assert _objects(settings) == []


def hostile_docx() -> bytes:
    """Return a DOCX of a few kilobytes whose text is 190,000 combining marks, in the order that is worst to sort."""
    return docx_bytes("a" + "\u0315\u0300\u05ae" * 63_333)


def test_a_hostile_text_keeps_nobody_waiting(app: Flask, client: FlaskClient) -> None:
    content = hostile_docx()
    assert len(content) < 10_000
    lead_id = add_resume(content, "CV.docx")
    waits = []

    def read() -> None:
        with app.app_context():
            read_next_resume(threading.Event())

    reader = threading.Thread(target=read)
    reader.start()
    while reader.is_alive():
        began = time.monotonic()
        assert client.post("/public/leads", json=lead_body()).status_code == 201
        waits.append(time.monotonic() - began)
    reader.join()
    assert max(waits) < 1
    assert (_resume(lead_id).preview, len(_text(lead_id))) == ("made", 189_999 + 1)
