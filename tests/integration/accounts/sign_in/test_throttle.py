"""Guesses are counted in the database: over restarts and processes, and without a word about who has an account."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core import passwords
from alma_leads.accounts.core.errors import TooManyAttempts
from alma_leads.accounts.core.models import SignInAttempt, User
from alma_leads.accounts.sign_in import throttle
from alma_leads.accounts.sign_in.sign_in_service import begin_attempt
from alma_leads.accounts.sign_in.throttle import PER_ACCOUNT, PER_ADDRESS, WINDOW
from alma_leads.common.client_address import WIDE_TIMES
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from config import ROOT, Settings
from tests.support.desk import HTML, PASSWORD, add_person, count, run, token

ROSA = "rosa.delgado@alma.example"
MakeApp = Callable[[Settings], Flask]


def attempt(client: FlaskClient, email: str, password: str = "not the right words", address: str = "") -> TestResponse:
    """Fill in the sign-in page."""
    data = {"email": email, "password": password, "csrf_token": token(client.get("/login", headers=HTML))}
    return client.post("/login", data=data, headers=HTML, environ_base={"REMOTE_ADDR": address or "192.0.2.1"})


def guess(app: Flask, email: str, times: int, *, address: str) -> None:
    """Guess without the page, which takes its time."""
    with app.app_context():
        for _ in range(times):
            begin_attempt(email, address=address)


def test_a_restart_forgets_no_guess(app: Flask, client: FlaskClient, make_app: MakeApp, settings: Settings) -> None:
    add_person(app)
    guess(app, ROSA, PER_ACCOUNT - 1, address="198.51.100.1")
    assert attempt(client, ROSA).status_code == 422
    restarted = make_app(settings).test_client()
    assert attempt(restarted, ROSA, PASSWORD).status_code == 429


GUESSES = """
import sys
sys.path.insert(0, {root!r})
from alma_leads.app import create_app
from alma_leads.accounts.core.errors import TooManyAttempts
from alma_leads.accounts.sign_in.sign_in_service import begin_attempt
from alma_leads.common.extensions import db
from config import Settings
app = create_app(Settings(_env_file=None, **{settings!r}))
print("ready", flush=True)
sys.stdin.readline()
with app.app_context():
    for number in range(10):
        try:
            begin_attempt("nobody@alma.example", address=f"198.51.100.{{number}}")
            print("guessed", flush=True)
        except TooManyAttempts:
            pass
"""


def test_processes_that_guess_at_once_have_no_more_guesses_than_one(app: Flask, settings: Settings) -> None:
    secrets = {name: getattr(settings, name).get_secret_value() for name in ("SECRET_KEY", "INTERNAL_API_KEY")}
    plain = {name: getattr(settings, name) for name in ("DATABASE_URL", "RESUME_STORAGE_URL")}
    script = GUESSES.format(root=str(ROOT), settings={**secrets, **plain})
    started = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert "".join(said).count("guessed") == PER_ACCOUNT
    assert count(app, SignInAttempt) == PER_ACCOUNT


def test_a_wait_ends_by_the_clock_and_not_before(app: Flask) -> None:
    now = utc_now()

    def wait(after: timedelta, *, address: str = "192.0.2.1") -> int | None:
        """Guess some time after now; return the seconds to wait, if it is refused."""
        with app.app_context(), transaction() as session:
            try:
                throttle.count_attempt(session, account="someone", address=address, now=now + after)
            except TooManyAttempts as refused:
                return refused.wait_seconds
            return None

    for number in range(PER_ACCOUNT):
        assert wait(timedelta(minutes=number)) is None
    assert wait(timedelta(minutes=5)) == 10 * 60
    assert wait(WINDOW - timedelta(seconds=1), address="192.0.2.2") == 1
    assert wait(WINDOW) is None  # the first has left the window, the second has not
    assert wait(WINDOW) == 60


def test_an_address_waits_whomever_it_tries(app: Flask) -> None:
    with app.app_context():
        for number in range(PER_ADDRESS):
            begin_attempt(f"{number}@alma.example", address="2001:db8::1")
        with pytest.raises(TooManyAttempts):
            begin_attempt("another@alma.example", address="2001:db8::ffff")  # the same customer's network
        begin_attempt("another@alma.example", address="2001:db8:0:1::1")


def test_a_customer_with_many_networks_waits_too(app: Flask) -> None:
    with app.app_context():
        for number in range(PER_ADDRESS * WIDE_TIMES):
            begin_attempt(f"{number}@alma.example", address=f"2001:db8:1:{number:x}::1")
        with pytest.raises(TooManyAttempts):
            begin_attempt("another@alma.example", address="2001:db8:1:ffff::1")
        begin_attempt("another@alma.example", address="2001:db8:2::1")


def test_whoever_waits_reads_how_long_in_the_same_words(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    add_person(app, "Daniel Kim", active=False)
    pages = []
    for number, email in enumerate((ROSA, "daniel.kim@alma.example", "nobody@alma.example", "no address")):
        guess(app, email, PER_ACCOUNT, address=f"192.0.2.{number}")
        refused = attempt(client, email, PASSWORD, address=f"192.0.2.{number}")
        assert refused.status_code == 429
        assert 800 < int(refused.headers["Retry-After"]) <= 900
        page = refused.get_data(as_text=True)
        assert "Wait 15 minutes" in page
        pages.append(re.sub(r"[0-9a-f-]{16,}", "", page))
    assert len(set(pages)) == 1


@pytest.fixture
def work(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what is done: each statement by its text, and each comparison of a password by the cost of its hash."""
    counted: Counter[str] = Counter()
    verify = passwords._HASHER.verify

    def noted(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        counted[statement] += 1

    class Hasher:
        hash, check_needs_rehash = passwords._HASHER.hash, passwords._HASHER.check_needs_rehash

        def verify(self, hashed: str, password: bytes) -> bool:
            counted[hashed.rsplit("$", 2)[0]] += 1
            return verify(hashed, password)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", noted)
    monkeypatch.setattr(passwords, "_HASHER", Hasher())
    return counted


@pytest.mark.real_password_cost
def test_known_and_unknown_accounts_cost_the_same_work(app: Flask, client: FlaskClient, work: Counter[str]) -> None:
    # What takes the same work takes the same time; `make bench` says how much. Unlike a clock this does not flicker.
    add_person(app)
    add_person(app, "Daniel Kim", active=False)
    run(app, update(User).where(User.id == add_person(app, "Ian Park")).values(password=None))
    emails = (ROSA, "daniel.kim@alma.example", "ian.park@alma.example", "nobody@alma.example")
    wrong: list[dict[str, int]] = []
    waiting: list[dict[str, int]] = []
    for number, email in enumerate(emails):
        for status, done in ((422, wrong), (429, waiting)):
            page = token(client.get("/login", headers=HTML))
            work.clear()
            data = {"email": email, "password": "not the right words", "csrf_token": page}
            answer = client.post("/login", data=data, headers=HTML, environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
            assert answer.status_code == status
            done.append(dict(work))
            if status == 422:
                guess(app, email, PER_ACCOUNT - 1, address=f"192.0.2.{number}")
    assert all(done == wrong[0] for done in wrong)
    assert all(done == waiting[0] for done in waiting)
    assert sum(name.startswith("SELECT") for name in wrong[0]) >= 3, "statements were counted"
    assert [name for name in wrong[0] if name.startswith("$argon2id$")] == ["$argon2id$v=19$m=65536,t=3,p=4"]
    assert not any(name.startswith("$argon2id$") for name in waiting[0])  # or guesses could keep the server busy
