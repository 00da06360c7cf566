"""Who may call what: every route, asked over HTTP by everyone there is. `docs/access.md` is what came out.

The page is compared with what is found, so that nobody opens a route without it showing in the change. Write it anew
with `WRITE_DOCS=1 .venv/bin/python -m pytest tests/integration/web/test_access.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, session
from flask_wtf.csrf import generate_csrf
from werkzeug.test import TestResponse

from alma_leads.accounts.core.models import Role
from alma_leads.accounts.core.permissions import ROLE_PERMISSIONS, Permission, Scope
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.sign_in.sign_in_service import open_session
from alma_leads.web.auth import access_of
from config import Settings
from tests.conftest import API_KEY
from tests.support.desk import add_lead, add_person, run
from tests.support.keys import new_key
from tests.support.pages import StrictClient
from tests.support.routes import UNSAFE, address, methods, rules
from tests.support.second_factors import enrol

PAGE = Path(__file__).parents[3] / "docs" / "access.md"
Ask = Callable[[str, str], TestResponse]
# Whom each column stands for, in the page's order.
NOBODY, HALF_WAY, ENROLLING = "nobody", "half-way", "enrolling"
PEOPLE = [NOBODY, HALF_WAY, ENROLLING, *(role.value for role in reversed(Role))]
KEYS = [*(scope.value for scope in Scope), "INTERNAL_API_KEY"]

HEAD = """# Who may call what

Every route, asked over HTTP by everyone there is: ● is let in, an empty cell is refused. Written and checked by
`tests/integration/web/test_access.py`.

*Half-way* is someone who has given the password and not yet the second factor; *enrolling* someone who has to set one
up first, since the firm requires it. Keys have one scope each; `INTERNAL_API_KEY` has them all, and the outbox; what
is public for everyone is left out for them.
"""


@pytest.fixture
def settings(make_settings: Callable[..., Settings], sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: who may call what does not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


class Everyone:
    """All who may ask, each with a request that is theirs."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.keys = {scope.value: new_key(app, scope.value, scope) for scope in Scope}
        self.keys["INTERNAL_API_KEY"] = API_KEY
        self.people = {role.value: add_person(app, f"{role.value} x", role=role) for role in Role}
        self.people[ENROLLING] = add_person(app, "Without Phone")
        self.people[HALF_WAY] = add_person(app, "With Phone")
        enrol(app, self.people[HALF_WAY])

    def ask(self, who: str, method: str, path: str) -> TestResponse:
        """Ask as `who`, with a session of this moment: the request before may have ended the last one."""
        if who in self.keys:
            return self.app.test_client().open(path, method=method, headers={"X-API-Key": self.keys[who]})
        client = self.app.test_client()
        assert isinstance(client, StrictClient)
        data = {}
        if who != NOBODY:
            data = {"csrf_token": self._sign_in(client, who)}
        return client.open(path, method=method, data=data if method in UNSAFE else None)

    def _sign_in(self, client: StrictClient, who: str) -> str:
        number, role = self.people[who], who if who in list(Role) else Role.ADMINISTRATOR.value
        run(self.app, "UPDATE users SET active = TRUE, role = :role WHERE id = :id", id=number, role=role)
        run(self.app, "UPDATE firm SET second_factor_required = :on", on=who == ENROLLING)
        with self.app.app_context():
            opened = open_session(number, [Proof.PASSWORD], client=ClientInfo("127.0.0.1", ""), instead_of="")
        assert opened
        with client.session_transaction() as cookie, self.app.test_request_context():
            cookie["sid"] = opened.token
            # The same secret in the cookie and in the form, as a page of this session would have it.
            csrf_token: str = generate_csrf()
            cookie["csrf_token"] = session["csrf_token"]
        return csrf_token


@pytest.fixture
def everyone(app: Flask) -> Everyone:
    """Return all who may ask, and something at number 1 for them to ask about."""
    add_lead(app)
    return Everyone(app)


def is_let_in(answer: TestResponse) -> bool:
    """Say whether the request came as far as its view: a program is never led to another page instead."""
    assert answer.status_code != 500, answer.request.path
    return answer.status_code not in (401, 403)


def found(app: Flask, everyone: Everyone) -> dict[tuple[str, str], set[str]]:
    """Ask for everything as everyone, and return who was let in where."""
    table = {}
    for rule in sorted(rules(app), key=lambda rule: rule.rule):
        for method in sorted(methods(rule)):
            who = {who for who in PEOPLE + KEYS if is_let_in(everyone.ask(who, method, address(rule)))}
            table[method, rule.rule] = who
    return table


def test_who_may_call_what(app: Flask, everyone: Everyone) -> None:
    table = found(app, everyone)
    lines = [HEAD]
    for title, columns in (("People", PEOPLE), ("Scripts", KEYS)):
        lines += [f"## {title}\n", f"| | {' | '.join(columns)} |", "| --- |" + " :-: |" * len(columns)]
        for (method, rule), who in table.items():
            cells = " | ".join("●" if column in who else " " for column in columns)
            if title == "People" or (who & set(KEYS) and not who >= {NOBODY, *KEYS}):
                path = re.sub(r"<(?:[^:>]*:)?([^>]*)>", r"{\1}", rule)
                lines.append(f"| `{method} {path}` | {cells} |")
        lines.append("")
    page = "\n".join(lines)
    if "WRITE_DOCS" in os.environ:
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "who may call what has changed: see the head of this file, and read what changed"

    # What must hold whatever the routes are.
    with app.app_context():
        asks = {(m, rule.rule): access_of(rule.endpoint) for rule in rules(app) for m in methods(rule)}
    for asked, who in table.items():
        wanted = asks[asked]
        assert wanted is not None
        if wanted.permission is None:
            assert who >= set(PEOPLE), asked
        else:
            assert NOBODY not in who, asked
            assert HALF_WAY not in who, asked
            assert (ENROLLING in who) == (wanted.permission is Permission.SET_UP_SECOND_FACTOR), asked
            for role in Role:
                assert (role.value in who) == (wanted.permission in ROLE_PERMISSIONS[role]), (asked, role)
        if "viewer" in who and wanted.permission is not None and asked[0] in UNSAFE:
            assert asked[1].startswith(("/internal/account", "/internal/views", "/logout")), asked


def test_no_key_opens_a_page_of_people(app: Flask, everyone: Everyone) -> None:
    for rule in rules(app):
        if rule.rule.startswith(("/internal/account", "/internal/settings", "/logout")):
            for method in methods(rule):
                for key in KEYS:
                    assert everyone.ask(key, method, address(rule)).status_code == 403, (method, rule.rule, key)
