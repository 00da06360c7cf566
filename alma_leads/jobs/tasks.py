"""Background work: waking the workers, and what they run. The truth is in the outbox; the task queue only wakes."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import structlog
from flask import Flask, current_app
from huey import Huey, SqliteHuey, crontab
from huey.consumer import Consumer

from alma_leads.database.base import from_stamp, utc_now
from alma_leads.database.transactions import reading
from alma_leads.extensions import db, settings
from alma_leads.jobs.task_queue import QueueTrouble, queue_at
from alma_leads.jobs.upkeep_service import forget_expired
from alma_leads.leads.assignments.import_service import purge_expired_imports
from alma_leads.leads.bulk.bulk_service import forget_old_actions, work_off
from alma_leads.leads.first_contact.contact_time_service import measure_contact_times
from alma_leads.leads.first_contact.recalculation_service import recalculate
from alma_leads.leads.intake.submission_service import forget_old_keys
from alma_leads.leads.reminders.digest_service import send_digests
from alma_leads.leads.reminders.reminder_service import send_reminders
from alma_leads.leads.resume_text.resume_service import read_next_resume
from alma_leads.outbox.delivery import Drain, configured_drain
from alma_leads.outbox.queries import next_due
from alma_leads.resumes.service import purge_unattached

log = structlog.get_logger(__name__)

# A burst of requests wakes the workers once: each waking costs as much as a submission, and a queue in a file is looked
# at no more often anyway.
WAKE_EVERY_S = 0.5
IDLE_S = 5.0  # the thread that knocks, and its connection, are kept for so long after the last request
POLL_S = 0.35  # a queue in a file has to be looked at
ERROR_PAUSE_S = 2.0  # a queue that is down is asked again after so long; a worker that sleeps cannot stop
LINGER_S = 1.0  # the queue's timer is no finer: what comes due sooner is waited for
FALLBACK_S = 90.0  # without a task for so long, the queue itself must be in trouble
READ_FOR_S = 45.0  # then the thread is free for a while; the next sweep goes on
GRACE_S = 5.0  # an e-mail in flight may take so long when the worker is told to stop

# What promises e-mails by the clock. Each is safe to run at any time, by any number of workers.
REMINDERS: tuple[Callable[[], object], ...] = (send_reminders, send_digests)
# What the sweep does each minute besides delivering. Each is safe to run at any time, by any number of workers.
SWEEPERS: tuple[Callable[[], object], ...] = (
    recalculate,
    forget_old_keys,
    forget_expired,
    forget_old_actions,
    purge_expired_imports,
    purge_unattached,
    measure_contact_times,
)


class Background:
    """The task queue of one application, and what this process has to do with it. Nothing is opened before its time."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.stopping = threading.Event()
        self.trouble = QueueTrouble()
        self._drains: list[Drain] = []
        self._working_off = threading.Lock()
        self._wake_at = 0.0
        self.last_drain = time.monotonic()
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._huey: Huey | None = None
        self._knocking = False
        self._knock = threading.Event()

    @property
    def huey(self) -> Huey:
        """The queue, with its tasks. A process that was forked gets its own connection."""
        if self._process != os.getpid():
            self._start_afresh()
        if self._huey is None:
            with self._app.app_context():
                self._huey = queue_at(settings().TASK_QUEUE_URL)
            self._deliver_task = self._huey.task(name="deliver")(self.work)
            self._huey.periodic_task(crontab(), name="sweep")(self.sweep)
        return self._huey

    def wake(self) -> None:
        """Have a worker look at what is to be done soon. Costs a lock and an event; never waits for the queue."""
        if self._process != os.getpid():
            self._start_afresh()
        with self._lock:
            self._knock.set()
            if not self._knocking:
                self._knocking = True
                threading.Thread(target=self._keep_knocking, name="wake", daemon=True).start()

    def enqueue_deliver(self) -> None:
        """Put a `deliver` into the queue, unless a task that nobody has taken yet will deliver all the same."""
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

    def _keep_knocking(self) -> None:
        while self._has_to_knock():
            self._knock.clear()
            try:
                self.enqueue_deliver()
                time.sleep(WAKE_EVERY_S)
            except Exception as error:  # noqa: BLE001 -- any storage's own; the e-mails are safe in the outbox
                self.note_failure(error)
                self._knock.set()
                time.sleep(IDLE_S)

    def _has_to_knock(self) -> bool:
        if self._knock.wait(IDLE_S) and not self.stopping.is_set():
            return True
        with self._lock:
            if self._knock.is_set() and not self.stopping.is_set():
                return True
            self._knocking = False
            if self._huey is not None:
                self._huey.storage.close()
            return False

    def work(self) -> None:
        """Deliver what is due, and then do what takes longer."""
        self._note_answer()
        self.deliver()
        self.work_off()

    def work_off(self) -> None:
        """Do what was asked for of many leads, and read resumes. One thread does; the others stay free to deliver."""
        if self.stopping.is_set() or not self._working_off.acquire(blocking=False):
            return
        try:
            with self._app.app_context():
                self._work_off()
        except Exception:
            log.exception("a bulk action or reading a resume failed")
        finally:
            self._working_off.release()

    def _work_off(self) -> None:
        """Between any two resumes look at what people wait for."""
        until = time.monotonic() + READ_FOR_S
        read = True
        while read and not self.stopping.is_set():
            if work_off(stopped=self.stopping.is_set) and not self.stopping.is_set():
                self.enqueue_deliver()
            read = time.monotonic() < until and read_next_resume(self.stopping)

    def deliver(self) -> None:
        """Deliver what is due, and see to it that this happens again when something comes due soon."""
        self.last_drain = time.monotonic()
        if self.stopping.is_set():
            return
        with self._app.app_context():
            drain = configured_drain(stop=self.stopping, linger_s=LINGER_S)
            if drain is None:
                return
            with self._running(drain):
                drain.run()
            with reading(db.engine) as connection:
                due = next_due(connection)
        self.last_drain = time.monotonic()
        if due is not None:
            try:
                self._wake_in(max(0.0, (from_stamp(due) - utc_now()).total_seconds()))
            except Exception as error:  # noqa: BLE001 -- delivered it is; the next sweep sees to the rest
                log.warning("no timer could be set", error=str(error))

    def deliver_without_queue(self) -> None:
        """Deliver what is due while the task queue is down. The database may be down with it."""
        try:
            self.deliver()
        except Exception as error:  # noqa: BLE001 -- it is tried again after FALLBACK_S
            log.warning("could not deliver without the task queue", error=str(error).partition("\n")[0])

    def sweep(self) -> None:
        """Do what has to be done every minute. Whatever fails does not keep the rest from being done."""
        self._run(REMINDERS)  # before delivering, so that what they promise goes out at once
        self.deliver()
        self._run(SWEEPERS)
        self.work_off()

    def _run(self, sweepers: Iterable[Callable[[], object]]) -> None:
        with self._app.app_context():
            for sweeper in sweepers:
                try:
                    sweeper()
                except Exception:
                    log.exception("sweep failed", sweeper=sweeper.__name__)

    def release(self) -> None:
        """Give back what this process has claimed and not sent."""
        with self._app.app_context():
            for drain in list(self._drains):
                drain.release()

    @contextmanager
    def _running(self, drain: Drain) -> Iterator[None]:
        self._drains.append(drain)
        try:
            yield
        finally:
            self._drains.remove(drain)

    def _wake_in(self, delay_s: float) -> None:
        at = time.monotonic() + delay_s
        # What comes later than the next sweep is found by it; and one timer for one moment is enough.
        if delay_s < 60 and not time.monotonic() < self._wake_at <= at + LINGER_S:
            self._wake_at = at
            self._deliver_task.schedule(delay=delay_s)


