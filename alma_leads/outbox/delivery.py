"""Delivering what is due: claim a batch, hand each message over, note at once what came of it; until nothing is due.

Any number of these run at the same time, on any number of machines: the lease decides who sends what.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask_mail
import structlog
from flask import current_app
from sqlalchemy import Engine, Row

from alma_leads.common.extensions import db
from alma_leads.database.base import from_stamp, utc_now
from alma_leads.database.transactions import reading
from alma_leads.outbox import queue
from alma_leads.outbox.connection import Connection
from alma_leads.outbox.email import Email, Unmailable, email_of
from alma_leads.outbox.mail_settings import MailSettings, mail_settings
from alma_leads.outbox.pause_service import find_pause, give_up_waiting, pause_mail, resume_mail, take_probe
from alma_leads.outbox.queries import next_due
from alma_leads.outbox.queue import Failure
from alma_leads.outbox.transport import MailRefused, Refusal, hand_over
from alma_leads.outbox.words import without_addresses, without_links_of

log = structlog.get_logger(__name__)

LEASE_S = 15.0  # what a killed worker held comes due again after at most this long
HEARTBEAT_S = 5.0
BATCH = 50
ALIKE_DOMAINS = 3  # the same refusal for so many domains in a row is about us
TOO_OLD = "It was not sent in time: the link in it no longer works."
# An email that cannot be rendered is our fault, and the next version may mend it.
NOT_RENDERED = "We could not write this email. The log says why."
RENDER_AGAIN_S = 300.0


@dataclass(slots=True)
class DeliveryStats:
    """What a run did: messages sent, to be tried again, and failed; and why it stopped early, in the server's words."""

    sent: int = 0
    retrying: int = 0
    failed: int = 0
    refused: str = ""


