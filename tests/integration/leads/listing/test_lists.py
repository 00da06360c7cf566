"""Every order and every filter of the desk, alone and together, page by page both ways, held against plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from random import Random
from typing import Any, NamedTuple

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import Role
from alma_leads.common.extensions import db
from alma_leads.common.folding import fold, search_text
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.leads.core.models import Lead, Prospect
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.core.verdict import Verdict
from alma_leads.leads.listing import queries, text_search
from alma_leads.leads.listing.filters import DESK_SORTS, LeadFilter, parse_filter
from alma_leads.leads.resume_text.resume_texts import store_text
from alma_leads.outbox.models import MessageState, OutboxMessage
from alma_leads.resumes.sandbox.words import words_of
from tests.support.desk import add_person

LEADS = 60
NOW = utc_now()


class Made(NamedTuple):
    """A lead as it was put into the database."""

    id: int
    created_at: str
    updated_at: str
    last_name: str
    email: str
    status: str
    attorney: str | None
    due_at: str | None
    returning: bool
    trouble: bool
    resume: str
    conflict: str


class World(NamedTuple):
    """A database, all of its leads, and one of its attorneys."""

    app: Flask
    leads: list[Made]
    attorney_id: int


@pytest.fixture
def world(app: Flask) -> World:
    """Return some leads of every kind, the same each time."""
    random = Random(7)
    people = {name: add_person(app, name, role=Role.ATTORNEY) for name in ("Émile Zola", "Zoe Ash", "Ann Ash")}
    leads = []
    with app.app_context():
        for number in range(1, LEADS + 1):
            leads.append(_add(db.session(), number, random, people))
        db.session.commit()
    return World(app, leads, people["Zoe Ash"])


def _add(session: Session, number: int, random: Random, people: dict[str, int]) -> Made:
    prospect = number if number % 4 else number - 1  # every fourth lead is its prospect's second
    email = f"{'abcxyz'[prospect % 6]}{prospect}@example.com"
    attorney = random.choice([None, *people])
    pending = random.random() < 0.6
    created = to_stamp(NOW - timedelta(hours=(LEADS - number) // 3))  # some at the same instant
    due = to_stamp(NOW + timedelta(hours=random.randrange(-9, 9))) if random.random() < 0.7 else None
    made = Made(
        number,
        created,
        to_stamp(NOW - timedelta(minutes=random.randrange(30))),
        random.choice(["Núñez", "Okafor", "ash", "Zed"]),
        email,
        "PENDING" if pending else "REACHED_OUT",
        attorney,
        due,
        prospect in (number - 1, number) and (number % 4 == 0 or (number % 4 == 3 and number < LEADS)),
        random.random() < 0.3,
        random.choice(["", "Étude of law", "law, lawyer; études"]),
        random.choice(["unchecked", "clear", "conflict"]),
    )
    if prospect == number:
        session.add(Prospect(id=prospect, email=email, lead_count=2 if number % 4 == 3 else 1))
        session.flush()
    session.add(
        Lead(
            id=number,
            prospect_id=prospect,
            first_name="A",
            last_name=made.last_name,
            email=email,
            resume_url="https://x.co",
            status=LeadStatus(made.status),
            attorney_id=people.get(attorney or ""),
            content_hash="x",
            confirmation_queued=True,
            search_text=search_text(first_name="A", last_name=made.last_name, email=email),
            last_name_key=fold(made.last_name),
            created_at=from_stamp(created),
            updated_at=from_stamp(made.updated_at),
            reached_out_at=None if pending else from_stamp(created),
            reached_out_by=None if pending else "Someone",
            due_at=from_stamp(due) if due else None,
            conflict=Verdict(made.conflict),
        )
    )
    session.flush()
    if made.resume:
        store_text(session.connection(), number, made.resume, words_of(made.resume))
    for state, attempts in [("sent", 1), ("dead", 10) if number % 2 else ("queued", 2)][: 2 if made.trouble else 1]:
        for kind in ("lead_confirmation", "lead_notification"):
            session.add(
                OutboxMessage(
                    message_id="m",
                    kind=kind,
                    correlation=f"lead:{number}",
                    sender_name="",
                    subject="",
                    text_body="",
                    html_body="",
                    state=MessageState(state),
                    attempts=attempts,
                    due_at=from_stamp(created),
                    created_at=from_stamp(created),
                )
            )
    return made


# What each order compares, and whether that is to be left for last.
KEYS: dict[str, Callable[[Made], tuple[bool, Any]]] = {
    "created_at": lambda lead: (False, (lead.created_at, lead.id)),
    "updated_at": lambda lead: (False, (lead.updated_at, lead.id)),
    "last_name": lambda lead: (False, (fold(lead.last_name), lead.id)),
    "status": lambda lead: (False, (lead.status, lead.created_at, lead.id)),
    "attorney": lambda lead: (lead.attorney is None, (fold(lead.attorney or ""), lead.created_at, lead.id)),
    "due": lambda lead: (False, (lead.status, lead.due_at or lead.created_at, lead.id)),
}


def in_order(leads: list[Made], sort: str) -> list[int]:
    """Return the numbers of the leads in the order `sort`."""
    key, descending = KEYS[sort.lstrip("-")], sort.startswith("-")
    first = sorted((lead for lead in leads if not key(lead)[0]), key=lambda lead: key(lead)[1], reverse=descending)
    last = sorted((lead for lead in leads if key(lead)[0]), key=lambda lead: key(lead)[1], reverse=descending)
    return [lead.id for lead in first + last]


FILTERS: dict[str, tuple[dict[str, Any], Callable[[Made], bool]]] = {
    "all": ({}, lambda _: True),
    "pending": ({"status": LeadStatus.PENDING}, lambda lead: lead.status == "PENDING"),
    "reached": ({"status": LeadStatus.REACHED_OUT}, lambda lead: lead.status == "REACHED_OUT"),
    "hers": ({"attorney_id": 0}, lambda lead: lead.attorney == "Zoe Ash"),
    "nobody's": ({"unassigned": True}, lambda lead: lead.attorney is None),
    "recent": (
        {"created_from": to_stamp(NOW - timedelta(hours=9, minutes=1))},
        lambda lead: lead.created_at >= to_stamp(NOW - timedelta(hours=9, minutes=1)),
    ),
    "overdue": (
        {"overdue_at": to_stamp(NOW)},
        lambda lead: lead.status == "PENDING" and bool(lead.due_at) and str(lead.due_at) <= to_stamp(NOW),
    ),
    "returning": ({"returning": True}, lambda lead: lead.returning),
    "trouble": ({"mail_trouble": True}, lambda lead: lead.trouble),
    "says": ({"resume_words": ("law", "etude")}, lambda lead: lead.resume == "Étude of law"),
    "in conflict": ({"in_conflict": True}, lambda lead: lead.conflict == "conflict"),
    "named": ({"query": "oka"}, lambda lead: lead.last_name == "Okafor"),
    "short": ({"query": "ok"}, lambda lead: lead.last_name == "Okafor"),
}


def walk(world: World, lead_filter: LeadFilter) -> Iterator[list[int]]:
    """Yield the pages of a list to its end, and each again on the way back."""
    with world.app.app_context():
        pages, cursor = [], None
        while True:
            page = queries.list_leads(_at(lead_filter, cursor))
            pages.append([row.id for row in page.rows])
            yield pages[-1]
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        for wanted in reversed(pages[:-1]):
            assert page.previous_cursor is not None
            page = queries.list_leads(_at(lead_filter, page.previous_cursor))
            assert [row.id for row in page.rows] == wanted
        assert page.previous_cursor is None


def _at(lead_filter: LeadFilter, cursor: str | None) -> LeadFilter:
    if cursor is None:
        return lead_filter
    pairs = [("cursor", cursor), ("sort", lead_filter.sort)]
    return replace(lead_filter, cursor=parse_filter(pairs, find_attorney=lambda _: None, sorts=DESK_SORTS).cursor)


@pytest.mark.parametrize("few", [0, 1000], ids=["common", "rare"])
def test_every_order_with_every_two_filters(world: World, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(text_search, "FEW", few)  # on SQLite: all text counts as common, or as rare
    monkeypatch.setattr(text_search, "COMMON", few)
    wrong = []
    for sort, (one, two) in product(DESK_SORTS, product(FILTERS, FILTERS)):
        if one > two:
            continue
        (asked, fits), (also, fits_too) = FILTERS[one], FILTERS[two]
        wanted = in_order([lead for lead in world.leads if fits(lead) and fits_too(lead)], sort)
        given = asked | also
        if {one, two} in ({"pending", "reached"}, {"hers", "nobody's"}):
            continue  # one parameter cannot say both
        if "attorney_id" in given:
            given["attorney_id"] = world.attorney_id
        found = [number for page in walk(world, LeadFilter(**given, sort=sort, limit=7)) for number in page]
        if found != wanted:
            wrong.append((sort, one, two, found, wanted))
    assert wrong == []