class _Worker(Consumer):  # type: ignore[misc]  # huey has no types
    """Huey's consumer, which here stops the same way for every signal, and delivers also while the queue is down."""

    def __init__(self, background: Background) -> None:
        polls = isinstance(background.huey, SqliteHuey)
        super().__init__(
            background.huey,
            workers=2,
            initial_delay=POLL_S / 4,
            max_delay=POLL_S if polls else ERROR_PAUSE_S,  # the others wait by themselves: they sleep after errors only
            shutdown_timeout=GRACE_S,
        )
        self._background = background
        self._stop_flag_timeout = 0.5  # how often `loop` is called, in seconds

    def _set_signal_handlers(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a parent that wants to tell us itself
                signal.signal(number, self._handle_signal)

    def _handle_signal(self, signum: int, _frame: Any) -> None:
        self._signum = signum
        self._restart, self._graceful = False, True
        self._background.stopping.set()

    def stop(self, graceful: bool = True) -> None:  # noqa: ARG002 -- there is no other way here
        """Let the e-mail in flight be finished; when that takes too long, give back what is held."""
        self.stop_flag.set()
        self._join_workers()
        try:
            self._background.release()
        except Exception as error:  # noqa: BLE001 -- the database is down; the lease ends by itself
            log.warning("could not give back e-mails in hand", error=str(error))

    def loop(self, health_check_ts: float | None = None) -> float | None:
        """Look after the workers."""
        if time.monotonic() - self._background.last_drain > FALLBACK_S:
            log.warning("no task for %d s; delivering without the task queue", FALLBACK_S)
            self._background.last_drain = time.monotonic()
            threading.Thread(target=self._background.deliver_without_queue, name="fallback", daemon=True).start()
        return cast("float | None", super().loop(health_check_ts))


def init_app(app: Flask) -> None:
    """Give `app` its task queue."""
    app.extensions["background"] = Background(app)


def wake(*, wait: bool = False, mail_only: bool = False) -> None:
    """Have a worker look at what is to be done soon. Best effort: never raises, and the sweep catches up.

    Args:
        wait: for a process that ends right after. No request waits for the task queue.
        mail_only: there is nothing to do but mail, so that without a mail server no worker is woken.
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
    except Exception as error:  # noqa: BLE001 -- the queue is down, or there is no thread to be had
        log.warning("no worker was woken", error=str(error))


def run_worker(app: Flask) -> None:
    """Run the worker in the main thread of its own process, until SIGTERM or SIGINT: then it stops within 8 s."""
    background: Background = app.extensions["background"]
    logging.getLogger("huey").setLevel(logging.WARNING)
    for process in ("Worker", "Scheduler"):
        logging.getLogger(f"huey.consumer.{process}").addFilter(background.trouble.filter)
    worker = _Worker(background)
    try:
        background.enqueue_deliver()  # what a worker before us left behind
    except Exception as error:  # noqa: BLE001 -- any storage's own
        background.note_failure(error)
        background.last_drain -= FALLBACK_S
    log.info("mail worker started", pid=os.getpid())
    worker.run()
    log.info("mail worker stopped", pid=os.getpid())
