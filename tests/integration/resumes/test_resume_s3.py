"""Keeping files in S3: a real server that speaks its protocol, and one that does not answer."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from flask import Flask
from moto.server import ThreadedMotoServer
from sqlalchemy import select, update
from structlog.testing import capture_logs

from alma_leads.database.deadlines import Outage
from alma_leads.resumes import storage
from alma_leads.resumes.models import Resume
from alma_leads.resumes.service import discard, keep_file, purge_unattached, read
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import HTML, count, run, token, value
from tests.support.factories import large_pdf, lead_body, pdf_bytes
from tests.support.relay import frozen, relay

MakeApp = Callable[[Settings], Flask]


@contextmanager
def _server(monkeypatch: pytest.MonkeyPatch, bucket: str) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"}
        with urlopen(Request(f"http://{host}:{port}/{bucket}", method="PUT", headers=signed)):
            pass
        yield f"http://{host}:{port}/{bucket}"
    finally:
        server.stop()


def test_files_live_in_s3_as_well(make_settings: MakeSettings, make_app: MakeApp, sqlite_url: str) -> None:
    with pytest.MonkeyPatch.context() as environment, _server(environment, "resumes") as address:
        app = make_app(make_settings(DATABASE_URL=sqlite_url, RESUME_STORAGE_URL="s3://resumes/some/folder"))
        with app.app_context():
            small = keep_file(io.BytesIO(pdf_bytes()), file_name="a.pdf")
            large = keep_file(io.BytesIO(large_pdf()), file_name="b.pdf")
            with urlopen(f"{address}?list-type=2") as listed:
                assert f"some/folder/{small.storage_name}" in listed.read().decode()
            assert b"".join(read(small))
            assert b"".join(read(large)) == large_pdf()
            discard(small.storage_name)
            run(app, update(Resume).values(created_at=datetime(2020, 1, 1, tzinfo=UTC)))
            assert purge_unattached(older_than=timedelta(days=1)) == 1
            assert count(app, Resume) == 0
            for kept in (small, large):
                with pytest.raises(FileNotFoundError):
                    read(kept)


def test_an_s3_that_does_not_answer_leaves_the_row_for_the_sweep(
    make_settings: MakeSettings, make_app: MakeApp, sqlite_url: str
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, RESUME_STORAGE_URL="s3://gone"))
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        with app.app_context(), pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
            keep_file(io.BytesIO(pdf_bytes()), file_name="a.pdf")
        assert count(app, Resume) == 1
        assert value(app, select(Resume.discarded_at)) is not None


def test_an_s3_that_is_frozen_holds_nobody_up(
    make_settings: MakeSettings, make_app: MakeApp, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "SILENCE", timedelta(seconds=0.5))
    monkeypatch.setattr(storage, "RETRY_FOR", timedelta(seconds=0.6))
    monkeypatch.setattr(storage, "_outage", Outage(60))
    app = make_app(make_settings(DATABASE_URL=sqlite_url, RESUME_STORAGE_URL="s3://frozen/folder"))
    client = app.test_client()

    def upload() -> None:
        data = lead_body() | {"csrf_token": token(client.get("/")), "resume": (io.BytesIO(pdf_bytes()), "a.pdf")}
        began = time.monotonic()
        answer = client.post("/", data=data, headers=HTML)
        assert time.monotonic() - began < 10
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        page = answer.get_data(as_text=True)
        assert "Maryada" in page
        assert "Choose the file again" in page

    with (
        pytest.MonkeyPatch.context() as environment,
        _server(environment, "frozen") as address,
        relay("127.0.0.1", str(urlsplit(address).port)) as between,
    ):
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{between.port}")
        with frozen(between.pid):
            upload()
            with capture_logs() as logs:
                upload()
            assert any("StoreSilent" in entry.get("error", "") for entry in logs)  # it was not tried
            assert client.post("/public/leads", json=lead_body()).status_code == 201
