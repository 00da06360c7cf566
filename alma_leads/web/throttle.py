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
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from alma_leads.client_address import WIDE_TIMES, network_of, wide_network_of

log = structlog.get_logger(__name__)
WRONG_KEYS = parse("60 per minute")


def init_app(app: Flask) -> None:
    """Give `app` its counters. In memory they are this process's own; Redis shares them."""
    storage = storage_from_string(app.config["SETTINGS"].RATE_LIMIT_STORAGE_URL)
    # Unlike fixed windows, it lets nobody send twice as much around the full minute.
    app.extensions["throttle"] = SlidingWindowCounterRateLimiter(storage)


def client() -> str:
    """Return whom this request is counted for: its address, or its network where one customer has many (IPv6)."""
    return network_of(request.remote_addr or "")


def spend(limit: RateLimitItem, *names: str) -> int | None:
    """Count one use of `limit` by `names`. Return None when it was free, else the seconds to wait.

    A storage that cannot be reached lets requests through: losing a lead is worse than losing a limit.
    """
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
    counters = cast(SlidingWindowCounterRateLimiter, current_app.extensions["throttle"])
    try:
        free = counters.hit(limit, *names) if count else counters.test(limit, *names)
        if free:
            return None
        reset = counters.get_window_stats(limit, *names).reset_time
    except Exception:  # each storage has its own exceptions; see the docstring of `spend`
        log.warning("rate limit storage does not answer", exc_info=True)
        return None
    return max(1, math.ceil(reset - time.time()))
