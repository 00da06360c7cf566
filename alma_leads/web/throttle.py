"""Counting requests per client address, over Flask-Limiter's storage. Which limit applies where is said by callers."""

from __future__ import annotations

import math
import time

import structlog
from limits import RateLimitItem, parse

from alma_leads.extensions import limiter

log = structlog.get_logger(__name__)
WRONG_KEYS = parse("60 per minute")


def spend(limit: RateLimitItem, *names: str) -> int | None:
    """Count one use of `limit` by `names`. Return None when it was free, else the seconds to wait.

    A storage that cannot be reached lets requests through: losing a lead is worse than losing a limit.
    """
    return _ask(limit, names, count=True)


def exhausted(limit: RateLimitItem, *names: str) -> int | None:
    """Like `spend`, but count nothing."""
    return _ask(limit, names, count=False)


def _ask(limit: RateLimitItem, names: tuple[str, ...], *, count: bool) -> int | None:
    try:
        free = limiter.limiter.hit(limit, *names) if count else limiter.limiter.test(limit, *names)
        if free:
            return None
        reset = limiter.limiter.get_window_stats(limit, *names).reset_time
    except Exception:
        log.warning("rate limit storage does not answer", exc_info=True)
        return None
    return max(1, math.ceil(reset - time.time()))
