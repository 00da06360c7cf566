"""What is derived from SECRET_KEY: keyed hashes and encryption, with a key of its own for each purpose."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from alma_leads.common.extensions import settings


def keyed_hash(purpose: str, value: str) -> str:
    """Return 128 bits of HMAC-SHA256 in hexadecimal: equal for equal values, and useless without SECRET_KEY."""
    return hmac.new(_secret(), f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]


def fernet(purpose: bytes) -> Fernet:
    """Return what encrypts and decrypts for one purpose."""
    key = HKDF(hashes.SHA256(), 32, salt=None, info=purpose)
    return Fernet(base64.urlsafe_b64encode(key.derive(_secret())))


def _secret() -> bytes:
    return settings().SECRET_KEY.get_secret_value().encode()
