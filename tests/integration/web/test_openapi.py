"""The API's description is true: it names the routes there are, and real answers look as it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from openapi_spec_validator import validate
from schemathesis.core.result import Ok

from config import Settings
from tests.support.factories import lead_body

# Pages and forms of the desk, which no program calls.
NOT_FOR_PROGRAMS = re.compile(
    r"/$|/thanks|/docs|/openapi.json|/login|/logout|/setup|/invitation|/reset|/change-email|/static|/internal/(settings|account|insights|views|leads/(bulk|new))"
    r"|/internal/leads/\{lead_id\}/(assign|conflict|emails|notes|reached-out|resume/)|/internal/outbox/|/internal/$"
)


@pytest.fixture
def settings(make_settings: Callable[..., Settings], sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: the description does not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


def test_it_is_openapi_3_1(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_it_names_the_routes_there_are(app: Flask, client: FlaskClient) -> None:
    described = {
        (method.upper(), path)
        for path, item in client.get("/openapi.json").json["paths"].items()
        for method in item
        if method != "parameters"
    }
    served = {
        (method, re.sub(r"<(?:[^:>]*:)?([^>]*)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == {pair for pair in served if not NOT_FOR_PROGRAMS.search(pair[1])}


def test_an_empty_value_is_no_filter_here_and_there(app: Flask, client: FlaskClient) -> None:
    key = {"X-API-Key": app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()}
    asked = 0
    for path, item in client.get("/openapi.json").json["paths"].items():
        for parameter in item.get("get", {}).get("parameters", []):
            assert parameter["allowEmptyValue"], (path, parameter["name"])
            assert "" in parameter["schema"].get("enum", [""]), (path, parameter["name"])
            answer = client.get(f"{path}?{parameter['name']}=", headers=key, buffered=True)
            assert answer.status_code == 200, (path, parameter["name"], answer.json)
            asked += 1
    assert asked > 40


def test_the_page_shows_every_operation(client: FlaskClient) -> None:
    page = client.get("/docs", headers={"Accept": "text/html"}).text
    for path, item in client.get("/openapi.json").json["paths"].items():
        for method in item:
            if method != "parameters":
                assert f"<code>{method.upper()} {path}</code>" in page


def test_answers_look_as_described(app: Flask, client: FlaskClient) -> None:
    """Send what the description allows, generated, and hold each answer against it."""
    for number in range(3):
        client.post("/public/leads", json=lead_body(last_name=f"Number {number}"))
    key = {"X-API-Key": app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()}
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    asked = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @given(case=operation.as_strategy())
        @hypothesis_settings(
            max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            asked.append(case.operation.label)
            case.call_and_validate(
                headers=key,
                checks=[
                    schemathesis.checks.not_a_server_error,
                    schemathesis.checks.status_code_conformance,
                    schemathesis.checks.content_type_conformance,
                    schemathesis.checks.response_schema_conformance,
                ],
            )

        ask()
    assert len(set(asked)) > 12
