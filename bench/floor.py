"""The floor: the least that a WSGI function can do for the same work, with `json`, `sqlite3` or `psycopg` and no more.

Served by `bench.serve` as `bench.floor:app`; the database comes from FLOOR_DATABASE (a path, or a PostgreSQL address).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape
from typing import Any

import psycopg

DATABASE = os.environ["FLOOR_DATABASE"]
POSTGRESQL = DATABASE.startswith("postgresql")
SCHEMA = """
CREATE TABLE IF NOT EXISTS prospects (id {serial}, email TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS leads (
  id {serial}, prospect_id INTEGER NOT NULL, first_name TEXT NOT NULL, last_name TEXT NOT NULL, email TEXT NOT NULL,
  resume_url TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (id {serial}, lead_id INTEGER NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
  id {serial}, message_id TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
  due_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS leads_created ON leads (created_at, id);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due_at);
"""
COLUMNS = "id, first_name, last_name, email, resume_url, status, created_at, updated_at"
NAMES = COLUMNS.split(", ")
MARK = "%s" if POSTGRESQL else "?"

_local = threading.local()
_lock = threading.Lock()


def connection() -> Any:
    """Return this thread's connection."""
    found = getattr(_local, "connection", None)
    if found is None:
        if POSTGRESQL:
            found = psycopg.connect(DATABASE.replace("+psycopg", ""), autocommit=True)
        else:
            found = sqlite3.connect(DATABASE, isolation_level=None, timeout=10)
            found.execute("PRAGMA journal_mode=WAL")
            found.execute("PRAGMA synchronous=FULL")
        _local.connection = found
        _local.file = os.open(f"{DATABASE}-floor.lock", os.O_RDWR | os.O_CREAT) if not POSTGRESQL else None
    return found


def prepare() -> None:
    """Make the tables."""
    serial = "SERIAL PRIMARY KEY" if POSTGRESQL else "INTEGER PRIMARY KEY"
    for statement in SCHEMA.format(serial=serial).split(";"):
        if statement.strip():
            connection().execute(statement)


@contextmanager
def writing() -> Iterator[Any]:
    """Run a durable transaction, under the same fair lock as the application's on SQLite."""
    found = connection()
    if POSTGRESQL:
        with found.transaction():
            yield found
        return
    with _lock:
        fcntl.flock(_local.file, fcntl.LOCK_EX)
        found.execute("BEGIN IMMEDIATE")
        yield found
        found.execute("COMMIT")
        fcntl.flock(_local.file, fcntl.LOCK_UN)


def create(environ: dict[str, Any]) -> tuple[str, str, bytes]:
    """Insert a prospect, a lead, an event and two messages, committed durably."""
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    now = datetime.now(UTC).isoformat()
    email = body["email"].lower()
    with writing() as open_connection:
        run = open_connection.execute
        prospect_id = run(
            f"INSERT INTO prospects (email) VALUES ({MARK}) ON CONFLICT (email) DO UPDATE SET email = excluded.email"
            " RETURNING id",
            (email,),
        ).fetchone()[0]
        values = (prospect_id, body["first_name"], body["last_name"], body["email"], body["resume_url"], now, now)
        lead_id = run(
            "INSERT INTO leads (prospect_id, first_name, last_name, email, resume_url, status, created_at, updated_at)"
            f" VALUES ({MARK}, {MARK}, {MARK}, {MARK}, {MARK}, 'PENDING', {MARK}, {MARK}) RETURNING id",
            values,
        ).fetchone()[0]
        run(f"INSERT INTO events (lead_id, kind, at) VALUES ({MARK}, 'submitted', {MARK})", (lead_id, now))
        text = f"Hello {body['first_name']}, we have your details."
        messages = [(secrets.token_hex(8), to, "We have your details", text, now) for to in (email, "help@firm.test")]
        run(
            "INSERT INTO outbox (message_id, recipient, subject, body, due_at) VALUES"
            f" ({', '.join([MARK] * 5)}), ({', '.join([MARK] * 5)})",
            messages[0] + messages[1],
        )
    record = {"id": lead_id, **{name: body[name] for name in NAMES[1:5]}, "status": "PENDING"}
    return "201 Created", "application/json", json.dumps(record).encode()


def newest(limit: int) -> list[tuple[Any, ...]]:
    """Return the newest leads."""
    found: list[tuple[Any, ...]] = (
        connection().execute(f"SELECT {COLUMNS} FROM leads ORDER BY created_at DESC, id DESC LIMIT {limit}").fetchall()
    )
    return found


def list_json() -> tuple[str, str, bytes]:
    """Return 100 leads as JSON."""
    rows = [dict(zip(NAMES, row, strict=True)) for row in newest(100)]
    return "200 OK", "application/json", json.dumps(rows).encode()


def list_page() -> tuple[str, str, bytes]:
    """Return 100 leads as a plain table."""
    rows = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in newest(100))
    return "200 OK", "text/html", f"<!doctype html><title>Leads</title><table>{rows}</table>".encode()


def one(lead_id: int) -> tuple[str, str, bytes]:
    """Return one lead as JSON, with an ETag's hash."""
    row = connection().execute(f"SELECT {COLUMNS} FROM leads WHERE id = {MARK}", (lead_id,)).fetchone()
    body = json.dumps(dict(zip(NAMES, row, strict=True))).encode()
    hashlib.sha256(body).hexdigest()
    return "200 OK", "application/json", body


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer a request."""
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] == "POST":
        status, kind, body = create(environ)
    elif path == "/internal/leads":
        status, kind, body = list_page() if "text/html" in environ.get("HTTP_ACCEPT", "") else list_json()
    elif path.startswith("/internal/leads/"):
        status, kind, body = one(int(path.rsplit("/", 1)[1]))
    else:
        status, kind, body = "200 OK", "text/plain", b"ok"
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


prepare()
