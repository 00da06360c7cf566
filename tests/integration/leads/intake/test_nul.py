"""NUL, which PostgreSQL takes in no text, wherever a page takes words of its own from an address or a file's name."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.desk import HTML, add_person, csrf, sign_in

ASSIGNMENTS = "/internal/settings/assignments"


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator."""
    add_person(app)
    sign_in(client)
    return client


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/internal/exports/%00", 404),
        (f"{ASSIGNMENTS}?q=%00a", 200),
        (f"{ASSIGNMENTS}?after=%00", 200),
        (f"{ASSIGNMENTS}?email=%00", 200),
        ("/internal/insights?period=%00", 200),
        ("/internal/leads?q=%00", 422),
    ],
)
def test_nul_in_an_address_breaks_nothing(desk: FlaskClient, address: str, status: int) -> None:
    assert desk.get(address, headers=HTML).status_code == status


def test_nul_in_the_name_of_a_file_is_refused(desk: FlaskClient) -> None:
    file = (BytesIO(b"email,attorney\nada@example.com,\n"), "a\0b.csv")
    data = {"csrf_token": csrf(desk, ASSIGNMENTS), "file": file}
    assert desk.post(f"{ASSIGNMENTS}/imports", data=data, headers=HTML).status_code == 400
