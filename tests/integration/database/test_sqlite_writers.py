"""SQLite's writers: a fair line, commits that are shared, and nobody told of success before it is stored."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from alma_leads.database import deadlines
from alma_leads.database.engine import prepare_engine
from alma_leads.database.transactions import transaction_on


@pytest.fixture
def lone_engine(tmp_path: Path) -> Iterator[Engine]:
    """Return an engine of a file with one table."""
    engine = create_engine(f"sqlite:///{tmp_path / 'w.db'}")
    prepare_engine(engine)
    with transaction_on(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    yield engine
    engine.dispose()


def stored(engine: Engine) -> set[int]:
    """Return what another connection sees."""
    with sqlite3.connect(str(engine.url.database)) as other:
        found = {row[0] for row in other.execute("SELECT n FROM t")}
    other.close()
    return found


def run_all(*bodies: object) -> None:
    """Run functions in threads of their own."""
    threads = [threading.Thread(target=body) for body in bodies]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_what_is_returned_is_stored(lone_engine: Engine) -> None:
    unseen: list[int] = []

    def write(number: int) -> None:
        with transaction_on(lone_engine) as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (?)", (number,))
        if number not in stored(lone_engine):
            unseen.append(number)

    run_all(*(lambda number=number: write(number) for number in range(60)))
    assert unseen == []
    assert stored(lone_engine) == set(range(60))


def test_those_who_wait_share_a_commit(lone_engine: Engine) -> None:
    commits: list[int] = []
    event.listen(lone_engine, "commit", lambda _connection: commits.append(1))
    inside, others_wait = threading.Event(), threading.Event()

    def first() -> None:
        with transaction_on(lone_engine) as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            inside.set()
            others_wait.wait(5)
            # The others have come to the line, or will at once; either way they are counted below.
            threading.Event().wait(0.2)

    def later(number: int) -> None:
        inside.wait(5)
        with transaction_on(lone_engine) as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (?)", (number,))

    threads = [threading.Thread(target=first), *(threading.Thread(target=later, args=(n,)) for n in range(2, 8))]
    for thread in threads:
        thread.start()
    inside.wait(5)
    others_wait.set()
    for thread in threads:
        thread.join(10)
    assert stored(lone_engine) == set(range(1, 8))
    assert len(commits) < 7


def test_one_that_fails_takes_nobody_along(lone_engine: Engine) -> None:
    refused: list[int] = []

    def write(number: int) -> None:
        try:
            with transaction_on(lone_engine) as connection:
                connection.exec_driver_sql("INSERT INTO t VALUES (?)", (number,))
                if number % 3 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            refused.append(number)

    run_all(*(lambda number=number: write(number) for number in range(30)))
    assert sorted(refused) == list(range(0, 30, 3))
    assert stored(lone_engine) == {number for number in range(30) if number % 3}


def test_a_commit_that_fails_is_told_to_everyone_in_it(lone_engine: Engine) -> None:
    def refuse(_connection: object) -> None:
        raise OSError("the disk is full")

    event.listen(lone_engine, "commit", refuse)
    with pytest.raises(OSError, match="the disk is full"), transaction_on(lone_engine) as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    event.remove(lone_engine, "commit", refuse)
    assert stored(lone_engine) == set()
    with transaction_on(lone_engine) as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (2)")
    assert stored(lone_engine) == {2}


def test_a_write_that_is_interrupted_takes_its_whole_group_along_and_says_so(
    lone_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite then rolls back the transaction that everyone in the group shares."""
    monkeypatch.setattr(deadlines, "BACKGROUND", deadlines.BACKGROUND._replace(statement_s=0.3))
    endless = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT i FROM n"
    told: dict[str, str] = {}
    inside = threading.Event()

    def write(name: str, statement: str, *, waits: bool) -> None:
        try:
            if waits:
                inside.wait(5)
            with transaction_on(lone_engine) as connection:
                inside.set()
                if not waits:
                    threading.Event().wait(0.2)  # so that the other one comes to stand in line
                connection.exec_driver_sql(statement)
            told[name] = "stored"
        except OperationalError as refused:
            told[name] = str(refused.orig)

    run_all(
        lambda: write("first", "INSERT INTO t VALUES (1)", waits=False),
        lambda: write("endless", endless, waits=True),
    )
    assert told == {"first": "interrupted", "endless": "interrupted"}
    assert stored(lone_engine) == set()
    write("later", "INSERT INTO t VALUES (2)", waits=False)
    assert stored(lone_engine) == {2}
