"""A real OpenID provider in a process of its own: `oidc-provider-mock`, which others wrote, with its pages."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.conftest import free_port

ACCOUNTS = (
    {"sub": "amal", "email": "amal.haddad@firm.example", "email_verified": True, "name": "Amal Haddad"},
    {"sub": "sam", "email": "sam@elsewhere.example", "email_verified": True, "name": "Sam"},
)


@contextmanager
def run_provider() -> Iterator[str]:
    """Run it with two accounts, and return its issuer."""
    issuer = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", issuer.rsplit(":", 1)[1], "--require-nonce"]
    for account in ACCOUNTS:
        command += ["--user-claims", json.dumps(account)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"{issuer}/.well-known/openid-configuration", process)
        yield issuer
    finally:
        process.terminate()
        process.wait(timeout=15)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert process.poll() is None, "the provider ended"
            time.sleep(0.05)
    raise AssertionError("the provider did not start")
