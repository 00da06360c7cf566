"""Uploads where the disk is nearly full, or full, or where a client has left too many files: links go on."""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.resumes.models import Resume
from alma_leads.server.web import limits_of
from alma_leads.web.public import intake
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import count, token
from tests.support.factories import large_pdf, lead_body, pdf_bytes
from tests.support.served import served

INSTEAD = "Give a link to your resume instead"


def _multipart(content: bytes | None = None, **more: str) -> dict[str, Any]:
    fields = {name: text for name, text in lead_body().items() if name != "resume_url"}
    return fields | more | {"resume": (io.BytesIO(content or pdf_bytes()), "CV.pdf")}


class TestReserve:
    """More is to be kept free than any disk has."""

    @pytest.fixture
    def settings(self, make_settings: MakeSettings, database_url: str) -> Settings:
        return make_settings(DATABASE_URL=database_url, RESUME_DISK_RESERVE_BYTES=2**50)

    def test_uploads_are_refused_and_links_go_on(self, app: Flask, client: FlaskClient) -> None:
        answer = client.post("/public/leads", data=_multipart())
        assert (answer.status_code, answer.mimetype) == (507, "application/problem+json")
        assert INSTEAD in answer.get_json()["detail"]
        csrf_token = token(client.get("/"))
        page = client.post("/", data=_multipart(csrf_token=csrf_token, first_name="Amara"))
        assert page.status_code == 507
        assert INSTEAD in page.text
        assert 'value="Amara"' in page.text
        assert count(app, Resume) == 0
        assert client.post("/public/leads", json=lead_body()).status_code == 201
        assert client.post("/", data=lead_body(csrf_token=csrf_token)).status_code == 303

    def test_the_desk_says_so_and_readyz_warns(self, desk: FlaskClient) -> None:
        assert "uploads are refused" in desk.get("/internal/outbox", headers={"Accept": "text/html"}).text
        ready = desk.get("/readyz")
        assert ready.status_code == 200
        assert ["Uploads are refused" in warning for warning in ready.get_json()["warnings"]] == [True]


def test_with_room_nothing_warns(desk: FlaskClient) -> None:
    assert desk.get("/readyz").get_json()["warnings"] == []
    assert "uploads are refused" not in desk.get("/internal/outbox", headers={"Accept": "text/html"}).text


class TestQuota:
    """A client may leave two mebibytes a day, counted in whole ones."""

    @pytest.fixture
    def settings(self, make_settings: MakeSettings, database_url: str) -> Settings:
        return make_settings(DATABASE_URL=database_url, RESUME_MAX_BYTES=100_000, TRUSTED_PROXIES=1)

    def test_files_of_forms_with_errors_count(
        self, app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(intake, "KEPT_MEBIBYTES_A_DAY", 2)
        csrf_token = token(client.get("/"))

        def send(address: str = "203.0.113.1", **fields: Any) -> Any:
            data = _multipart(csrf_token=csrf_token) | fields
            return client.post("/", data=data, headers={"X-Forwarded-For": address})

        def kept() -> int:
            return count(app, Resume, Resume.discarded_at.is_(None), Resume.lead_id.is_(None))

        assert send().status_code == 303  # what is attached does not count
        for _ in range(2):
            assert send(email="nobody").status_code == 422
        assert kept() == 2
        for fields in ({"email": "nobody"}, {}):
            page = send(**fields)
            assert page.status_code == 429
            assert INSTEAD in page.text
            assert int(page.headers["Retry-After"]) > 0
        assert kept() == 2
        data = lead_body(csrf_token=csrf_token)
        assert client.post("/", data=data, headers={"X-Forwarded-For": "203.0.113.1"}).status_code == 303
        assert send("203.0.113.2", email="nobody").status_code == 422


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 128 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a disk takes rights that these tests do not have")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_full_is_no_fault_of_ours(
    make_app: Any, make_settings: MakeSettings, sqlite_url: str, tiny_disk: Path
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, RESUME_STORAGE_URL=f"file://{tiny_disk}"))
    client = app.test_client()
    csrf_token = token(client.get("/"))
    answer = client.post("/public/leads", data=_multipart(large_pdf(300_000)))
    assert answer.status_code == 507
    assert INSTEAD in answer.get_json()["detail"]
    page = client.post("/", data=_multipart(large_pdf(300_000), csrf_token=csrf_token, last_name="Ö"))
    assert page.status_code == 507
    assert INSTEAD in page.text
    assert 'value="Ö"' in page.text
    assert count(app, Resume) == 0
    assert client.post("/public/leads", json=lead_body()).status_code == 201


def test_a_body_that_the_server_cannot_spool_is_refused_with_the_same_words(
    make_app: Any, make_settings: MakeSettings, sqlite_url: str, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url))
    monkeypatch.setattr(tempfile, "tempdir", str(tiny_disk))
    with served(app, limits_of(app, app.config["SETTINGS"])) as port:
        files = {"resume": ("cv.pdf", large_pdf())}
        answer = requests.post(f"http://127.0.0.1:{port}/public/leads", data=lead_body(), files=files, timeout=20)
    assert answer.status_code == 507
    assert INSTEAD in answer.json()["detail"]
