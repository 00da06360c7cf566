"""How long a sign-in that fails takes, by whether the account exists: a stranger must not tell the two apart by it."""

from __future__ import annotations

import argparse
import random
import re
import statistics
import time

from sqlalchemy import delete

from alma_leads.accounts.core import users
from alma_leads.accounts.core.models import Role, SignInAttempt
from alma_leads.accounts.core.passwords import hash_password
from alma_leads.accounts.sign_in import throttle
from alma_leads.app import create_app
from alma_leads.common.extensions import db
from alma_leads.database import schema_version
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from bench.databases import Stores
from bench.report import Report
from bench.servers import folder
from config import Settings

PER_ROUND = 8
SHUFFLES = 2000
LIKELY = 0.01
HTML = {"Accept": "text/html"}
# Who is tried, and whether that account waits already.
CASES = {
    "known": ("known@firm.test", False),
    "unknown": ("unknown@firm.test", False),
    "turned off": ("off@firm.test", False),
    "invited": ("invited@firm.test", False),
    "known, waits": ("known@firm.test", True),
    "unknown, waits": ("unknown@firm.test", True),
}


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows: one for those whose password is compared, one for those who wait."""
    for kind in ("sqlite", "postgresql"):
        took = _sign_ins(stores.make(kind), options.rounds * PER_ROUND)
        for what, names in (("that fails", list(CASES)[:4]), ("that waits", list(CASES)[4:])):
            said = ", ".join(f"{name} {statistics.median(took[name]) * 1000:.1f}" for name in names)
            chance = _chance([took[name] for name in names])
            report.add(
                "–",
                f"median of a sign-in {what}, {kind}",
                measured=f"{said} ms; chance alone makes such differences with p = {chance:.2f}",
                goal=f"p > {LIKELY}",
                reached=chance > LIKELY,
            )


def _chance(groups: list[list[float]]) -> float:
    """Return how often medians differ as much when the times are dealt out at random (a permutation test).

    That needs no quiet machine: noise is in every group alike, and only makes the test less sharp.
    """

    def spread(of: list[list[float]]) -> float:
        medians = [statistics.median(group) for group in of]
        return max(medians) - min(medians)

    found, pool, size = spread(groups), [each for group in groups for each in group], len(groups[0])
    hits = 0
    for _ in range(SHUFFLES):
        random.shuffle(pool)
        hits += spread([pool[start : start + size] for start in range(0, len(pool), size)]) >= found
    return hits / SHUFFLES


def _sign_ins(url: str, rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each case took, measured by turns so that noise falls on all alike."""
    with folder() as path:
        app = create_app(
            Settings(
                _env_file=None,
                SECRET_KEY="s" * 40,
                INTERNAL_API_KEY="k" * 40,
                DATABASE_URL=url,
                TASK_QUEUE_URL=f"sqlite:///{path}/tasks.db",
                RESUME_STORAGE_URL=f"file://{path}/resumes",
                LOG_LEVEL="WARNING",
            )
        )
        took: dict[str, list[float]] = {name: [] for name in CASES}
        with app.app_context():
            schema_version.upgrade()
            _add_people()
        client = app.test_client()
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login", headers=HTML).text)
        assert token
        for round_ in range(rounds + 1):
            for name in random.sample(list(CASES), len(CASES)):
                email, waits = CASES[name]
                with app.app_context():
                    _set_attempts(email, throttle.PER_ACCOUNT if waits else 0)
                data = {"email": email, "password": "not the right words", "csrf_token": token[1]}
                started = time.perf_counter()
                answer = client.post("/login", data=data, headers=HTML)
                seconds = time.perf_counter() - started
                if answer.status_code != (429 if waits else 422):
                    raise RuntimeError(f"{name}: {answer.status_code}")
                if round_:
                    took[name].append(seconds)
        with app.app_context():
            db.engine.dispose()
        return took


def _add_people() -> None:
    hashed = hash_password("forty green umbrellas")
    with transaction() as session:
        for name, password in (("known", hashed), ("off", hashed), ("invited", None)):
            user = users.create_user(session, f"{name}@firm.test", name=name, role=Role.ATTORNEY, password=password)
            user.active = name != "off"


def _set_attempts(email: str, number: int) -> None:
    with transaction() as session:
        session.execute(delete(SignInAttempt))
        for _ in range(number):
            session.add(SignInAttempt(account=throttle.account_key(email), address="x", at=utc_now()))
