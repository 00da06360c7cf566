"""Filling a database with many leads, fast, through the tables themselves: for reading tests, not for writing ones."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.engine import prepare_engine
from alma_leads.database.transactions import transaction_on

# First and last names by arithmetic, so that a search can be common ("maria"), rare or without any match.
_SQLITE = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
"""
_POSTGRESQL = "WITH n AS (SELECT generate_series(CAST(:first AS int), CAST(:last AS int)) AS i)"
_FIRST = "CASE i % 5 WHEN 0 THEN 'Maria' WHEN 1 THEN 'Sai' WHEN 2 THEN 'Amara' WHEN 3 THEN 'Zoe' ELSE 'Tom' END"
# Names that have nothing to do with when a lead came; each number below the prime gives another.
_NAME = "(CAST(i AS bigint) * 48271 % 1000003)"
_BATCH = 100_000
ATTORNEYS = 10
_ATTORNEY = """
INSERT INTO users (email, name, role, active, handle, time_zone, theme, single_key_shortcuts, created_at)
VALUES (:email, :name, 'attorney', TRUE, :email, 'UTC', '', TRUE, :at)
"""
_PROSPECT = "CASE WHEN i % 19 = 13 THEN i - 1 ELSE i END"
_COUNT = "CASE WHEN i % 19 = 12 THEN 2 WHEN i % 19 = 13 THEN 0 ELSE 1 END"
_DEAD_LETTERS = """
INSERT INTO outbox_messages (message_id, kind, correlation, sender_name, subject, text_body, html_body, state, attempts,
                             due_at, created_at)
SELECT 'm', 'lead_confirmation', 'lead:' || id, '', '', '', '', 'dead', 10, created_at, created_at FROM leads
 WHERE id BETWEEN :first AND :last AND id % 1000 = 7
"""
# Two of three have a resume that was read: with words that all, a fifth, a thousandth and a single one of them hold.
_WORDS = f"'experience w' || (i % 1000) || ' name' || {_NAME} || CASE WHEN i % 5 = 0 THEN ' patent' ELSE '' END"


def seed(database_url: str, leads: int, *, every_s: int = 1, answered_s: int = 0) -> None:
    """Insert `leads` leads, at most a million, one each `every_s` seconds until now.

    Those that are answered were after 0 to 996 times `answered_s`.

    Every tenth is pending, and half of those are overdue; of nineteen, one is its prospect's second; of eleven, ten
    have one of ten attorneys; of a thousand, one has a dead letter, and two are in conflict. Two of three have a resume
    with text.
    """
    engine = create_engine(database_url)
    prepare_engine(engine)
    with transaction_on(engine) as connection:
        for number in range(1, ATTORNEYS + 1):
            person = {"name": f"Attorney {number}", "email": f"a{number}@firm.test", "at": to_stamp(utc_now())}
            connection.execute(text(_ATTORNEY), person)
    for first in range(1, leads + 1, _BATCH):
        _insert(engine, first, min(leads, first + _BATCH - 1), leads, every_s, answered_s)
    if (
        engine.dialect.name == "postgresql"
    ):  # as autovacuum would; SQLite has no statistics unless someone asks for them
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _insert(engine: Engine, first: int, last: int, total: int, every_s: int, answered_s: int) -> None:
    sqlite = engine.dialect.name == "sqlite"
    series = _SQLITE if sqlite else _POSTGRESQL
    stamp = (
        "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 'now', '-' || ((:total - i) * :every) || ' seconds')"
        if sqlite
        else "now() - make_interval(secs => CAST(:every AS int) * (CAST(:total AS int) - i))"
    )
    later = stamp.replace("'now'", "'now', '30 days'") if sqlite else f"{stamp} + interval '30 days'"
    due = f"CASE WHEN i % 20 = 0 THEN {stamp} WHEN i % 10 = 0 THEN {later} END"
    answered = (
        stamp.replace("'now'", "'now', '+' || (i % 997 * :answered) || ' seconds'")
        if sqlite
        else f"{stamp} + make_interval(secs => CAST(:answered AS int) * (i % 997))"
    )
    reached = f"CASE WHEN i % 10 = 0 THEN NULL ELSE {answered} END"
    params = {"first": first, "last": last}
    with transaction_on(engine) as connection:
        into = "INSERT INTO prospects (email, lead_count, attorney_id)"
        prospects = f"SELECT 'p' || {_NAME} || '@example.com', {_COUNT}, nullif(i % {ATTORNEYS + 1}, 0) FROM n"
        connection.execute(text(f"{series} {into} {prospects}" if sqlite else f"{into} {series} {prospects}"), params)
        columns = (
            "prospect_id, first_name, last_name, email, resume_url, status, content_hash, confirmation_queued,"
            " search_text, last_name_key, created_at, updated_at, reached_out_at, reached_out_by, attorney_id, due_at,"
            " conflict"
        )
        feed = "char(10)" if sqlite else "chr(10)"
        select = f"""
            SELECT {_PROSPECT},
              {_FIRST}, 'Name' || {_NAME}, 'p' || {_NAME} || '@example.com', 'https://drive.google.com/' || i,
              CASE WHEN i % 10 = 0 THEN 'PENDING' ELSE 'REACHED_OUT' END, 'x', TRUE,
              lower({_FIRST}) || ' name' || {_NAME} || {feed} || 'p' || {_NAME} || '@example.com' || {feed} || {feed},
              'name' || {_NAME}, {stamp}, {stamp}, {reached}, CASE WHEN i % 10 = 0 THEN NULL ELSE 'Rosa Delgado' END,
              nullif(({_PROSPECT}) % {ATTORNEYS + 1}, 0), {due},
              CASE WHEN i % 500 = 20 THEN 'conflict' WHEN i % 2 = 0 THEN 'clear' ELSE 'unchecked' END FROM n"""
        statement = (
            f"{series} INSERT INTO leads ({columns}) {select}"
            if sqlite
            else f"INSERT INTO leads ({columns}) {series} {select}"
        )
        connection.execute(text(statement), {**params, "total": total, "every": every_s, "answered": answered_s})
        connection.execute(text(_DEAD_LETTERS), params)
        words = f"' ' || {_WORDS} || ' '" if sqlite else f"array_to_tsvector(string_to_array({_WORDS}, ' '))"
        resumes = f"SELECT i, {words}, {_WORDS} FROM n WHERE i % 3 > 0"
        into = "INSERT INTO resume_texts (lead_id, words, body)"
        connection.execute(text(f"{series} {into} {resumes}" if sqlite else f"{into} {series} {resumes}"), params)
