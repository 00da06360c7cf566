"""`db.session` reads, `transaction()` writes, and neither is in the other's way."""

from __future__ import annotations

import secrets
from contextlib import suppress

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from alma_leads.accounts.core.models import Role, User
from alma_leads.database.session import db, transaction


def user(email: str) -> User:
    return User(email=email, name="Rosa Delgado", role=Role.ATTORNEY, handle=secrets.token_hex(8))


def emails() -> list[str]:
    return list(db.session.scalars(select(User.email).order_by(User.email)))


def test_what_is_written_is_read_in_the_same_request(app: Flask) -> None:
    with app.app_context():
        assert emails() == []
        with transaction() as session:
            session.add(user("rosa@firm.test"))
        assert emails() == ["rosa@firm.test"]


def test_an_exception_stores_nothing(app: Flask) -> None:
    with app.app_context():
        with suppress(RuntimeError), transaction() as session:
            session.add(user("rosa@firm.test"))
            session.flush()
            raise RuntimeError("broken")
        assert emails() == []


def test_a_refused_row_ends_its_own_transaction_alone(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            session.add(user("rosa@firm.test"))
        with pytest.raises(IntegrityError), transaction() as session:
            session.add_all([user("ian@firm.test"), user("rosa@firm.test")])
        with transaction() as session:
            session.add(user("mia@firm.test"))
        assert emails() == ["mia@firm.test", "rosa@firm.test"]


def test_reading_keeps_no_connection_while_writing(app: Flask) -> None:
    with app.app_context():
        emails()
        assert db.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
        with transaction():
            assert db.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
