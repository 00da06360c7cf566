"""Hashes with the secret of this installation: equal for equal values, and no use to who tries out values elsewhere."""

from __future__ import annotations

import hashlib
import hmac

from alma_leads.extensions import settings


def keyed_hash(purpose: str, value: str) -> str:
    """Return 128 bits of HMAC-SHA256 under SECRET_KEY, in hexadecimal. Each purpose has hashes of its own."""
    secret = settings().SECRET_KEY.get_secret_value().encode()
    return hmac.new(secret, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]
