"""Rows 7 and 8: a million leads against a thousand, and the export of all of them."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sqlite3
import statistics
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg

from bench.databases import Stores
from bench.report import Report
from bench.seeding import seed
from bench.servers import KEY, app_environment, flask, folder, server

SMALL = 1000
REPEATS = 60
# What a desk asks for: common text, rare text, no match, and less than a trigram.
SEARCHES = ("maria", "name777", "zzzz", "p99", "ma")


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows on both databases."""
    for kind in ("sqlite", "postgresql"):
        with folder() as path:
            small, large = (_seeded(stores, kind, leads, path) for leads in (SMALL, options.leads))
            with server("wsgi:app", small) as few, server("wsgi:app", large) as many:
                _reads(report, kind, few, many, options.leads)
                _export(report, kind, many, large["DATABASE_URL"], options.leads)


def _seeded(stores: Stores, kind: str, leads: int, path: Path) -> dict[str, str]:
    environment = app_environment(stores.make(kind), path)
    flask(environment, "db", "upgrade")
    seed(environment["DATABASE_URL"], leads)
    return environment


def _get(port: int, address: str) -> tuple[float, str | None]:
    """Return the seconds that an answer took, and the address of the next page."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{address}", headers={"X-API-Key": KEY})
    begin = time.perf_counter()
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()
        taken = time.perf_counter() - begin
        link = answer.headers.get("Link")
    return taken, link and link[link.index("<") + 1 : link.index(">")]


def _median_ms(port: int, address: str) -> float:
    times = [_get(port, address)[0] for _ in range(REPEATS)]
    return 1000 * statistics.median(times[5:])


def _deep_cursor(port: int, leads: int) -> str:
    """Return the address of a page near the end of the list."""
    # Read from the other end: the first page of the reverse order names a lead near the oldest.
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/internal/leads?sort=created_at&limit={min(1000, leads // 2)}",
        headers={"X-API-Key": KEY},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        oldest = json.loads(answer.read())[-1]
    moment = urllib.parse.quote(oldest["created_at"])
    _, link = _get(port, f"/internal/leads?created_to={moment}&limit=100")
    assert link
    query = urllib.parse.urlsplit(link).query
    return "/internal/leads?" + "&".join(part for part in query.split("&") if not part.startswith("created_to"))


def _reads(report: Report, kind: str, few: int, many: int, leads: int) -> None:
    plain = _median_ms(many, "/internal/leads?limit=100")
    addresses = {
        "first page": ("/internal/leads?limit=100", "/internal/leads?limit=100"),
        "pending only": ("/internal/leads?limit=100&status=PENDING", "/internal/leads?limit=100&status=PENDING"),
        "deep cursor": (_deep_cursor(few, SMALL), _deep_cursor(many, leads)),
        "one lead": (f"/internal/leads/{SMALL // 2}", f"/internal/leads/{leads // 2}"),
    }
    for name, (small, large) in addresses.items():
        least, most = _median_ms(few, small), _median_ms(many, large)
        measured = f"{most / least:.2f} ({most:.2f} ms : {least:.2f} ms)"
        work = f"{name}, {kind}, {leads:,} leads against {SMALL:,}"
        report.add("7", work, measured=measured, goal="≤ 1.2", reached=most <= 1.2 * least)
    allowed = 10 if kind == "sqlite" else 30
    for text in SEARCHES:
        took = _median_ms(many, f"/internal/leads?limit=100&q={text}")
        work = f'search "{text}", {kind}, {leads:,} leads: more than the plain list ({plain:.1f} ms)'
        report.add(
            "7", work, measured=f"{took - plain:+.1f} ms", goal=f"≤ {allowed} ms", reached=took - plain <= allowed
        )


def _export(report: Report, kind: str, port: int, database_url: str, leads: int) -> None:
    ours, growth = _our_export(port, "csv")
    floor = _floor_sqlite if kind == "sqlite" else _floor_postgresql
    begin = time.perf_counter()
    for _ in floor(database_url):
        pass
    bare = time.perf_counter() - begin
    goal = 0.9 if kind == "sqlite" else 2.0
    report.add(
        "8",
        f"CSV of {leads:,} leads, {kind}: speed against row by row ({leads / ours / 1000:.0f} thousand rows/s)",
        measured=f"{bare / ours:.2f}",
        goal=f"≥ {goal:g}",
        reached=bare / ours >= goal,
    )
    report.add(
        "8", f"memory growth during it, {kind}", measured=f"{growth:.1f} MiB", goal="< 10 MiB", reached=growth < 10
    )
    for form in ("xlsx", "ndjson"):
        took, growth = _our_export(port, form)
        report.add(
            "8",
            f"the same as {form.upper()}, {kind}: memory growth ({leads / took / 1000:.0f} thousand rows/s)",
            measured=f"{growth:.1f} MiB",
            goal="< 10 MiB",
            reached=growth < 10,
        )


def _server_memory(port: int) -> float:
    servers = {c.pid for c in psutil.net_connections("tcp4") if c.laddr and c.laddr.port == port and c.pid}
    processes = {p for pid in servers for p in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]}
    return float(max(process.memory_info().rss for process in processes)) / 1024**2


def _our_export(port: int, form: str) -> tuple[float, float]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/internal/leads.{form}", headers={"X-API-Key": KEY})
    before = peak = _server_memory(port)
    chunks = 0
    begin = time.perf_counter()
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        while answer.read(1_048_576):
            chunks += 1
            if chunks % 4 == 0:
                peak = max(peak, _server_memory(port))
    return time.perf_counter() - begin, peak - before


_COLUMNS = "l.id, l.first_name, l.last_name, l.email, l.resume_url, l.status, l.created_at, l.updated_at"
_SELECT = f"SELECT {_COLUMNS} FROM leads l ORDER BY l.created_at DESC, l.id DESC"


def _floor_sqlite(database_url: str) -> Iterator[str]:
    connection = sqlite3.connect(database_url.removeprefix("sqlite:///"))
    yield from _csv_lines(connection.execute(_SELECT))


def _floor_postgresql(database_url: str) -> Iterator[str]:
    with (
        psycopg.connect(database_url.replace("+psycopg", "")) as connection,
        connection.cursor(name="floor") as cursor,
    ):
        cursor.itersize = 1000
        cursor.execute(_SELECT)
        yield from _csv_lines(cursor)


def _csv_lines(rows: object) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:  # type: ignore[attr-defined]
        writer.writerow(row)
        if buffer.tell() > 65_536:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
