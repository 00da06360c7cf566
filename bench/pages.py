"""Rows 4 to 6 and 10: lists as JSON and as a page, one lead, the form."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

from bench.databases import Stores
from bench.report import Report
from bench.servers import KEY, ROOT, app_environment, flask, folder, load, server, throughput

WORD = "a long enough word 1"
EMAIL = "admin@firm.test"


def sign_in(port: int, environment: dict[str, str]) -> str:
    """Add an administrator, who chooses a password and is signed in by that; return the Cookie header."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    said = flask(environment, "people", "add", EMAIL, "--name", "Rosa Delgado", "--role", "administrator")
    address = f"http://127.0.0.1:{port}{urllib.parse.urlsplit(said.split()[-1]).path}"
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', opener.open(address).read().decode())
    assert token
    opener.open(address, urllib.parse.urlencode({"password": WORD, "csrf_token": token[1]}).encode())
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows."""
    with folder() as path:
        environment = app_environment(stores.sqlite(), path)
        flask(environment, "db", "upgrade")
        floor = {**os.environ, "FLOOR_DATABASE": stores.sqlite().removeprefix("sqlite:///")}
        with server("wsgi:app", environment) as ours, server("bench.floor:app", floor) as bare:
            for port in (ours, bare):
                load(port, method="POST", path="/public/leads", headers={"Content-Type": "application/json"}, seconds=2)
            key = {"X-API-Key": KEY}
            page = {"Accept": "text/html", "Cookie": sign_in(ours, environment)}
            rows = [
                ("4", "GET /internal/leads?limit=100, JSON", "/internal/leads?limit=100", key, 0.7),
                ("5", "the same as a page", "/internal/leads?limit=100", page, 0.35),
                ("6", "one lead, JSON", "/internal/leads/1", key, 0.45),
            ]
            for number, work, address, headers, goal in rows:
                ratios, rates = [], []
                for round_ in range(options.rounds + 1):
                    plan = {"path": address, "headers": headers, "seconds": options.seconds}
                    app, base = throughput(load(ours, **plan)), throughput(load(bare, **plan))
                    if round_:
                        ratios.append(app / base)
                        rates.append(app)
                report.ratio(number, f"{work}: share of bare ({statistics.median(rates):.0f}/s)", ratios, goal=goal)
    _form(report, stores)


_TIME_FORM = """
import json, time
from wsgi import app
client = app.test_client()
client.get("/")
def once():
    begin = time.process_time_ns()
    with app.test_request_context("/"):
        app.full_dispatch_request()
    return (time.process_time_ns() - begin) / 1000
times = sorted(once() for _ in range(600))
print(json.dumps(times[300]))
"""


def _form(report: Report, stores: Stores) -> None:
    with folder() as path:
        environment = app_environment(stores.sqlite(), path)
        flask(environment, "db", "upgrade")
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _TIME_FORM], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        micros = float(json.loads(done.stdout.splitlines()[-1]))
        report.add(
            "10", "form page, in the application", measured=f"{micros:.0f} µs", goal="≤ 400 µs", reached=micros <= 400
        )
    size = sum(len(gzip.compress((ROOT / "static" / name).read_bytes())) for name in ("app.css", "app.js"))
    report.add(
        "10", "its CSS and script, gzipped", measured=f"{size / 1000:.1f} kB", goal="≤ 30 kB", reached=size <= 30_000
    )
