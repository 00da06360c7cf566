"""Keeping, attaching and discarding files: whatever happens in between, no object is left that no row knows of."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from alma_leads.common.extensions import db
from alma_leads.database.session import transaction
from alma_leads.leads.core.models import Lead
from alma_leads.resumes import storage
from alma_leads.resumes.models import Resume
from alma_leads.resumes.sandbox.errors import FileTooLarge, RefusedFile
from alma_leads.resumes.service import attach, discard, find_resume, find_unattached, keep_file, purge_unattached, read
from config import ROOT, Settings
from tests.support.desk import add_lead, count, run
from tests.support.factories import docx_bytes, large_pdf, pdf_bytes

DAY = timedelta(days=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def _folder(settings: Settings) -> Path:
    return Path(settings.RESUME_STORAGE_URL.removeprefix("file://"))


def _objects(settings: Settings) -> set[str]:
    folder = _folder(settings)
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def _rows(app: Flask) -> int:
    return count(app, Resume)


def _age(app: Flask) -> None:
    run(app, update(Resume).values(created_at=LONG_AGO))


def _found(storage_name: str) -> Resume | None:
    found = find_unattached(storage_name)
    db.session.close()  # or the next one would see what this one saw
    return found


def _facts(resume: Resume | None) -> tuple[str, str, str, int, str]:
    assert resume is not None
    return (resume.storage_name, resume.file_name, resume.media_type, resume.size_bytes, resume.sha256)


def _keep(content: bytes | None = None, name: str = "Resume.pdf") -> Resume:
    return keep_file(io.BytesIO(content or pdf_bytes()), file_name=name)


def _attach(kept: Resume, lead_id: int) -> bool:
    with transaction() as session:
        return attach(session, kept.storage_name, lead_id=lead_id)


def test_a_file_comes_back_as_it_was_sent(app: Flask) -> None:
    for content, name in ((pdf_bytes(), "Lebenslauf Ödön.pdf"), (docx_bytes(), "cv.docx")):
        kept = _keep(content, name)
        assert _facts(_found(kept.storage_name)) == _facts(kept)
        assert b"".join(read(kept)) == content
        assert (kept.file_name, kept.size_bytes) == (name, len(content))
        lead_id = add_lead(app)
        assert _attach(kept, lead_id)
        assert _found(kept.storage_name) is None
        assert _facts(find_resume(db.session(), lead_id)) == _facts(kept)


def test_a_large_file_is_stored_in_parts(settings: Settings) -> None:
    content = large_pdf()
    assert len(content) > storage.PART_BYTES
    kept = _keep(content)
    assert b"".join(read(kept)) == content
    assert _objects(settings) == {kept.storage_name}


def test_the_place_is_random_and_nobody_else_may_look_into_it(settings: Settings) -> None:
    names = {_keep().storage_name for _ in range(3)}
    assert len(names) == 3
    assert all(len(name) >= 32 and name.isalnum() for name in names)
    assert _objects(settings) == names
    assert stat.S_IMODE(_folder(settings).stat().st_mode) == 0o700
    assert not _folder(settings).is_relative_to(ROOT / "static")


@pytest.mark.parametrize("content", [b"hello", b"", b"%PDF-1.7", pdf_bytes()[:200]])
def test_a_refused_file_leaves_nothing(app: Flask, settings: Settings, content: bytes) -> None:
    with pytest.raises(RefusedFile):
        keep_file(io.BytesIO(content), file_name="a.pdf")
    assert (_rows(app), _objects(settings)) == (0, set())


def test_a_file_that_is_too_large_leaves_nothing(app: Flask, settings: Settings) -> None:
    with pytest.raises(FileTooLarge) as too_large:
        keep_file(io.BytesIO(bytes(settings.RESUME_MAX_BYTES + 1)), file_name="a.pdf")
    assert too_large.value.limit_bytes == settings.RESUME_MAX_BYTES
    assert (_rows(app), _objects(settings)) == (0, set())


class _Breaking(io.BytesIO):
    """A stream that can be read once, and then breaks: inspected, but not stored."""

    rounds = 0

    def seek(self, where: int, whence: int = os.SEEK_SET) -> int:
        self.rounds += where == 0 and whence == os.SEEK_SET
        return super().seek(where, whence)

    def read(self, size: int | None = -1) -> bytes:
        if self.rounds > 2:
            raise ConnectionAbortedError
        return super().read(size)


def test_a_failing_storage_leaves_nothing(app: Flask, settings: Settings) -> None:
    with pytest.raises(OSError, match="ConnectionAborted"):
        keep_file(_Breaking(large_pdf()), file_name="a.pdf")
    assert (_rows(app), _objects(settings)) == (0, set())


def test_a_storage_that_also_cannot_delete_is_left_to_the_sweep(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(storage, "put", fail)
        broken.setattr(storage, "delete", fail)
        with pytest.raises(OSError, match="no space left"):
            _keep()
        assert _rows(app) == 1
        assert purge_unattached(older_than=DAY) == 0  # tried, failed, still known
        assert _rows(app) == 1
    assert purge_unattached(older_than=DAY) == 1
    assert (_rows(app), _objects(settings)) == (0, set())


def test_a_lost_transaction_leaves_the_file_to_be_swept(app: Flask, settings: Settings) -> None:
    kept, lead_id = _keep(), add_lead(app)
    with Session(db.engine) as session:  # which is never committed
        assert attach(session, kept.storage_name, lead_id=lead_id)
    assert _facts(_found(kept.storage_name)) == _facts(kept)
    assert purge_unattached(older_than=DAY) == 0  # young: its form may still be open
    _age(app)
    assert purge_unattached(older_than=DAY) == 1
    assert (_rows(app), _objects(settings)) == (0, set())


def test_a_file_has_one_owner(app: Flask) -> None:
    kept = _keep()
    first, second = add_lead(app), add_lead(app)
    assert _attach(kept, first)
    assert not _attach(kept, second)
    assert not _attach(Resume(storage_name="unknown"), second)


def test_discarding_removes_both_at_once_and_twice_is_fine(app: Flask, settings: Settings) -> None:
    kept = _keep()
    discard(kept.storage_name)
    discard(kept.storage_name)
    discard("never heard of")
    assert (_rows(app), _objects(settings)) == (0, set())
    assert not _attach(kept, add_lead(app))
    with pytest.raises(FileNotFoundError):
        read(kept)


def test_a_discarded_file_is_gone_even_while_its_object_is_not(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _keep()

    def fail(*_args: Any) -> None:
        raise OSError

    monkeypatch.setattr(storage, "delete", fail)
    discard(kept.storage_name)
    assert _rows(app) == 1
    assert _found(kept.storage_name) is None
    assert not _attach(kept, add_lead(app))


def test_nothing_takes_a_file_from_its_lead(app: Flask) -> None:
    kept, lead_id = _keep(), add_lead(app)
    assert _attach(kept, lead_id)
    _age(app)
    discard(kept.storage_name)
    assert purge_unattached(older_than=timedelta(0)) == 0
    assert b"".join(read(kept))


def test_a_deleted_lead_leaves_its_file_to_the_sweep(app: Flask, settings: Settings) -> None:
    kept, lead_id = _keep(), add_lead(app)
    assert _attach(kept, lead_id)
    _age(app)
    run(app, delete(Lead).where(Lead.id == lead_id))
    assert purge_unattached(older_than=DAY) == 1
    assert (_rows(app), _objects(settings)) == (0, set())


def test_a_sweep_takes_everything_and_steps_over_what_fails(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [_keep() for _ in range(5)]
    delete, stuck = storage.delete, kept[1].storage_name

    def delete_most(url: str, name: str) -> None:
        if name == stuck:
            raise OSError
        delete(url, name)

    monkeypatch.setattr(storage, "delete", delete_most)
    monkeypatch.setattr("alma_leads.resumes.service.PURGE_BATCH", 2)
    _age(app)
    assert purge_unattached(older_than=DAY) == 4
    assert _objects(settings) == {stuck}
    assert _rows(app) == 1
