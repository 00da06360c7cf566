"""What tests of the desk need: people who sign in, leads of some age, and pages read as a person would read them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import ColumnElement, Executable, func, select, text
from werkzeug.test import TestResponse

from alma_leads.accounts.core.models import Role, User
from alma_leads.accounts.core.passwords import hash_password
from alma_leads.common.extensions import db
from alma_leads.database.base import Base, to_stamp, utc_now
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.intake.submission import Submission
from alma_leads.leads.intake.submission_service import submit_lead
from tests.support.factories import lead_body
from tests.support.pages import XHTML, parse

PASSWORD = "a long enough word 1"
HTML = {"Accept": "text/html"}


def add_person(app: Flask, name: str = "Rosa Delgado", *, role: Role = Role.ADMINISTRATOR, **changes: Any) -> int:
    """Add someone who can sign in with `PASSWORD`, and return the number."""
    email = f"{name.lower().replace(' ', '.')}@alma.example"
    with app.app_context():
        person = User(email=email, name=name, role=role, password=hash_password(PASSWORD), handle=email, **changes)
        db.session.add(person)
        db.session.commit()
        return person.id


def sign_in(client: FlaskClient, name: str = "Rosa Delgado") -> None:
    """Sign in through the sign-in page."""
    email = f"{name.lower().replace(' ', '.')}@alma.example"
    data = {"email": email, "password": PASSWORD, "csrf_token": token(client.get("/login", headers=HTML))}
    answer = client.post("/login", data=data, headers=HTML)
    assert answer.status_code == 303, answer.get_data(as_text=True)[:500]


def add_lead(app: Flask, *, days_ago: float = 0, **changes: Any) -> int:
    """Submit a lead, as if it had been some days ago, and return its number."""
    with app.app_context():
        lead_id = submit_lead(Submission(LeadIn(**lead_body(**changes)))).lead.id
        if days_ago:
            at = to_stamp(utc_now() - timedelta(days=days_ago))
            run(app, "UPDATE leads SET created_at = :at, updated_at = :at WHERE id = :id", at=at, id=lead_id)
    return lead_id


def run(app: Flask, statement: Executable | str, **params: Any) -> None:
    """Change the database behind the application's back."""
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(statement) if isinstance(statement, str) else statement, params)


def value(app: Flask, statement: Executable | str, **params: Any) -> Any:
    """Return the first column of the first row that a statement finds, or None."""
    with app.app_context(), db.engine.connect() as connection:
        return connection.execute(text(statement) if isinstance(statement, str) else statement, params).scalar()


def count(app: Flask, model: type[Base], *conditions: ColumnElement[bool]) -> int:
    """Return how many rows of a table meet the conditions."""
    return int(value(app, select(func.count()).select_from(model).where(*conditions)))


def token(page: TestResponse) -> str:
    """Return the CSRF token in a page's form."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.get_data(as_text=True))
    assert found, "the page has no form with a token"
    return found[1]


class Page:
    """A page as a person reads it."""

    def __init__(self, response: TestResponse) -> None:
        """Read a response that must be a page."""
        assert response.status_code == 200, (response.status_code, response.get_data(as_text=True)[:300])
        self.response = response
        self.html = response.get_data(as_text=True)
        self.root = parse(self.html)
        self.text = " ".join("".join(self._words(self.root)).split())

    def _words(self, element: ElementTree.Element) -> list[str]:
        if element.tag in (f"{XHTML}script", f"{XHTML}style"):
            return []
        inner = [word for child in element for word in [*self._words(child), child.tail or ""]]
        return [element.text or "", *inner]

    def all(self, tag: str, **attributes: str) -> list[ElementTree.Element]:
        """Return the elements with this tag and these attributes; `class_` asks for one class among others."""
        wanted_class = attributes.pop("class_", None)
        return [
            element
            for element in self.root.iter(f"{XHTML}{tag}")
            if all(element.get(name.replace("_", "-")) == wanted for name, wanted in attributes.items())
            and (wanted_class is None or wanted_class in (element.get("class") or "").split())
        ]

    def names(self) -> list[str]:
        """Return the names in the list of leads."""
        return ["".join(link.itertext()) for link in self.all("a", class_="name")]

    def link(self, rel: str) -> str:
        """Return the address of the neighbouring page."""
        found = [link.get("href") or "" for link in self.all("a", rel=rel)]
        assert len(found) == 1, f"{len(found)} links with rel={rel}"
        return found[0]


def get(client: FlaskClient, address: str) -> Page:
    """Open a page."""
    return Page(client.get(address, headers=HTML))


def post(
    client: FlaskClient, address: str, *, on: str = "/internal/leads", part: str = "", **fields: Any
) -> TestResponse:
    """Press a button: post `fields` with the token of the page `on`; as a script that swaps `part`, if one is given."""
    headers = {**HTML, **({"HX-Request": "true", "HX-Target": part} if part else {})}
    return client.post(address, data={"csrf_token": csrf(client, on), **fields}, headers=headers)


def csrf(client: FlaskClient, on: str) -> str:
    """Return a CSRF token of this session."""
    return token(client.get(on, headers=HTML))
