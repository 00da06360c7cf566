"""Counting requests per client address, over the `limits` library. Which limit applies where is said by callers.

Flask-Limiter would look at each request of each route for the sake of two; here only those two ask.
"""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import cast

import structlog
from flask import Flask, current_app, request
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from alma_leads.common.client_address import WIDE_TIMES, network_of, wide_network_of
from alma_leads.database.deadlines import Outage

log = structlog.get_logger(__name__)
WRONG_KEYS = parse("60 per minute")
REDIS_TIMEOUT_S = 0.3
# After a failure Redis is left alone for so long: else each request would wait for the time-out.
REDIS_PAUSE_S = 5.0


class Counters:
    """The counters of one application: in Redis, or in this process's memory.

    While Redis doesn't answer, this process counts in memory: losing a lead is worse than losing a limit.
    """

    def __init__(self, url: str) -> None:
        # Unlike fixed windows, a sliding one lets nobody send twice as much around the full minute.
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared: SlidingWindowCounterRateLimiter | None = None
        if not url.startswith("memory"):
            # Time-outs in the URL win over these.
            timeouts = {"socket_timeout": REDIS_TIMEOUT_S, "socket_connect_timeout": REDIS_TIMEOUT_S}
            self._shared = SlidingWindowCounterRateLimiter(storage_from_string(url, **timeouts))
        self._outage = Outage(REDIS_PAUSE_S)

    def seconds_to_wait(self, limit: RateLimitItem, names: tuple[str, ...], *, count: bool) -> int | None:
        """Return None if `limit` isn't exhausted for `names`, else the seconds to wait. `count` uses it once."""
        if self._shared is not None and self._outage.may_ask():
            try:
                wait = _ask_limiter(self._shared, limit, names, count=count)
            except Exception as error:  # noqa: BLE001 -- each storage has its own exceptions
                if self._outage.begins():
                    log.warning("rate limit storage does not answer; counting in this process", error=str(error))
            else:
                if self._outage.ends():
                    log.warning("rate limit storage answers again")
                return wait
        return _ask_limiter(self._own, limit, names, count=count)


def init_app(app: Flask) -> None:
    """Give `app` its counters."""
    app.extensions["throttle"] = Counters(app.config["SETTINGS"].RATE_LIMIT_STORAGE_URL)


def client() -> str:
    """Return whom this request is counted for: its address, or its network where one customer has many (IPv6)."""
    return network_of(request.remote_addr or "")


def spend(limit: RateLimitItem, *names: str) -> int | None:
    """Count one use of `limit` by `names`. Return None when it was free, else the seconds to wait."""
    return _ask(limit, names, count=True)


def exhausted(limit: RateLimitItem, *names: str) -> int | None:
    """Like `spend`, but count nothing."""
    return _ask(limit, names, count=False)


@lru_cache(maxsize=32)
def times(limit: RateLimitItem, factor: int) -> RateLimitItem:
    """Return a limit that is `factor` times as generous in the same time."""
    return type(limit)(limit.amount * factor, limit.multiples)


def spend_for_client(limit: RateLimitItem, name: str) -> int | None:
    """Count one use of `limit` by this client, and by the network around it; see `spend`."""
    return _ask_for_client(limit, name, count=True)


def exhausted_for_client(limit: RateLimitItem, name: str) -> int | None:
    """Like `spend_for_client`, but count nothing."""
    return _ask_for_client(limit, name, count=False)


def _ask_for_client(limit: RateLimitItem, name: str, *, count: bool) -> int | None:
    wait = _ask(limit, (name, client()), count=count)
    wide = wide_network_of(request.remote_addr or "")
    if wait is not None or not wide:
        return wait
    return _ask(times(limit, WIDE_TIMES), (name, wide), count=count)


def _ask(limit: RateLimitItem, names: tuple[str, ...], *, count: bool) -> int | None:
    return cast(Counters, current_app.extensions["throttle"]).seconds_to_wait(limit, names, count=count)


def _ask_limiter(
    limiter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, names: tuple[str, ...], *, count: bool
) -> int | None:
    free = limiter.hit(limit, *names) if count else limiter.test(limit, *names)
    if free:
        return None
    return max(1, math.ceil(limiter.get_window_stats(limit, *names).reset_time - time.time()))
