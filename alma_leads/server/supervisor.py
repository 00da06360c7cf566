"""The parent of everything that `make run` starts: web processes and a mail worker, started again when they die.

All are forked from one process that has loaded the application already: they start in no time and share its memory.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import ForkProcess
from multiprocessing.sharedctypes import Synchronized
from socket import socket
from typing import TYPE_CHECKING

import structlog
from flask import Flask

from alma_leads.jobs.worker import run_worker
from alma_leads.server.web import GRACE_S, limits_of, serve_web

if TYPE_CHECKING:
    from config import Settings

log = structlog.get_logger(__name__)
_fork = multiprocessing.get_context("fork")

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
LOOK_EVERY_S = 1.0
STOPPED_WITHIN_S = GRACE_S + 1
# Who dies is started again at once; after several deaths in a short time, after a pause that grows.
RECENT_S = 10.0
FREE_RESTARTS = 3
LONGEST_PAUSE_S = 5.0
# A process that gives no sign for so long is frozen, and is started again.
PULSE_EVERY_S = 5.0
FROZEN_S = 60.0


@dataclass
class Part:
    """A process that is kept running: what it runs, and the process that runs it now."""

    name: str
    run: Callable[[Part], None]
    process: ForkProcess | None = None
    # The time (monotonic, in seconds) of its last sign of life.
    pulse: Synchronized[float] = field(default_factory=lambda: _fork.Value("d", 0.0, lock=False))

    async def beat(self) -> None:
        """Give a sign of life."""
        self.pulse.value = time.monotonic()


class Supervisor:
    """Starts the parts, starts again what dies, and stops them all when it is told to or its own parent dies."""

    def __init__(self, parts: Sequence[Part], listening: Sequence[socket]) -> None:
        self._parts = parts
        self._listening = listening
        self._started: deque[float] = deque(maxlen=256)
        # The children hold the reading end of a pipe. It ends when we do, however we die.
        self._alive_read, self._alive_write = os.pipe()
        # make may be killed without a word to us; then nobody would know how to stop what it started.
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None

    def run(self, ready: Callable[[], None]) -> None:
        """Keep the parts running until a signal that means stop. Call `ready` when all are started."""
        with _signals() as (told, wake):
            for part in self._parts:
                self._start(part)
            ready()
            while not told and self._make in (None, os.getppid()):
                sentinels = [part.process.sentinel for part in self._parts if part.process is not None]
                connection.wait([*sentinels, wake], timeout=LOOK_EVERY_S)
                if not told:
                    self._look_after_parts()
            self._stop()

    def _look_after_parts(self) -> None:
        for part in self._parts:
            process = part.process
            if process is not None and process.is_alive():
                if time.monotonic() - part.pulse.value < FROZEN_S:
                    continue
                log.error("a process is frozen; it is started again", part=part.name, pid=process.pid)
                process.kill()
                process.join()
            elif process is not None:
                log.error("a process died; it is started again", part=part.name, pid=process.pid, code=process.exitcode)
            self._start(part)

    def _start(self, part: Part) -> None:
        part.pulse.value = time.monotonic()
        self._started.append(time.monotonic())
        part.process = _fork.Process(target=self._become, args=(part, self._pause_s()), name=part.name)
        part.process.start()

    def _pause_s(self) -> float:
        """Return how long the process that is started next waits before it begins."""
        recent = sum(1 for at in self._started if at > self._started[-1] - RECENT_S)
        deaths = recent - len(self._parts) - FREE_RESTARTS
        return 0.0 if deaths <= 0 else float(min(LONGEST_PAUSE_S, 0.25 * 2 ** min(deaths, 10)))

    def _become(self, part: Part, pause_s: float) -> None:
        """Run first in every child."""
        # A session of its own: only the parent is told by the terminal, and it stops us when requests are done.
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._alive_write)
        threading.Thread(target=self._follow_parent, name="follow", daemon=True).start()
        time.sleep(pause_s)
        part.run(part)

    def _follow_parent(self) -> None:
        """Tell this process to stop when its parent has died, however it died."""
        connection.wait([self._alive_read])
        os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self) -> None:
        """Stop gently: requests in flight are answered, an e-mail in flight is sent or given back."""
        for listener in self._listening:
            listener.close()
        processes = [part.process for part in self._parts if part.process is not None]
        for process in processes:
            process.terminate()
        until = time.monotonic() + STOPPED_WITHIN_S
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
        for process in processes:
            process.kill()  # one that has stopped does not mind
            process.join()


@contextmanager
def _signals() -> Iterator[tuple[list[int], int]]:
    """Yield a list that the signals that mean stop are added to, and a descriptor that can be read when one came."""
    told: list[int] = []
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    for number in STOPS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, lambda each, _frame: told.append(each))
    yield told, read


def supervise(
    app: Flask, settings: Settings, *, listening: Sequence[socket], ready: Callable[[], None], mail: bool = True
) -> None:
    """Serve `app` on `listening`, and deliver its mail unless `mail` is False, until told to stop.

    Args:
        app: the application.
        settings: its settings.
        listening: sockets that listen.
        ready: called once, when all processes are started.
    """

    limits = limits_of(app, settings)

    def serve(part: Part) -> None:
        serve_web(app, limits, listening=listening, pulse=part.beat)

    def deliver(part: Part) -> None:
        for listener in listening:
            listener.close()
        threading.Thread(target=_keep_beating, args=(part,), name="pulse", daemon=True).start()
        run_worker(app)

    parts = [Part(f"web {number}", serve) for number in range(1, settings.WEB_WORKERS + 1)]
    if mail:
        parts.append(Part("mail worker", deliver))
    gc.collect()
    gc.freeze()  # else each child's first collection would copy all of the memory that it shares with us
    Supervisor(parts, listening).run(ready)


def _keep_beating(part: Part) -> None:
    while True:
        part.pulse.value = time.monotonic()
        time.sleep(PULSE_EVERY_S)
