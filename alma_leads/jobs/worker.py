"""The worker process: a huey consumer that stops the same way for every signal and can work without its queue."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any, cast

import structlog
from flask import Flask
from huey import SqliteHuey
from huey.consumer import Consumer

from alma_leads.common.extensions import db
from alma_leads.jobs.tasks import Background
from alma_leads.outbox.pause_service import ask_for_probe

log = structlog.get_logger(__name__)

POLL_S = 0.35  # how often a queue in a file is checked
ERROR_PAUSE_S = 2.0  # how long to wait before a queue that is down is tried again; a sleeping worker cannot stop
FALLBACK_S = 90.0  # without a task for so long, the queue itself must be in trouble
GRACE_S = 5.0  # how long an email in flight may take when the worker is told to stop


class _Worker(Consumer):  # type: ignore[misc]  # huey has no types
    """Huey's consumer. It stops the same way for every signal, and delivers email even while the queue is down."""

    def __init__(self, background: Background) -> None:
        polls = isinstance(background.huey, SqliteHuey)
        super().__init__(
            background.huey,
            workers=2,
            initial_delay=POLL_S / 4,
            max_delay=POLL_S if polls else ERROR_PAUSE_S,  # others block, and sleep only after errors
            shutdown_timeout=GRACE_S,
        )
        self._background = background
        self._stop_flag_timeout = 0.5  # how often `loop` is called, in seconds

    def _set_signal_handlers(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a parent process that handles it
                signal.signal(number, self._handle_signal)

    def _handle_signal(self, signum: int, _frame: Any) -> None:
        self._signum = signum
        self._restart, self._graceful = False, True
        self._background.stopping.set()

    def stop(self, graceful: bool = True) -> None:  # noqa: ARG002 -- stopping is always graceful
        """Finish the email in flight. If that takes too long, release the claimed messages."""
        self.stop_flag.set()
        self._join_workers()
        try:
            self._background.release()
        except Exception as error:  # noqa: BLE001 -- the database is down; the leases expire by themselves
            log.warning("could not release claimed emails", error=str(error))

    def loop(self, health_check_ts: float | None = None) -> float | None:
        """Check on the workers, and deliver without the queue if it gave us no task for `FALLBACK_S`."""
        if time.monotonic() - self._background.last_drain > FALLBACK_S:
            log.warning("no task from the queue; delivering without it", seconds=FALLBACK_S)
            self._background.last_drain = time.monotonic()
            threading.Thread(target=self._background.deliver_without_queue, name="fallback", daemon=True).start()
        return cast("float | None", super().loop(health_check_ts))


def _probe_at_start(app: Flask) -> None:
    """Have mail tried at once if it is paused: the restart may follow a change of the settings."""
    try:
        with app.app_context():
            ask_for_probe(db.engine)
    except Exception as error:  # noqa: BLE001 -- the database is down; the sweep probes when its time comes
        log.warning("could not ask for a probe", error=str(error).partition("\n")[0])


def run_worker(app: Flask) -> None:
    """Run the worker in the main thread of its process. It stops within 8 s of SIGTERM or SIGINT."""
    background: Background = app.extensions["background"]
    logging.getLogger("huey").setLevel(logging.WARNING)
    for process in ("Worker", "Scheduler"):
        logging.getLogger(f"huey.consumer.{process}").addFilter(background.trouble.filter)
    worker = _Worker(background)
    _probe_at_start(app)
    try:
        background.enqueue_deliver()  # what an earlier worker left behind
    except Exception as error:  # noqa: BLE001 -- each kind of queue has its own errors
        background.note_failure(error)
        background.last_drain -= FALLBACK_S
    log.info("mail worker started", pid=os.getpid())
    worker.run()
    log.info("mail worker stopped", pid=os.getpid())
