"""Rows 1 to 3: storing a lead, beside the floor; alone, among many, and with a mail server that misbehaves."""

from __future__ import annotations

import argparse
import os
import secrets
import statistics

from bench.databases import Stores
from bench.report import Report
from bench.servers import (
    KEY,
    app_environment,
    cpu_seconds,
    flask,
    folder,
    load,
    percentile,
    product,
    server,
    throughput,
)

# With a key: without one a client gets 50 confirmations a day, and the rest of the leads would be less work.
HEADERS = {"Content-Type": "application/json", "X-API-Key": KEY}
POST = {"method": "POST", "path": "/public/leads", "headers": HEADERS}


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows."""
    for kind in ("sqlite", "postgresql"):
        _throughput(report, stores, options, kind)
    _one_client(report, stores, options)
    _latency(report, stores, options)


def _pair(stores: Stores, kind: str, path: os.PathLike[str]) -> tuple[dict[str, str], dict[str, str]]:
    environment = app_environment(stores.make(kind), path)  # type: ignore[arg-type]
    flask(environment, "db", "upgrade")
    floor = stores.make(kind).removeprefix("sqlite:///")
    return environment, {**os.environ, "FLOOR_DATABASE": floor}


def _throughput(report: Report, stores: Stores, options: argparse.Namespace, kind: str) -> None:
    with folder() as path:
        environment, floor = _pair(stores, kind, path)
        with server("wsgi:app", environment) as ours, server("bench.floor:app", floor) as bare:
            ratios, rates = [], []
            for round_ in range(options.rounds + 1):
                tag = secrets.token_hex(3)
                app = throughput(load(ours, **POST, tag=tag, seconds=options.seconds))
                base = throughput(load(bare, **POST, tag=tag, seconds=options.seconds))
                if round_:  # the first one warms up
                    ratios.append(app / base)
                    rates.append(app)
    work = f"POST /public/leads, {kind}, 8 clients: share of bare ({statistics.median(rates):.0f}/s)"
    report.ratio("1", work, ratios, goal=0.5)


def _one_client(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """One client after another, and what a submission costs in all processes: mail worker, waking it, and no SMTP."""
    with folder() as path:
        environment, floor = _pair(stores, "sqlite", path)
        with server("wsgi:app", environment) as ours, server("bench.floor:app", floor) as bare:
            ratios = []
            for round_ in range(options.rounds + 1):
                plan = {**POST, "clients": 1, "seconds": options.seconds, "tag": secrets.token_hex(3)}
                app, base = throughput(load(ours, **plan)), throughput(load(bare, **plan))
                if round_:
                    ratios.append(app / base)
    report.ratio("1", "POST /public/leads, sqlite, 1 client: share of bare", ratios, goal=0.35)
    for clients in (1, 8):
        with folder() as path, product(app_environment(stores.make("sqlite"), path)) as (port, process):
            spent = []
            for round_ in range(options.rounds + 1):
                before = cpu_seconds(process)
                measured = load(port, **POST, clients=clients, seconds=options.seconds, tag=secrets.token_hex(3))
                if round_:
                    spent.append(1000 * (cpu_seconds(process) - before) / len(measured["latencies"]))
        work = f"CPU of all processes for a submission, sqlite, {clients} client(s), ms"
        report.ratio("1", work, spent, goal=1.5, at_most=True)


def _latency(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    for workers in (1, 2):
        with folder() as path:
            environment, floor = _pair(stores, "sqlite", path)
            with (
                server("wsgi:app", environment, workers=workers, threads=32) as ours,
                server("bench.floor:app", floor, workers=workers, threads=32) as bare,
            ):
                for clients in (8, 32):
                    ratios, ours_ms, bare_ms = [], [], []
                    for round_ in range(options.rounds + 1):
                        plan = {**POST, "clients": clients, "seconds": options.seconds, "tag": secrets.token_hex(3)}
                        app, base = percentile(load(ours, **plan), 0.99), percentile(load(bare, **plan), 0.99)
                        if round_:
                            ratios.append(app / base)
                            ours_ms.append(app)
                            bare_ms.append(base)
                    work = (
                        f"its p99, SQLite, {clients} clients, {workers} process(es): times bare "
                        f"({statistics.median(ours_ms):.0f} ms : {statistics.median(bare_ms):.0f} ms)"
                    )
                    report.ratio("2", work, ratios, goal=2, at_most=True)
