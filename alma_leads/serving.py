"""How gunicorn serves the application, whoever starts it: its options, its web worker, and where its log goes."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from config import Settings

GRACE_S = 8  # how long requests in flight may take when told to stop; everything is gone within 10 s
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108


class PlainLogger(Logger):
    """Hands gunicorn's own messages to the application's log; what requests came is logged by `web.requests_log`."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's handlers away again."""
        level = logging.getLogger("gunicorn.error").level
        super().setup(cfg)
        self.error_log.handlers = []
        self.error_log.propagate = True
        self.error_log.setLevel(level or logging.WARNING)


class WebWorker(ThreadWorker):
    """Gunicorn's threaded worker, which only its parent stops, and which lets go of the port as soon as it stops."""

    def init_signals(self) -> None:
        """Leave Ctrl-C, and a terminal that is closed, to the parent: it stops us when requests are done."""
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Close the listening sockets when the worker stops, so that a successor can bind at once."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()


def gunicorn_options(settings: Settings) -> dict[str, Any]:
    """Return gunicorn's settings."""
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    return {
        "bind": f"{host}:{settings.PORT}",
        "workers": settings.WEB_WORKERS,
        "threads": settings.WEB_THREADS,
        "worker_class": "alma_leads.serving.WebWorker",
        "logger_class": "alma_leads.serving.PlainLogger",
        "accesslog": None,
        "graceful_timeout": GRACE_S,
        "timeout": 60,
        "keepalive": 15,
        "limit_request_line": 8190,
        "limit_request_fields": 64,
        "limit_request_field_size": 8190,
        # X-Forwarded-* is the application's business: it believes as many proxies as TRUSTED_PROXIES says.
        "forwarded_allow_ips": "",
        # Heartbeats are files: on a disk that is busy they would come late, and live workers would be killed.
        "worker_tmp_dir": str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None,
        "control_socket_disable": True,
        "preload_app": True,
    }
