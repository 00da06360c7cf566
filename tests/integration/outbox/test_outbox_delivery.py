"""Delivery to a real mail server with STARTTLS and AUTH, well-behaved and not, on both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from alma_leads.common.actor import OPERATOR
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.transactions import reading
from alma_leads.outbox import queries, queue
from alma_leads.outbox.backoff import RetryPolicy
from alma_leads.outbox.connection import Connection
from alma_leads.outbox.delivery import DeliveryRun, new_delivery_run
from alma_leads.outbox.mail_settings import SmtpServer as Server
from alma_leads.outbox.mail_settings import mail_settings
from alma_leads.outbox.pause_service import find_pause
from config import Settings
from tests.conftest import MakeSettings
from tests.support.outbox import enqueue_notes, written_message
from tests.support.smtp import SmtpServer

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, smtp_server: SmtpServer) -> Settings:
    return make_settings(
        DATABASE_URL=database_url,
        **smtp_server.settings(),
        MAIL_MAX_ATTEMPTS=4,
        MAIL_RETRY_BASE_S=0.01,
        MAIL_RETRY_MAX_S=0.02,
    )


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


promise = enqueue_notes


def drain(engine: Engine, *, linger_s: float = 0.0, policy: RetryPolicy | None = None, **server: Any) -> DeliveryRun:
    """Return a run by the settings, and with other properties of the mail server."""
    made = new_delivery_run(linger_s=linger_s)
    assert made is not None
    there = replace(made.settings.server, **{"greeting_timeout_s": 5.0, "answer_timeout_s": 5.0} | server)
    made.settings = replace(made.settings, server=there, policy=policy or made.settings.policy)
    return made


def paused(engine: Engine) -> str:
    """Return the words in which mail is paused, or ""."""
    with reading(engine) as connection:
        pause = find_pause(connection)
    return pause.words if pause else ""


def messages(engine: Engine) -> list[queries.MessageRow]:
    with reading(engine) as connection:
        return queries.list_about(connection, "lead:1")


def message_ids(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(text("SELECT message_id FROM outbox_messages ORDER BY id")).scalars())


def hour(_attempts: int = 0) -> RetryPolicy:
    return RetryPolicy(max_attempts=4, base_s=3600, max_s=3600)


def test_a_message_arrives_with_everything_it_should_have(engine: Engine, smtp_server: SmtpServer) -> None:
    promise(engine, sender_name="Žofie of Alma", reply_to="desk@firm.example", subject="Naïve 你好", text="Zoë\n.\nend")
    tally = drain(engine).run()

    assert (tally.sent, tally.retrying, tally.failed) == (1, 0, 0)
    [taken] = smtp_server.taken
    mail = taken.message
    assert (taken.sender, taken.recipients) == ("intake@firm.example", ("ada@example.com",))
    assert mail["From"] == "Žofie of Alma <intake@firm.example>"
    assert mail["To"] == "ada@example.com"
    assert mail["Reply-To"] == "desk@firm.example"
    assert mail["Subject"] == "Naïve 你好"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [mail["Message-ID"]] == message_ids(engine)
    assert abs((parsedate_to_datetime(mail["Date"]) - utc_now()).total_seconds()) < 60
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    plain, html = mail.iter_parts()
    assert plain.get_content().split() == ["Zoë", ".", "end"]
    assert html.get_content().strip() == "<p>html</p>"
    assert "AUTH" in smtp_server.commands
    [row] = messages(engine)
    assert (row.state, row.attempts, row.last_error) == ("sent", 1, None)


def test_a_message_from_before_the_upgrade_goes_out_as_it_was_written(engine: Engine, smtp_server: SmtpServer) -> None:
    written_message(engine, text="Dear Ada")
    assert drain(engine).run().sent == 1

    [taken] = smtp_server.taken
    assert taken.message["Subject"] == "Written before"
    assert [part.get_content().strip() for part in taken.message.iter_parts()] == ["Dear Ada", "<p>Dear Ada</p>"]


@pytest.mark.parametrize(
    "facts", [{"subject": "A name is missing"}, {"subject": "a\nBcc: b@example.com", "text": "", "html": ""}]
)
def test_what_cannot_be_rendered_waits_and_the_rest_goes(
    engine: Engine, smtp_server: SmtpServer, facts: dict[str, str]
) -> None:
    promise(engine, facts=facts)
    promise(engine)
    with capture_logs() as logs:
        assert drain(engine).run().sent == 1

    waits, sent = messages(engine)
    assert (waits.state, waits.attempts, sent.state) == ("queued", 0, "sent")
    assert waits.last_error == "We could not write this email. The log says why."
    assert waits.due_at > to_stamp(utc_now())
    assert [entry["event"] for entry in logs] == ["email could not be rendered", "email sent"]
    assert len(smtp_server.taken) == 1


def test_an_international_domain_and_the_default_recipient(engine: Engine, smtp_server: SmtpServer) -> None:
    promise(engine, recipient="ada@bücher.example")
    promise(engine, recipient=None)
    drain(engine).run()

    assert [taken.recipients for taken in smtp_server.taken] == [
        ("ada@xn--bcher-kva.example",), ("helpdesk@firm.example",),
    ]  # fmt: skip


def test_an_address_that_no_server_takes_is_given_up_and_the_rest_goes(engine: Engine, smtp_server: SmtpServer) -> None:
    promise(engine, recipient="zoë@example.com")
    promise(engine)
    drain(engine).run()

    assert [row.delivery for row in messages(engine)] == ["dead", "sent"]
    assert "before the @" in (messages(engine)[0].last_error or "")


def test_many_messages_go_over_one_connection(engine: Engine, smtp_server: SmtpServer) -> None:
    promise(engine, 120)

    assert drain(engine).run().sent == 120
    assert smtp_server.connections == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ca_file": None}, "certificate that cannot be trusted"),
        ({"password": "wrong"}, "535"),
        ({"port": 1}, "refused"),
        ({"host": "no-such-host.invalid"}, "is not known"),
        ({"security": "tls"}, "SSL"),
        ({"host": "mail.example", "security": "none"}, "password in clear"),
    ],
    ids=lambda value: str(value),
)
def test_what_the_operator_has_to_mend_makes_every_message_wait_with_the_reason(
    engine: Engine, smtp_server: SmtpServer, wrong: dict[str, Any], words: str
) -> None:
    promise(engine, 3)
    tally = drain(engine, policy=hour(), **wrong).run()

    assert (tally.sent, tally.retrying, tally.failed) == (0, 0, 0)
    assert {(row.delivery, row.attempts) for row in messages(engine)} == {("queued", 0)}
    assert words in paused(engine)
    assert words in tally.refused
    assert smtp_server.taken == []


def test_a_server_without_starttls_gets_no_password(engine: Engine, tmp_path: Path) -> None:
    promise(engine)
    with SmtpServer(tmp_path, security="none") as plain:
        drain(engine, policy=hour(), port=plain.port).run()
        assert "AUTH" not in plain.commands

    assert "STARTTLS" in paused(engine)


def test_tls_from_the_first_byte(engine: Engine, tmp_path: Path) -> None:
    promise(engine)
    with SmtpServer(tmp_path, security="tls") as wrapped:
        drain(engine, port=wrapped.port, ca_file=wrapped.ca_file, security="tls").run()
        assert len(wrapped.taken) == 1


def test_a_silent_server_costs_one_time_out_for_all_and_no_attempt(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.silent = True
    promise(engine, 30)
    began = time.monotonic()
    tally = drain(engine, linger_s=1.0, greeting_timeout_s=0.4).run()

    assert (tally.sent, tally.retrying, tally.failed) == (0, 0, 0)
    assert time.monotonic() - began < 8
    assert {(row.delivery, row.attempts) for row in messages(engine)} == {("queued", 0)}
    assert "did not answer in time" in paused(engine)


def test_a_server_that_falls_silent_in_the_middle_holds_up_no_more_than_one_message(
    engine: Engine, smtp_server: SmtpServer
) -> None:
    promise(engine, 20)
    smtp_server.behaviour.delay_s = 0.4
    began = time.monotonic()
    drain(engine, policy=hour(), greeting_timeout_s=5, answer_timeout_s=0.1).run()

    assert time.monotonic() - began < 6
    assert {(row.delivery, row.attempts) for row in messages(engine)} == {("queued", 0)}
    assert "did not answer in time" in paused(engine)


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_three_times_not_now_and_then_it_goes(engine: Engine, smtp_server: SmtpServer, command: str) -> None:
    smtp_server.behaviour.reply_once(command, *["451 4.7.1 Greylisted, come back later"] * 3)
    promise(engine)
    tally = drain(engine, linger_s=1.0).run()

    assert (tally.sent, tally.retrying, tally.failed) == (1, 3, 0)
    assert [row.attempts for row in messages(engine)] == [4]
    assert [taken.message["Message-ID"] for taken in smtp_server.taken] == message_ids(engine)


def test_a_fourth_time_makes_it_a_dead_letter(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.replies["DATA"] = "451 4.7.1 Greylisted, come back later"
    promise(engine)
    drain(engine, linger_s=1.0).run()

    [row] = messages(engine)
    assert (row.delivery, row.attempts) == ("dead", 4)
    assert row.last_error == "451 4.7.1 Greylisted, come back later"


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_a_refusal_for_good_is_a_dead_letter_at_once_and_can_be_sent_again(
    engine: Engine, smtp_server: SmtpServer, command: str
) -> None:
    smtp_server.behaviour.reply_once(command, "", "550 5.1.1 No such user here")
    promise(engine, 3)
    drain(engine).run()

    assert [row.delivery for row in messages(engine)] == ["sent", "dead", "sent"]
    dead = messages(engine)[1]
    assert (dead.attempts, dead.last_error) == (1, "550 5.1.1 No such user here")

    assert queue.retry(engine, dead.id, actor=OPERATOR)
    assert drain(engine).run().sent == 1
    assert [row.delivery for row in messages(engine)] == ["sent"] * 3
    assert sorted(taken.message["Message-ID"] for taken in smtp_server.taken) == sorted(message_ids(engine))
    assert smtp_server.taken[-1].message["Subject"] == "No. 1"


def test_a_server_that_wants_a_sign_in_refuses_us_and_not_the_message(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.replies["MAIL"] = "530 5.7.0 Authentication required"
    promise(engine)
    drain(engine, policy=hour()).run()

    assert [(row.delivery, row.attempts) for row in messages(engine)] == [("queued", 0)]
    assert paused(engine) == "530 5.7.0 Authentication required"


def test_a_connection_closed_between_messages_costs_no_attempt(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.reply_once("MAIL", "", "421 4.4.2 Idle for too long", "")
    promise(engine, 3)
    drain(engine).run()

    assert [(row.delivery, row.attempts) for row in messages(engine)] == [("sent", 1)] * 3
    assert smtp_server.connections == 2


def test_a_connection_lost_after_the_message_means_a_repeat_that_can_be_told(
    engine: Engine, smtp_server: SmtpServer
) -> None:
    smtp_server.behaviour.drop_after_data = True
    promise(engine)
    drain(engine, policy=hour()).run()
    smtp_server.behaviour.drop_after_data = False
    [row] = messages(engine)
    assert (row.delivery, row.attempts) == ("retrying", 1)
    queue.retry(engine, row.id, actor=OPERATOR)
    drain(engine).run()

    first, second = smtp_server.taken
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert messages(engine)[0].delivery == "sent"


def test_two_workers_share_two_hundred_messages_and_send_each_once(engine: Engine, smtp_server: SmtpServer) -> None:
    promise(engine, 200)
    drains = [drain(engine, answer_timeout_s=10, greeting_timeout_s=10) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        tallies = [task.result() for task in [pool.submit(copy_context().run, one.run) for one in drains]]

    assert sum(tally.sent for tally in tallies) == 200
    assert Counter(taken.message["Message-ID"] for taken in smtp_server.taken) == Counter(message_ids(engine))


def test_a_slow_server_does_not_cost_the_lease(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.delay_s = 0.3
    promise(engine, 2)
    slow = drain(engine, greeting_timeout_s=5, answer_timeout_s=5)
    slow.lease_s, slow.heartbeat_s = 0.8, 0.2
    thread = threading.Thread(target=copy_context().run, args=(slow.run,))
    thread.start()
    time.sleep(0.2)
    while thread.is_alive():
        assert drain(engine).run().sent == 0
        time.sleep(0.1)
    thread.join()

    assert slow.stats.sent == len(smtp_server.taken) == 2


def test_a_worker_that_was_held_up_sends_nothing_of_what_may_be_another_ones(
    engine: Engine, smtp_server: SmtpServer
) -> None:
    promise(engine, 3)
    held_up = drain(engine)
    held_up.lease_s = -1
    batch = held_up._claim(10)
    with closing(Connection(held_up.mail, held_up.settings.server)) as connection:
        held_up._deliver(batch, connection)

    assert smtp_server.taken == []
    assert {row.attempts for row in messages(engine)} == {0}


def test_a_worker_that_is_told_to_stop_gives_the_rest_back_at_once(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.delay_s = 0.1
    promise(engine, 10)
    stopped = drain(engine, greeting_timeout_s=5, answer_timeout_s=5)
    thread = threading.Thread(target=copy_context().run, args=(stopped.run,))
    thread.start()
    smtp_server.wait_for(1)
    stopped.stop.set()
    thread.join(timeout=5)
    smtp_server.behaviour.delay_s = 0

    assert not thread.is_alive()
    assert stopped.stats.sent < 10
    assert drain(engine).run().sent == 10 - stopped.stats.sent
    assert {row.attempts for row in messages(engine)} == {1}
    assert len(smtp_server.taken) == 10


_VICTIM = """
import sys
from alma_leads.app import create_app
from alma_leads.outbox.delivery import new_delivery_run
from config import load_settings
from tests.support.outbox import offer_notes
app = create_app(load_settings())
offer_notes(app)
with app.app_context():
    drain = new_delivery_run()
    drain.lease_s = float(sys.argv[1])
    drain.run()
