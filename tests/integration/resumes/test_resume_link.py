"""A resume that is a link: nothing of ours follows it, or sends anyone there who did not ask to go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.serving import make_server

from alma_leads.leads.core.models import Lead
from tests.conftest import API_KEY
from tests.support.desk import HTML, Page, add_lead, run

KEY = {"X-API-Key": API_KEY}


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def strangers() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a host that a stranger runs, and what it was sent."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.requestline}\n{self.headers}")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://localhost:{port}/cv", seen


def test_no_client_that_follows_redirects_takes_the_key_to_a_strangers_host(
    app: Flask, strangers: tuple[str, list[str]]
) -> None:
    link, seen = strangers
    lead_id = add_lead(app)
    run(app, update(Lead).where(Lead.id == lead_id).values(resume_url=link))
    session = requests.Session()
    session.trust_env = False
    opener = build_opener(ProxyHandler({}))
    with serving(make_server("127.0.0.1", 0, app, threaded=True)) as port:  # type: ignore[arg-type]
        address = f"http://127.0.0.1:{port}/internal/leads/{lead_id}/resume"
        for accept in ("*/*", "application/json", "text/html,*/*"):
            answer = session.get(address, headers={**KEY, "Accept": accept}, allow_redirects=True, timeout=10)
            assert answer.history == []
            assert answer.status_code == 409
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert "resume_url" in answer.json()["detail"]
        with pytest.raises(HTTPError) as refused:
            opener.open(Request(address, headers=KEY), timeout=10)
        assert refused.value.code == 409
        refused.value.close()
    assert seen == []


def test_a_browser_gets_a_page_that_names_the_host(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, resume_url="https://bücher.example/cv?a=1&b=2")
    answer = desk.get(f"/internal/leads/{lead_id}/resume", headers=HTML)
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert "Refresh" not in answer.headers
    assert 'http-equiv="refresh"' not in answer.text
    page = Page(answer)
    (link,) = page.all("a", href="https://xn--bcher-kva.example/cv?a=1&b=2")
    assert set(link.get("rel").split()) >= {"noopener", "noreferrer"}
    assert "xn--bcher-kva.example" in page.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Accept" in answer.headers["Vary"]

    as_json = desk.get(f"/internal/leads/{lead_id}/resume")
    assert as_json.status_code == 409
    assert "Location" not in as_json.headers


def test_a_link_that_no_browser_may_follow_is_only_shown(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app)
    run(app, update(Lead).where(Lead.id == lead_id).values(resume_url="javascript:alert(1)"))
    page = desk.get(f"/internal/leads/{lead_id}/resume", headers=HTML).text
    assert "javascript:alert(1)" in page
    assert 'href="javascript' not in page
