"""Delivering what is due: claim a batch, hand each message over, settle it at once; until nothing is due.

Any number of these run at the same time, on any number of machines: the lease decides who sends what.
"""

from __future__ import annotations

import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask_mail
import structlog
from flask import current_app
from sqlalchemy import Engine, Row

from alma_leads.database.base import from_stamp, utc_now
from alma_leads.database.transactions import reading
from alma_leads.extensions import db, settings
from alma_leads.outbox import queue
from alma_leads.outbox.backoff import RetryPolicy
from alma_leads.outbox.connection import SmtpServer
from alma_leads.outbox.message import ENGLISH
from alma_leads.outbox.mime import Envelope, Unmailable, envelope
from alma_leads.outbox.queries import next_due
from alma_leads.outbox.queue import Failure
from alma_leads.outbox.rendering import Content, render
from alma_leads.outbox.transport import Accepted, ConnectionFailed, ConnectionLost, Outcome, Permanent, Transport

log = structlog.get_logger(__name__)

LEASE_S = 15.0  # what a killed worker held comes due again after at most this long
HEARTBEAT_S = 5.0
BATCH = 50
# While the server is down a batch costs a time-out: then few large ones, so that all messages see their attempts.
BATCH_WHILE_DOWN = 500
TOO_OLD = "It was not sent in time: the link in it no longer works."
# An email that cannot be rendered is our fault, and the next version may mend it.
NOT_RENDERED = "We could not write this email. The log says why."
RENDER_AGAIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Route:
    """From whom, through what, and how often mail goes.

    Args:
        server: the mail server.
        sender: address in From and in the envelope.
        default_recipient: gets the messages that have no recipient of their own, and the answers to those without
            a Reply-To.
        policy: when to try again.
    """

    server: SmtpServer
    sender: str
    default_recipient: str
    policy: RetryPolicy


@dataclass(slots=True)
class Tally:
    """What a drain did: messages sent, to be tried again, and given up."""

    sent: int = 0
    retrying: int = 0
    dead: int = 0