"""


def test_a_worker_killed_in_the_middle_loses_nothing(
    engine: Engine, smtp_server: SmtpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    smtp_server.behaviour.delay_s = 0.01
    promise(engine, 40)
    victim = subprocess.Popen([sys.executable, "-c", _VICTIM, "2"], cwd=ROOT, env=environment_of(settings))
    smtp_server.wait_for(5, within_s=30)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    smtp_server.behaviour.delay_s = 0
    before = len(smtp_server.taken)
    assert before < 40

    deadline = time.monotonic() + 10
    while len({taken.message["Message-ID"] for taken in smtp_server.taken}) < 40 and time.monotonic() < deadline:
        drain(engine, linger_s=1.0, greeting_timeout_s=5).run()

    counted = Counter(taken.message["Message-ID"] for taken in smtp_server.taken)
    assert set(counted) == set(message_ids(engine))
    assert {row.delivery for row in messages(engine)} == {"sent"}
    assert sum(counted.values()) - 40 <= 1  # only the one that was in flight may come twice


def environment_of(settings: Settings) -> dict[str, str]:
    """Return an environment in which another process has the same settings."""
    given = settings.model_dump(exclude_none=True)
    values = {name: getattr(value, "get_secret_value", lambda value=value: value)() for name, value in given.items()}
    return os.environ | {name: str(value) for name, value in values.items()}


def test_without_a_mail_server_nothing_is_tried(make_app: Any, make_settings: MakeSettings, database_url: str) -> None:
    app = make_app(make_settings(DATABASE_URL=database_url))
    with app.app_context():
        assert mail_settings() is None
        assert new_delivery_run() is None


def test_a_relay_on_this_machine_may_have_the_password_in_clear(engine: Engine, tmp_path: Path) -> None:
    promise(engine)
    with SmtpServer(tmp_path, security="none") as relay:
        drain(engine, port=relay.port, security="none").run()
        assert len(relay.taken) == 1


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Server("mail.example", 25, password="hunter2"))
