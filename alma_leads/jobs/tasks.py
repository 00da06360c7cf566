"""Background work: wake the workers, and run their tasks. The queue only wakes them; the work is in the database."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog
from flask import Flask, current_app
from huey import Huey, crontab

from alma_leads.common.extensions import db, settings
from alma_leads.database.base import utc_now
from alma_leads.jobs.statistics_service import collect_statistics
from alma_leads.jobs.task_queue import QueueTrouble, queue_at
from alma_leads.jobs.upkeep_service import purge_expired
from alma_leads.leads.assignments.import_service import purge_expired_imports
from alma_leads.leads.bulk.bulk_service import process_actions, purge_expired_actions
from alma_leads.leads.first_contact.contact_time_service import measure_contact_times
from alma_leads.leads.first_contact.recalculation_service import recalculate
from alma_leads.leads.intake.submission_service import purge_expired_submission_records
from alma_leads.leads.reminders.digest_service import send_digests
from alma_leads.leads.reminders.reminder_service import send_reminders
from alma_leads.leads.resume_text.resume_service import read_next_resume
from alma_leads.outbox.delivery import DeliveryRun, new_delivery_run
from alma_leads.outbox.queries import next_look
from alma_leads.resumes.service import purge_unattached

log = structlog.get_logger(__name__)

# A burst of requests wakes the workers once: a wake-up costs as much as a submission, and a queue in a file is not
# checked more often anyway.
WAKE_EVERY_S = 0.5
IDLE_S = 5.0  # how long the waking thread and its connection are kept after the last request
LINGER_S = 1.0  # the queue's timer is no finer: wait for what comes due sooner
READ_FOR_S = 45.0  # how long to read resumes before the thread is free again; the next sweep continues

# What enqueues emails at certain times. Each is safe to run at any time, by any number of workers.
REMINDERS: tuple[Callable[[], object], ...] = (send_reminders, send_digests)
# What the sweep runs each minute besides delivering. Each is safe to run at any time, by any number of workers.
SWEEPERS: tuple[Callable[[], object], ...] = (
    recalculate,
    purge_expired_submission_records,
    purge_expired,
    purge_expired_actions,
    purge_expired_imports,
    purge_unattached,
    measure_contact_times,
    collect_statistics,
)


class Background:
    """The task queue of one application, and this process's part in it. Nothing is opened before it is needed."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.stopping = threading.Event()
        self.trouble = QueueTrouble()
        self._runs: list[DeliveryRun] = []
        self._is_processing = threading.Lock()
        self._wake_at = 0.0
        self.last_drain = time.monotonic()
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._huey: Huey | None = None
        self._is_waking = False
        self._wake_requested = threading.Event()

    @property
    def huey(self) -> Huey:
        """The queue, with its tasks. A forked process gets its own connection."""
        if self._pid != os.getpid():
            self._reset()
        if self._huey is None:
            with self._app.app_context():
                self._huey = queue_at(settings().TASK_QUEUE_URL)
            self._deliver_task = self._huey.task(name="deliver")(self.work)
            self._huey.periodic_task(crontab(), name="sweep")(self.sweep)
        return self._huey

    def wake(self) -> None:
        """Have a worker look for work soon. Costs a lock and an event; never waits for the queue."""
        if self._pid != os.getpid():
            self._reset()
        with self._lock:
            self._wake_requested.set()
            if not self._is_waking:
                self._is_waking = True
                threading.Thread(target=self._keep_waking, name="wake", daemon=True).start()

    def enqueue_deliver(self) -> None:
        """Put a `deliver` into the queue, unless a pending task will deliver anyway."""
        if self.huey.pending_count() == 0:
            self._deliver_task()
        self._note_answer()

    def note_failure(self, error: Exception) -> None:
        """Log that the task queue is down, once."""
        if self.trouble.is_news():
            log.warning("task queue cannot be reached", error=str(error).strip())

    def _note_answer(self) -> None:
        if self.trouble.is_over():
            log.warning("task queue answers again")

    def _keep_waking(self) -> None:
        while self._should_wake():
            self._wake_requested.clear()
            try:
                self.enqueue_deliver()
                time.sleep(WAKE_EVERY_S)
            except Exception as error:  # noqa: BLE001 -- each kind of queue has its own errors
                self.note_failure(error)
                self._wake_requested.set()
                time.sleep(IDLE_S)

    def _should_wake(self) -> bool:
        if self._wake_requested.wait(IDLE_S) and not self.stopping.is_set():
            return True
        with self._lock:
            if self._wake_requested.is_set() and not self.stopping.is_set():
                return True
            self._is_waking = False
            if self._huey is not None:
                self._huey.storage.close()
            return False

    def work(self) -> None:
        """Deliver what is due, and then do what takes longer."""
        self._note_answer()
        self.deliver()
        self.process()

    def process(self) -> None:
        """Process bulk actions and read resumes. One thread does; the others stay free to deliver."""
        if self.stopping.is_set() or not self._is_processing.acquire(blocking=False):
            return
        try:
            with self._app.app_context():
                self._process_until_done()
        except Exception:
            log.exception("a bulk action or reading a resume failed")
        finally:
            self._is_processing.release()

    def _process_until_done(self) -> None:
        """Process the bulk actions that users wait for before each resume."""
        until = time.monotonic() + READ_FOR_S
        read = True
        while read and not self.stopping.is_set():
            if process_actions(stopped=self.stopping.is_set) and not self.stopping.is_set():
                self.enqueue_deliver()
            read = time.monotonic() < until and read_next_resume(self.stopping)

    def deliver(self) -> None:
        """Deliver what is due, and set a timer for what comes due soon."""
        self.last_drain = time.monotonic()
        if self.stopping.is_set():
            return
        with self._app.app_context():
            run = new_delivery_run(stop=self.stopping, linger_s=LINGER_S)
            if run is None:
                return
            with self._running(run):
                run.run()
            due = next_look(db.session.connection())
        self.last_drain = time.monotonic()
        if due is not None:
            try:
                self._wake_in(max(0.0, (due - utc_now()).total_seconds()))
            except Exception as error:  # noqa: BLE001 -- it is delivered; the next sweep does the rest
                log.warning("could not set a timer", error=str(error))

    def deliver_without_queue(self) -> None:
        """Deliver what is due while the task queue is down. The database may be down with it."""
        try:
            self.deliver()
        except Exception as error:  # noqa: BLE001 -- tried again by the next fallback
            log.warning("could not deliver without the task queue", error=str(error).partition("\n")[0])

    def sweep(self) -> None:
        """Run what has to run every minute. A part that fails does not stop the others."""
        self._run(REMINDERS)  # before delivering, so that what they enqueue is sent at once
        self.deliver()
        self._run(SWEEPERS)
        self.process()

    def _run(self, sweepers: Iterable[Callable[[], object]]) -> None:
        for sweeper in sweepers:
            with self._app.app_context():  # each with a database session of its own
                try:
                    sweeper()
                except Exception:
                    log.exception("sweep failed", sweeper=sweeper.__name__)

    def release(self) -> None:
        """Release the messages that this process has claimed and not sent."""
        with self._app.app_context():
            for run in list(self._runs):
                run.release()

    @contextmanager
    def _running(self, run: DeliveryRun) -> Iterator[None]:
        self._runs.append(run)
        try:
            yield
        finally:
            self._runs.remove(run)

    def _wake_in(self, delay_s: float) -> None:
        at = time.monotonic() + delay_s
        # The next sweep finds what comes later, and one timer for one moment is enough.
        if delay_s < 60 and not time.monotonic() < self._wake_at <= at + LINGER_S:
            self._wake_at = at
            self._deliver_task.schedule(delay=delay_s)


def init_app(app: Flask) -> None:
    """Set up the task queue of `app`."""
    app.extensions["background"] = Background(app)


def wake(*, wait: bool = False, mail_only: bool = False) -> None:
    """Have a worker look for work soon. Best effort: never raises, and the sweep catches up.

    Args:
        wait: wait for the queue, in a process that ends right after. No request does.
        mail_only: there is only email to send, so without a mail server no worker is woken.
    """
    if mail_only and settings().SMTP_HOST is None:
        return
    background: Background = current_app.extensions["background"]
    try:
        if wait:
            background.enqueue_deliver()
            background.huey.storage.close()
        else:
            background.wake()
    except Exception as error:  # noqa: BLE001 -- the queue is down, or no thread can start
        log.warning("could not wake a worker", error=str(error))
