"""Fixtures that several modules of these tests share; a module that needs something else has its own of that name."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.models import Role
from tests.support.desk import add_person, sign_in


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as the administrator Rosa Delgado, number 1; Daniel Kim, 2, is an attorney."""
    add_person(app)
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    sign_in(client)
    return client
