"""The life of an outbox row on both databases: claims, leases, settlements, sending again, and what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, Select, literal, select, text
from sqlalchemy.orm import Session

from alma_leads.common.actor import OPERATOR
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.outbox import queries, queue
from alma_leads.outbox.models import OutboxMessage
from alma_leads.outbox.queue import Failure
from alma_leads.outbox.words import WORDS_LENGTH
from tests.support.outbox import note, written_message
from tests.support.plans import query_plan


def promise(engine: Engine, count: int, *, correlation: str = "lead:1", recipient: str | None = None) -> None:
    messages = [note(correlation=correlation, recipient=recipient or f"p{index}@example.com") for index in range(count)]
    with transaction_on(engine) as connection:
        queue.enqueue(connection, *messages)


def rows(engine: Engine) -> list[queries.MessageRow]:
    with reading(engine) as connection:
        found = connection.execute(text("SELECT DISTINCT correlation FROM outbox_messages ORDER BY 1")).scalars().all()
        return [row for correlation in found for row in queries.list_about(connection, correlation)]


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_a_promise_is_kept_only_when_its_transaction_is(engine: Engine) -> None:
    with engine.connect() as connection:
        queue.enqueue(connection, note())

    assert rows(engine) == []


def test_nothing_to_promise_is_fine(engine: Engine) -> None:
    promise(engine, 0)

    assert rows(engine) == []


def test_a_claim_is_exclusive_and_the_longest_due_come_first(engine: Engine) -> None:
    promise(engine, 3)
    promise(engine, 2, correlation="lead:2")

    first = queue.claim(engine, "mine", limit=4, lease_s=15)
    second = queue.claim(engine, "yours", limit=4, lease_s=15)

    assert [claimed.recipient for claimed in first + second] == [
        "p0@example.com", "p1@example.com", "p2@example.com", "p0@example.com", "p1@example.com",
    ]  # fmt: skip
    assert len(second) == 1
    assert queue.claim(engine, "theirs", limit=4, lease_s=15) == []
    assert first[0].facts == {"subject": "Hello", "text": "text", "html": "<p>html</p>"}
    assert first[0].message_id.endswith("@127.0.0.1>")


def test_twenty_claims_at_once_share_out_every_message_once(engine: Engine) -> None:
    promise(engine, 100)
    with ThreadPoolExecutor(10) as pool:
        batches = list(pool.map(lambda n: queue.claim(engine, f"lease{n}", limit=7, lease_s=15), range(20)))

    ids = [claimed.id for batch in batches for claimed in batch]
    assert len(ids) == len(set(ids)) == 100


def test_an_expired_lease_is_anybodys_and_its_old_holder_settles_nothing(engine: Engine) -> None:
    promise(engine, 1)
    [claimed] = queue.claim(engine, "slow", limit=1, lease_s=-1)
    assert [again.id for again in queue.claim(engine, "quick", limit=1, lease_s=15)] == [claimed.id]

    assert not queue.settle_sent(engine, "slow", claimed.id)
    assert queue.settle_failed(engine, "slow", [Failure(claimed.id, "550 no", None)]) == 0
    assert queue.extend(engine, "slow", [claimed.id], lease_s=15) == 0
    assert queue.release(engine, "slow", [claimed.id]) == 0
    assert queue.settle_sent(engine, "quick", claimed.id)
    assert not queue.settle_sent(engine, "quick", claimed.id)


def test_an_extended_lease_lasts(engine: Engine) -> None:
    promise(engine, 1)
    [claimed] = queue.claim(engine, "mine", limit=1, lease_s=-1)

    assert queue.extend(engine, "mine", [claimed.id], lease_s=15) == 1
    assert queue.claim(engine, "yours", limit=1, lease_s=15) == []


def test_what_is_released_is_due_at_once_and_has_lost_no_attempt(engine: Engine) -> None:
    promise(engine, 2)
    ids = [claimed.id for claimed in queue.claim(engine, "mine", limit=2, lease_s=15)]

    assert queue.release(engine, "mine", ids) == 2
    assert [row.attempts for row in rows(engine)] == [0, 0]
    assert len(queue.claim(engine, "yours", limit=2, lease_s=15)) == 2


def test_a_sent_message_keeps_no_body(engine: Engine) -> None:
    written_message(engine, text="written before")
    [claimed] = queue.claim(engine, "mine", limit=1, lease_s=15)
    queue.settle_sent(engine, "mine", claimed.id)

    with Session(engine) as session:
        [message] = session.scalars(select(OutboxMessage))
    assert (message.text_body, message.html_body, message.lease) == (None, None, None)
    [row] = rows(engine)
    assert (row.state, row.delivery, row.attempts, row.last_error) == ("sent", "sent", 1, None)
    assert row.settled_at is not None


def test_a_failed_message_waits_with_the_servers_words_on_one_line(engine: Engine) -> None:
    promise(engine, 1)
    [claimed] = queue.claim(engine, "mine", limit=1, lease_s=15)
    queue.settle_failed(engine, "mine", [Failure(claimed.id, "451 4.7.1\r\n try\0 later \x1b[31m" + "x" * 2000, 60.0)])

    [row] = rows(engine)
    assert row.last_error is not None
    assert row.last_error.startswith("451 4.7.1 try later [31mxxx")
    assert len(row.last_error) == WORDS_LENGTH
    assert row.last_error.isprintable()
    assert (row.delivery, row.is_retrying, row.attempts) == ("retrying", True, 1)
    assert queue.claim(engine, "mine", limit=1, lease_s=15) == []


def test_send_again_revives_a_dead_letter_once(engine: Engine) -> None:
    promise(engine, 1)
    [claimed] = queue.claim(engine, "mine", limit=1, lease_s=15)
    queue.settle_failed(engine, "mine", [Failure(claimed.id, "550 no", None)])
    assert rows(engine)[0].delivery == "dead"

    assert queue.retry(engine, claimed.id, actor=OPERATOR)
    assert not queue.retry(engine, claimed.id, actor=OPERATOR)

    [again] = queue.claim(engine, "mine", limit=1, lease_s=15)
    assert (again.id, again.attempts, again.message_id) == (claimed.id, 0, claimed.message_id)
    assert again.facts == claimed.facts


def test_try_now_hastens_a_waiting_message_but_not_one_in_a_workers_hands(engine: Engine) -> None:
    promise(engine, 1)
    [claimed] = queue.claim(engine, "mine", limit=1, lease_s=15)
    assert not queue.retry(engine, claimed.id, actor=OPERATOR)
    queue.settle_failed(engine, "mine", [Failure(claimed.id, "451 later", 3600.0)])

    assert queue.retry(engine, claimed.id, actor=OPERATOR)
    [again] = queue.claim(engine, "mine", limit=1, lease_s=15)
    assert again.attempts == 1


def test_there_is_nothing_to_send_again_of_what_is_sent_or_unknown(engine: Engine) -> None:
    promise(engine, 1)
    [claimed] = queue.claim(engine, "mine", limit=1, lease_s=15)
    queue.settle_sent(engine, "mine", claimed.id)

    assert not queue.retry(engine, claimed.id, actor=OPERATOR)
    assert not queue.retry(engine, 4711, actor=OPERATOR)


@pytest.fixture
def one_of_each(engine: Engine) -> Engine:
    """Lead 1: sent and dead; lead 2: retrying and sent; lead 3: queued and sent; lead 4: sent."""
    for lead in (1, 2, 3, 4):
        promise(engine, 2, correlation=f"lead:{lead}")
    dead, sent1, later, sent2, _queued, sent3, sent4, sent5 = (
        claimed.id for claimed in queue.claim(engine, "mine", limit=8, lease_s=15)
    )
    for message_id in (sent1, sent2, sent3, sent4, sent5):
        queue.settle_sent(engine, "mine", message_id)
    queue.settle_failed(engine, "mine", [Failure(dead, "550 no", None), Failure(later, "451 later", 60.0)])
    return engine


def test_the_worst_state_of_what_messages_are_about(one_of_each: Engine) -> None:
    with reading(one_of_each) as connection:
        found = [
            connection.execute(select(queries.worst_delivery("lead", literal(number)))).scalar()
            for number in range(1, 6)
        ]
        assert found == ["dead", "retrying", "queued", "sent", None]
        assert sorted(connection.execute(queries.troubled_ids("lead")).scalars()) == [1, 2]


def test_counts_stop_at_the_cap(one_of_each: Engine) -> None:
    with reading(one_of_each) as connection:
        assert queries.counts(connection) == (1, 1, 1, 5)
        assert queries.counts(connection, cap=3) == (1, 1, 1, 3)
        assert queries.count_dead(connection) == 1


def test_pages_go_back_by_id_within_the_states_asked_for(one_of_each: Engine) -> None:
    with reading(one_of_each) as connection:
        newest = queries.page(connection, ["queued", "retrying", "dead"], limit=2)
        older = queries.page(connection, ["queued", "retrying", "dead"], limit=2, before_id=newest[-1].id)
        sent = queries.page(connection, ["sent"], limit=3)

    assert [row.delivery for row in newest + older] == ["queued", "retrying", "dead"]
    assert [row.delivery for row in sent] == ["sent"] * 3
    assert sent[0].id > sent[1].id > sent[2].id


def test_all_dead_letters_are_sent_again(one_of_each: Engine) -> None:
    assert queue.retry_failed(one_of_each, actor=OPERATOR) == 1
    assert queue.retry_failed(one_of_each, actor=OPERATOR) == 0


def test_the_next_due_and_the_oldest_waiting_are_known(engine: Engine) -> None:
    with reading(engine) as connection:
        assert queries.next_due(connection) is None
        assert queries.oldest_waiting(connection) is None
    promise(engine, 2)
    with reading(engine) as connection:
        assert queries.next_due(connection) == queries.oldest_waiting(connection) == rows(engine)[0].created_at


@pytest.mark.parametrize("question", [queries._COUNTS, queries._COUNT_DEAD, queries._NEXT_DUE, *queries._PAGE.values()])
def test_every_question_about_states_is_answered_from_its_index(app: Flask, question: Select[Any]) -> None:
    plan = query_plan(app, question.params(cap=9, before_id=9, limit=9), with_indexes=True).splitlines()
    touching = [step for step in plan if "outbox_messages" in step]
    assert touching
    assert all("ix_outbox_messages_" in step for step in touching), plan
    assert not any("TEMP B-TREE" in step or "Sort" in step for step in plan), plan
