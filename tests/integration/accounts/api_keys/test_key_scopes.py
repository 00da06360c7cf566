"""Every scope of a key on every operation of the API: allowed or refused as the description says, asked over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.permissions import SCOPE_PERMISSIONS, Scope
from alma_leads.web.auth import access_of
from alma_leads.web.openapi.document import document
from config import Settings
from tests.support.desk import add_lead, add_person
from tests.support.factories import lead_body
from tests.support.keys import new_key

ATTORNEY = "rosa.delgado@alma.example"
BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "createLead": lead_body,
    "updateLead": lambda: {"status": "REACHED_OUT"},
    "putAssignment": lambda: {"attorney": ATTORNEY},
}


class Operation(NamedTuple):
    """An operation of the description that a key has a say in, and the scope it names."""

    method: str
    path: str
    name: str
    scope: str

    @property
    def address(self) -> str:
        return self.path.replace("{lead_id}", "1").replace("{email}", "somebody@example.com")


def operations() -> Iterator[Operation]:
    """Return what the description says."""
    for path, item in document(public_url="http://x.example")["paths"].items():
        for method in set(item) - {"parameters"}:
            for way in item[method].get("security", []):
                for scope in way.get("key", []):
                    yield Operation(method.upper(), path, item[method]["operationId"], scope)


OPERATIONS = sorted(operations())
CASES = list(product(OPERATIONS, Scope))


@pytest.fixture
def settings(make_settings: Callable[..., Settings], sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: who may do what does not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


def ask(client: FlaskClient, operation: Operation, key: str) -> int:
    """Ask for an operation with a key, and return the status."""
    body = BODIES.get(operation.name, lambda: None)()
    answer = client.open(operation.address, method=operation.method, json=body, headers={"X-API-Key": key})
    status: int = answer.status_code
    return status


def test_the_description_is_not_empty() -> None:
    assert len(OPERATIONS) == 13
    assert {operation.scope for operation in OPERATIONS} > {scope.value for scope in Scope}


def test_the_description_names_what_each_route_demands(app: Flask) -> None:
    rules = app.url_map.bind("localhost")
    for operation in OPERATIONS:
        endpoint, _ = rules.match(operation.address, method=operation.method)
        with app.app_context():
            rule = access_of(endpoint)
        demanded = rule.key_permission or rule.permission
        granted = [scope.value for scope in Scope if demanded in SCOPE_PERMISSIONS[scope]] or [demanded.value]
        assert [operation.scope] == granted, operation


def test_every_api_route_that_needs_something_is_described(app: Flask) -> None:
    said = {(operation.method, operation.path) for operation in OPERATIONS}
    for path, item in document(public_url="http://x.example")["paths"].items():
        for method in set(item) - {"parameters"}:
            if path.startswith("/internal/"):
                assert (method.upper(), path) in said


@pytest.mark.parametrize(("operation", "scope"), CASES, ids=lambda part: getattr(part, "name", ""))
def test_a_key_may_do_what_its_scope_says_and_nothing_else(
    app: Flask, client: FlaskClient, operation: Operation, scope: Scope
) -> None:
    add_person(app)
    add_lead(app, email="somebody@example.com")
    status = ask(client, operation, new_key(app, "one", scope))
    if operation.scope == scope.value:
        assert status in (200, 201, 404, 409), status  # no assignment yet to read or to delete; a link and no file
    else:
        assert status == 403


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_other_scope_together_is_not_enough(app: Flask, client: FlaskClient, operation: Operation) -> None:
    add_lead(app)
    others = tuple(scope for scope in Scope if scope.value != operation.scope)
    assert ask(client, operation, new_key(app, "others", *others)) == 403


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_static_key_may_do_all_of_it(app: Flask, client: FlaskClient, operation: Operation) -> None:
    add_person(app)
    add_lead(app, email="somebody@example.com")
    key = app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()
    assert ask(client, operation, key) in (200, 201, 404, 409)


def test_no_key_opens_what_is_for_people(app: Flask, client: FlaskClient) -> None:
    keys = (new_key(app), app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value())
    checked = 0
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(("/internal/settings", "/internal/account")):
            continue
        address = re.sub(r"<[^>]*>", "1", rule.rule)
        for method, key in product((rule.methods or set()) - {"HEAD", "OPTIONS"}, keys):
            answer = client.open(address, method=method, headers={"X-API-Key": key})
            assert answer.status_code == 403, (method, address)
            checked += 1
    assert checked > 10


def test_a_key_that_may_not_read_learns_only_what_it_changed(app: Flask, client: FlaskClient) -> None:
    lead_id = client.post("/public/leads", json=lead_body()).json["id"]
    key = {"X-API-Key": new_key(app, "marker", Scope.UPDATE)}
    for _ in range(2):  # the change, and then the status it already has
        answer = client.patch(f"/internal/leads/{lead_id}", json={"status": "REACHED_OUT"}, headers=key)
        assert answer.status_code == 200
        assert set(answer.json) == {"id", "status", "updated_at"}
        assert (answer.json["id"], answer.json["status"]) == (lead_id, "REACHED_OUT")
        assert "ETag" not in answer.headers  # made of what it may not read
