"""The export and the import of assignments on the desk."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from alma_leads.accounts.core.models import Role
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.leads.core.models import Prospect
from alma_leads.web.internal.settings import imports_page
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import HTML, Page, add_person, count, csrf, get, post, sign_in
from tests.support.first_contact import ROSA

PAGE = "/internal/settings/assignments"
KIM = "daniel.kim@alma.example"


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: what the pages say does not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


def upload(client: FlaskClient, content: str | bytes, name: str = "list.csv") -> TestResponse:
    """Choose a file and press the button."""
    raw = content.encode() if isinstance(content, str) else content
    data = {"csrf_token": csrf(client, PAGE), "file": (BytesIO(raw), name)}
    return client.post(f"{PAGE}/imports", data=data, headers=HTML)


def look(client: FlaskClient, content: str) -> tuple[str, Page]:
    """Choose a file; return where it leads, and the page there."""
    answer = upload(client, content)
    assert answer.status_code == 303, answer.text[:500]
    return answer.headers["Location"], get(client, answer.headers["Location"])


def test_what_is_exported_is_imported_without_a_change(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        for email in ("b@example.com", "=1@example.com"):
            assign(email, attorney_email=KIM, actor=ROSA)
    assert get(desk, PAGE).all("a", href=f"{PAGE}.csv")
    answer = desk.get(f"{PAGE}.csv")
    assert answer.text == f"email,attorney\n'=1@example.com,{KIM}\nb@example.com,{KIM}\n"
    assert answer.headers["Content-Disposition"] == "attachment; filename=assignments.csv"
    assert "Rosa Delgado exported 2 assignments." in get(desk, "/internal/settings/audit").text
    _, page = look(desk, answer.text)
    assert "There is nothing to import" in page.text


def test_a_file_is_looked_at_and_then_applied(app: Flask, desk: FlaskClient) -> None:
    where, page = look(desk, f"email;attorney\r\nnew@example.com;{KIM}\r\nx;{KIM}\r\n")
    assert "Import 1 change?" in page.text
    assert "Nothing is changed yet." in page.text
    assert "1 line that cannot be used" in page.text
    assert "Enter an email address like name@example.com" in page.text
    assert count(app, Prospect) == 0
    for _ in range(2):
        assert post(desk, f"{where}/apply", on=where if _ == 0 else PAGE).headers["Location"] == where
    page = get(desk, where)
    assert "1 assignment imported" in page.text
    assert page.all("button", class_="pri") == []
    assert "Rosa Delgado imported 1 assignment." in get(desk, "/internal/settings/audit").text


def test_a_file_is_discarded(app: Flask, desk: FlaskClient) -> None:
    where, _ = look(desk, f"email,attorney\nnew@example.com,{KIM}\n")
    post(desk, f"{where}/discard", on=where)
    assert "Nothing was changed, and the file is forgotten." in get(desk, PAGE).text
    assert desk.get(where, headers=HTML).status_code == 404
    assert post(desk, f"{where}/apply", on=PAGE).status_code == 404
    assert count(app, Prospect) == 0
    assert post(desk, f"{where}/discard", on=PAGE).status_code == 303
    assert "The file was forgotten already." in get(desk, PAGE).text
    other, _ = look(desk, f"email,attorney\nother@example.com,{KIM}\n")
    assert other != where, "a page that lies open would apply another file"


def test_many_changes_are_paged(desk: FlaskClient) -> None:
    _, page = look(desk, "email,attorney\n" + "".join(f"p{number}@example.com,{KIM}\n" for number in range(120)))
    assert "p99@example.com" in page.text
    assert "p100@example.com" not in page.text
    following = get(desk, page.link("next"))
    assert "p100@example.com" in following.text
    assert "p99@example.com" not in following.text


@pytest.mark.parametrize(
    ("content", "message", "status"),
    [
        (b"name\nx\n", "The first line has to name the columns email and attorney", 422),
        (b"email,attorney\n\xff,x\n", "The file is not in UTF-8.", 422),
        (b"email,attorney\n" + b"a" * 1000, "The file is larger than 1 MB", 413),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    desk: FlaskClient, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str, status: int
) -> None:
    monkeypatch.setattr(imports_page, "MAX_BYTES", 1000)
    answer = upload(desk, content)
    assert answer.status_code == status
    assert answer.text.count(message) == 2
    assert 'href="#file"' in answer.text


def test_no_file_says_what_to_do(desk: FlaskClient) -> None:
    answer = upload(desk, b"", name="")
    assert answer.status_code == 422
    assert answer.text.count("Choose a file") == 2


def test_an_attorney_may_not_come_in(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    sign_in(client, "Daniel Kim")
    assert client.get(f"{PAGE}.csv", headers=HTML).status_code == 403