@dataclass(slots=True)
class Drain:
    """One worker's pass over the outbox.

    Args:
        engine: of the database.
        mail: Flask-Mail's state.
        route: where mail goes.
        stop: set from outside to end after the message in hand; what is not sent by then is given back.
        linger_s: a message that comes due within so many seconds is waited for.
        lease_s: how long a claim lasts unless it is extended, in seconds.
        heartbeat_s: how often it is.
        rng: floats in [0, 1).
    """

    engine: Engine
    mail: flask_mail.Mail
    route: Route
    stop: threading.Event = field(default_factory=threading.Event)
    linger_s: float = 0.0
    lease_s: float = LEASE_S
    heartbeat_s: float = HEARTBEAT_S
    rng: Callable[[], float] = random.random
    tally: Tally = field(default_factory=Tally)
    _lease: str = field(default_factory=lambda: secrets.token_hex(16))
    _held: dict[int, None] = field(default_factory=dict)
    _held_until: float = 0.0
    _server_down: bool = False

    def run(self) -> Tally:
        """Deliver until nothing is due, or until `stop` is set."""
        with self._transport() as transport, self._heartbeat():
            while not self.stop.is_set():
                batch = self._claim()
                if batch:
                    self._deliver(batch, transport)
                elif not self._wait_for_next():
                    break
        return self.tally

    def release(self) -> None:
        """Give back what is held and not sent, at once and without counting an attempt. Any thread may call this."""
        held = list(self._held)
        if held:
            queue.release(self.engine, self._lease, held)
            self._held.clear()

    def _transport(self) -> Transport:
        return Transport(self.mail, self.route.server)

    def _claim(self) -> list[Row[Any]]:
        began = time.monotonic()
        limit = BATCH_WHILE_DOWN if self._server_down else BATCH
        batch = queue.claim(self.engine, self._lease, limit=limit, lease_s=self.lease_s)
        self._held_until = began + self.lease_s
        self._held.update(dict.fromkeys(message.id for message in batch))
        return batch

    def _wait_for_next(self) -> bool:
        """Wait for a message that comes due soon; return False when none does."""
        if self.linger_s <= 0:
            return False
        with reading(self.engine) as connection:
            due = next_due(connection)
        wait_s = (from_stamp(due) - utc_now()).total_seconds() if due else self.linger_s + 1
        # Never without a pause: what is due and yet cannot be claimed is being claimed by another worker.
        return wait_s <= self.linger_s and not self.stop.wait(max(wait_s, 0.02))

    def _deliver(self, batch: Sequence[Row[Any]], transport: Transport) -> None:
        lost_before = False
        try:
            for index, message in enumerate(batch):
                if self.stop.is_set() or time.monotonic() > self._held_until:
                    return  # the latter: we were held up, and others may be sending these by now
                try:
                    self._settle(message, transport)
                    lost_before = self._server_down = False
                except ConnectionFailed as error:
                    log.warning("mail server cannot be used", words=str(error))
                    self._server_down = True
                    self._fail(batch[index:], str(error))
                    return
                except ConnectionLost as error:
                    log.warning("connection to the mail server broke", words=str(error))
                    # Once may be the fault of one message; silence, or twice in a row, is the server's.
                    whole = error.silent or lost_before
                    self._fail(batch[index:] if whole else [message], str(error))
                    if whole:
                        return
                    lost_before = True
        finally:
            self.release()

    def _settle(self, message: Row[Any], transport: Transport) -> None:
        if message.expires_at is not None and message.expires_at <= utc_now():
            self._fail([message], TOO_OLD, for_good=True)
            return
        text = ""
        outcome: Outcome
        try:
            content = _content(message)
            text = content.text
            envelope = self._envelope(message, content)
        except Unmailable as error:
            outcome = Permanent(str(error))
        except Exception:
            log.exception("email could not be rendered", id=message.id, kind=message.kind)
            self._postpone(message)
            return
        else:
            outcome = transport.send(envelope)
        if isinstance(outcome, Accepted):
            # No longer ours to give back, also when the database fails now: a repeat later beats one at once.
            self._held.pop(message.id, None)
            if queue.settle_sent(self.engine, self._lease, message.id):
                self.tally.sent += 1
            return
        words = outcome.words if message.expires_at is None else _without_secrets(outcome.words, text)
        self._fail([message], words, for_good=isinstance(outcome, Permanent))

    def _postpone(self, message: Row[Any]) -> None:
        queue.postpone(self.engine, self._lease, message.id, words=NOT_RENDERED, delay_s=RENDER_AGAIN_S)
        self._held.pop(message.id, None)
        self.tally.retrying += 1

    def _fail(self, messages: Sequence[Row[Any]], words: str, *, for_good: bool = False) -> None:
        policy = self.route.policy
        failures = [
            Failure(each.id, words, None if for_good else policy.delay_s(each.attempts + 1, random=self.rng))
            for each in messages
        ]
        queue.settle_failed(self.engine, self._lease, failures)
        for failure in failures:
            self._held.pop(failure.id, None)
            if failure.delay_s is None:
                self.tally.dead += 1
                log.error("message given up", id=failure.id)
            else:
                self.tally.retrying += 1

    def _envelope(self, message: Row[Any], content: Content) -> Envelope:
        return envelope(
            message_id=message.message_id,
            sender_name=message.sender_name,
            sender=self.route.sender,
            recipient=message.recipient or self.route.default_recipient,
            reply_to=message.reply_to or self.route.default_recipient,
            subject=content.subject,
            text=content.text,
            html=content.html,
        )

    @contextmanager
    def _heartbeat(self) -> Iterator[None]:
        """Keep what is held ours for as long as the block runs, however slow the server is."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self.heartbeat_s):
                held, began = list(self._held), time.monotonic()
                if not held:
                    continue
                try:
                    queue.extend(self.engine, self._lease, held, lease_s=self.lease_s)
                    self._held_until = began + self.lease_s
                except Exception:
                    log.exception("lease could not be extended")

        thread = threading.Thread(target=beat, name="outbox-heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _content(message: Row[Any]) -> Content:
    """Return what a message says. One from before there were facts says what was written then."""
    if message.facts is None:
        return Content(message.subject, message.text_body, message.html_body)
    return render(message.kind, message.facts, language=message.language or ENGLISH)


def _without_secrets(words: str, text: str) -> str:
    """Return a server's words without the secret ends of links: a spam filter quotes what it does not like."""
    secrets_in_it = {link.rpartition("/")[2] for link in re.findall(r"https?://\S+/\S+", text)}
    for secret in secrets_in_it:
        words = words.replace(secret, "…")
    return words


def configured_route() -> Route | None:
    """Return the route that the settings give, or None when there is no mail server."""
    given = settings()
    if not given.SMTP_HOST:
        return None
    server = SmtpServer(
        host=given.SMTP_HOST,
        port=given.SMTP_PORT,
        security=given.SMTP_SECURITY,
        user=given.SMTP_USER or "",
        password=given.SMTP_PASSWORD.get_secret_value() if given.SMTP_PASSWORD else "",
        ca_file=given.SMTP_CA_FILE,
    )
    policy = RetryPolicy(given.MAIL_MAX_ATTEMPTS, base_s=given.MAIL_RETRY_BASE_S, max_s=given.MAIL_RETRY_MAX_S)
    return Route(server, sender=given.SENDER_EMAIL or "", default_recipient=given.HELPDESK_EMAIL or "", policy=policy)


def configured_drain(*, stop: threading.Event | None = None, linger_s: float = 0.0) -> Drain | None:
    """Return a drain made by the settings of the running application, or None when there is no mail server."""
    route = configured_route()
    if route is None:
        return None
    mail = current_app.extensions["mail"]
    return Drain(db.engine, mail, route, stop=stop or threading.Event(), linger_s=linger_s)
