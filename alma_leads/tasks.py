"""Background work: waking the workers, and what they run. The truth is in the outbox; the task queue only wakes."""

from __future__ import annotations

from flask import Flask, current_app


def init_app(app: Flask) -> None:
    """Give `app` its task queue; nothing is opened before it is needed."""
    app.extensions["tasks"] = None


def wake() -> None:
    """Ask a worker to look at the outbox soon. Best effort: never blocks, never raises; the sweep catches up."""
    current_app.extensions["tasks"]


def run_worker(app: Flask) -> None:
    """Run the worker in the main thread of this process, until SIGTERM or SIGINT."""
    raise NotImplementedError
