"""Rows 1 to 3: storing a lead, beside the floor; alone, among many, and with a mail server that misbehaves."""

from __future__ import annotations

import argparse
import os
import secrets
import statistics

from bench.databases import Stores
from bench.report import Report
from bench.servers import KEY, app_environment, flask, folder, gunicorn, load, percentile, throughput

# With a key: without one a client gets 50 confirmations a day, and the rest of the leads would be less work.
HEADERS = {"Content-Type": "application/json", "X-API-Key": KEY}
POST = {"method": "POST", "path": "/public/leads", "headers": HEADERS}


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows."""
    for kind in ("sqlite", "postgresql"):
        _throughput(report, stores, options, kind)
    _latency(report, stores, options)


def _pair(stores: Stores, kind: str, path: os.PathLike[str]) -> tuple[dict[str, str], dict[str, str]]:
    environment = app_environment(stores.make(kind), path)  # type: ignore[arg-type]
    flask(environment, "db", "upgrade")
    floor = stores.make(kind).removeprefix("sqlite:///")
    return environment, {**os.environ, "FLOOR_DATABASE": floor}


def _throughput(report: Report, stores: Stores, options: argparse.Namespace, kind: str) -> None:
    with folder() as path:
        environment, floor = _pair(stores, kind, path)
        with gunicorn("wsgi:app", environment) as ours, gunicorn("bench.floor:app", floor) as bare:
            ratios, rates = [], []
            for round_ in range(options.rounds + 1):
                tag = secrets.token_hex(3)
                app = throughput(load(ours, **POST, tag=tag, seconds=options.seconds))
                base = throughput(load(bare, **POST, tag=tag, seconds=options.seconds))
                if round_:  # the first one warms up
                    ratios.append(app / base)
                    rates.append(app)
    work = f"POST /public/leads, {kind}, 8 clients: share of bare ({statistics.median(rates):.0f}/s)"
    report.ratio("1", work, ratios, goal=0.55)


def _latency(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    for workers in (1, 2):
        with folder() as path:
            environment, floor = _pair(stores, "sqlite", path)
            with (
                gunicorn("wsgi:app", environment, workers=workers, threads=32) as ours,
                gunicorn("bench.floor:app", floor, workers=workers, threads=32) as bare,
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
