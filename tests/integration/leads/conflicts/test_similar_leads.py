"""The conflict look-up finds earlier leads of the same person, on both databases, and stops at twenty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import delete, inspect, select

from alma_leads.common.extensions import db
from alma_leads.leads.conflicts.blocking_keys import mailbox
from alma_leads.leads.conflicts.models import BlockingKey
from alma_leads.leads.conflicts.similar import SHOWN, Similar, Why, similar_leads
from alma_leads.leads.core import lookup
from alma_leads.leads.core.models import Lead
from alma_leads.outbox.models import OutboxMessage
from tests.support.desk import add_lead, count, run

Find = Callable[[int], Similar]


@pytest.fixture
def find(app: Flask) -> Find:
    """Return what looks for the leads that are similar to one."""

    def look(lead_id: int) -> Similar:
        with app.app_context():
            connection = db.session.connection()
            lead = lookup.find_lead(lead_id)
            assert lead is not None
            return similar_leads(connection, lead)

    return look


def add(app: Flask, name: str, **changes: Any) -> int:
    """Submit a lead of somebody by name."""
    first, _, last = name.partition(" ")
    return add_lead(app, first_name=first, last_name=last, **changes)


def test_names_are_found_however_they_were_written(app: Flask, find: Find) -> None:
    same = add(app, "Kirill Petrov")
    middle = add(app, "Kirill Ivanovich Petrov")
    typed = add(app, "Кирил Петроф")
    add(app, "Kirill Ivanov")
    turned = add(app, "PETROV, Kirill")
    asked = add(app, "Кирилл Петров")
    add(app, "Kirill Petrov")  # a later one
    found = find(asked)
    assert (found.own, found.more_own, found.more) == ([], False, False)
    assert [(each.lead.id, each.why) for each in found.others] == [
        (turned, (Why.SAME_NAME,)),
        (same, (Why.SAME_NAME,)),
        (typed, (Why.VERY_SIMILAR_NAME,)),
        (middle, (Why.SIMILAR_NAME,)),
    ]


def test_the_same_address_is_a_group_of_its_own_whatever_the_name(app: Flask, find: Find) -> None:
    first = add(app, "Ana Silva", email="ana@example.com")
    second = add(app, "Bea Souza", email="Ana@EXAMPLE.com")
    third = add(app, "Ana Silva", email="ana@example.com", resume_url="https://example.com/new")
    found = find(third)
    assert [each.lead.id for each in found.own] == [second, first]
    assert found.others == []
    assert find(first) == Similar([], False, [], False)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("ann.lee+visa@gmail.com", "annlee@gmail.com"),
        ("annlee@gmail.com", "Ann.Lee@googlemail.com"),
        ("ann.lee@gmail.com", "a.nnlee+x@gmail.com"),
        ("ann+1@firm.test", "ann@firm.test"),
    ],
)
def test_another_address_of_the_same_mailbox_is_similar(app: Flask, find: Find, earlier: str, later: str) -> None:
    first = add(app, "Ana Silva", email=earlier)
    found = find(add(app, "Bea Souza", email=later))
    assert [(each.lead.id, each.why) for each in found.others] == [(first, (Why.SIMILAR_ADDRESS,))]
    second = find(add(app, "Ana Silva", email="other@example.com", resume_url="https://example.com/new"))
    assert [each.why for each in second.others] == [(Why.SAME_NAME,)]


def test_a_lead_is_shown_once_with_all_that_is_alike(app: Flask, find: Find) -> None:
    first = add(app, "Ann Lee", email="ann+1@firm.test")
    found = find(add(app, "Ann Lee", email="ann@firm.test"))
    assert [(each.lead.id, each.why) for each in found.others] == [(first, (Why.SIMILAR_ADDRESS, Why.SAME_NAME))]


def test_dots_matter_elsewhere_and_a_tag_alone_is_an_address() -> None:
    assert mailbox("ann.lee@firm.test") == "ann.lee@firm.test"
    assert mailbox("+x@firm.test") == "+x@firm.test"


def test_more_than_are_shown_is_said_and_the_same_name_comes_first(app: Flask, find: Find) -> None:
    same = [add(app, "Maria Garcia") for _ in range(SHOWN)]
    for other in ("Mario Garcia", "Maria Elena Garcia"):
        add(app, other)
    found = find(add(app, "María García"))
    assert [each.lead.id for each in found.others] == same[::-1]
    assert found.more


def test_the_migration_makes_the_keys_of_existing_leads(app: Flask) -> None:
    add(app, "Xiao Long Li", email="li+visa@gmail.com")
    add(app, "Kirill Petrov")
    keys = select(BlockingKey.key, BlockingKey.detail, BlockingKey.lead_id).order_by(*inspect(BlockingKey).primary_key)
    with app.app_context():
        before = db.session.execute(keys).all()
        db.session.close()
        run(app, delete(OutboxMessage))  # an earlier version could not send them
        flask_migrate.downgrade(revision="0011")
        flask_migrate.upgrade()
        assert db.session.execute(keys).all() == before
    assert len(before) == 6


def test_keys_are_deleted_with_their_lead(app: Flask) -> None:
    lead_id = add(app, "Kirill Petrov")
    run(app, delete(Lead).where(Lead.id == lead_id))
    assert count(app, BlockingKey) == 0