@dataclass(slots=True)
class DeliveryRun:
    """One worker's pass over the outbox.

    Args:
        engine: of the database.
        mail: Flask-Mail's state.
        settings: where mail goes.
        stop: set from outside to end after the message in hand; what is not sent by then is given back.
        linger_s: a message that comes due within so many seconds is waited for.
        lease_s: how long a claim lasts unless it is extended, in seconds.
        heartbeat_s: how often it is.
        rng: floats in [0, 1).
    """

    engine: Engine
    mail: flask_mail.Mail
    settings: MailSettings
    stop: threading.Event = field(default_factory=threading.Event)
    linger_s: float = 0.0
    lease_s: float = LEASE_S
    heartbeat_s: float = HEARTBEAT_S
    rng: Callable[[], float] = random.random
    stats: DeliveryStats = field(default_factory=DeliveryStats)
    _lease: str = field(default_factory=lambda: secrets.token_hex(16))
    _held: dict[int, None] = field(default_factory=dict)
    _held_until: float = 0.0
    _pause: Row[Any] | None = None
    _resumed: bool = False

    def run(self) -> DeliveryStats:
        """Deliver until nothing is due, mail is paused, or `stop` is set."""
        with closing(Connection(self.mail, self.settings.server)) as connection, self._heartbeat():
            while not self.stop.is_set() and self._may_send():
                batch = self._claim(1 if self._pause else BATCH)
                if batch:
                    self._deliver(batch, connection)
                elif self._pause or not self._wait_for_next():
                    break
        return self.stats

    def release(self) -> None:
        """Give back what is held and not sent, at once and without counting an attempt. Any thread may call this."""
        held = list(self._held)
        if held:
            queue.release(self.engine, self._lease, held)
            self._held.clear()

    def _may_send(self) -> bool:
        """Return whether mail is not paused, or it is this worker's turn to try one message."""
        with reading(self.engine) as connection:
            self._pause = find_pause(connection)
        if self._pause is None:
            return True
        if self.stats.refused:
            give_up_waiting(self.engine, self._pause, after_s=self.settings.give_up_after_s)
            return False
        self.stats.refused = self._pause.words
        if not take_probe(self.engine, self._pause, first_probe_s=self.settings.first_probe_s):
            return False
        self.stats.refused = ""
        return True

    def _claim(self, limit: int) -> list[Row[Any]]:
        began = time.monotonic()
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

    def _deliver(self, batch: Sequence[Row[Any]], connection: Connection) -> None:
        """Hand over a batch. Refusals are noted once it is known whether they are alike for several domains."""
        refused: list[tuple[Row[Any], Refusal]] = []
        try:
            for message in batch:
                if self.stop.is_set() or time.monotonic() > self._held_until:
                    break  # the latter: we were held up, and others may be sending these by now
                email = self._prepare(message)
                if email is None:
                    continue
                refusal = hand_over(connection, email, self.settings)
                if refusal is None:
                    self._note_sent(message)
                self._end_probe(refusal)
                if refused and (refusal is None or not _alike(refused[0][1], refusal)):
                    self._note_refused(refused)
                if refusal is not None:
                    self._note_or_keep(message, email, refusal, refused)
            self._note_refused(refused)
        except MailRefused as error:
            self.stats.refused = str(error)
            if refused and (error.step, error.code) == (refused[0][1].step, refused[0][1].code):
                for message, refusal in refused:
                    self._postpone(message, refusal.words, delay_s=0)
            else:
                self._note_refused(refused)
            pause_mail(self.engine, error, first_probe_s=self.settings.first_probe_s)
        finally:
            self.release()

    def _prepare(self, message: Row[Any]) -> Email | None:
        """Return the email of a message, or None when it is not to be sent."""
        if message.expires_at is not None and message.expires_at <= utc_now():
            self._fail(message, TOO_OLD, permanent=True)
            return None
        try:
            return email_of(message, self.settings)
        except Unmailable as error:
            self._fail(message, str(error), permanent=True)
        except Exception:
            log.exception("email could not be rendered", message_id=message.id, about=message.correlation)
            self._postpone(message, NOT_RENDERED, delay_s=RENDER_AGAIN_S)
            self.stats.retrying += 1
        return None

    def _end_probe(self, refusal: Refusal | None) -> None:
        """End the pause after a message that was tried: unless it met the very refusal that paused mail.

        Raises:
            MailRefused: it did.
        """
        if self._pause is None:
            return
        if refusal is not None and (refusal.step, refusal.code) == (self._pause.step, self._pause.code):
            raise MailRefused(refusal.words, step=refusal.step, code=refusal.code)
        resume_mail(self.engine)
        self._pause, self._resumed = None, True

    def _note_or_keep(
        self, message: Row[Any], email: Email, refusal: Refusal, refused: list[tuple[Row[Any], Refusal]]
    ) -> None:
        """Keep a refusal until the next messages have shown whose fault it is.

        Raises:
            MailRefused: it is ours.
        """
        if message.expires_at is not None:
            words = without_links_of(refusal.words, email.body or "")
            refusal = Refusal(refusal.step, refusal.code, words, permanent=refusal.permanent)
        if self._resumed and message.last_error:
            # It was refused before, and the server has taken another message since.
            self._note_refused([(message, refusal)])
            return
        refused.append((message, refusal))
        domains = {
            (each.recipient or self.settings.default_recipient).rpartition("@")[2].lower() for each, _ in refused
        }
        if len(domains) >= ALIKE_DOMAINS:
            raise MailRefused(refusal.words, step=refusal.step, code=refusal.code)

    def _note_sent(self, message: Row[Any]) -> None:
        # No longer ours to give back, also when the database fails now: a repeat later beats one at once.
        self._held.pop(message.id, None)
        if queue.settle_sent(self.engine, self._lease, message.id):
            self.stats.sent += 1
        log.info("email sent", **_about(message))

    def _note_refused(self, refused: list[tuple[Row[Any], Refusal]]) -> None:
        for message, refusal in refused:
            self._fail(message, refusal.words, permanent=refusal.permanent, step=refusal.step)
        refused.clear()

    def _fail(self, message: Row[Any], words: str, *, permanent: bool, step: str = "") -> None:
        attempts = message.attempts + 1
        delay_s = None if permanent else self.settings.policy.delay_s(attempts, random=self.rng)
        queue.settle_failed(self.engine, self._lease, [Failure(message.id, words, delay_s)])
        self._held.pop(message.id, None)
        said = {**_about(message), "step": step, "words": without_addresses(words)}
        if delay_s is None:
            self.stats.failed += 1
            log.error("email failed", **said)
        else:
            self.stats.retrying += 1
            log.warning("email refused for now", **said, again_in_s=round(delay_s))

    def _postpone(self, message: Row[Any], words: str, *, delay_s: float) -> None:
        queue.postpone(self.engine, self._lease, message.id, words=words, delay_s=delay_s)
        self._held.pop(message.id, None)

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


def _alike(one: Refusal, other: Refusal) -> bool:
    return (one.step, one.code) == (other.step, other.code)


def _about(message: Row[Any]) -> dict[str, Any]:
    return {"message_id": message.id, "about": message.correlation, "attempt": message.attempts + 1}


def new_delivery_run(*, stop: threading.Event | None = None, linger_s: float = 0.0) -> DeliveryRun | None:
    """Return a run by the settings of the running application, or None when there is no mail server."""
    how = mail_settings()
    if how is None:
        return None
    mail = current_app.extensions["mail"]
    return DeliveryRun(db.engine, mail, how, stop=stop or threading.Event(), linger_s=linger_s)
