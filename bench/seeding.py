"""Filling a database with many leads, fast, through the tables themselves: for reading tests, not for writing ones."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from alma_leads.database import transaction
from alma_leads.engine import prepare_engine

# First and last names by arithmetic, so that a search can be common ("maria"), rare or without any match.
_SQLITE = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
"""
_POSTGRESQL = "WITH n AS (SELECT generate_series(CAST(:first AS int), CAST(:last AS int)) AS i)"
_FIRST = "CASE i % 5 WHEN 0 THEN 'Maria' WHEN 1 THEN 'Sai' WHEN 2 THEN 'Amara' WHEN 3 THEN 'Zoe' ELSE 'Tom' END"
_BATCH = 100_000


def seed(database_url: str, leads: int) -> None:
    """Insert `leads` leads of as many prospects, one a second until now; every tenth is pending."""
    engine = create_engine(database_url)
    prepare_engine(engine)
    for first in range(1, leads + 1, _BATCH):
        _insert(engine, first, min(leads, first + _BATCH - 1), leads)
    if (
        engine.dialect.name == "postgresql"
    ):  # as autovacuum would; SQLite has no statistics unless someone asks for them
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _insert(engine: Engine, first: int, last: int, total: int) -> None:
    sqlite = engine.dialect.name == "sqlite"
    series = _SQLITE if sqlite else _POSTGRESQL
    stamp = (
        "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 'now', '-' || (:total - i) || ' seconds')"
        if sqlite
        else "now() - make_interval(secs => CAST(:total AS int) - i)"
    )
    reached = f"CASE WHEN i % 10 = 0 THEN NULL ELSE {stamp} END"
    params = {"first": first, "last": last}
    with transaction(engine) as connection:
        connection.execute(
            text(
                f"INSERT INTO prospects (email, lead_count) {series} SELECT 'p' || i || '@example.com', 1 FROM n"
                if not sqlite
                else f"{series} INSERT INTO prospects (email, lead_count) SELECT 'p' || i || '@example.com', 1 FROM n"
            ),
            params,
        )
        columns = (
            "prospect_id, first_name, last_name, email, resume_url, status, content_hash, confirmation_queued,"
            " search_text, last_name_key, created_at, updated_at, reached_out_at, reached_out_by"
        )
        feed = "char(10)" if sqlite else "chr(10)"
        select = f"""
            SELECT i, {_FIRST}, 'Name' || i, 'p' || i || '@example.com', 'https://drive.google.com/' || i,
              CASE WHEN i % 10 = 0 THEN 'PENDING' ELSE 'REACHED_OUT' END, 'x', TRUE,
              lower({_FIRST}) || ' name' || i || {feed} || 'p' || i || '@example.com' || {feed} || {feed},
              'name' || i, {stamp}, {stamp}, {reached}, CASE WHEN i % 10 = 0 THEN NULL ELSE 'Rosa Delgado' END FROM n"""
        statement = (
            f"{series} INSERT INTO leads ({columns}) {select}"
            if sqlite
            else f"INSERT INTO leads ({columns}) {series} {select}"
        )
        connection.execute(text(statement), {**params, "total": total})
