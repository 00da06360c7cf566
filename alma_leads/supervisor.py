"""The parent of everything that `make run` starts: web workers and a mail worker, restarted when they die.

It is gunicorn's arbiter, to which the mail worker is one more worker. All are forked from one process that has loaded
the application already: they start in no time, and share its memory.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from socket import socket
from typing import TYPE_CHECKING, Any, ClassVar, cast

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from alma_leads.serving import gunicorn_options
from alma_leads.tasks import run_worker

if TYPE_CHECKING:
    from config import Settings

# Whoever dies is started again at once; but after several deaths in a short time, with a pause that grows.
RECENT_S = 10.0
FREE_RESTARTS = 3
LONGEST_PAUSE_S = 5.0
HEARTBEAT_S = 15.0


class MailWorker(Worker):
    """The mail worker, as a worker of gunicorn's."""

    def init_signals(self) -> None:
        """Leave Ctrl-C and a terminal that is closed to the parent; SIGTERM is `run_worker`'s once it runs."""
        super().init_signals()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def run(self) -> None:
        """Work until told to stop."""
        for listener in self.sockets:
            listener.close()
        run_worker(cast(Flask, self.wsgi))


class _Application(BaseApplication):
    """The application and gunicorn's settings, as the arbiter wants them."""

    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


class Supervisor(Arbiter):
    """Gunicorn's arbiter with a mail worker among its workers, which every signal that means stop stops gently."""

    SIGNALS: ClassVar[list[signal.Signals]] = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]

    def __init__(self, app: _Application) -> None:
        # The children hold the reading end of a pipe; it ends when we do, however we die.
        self._alive_read, self._alive_write = os.pipe()
        # make may be killed without a word to us; then nobody would know how to stop what it started.
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None
        self._mail_pid: int | None = None
        self._spawned: deque[float] = deque(maxlen=256)
        super().__init__(app)
        self._web_class: type[Worker] = self.worker_class

    def setup(self, app: _Application) -> None:
        """Count the mail worker in."""
        super().setup(app)
        self.num_workers = self.cfg.workers + 1

    def init_signals(self) -> None:
        """Stop when the terminal is closed, unless we were started to outlive it (`nohup`)."""
        super().init_signals()
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self.signal)

    def handle_term(self) -> None:
        """Stop gently: requests in flight are answered, an e-mail in flight is sent or given back."""
        raise StopIteration

    handle_int = handle_quit = handle_hup = handle_term

    def manage_workers(self) -> None:
        """Keep the workers complete; called at least once a second."""
        if self._make is not None and self._make != os.getppid():
            raise StopIteration
        super().manage_workers()

    def spawn_worker(self) -> int:
        """Start the web worker that is missing, or the mail worker."""
        is_mail = self._mail_pid not in self.WORKERS and len(self.WORKERS) >= self.cfg.workers
        self.worker_class = MailWorker if is_mail else self._web_class
        self._spawned.append(time.monotonic())
        pid: int = super().spawn_worker()
        if is_mail:
            self._mail_pid = pid
        return pid

    def pause_s(self) -> float:
        """Return how long the worker that was started last should wait before it begins."""
        recent = sum(1 for at in self._spawned if at > self._spawned[-1] - RECENT_S)
        deaths = recent - self.num_workers - FREE_RESTARTS
        return 0.0 if deaths <= 0 else float(min(LONGEST_PAUSE_S, 0.25 * 2 ** min(deaths, 10)))

    def begin_child(self, worker: Worker) -> None:
        """Run first in every child: from here on it stops for SIGTERM, and when we are no more."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(self._alive_write)
        threading.Thread(target=_follow, args=(self._alive_read, worker), name="follow", daemon=True).start()
        time.sleep(self.pause_s())


def _follow(alive: int, worker: Worker) -> None:
    """Tell this process to stop when its parent has died, however it died; until then, keep the mail worker's pulse."""
    while not select.select([alive], [], [], HEARTBEAT_S)[0]:
        if isinstance(worker, MailWorker):
            worker.notify()
    os.kill(os.getpid(), signal.SIGTERM)


def supervise(app: Flask, settings: Settings, *, listening: Sequence[socket], ready: Callable[[], None]) -> None:
    """Serve `app` on `listening`, deliver its mail, and return never: the process ends when it is told to.

    Args:
        ready: called once, before the first request is taken.
    """
    options = gunicorn_options(settings) | {
        "bind": [f"fd://{each.detach()}" for each in listening],
        "when_ready": lambda _supervisor: ready(),
        "post_fork": lambda supervisor, worker: supervisor.begin_child(worker),
    }
    gc.collect()
    gc.freeze()  # else each child's first collection would copy all of the memory that it shares with us
    Supervisor(_Application(app, options)).run()
