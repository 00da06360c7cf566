"""`make chaos`: kill every process with SIGKILL while 500 prospects submit, start again, five times, on both databases.

Afterwards every acknowledged lead must be there once, with both of its e-mails taken by the mail server. The number of
e-mails that the server got more than once is reported: at least once is the promise, once is the aim.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from sqlalchemy import create_engine, text

from bench.databases import Stores, databases
from bench.delivery import sink
from bench.servers import KEY, ROOT, app_environment, folder, free_port, wait_for

CLIENTS = 40
PATIENCE_SECONDS = 120


class Victim:
    """The application as `make run` starts it, with everything that belongs to it."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        self.environment = {**environment, "PORT": str(port)}
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(
            ["make", "--silent", "run"],  # noqa: S607
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self.port, seconds=30)

    def kill(self) -> None:
        """Kill every process of it, at once and without mercy."""
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        for process in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def stop(self) -> float:
        """Stop it as an operator does; return the seconds that took."""
        assert self.process is not None
        begin = time.perf_counter()
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(timeout=30)
        return time.perf_counter() - begin


def submit(port: int, number: int, deadline: float) -> dict[str, object] | None:
    """Send one lead until it is acknowledged, as a patient client does; return the record."""
    body = json.dumps(
        {
            "first_name": "Sai",
            "last_name": f"Maryada {number}",
            "email": f"chaos-{number}@example.com",
            "resume_url": "https://drive.google.com/x",
        }
    )
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
            connection.request("POST", "/public/leads", body, {"Content-Type": "application/json", "X-API-Key": KEY})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == 201:
                record: dict[str, object] = json.loads(content)
                return record
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(random.uniform(0.05, 0.3))  # noqa: S311
    return None


def attack(kind: str, stores: Stores, *, submissions: int, kills: int) -> bool:
    """Run one ordeal on a database of `kind`; print what became of it and return whether nothing was lost."""
    port = free_port()
    with folder() as path, sink("well", path) as (smtp_port, file):
        environment = app_environment(
            stores.make(kind), path, SMTP_HOST="127.0.0.1", SMTP_PORT=str(smtp_port), SMTP_SECURITY="none"
        )
        victim = Victim(environment, port)
        victim.start()
        deadline = time.monotonic() + 300
        done = threading.Event()

        def kill_again_and_again() -> None:
            for _ in range(kills):
                time.sleep(random.uniform(0.3, 1.5))  # noqa: S311
                victim.kill()
                victim.start()
            done.set()

        killer = threading.Thread(target=kill_again_and_again)
        killer.start()
        with ThreadPoolExecutor(CLIENTS) as pool:
            records = list(pool.map(lambda n: _paced(port, n, deadline, done), range(submissions)))
        killer.join()
        acknowledged = [record for record in records if record]
        lost = _wait_and_count_lost(environment, acknowledged, file)
        stopped = victim.stop()
        taken = file.read_bytes().split()
        leads = _count(environment, "SELECT count(*) FROM leads")
    sys.stdout.write(
        f"{kind}: {len(acknowledged)} of {submissions} acknowledged under {kills} kills; {leads} leads stored; "
        f"{lost} lost; {len(set(taken))} e-mails delivered, {len(taken) - len(set(taken))} of them repeated; "
        f"stopped in {stopped:.1f} s\n"
    )
    return lost == 0 and leads == submissions == len(acknowledged)


def _paced(port: int, number: int, deadline: float, done: threading.Event) -> dict[str, object] | None:
    """Submit, but spread the submissions over the time of the killing."""
    if not done.is_set():
        time.sleep(random.uniform(0, 0.6))  # noqa: S311
    return submit(port, number, deadline)


def _count(environment: dict[str, str], statement: str) -> int:
    engine = create_engine(environment["DATABASE_URL"])
    with engine.connect() as connection:
        found = int(connection.execute(text(statement)).scalar() or 0)
    engine.dispose()
    return found


def _wait_and_count_lost(environment: dict[str, str], acknowledged: list[dict[str, object]], file: Path) -> int:
    """Wait until nothing is queued; count acknowledged leads that are not stored with two delivered e-mails."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _count(environment, "SELECT count(*) FROM outbox_messages WHERE state = 'queued'"):
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    taken = {line.decode() for line in file.read_bytes().split()}
    engine = create_engine(environment["DATABASE_URL"])
    with engine.connect() as connection:
        emails = {row[0]: row[1] for row in connection.execute(text("SELECT id, email FROM leads"))}
        sent: dict[str, int] = {}
        for correlation, message_id in connection.execute(
            text("SELECT correlation, message_id FROM outbox_messages WHERE state = 'sent'")
        ):
            sent[correlation] = sent.get(correlation, 0) + (message_id in taken)
    engine.dispose()
    return sum(
        emails.get(record["id"]) != record["email"] or sent.get(f"lead:{record['id']}") != 2 for record in acknowledged
    )


def main() -> None:
    """Attack both databases; exit 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=500)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="to repeat an ordeal")
    options = parser.parse_args()
    random.seed(options.seed)
    sys.stdout.write(f"seed {options.seed}\n")
    with databases() as stores:
        results = [
            attack(kind, stores, submissions=options.submissions, kills=options.kills)
            for kind in ("sqlite", "postgresql")
        ]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
