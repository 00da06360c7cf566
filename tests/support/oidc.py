"""An OpenID provider on loopback that says whatever a test wants it to: the truth, or one of many lies.

It checks what a good provider checks (client, redirect, PKCE) and signs with real keys. Authorization is a call of
`answer`, in place of a person at its page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT_ID = "alma"
CLIENT_SECRET = "the secret of the client"
Claims = dict[str, Any]


@cache
def _own_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})  # slow, so once


class Provider:
    """The provider. What it says of itself is in `description`; what else it lies about is up to the test."""

    def __init__(self) -> None:
        self.key = _own_key()
        self.published: list[Any] = [self.key]
        self.algorithm = "RS256"
        self.asked: Counter[str] = Counter()
        self.userinfo: Claims = {}
        self.down = False
        self.delay_s = 0.0
        self.redirect = ""
        self._codes: dict[str, tuple[dict[str, str], Claims]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.description: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Stop it, and let go of the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def settings(self) -> dict[str, str]:
        """Return the application's settings for it."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_ALLOWED_DOMAINS": "alma.example",
        }

    def answer(self, address: str, **changes: Any) -> str:
        """Return the query that a browser comes back with from `address`; a claim of None is left out."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "rosa-at-the-provider",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            "email": "rosa.delgado@alma.example",
            "email_verified": True,
            "name": "Rosa Delgado",
            **changes,
        }
        code = secrets.token_urlsafe(8)
        self._codes[code] = (asked, {name: value for name, value in claims.items() if value is not None})
        return urlencode({"code": code, "state": asked["state"]})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(provider._get(self.path, self.headers.get("Authorization", "")))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._send(provider._token(self.headers.get("Authorization", ""), body))

            def _send(self, answer: tuple[int, Any]) -> None:
                provider.asked[urlsplit(self.path).path] += 1
                time.sleep(provider.delay_s)
                status, document = (500, {}) if provider.down else answer
                body = json.dumps(document).encode()
                self.send_response(302 if provider.redirect else status)
                if provider.redirect:
                    self.send_header("Location", provider.redirect)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        return Handler

    def _get(self, path: str, authorization: str) -> tuple[int, Any]:
        pages: dict[str, Callable[[], Any]] = {
            "/.well-known/openid-configuration": lambda: self.description,
            "/jwks": lambda: KeySet(self.published).as_dict(),
            "/userinfo": lambda: self.userinfo if authorization == "Bearer an-access-token" else None,
        }
        return (200, pages[path]()) if path in pages else (404, {})

    def _token(self, authorization: str, body: str) -> tuple[int, Any]:
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        asked, claims = self._codes.pop(sent.get("code", ""), ({}, {}))
        proof = base64.urlsafe_b64encode(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
        credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        by_post = (sent.get("client_id"), sent.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if authorization != f"Basic {credentials}" and not by_post:
            return 401, {"error": "invalid_client"}
        if not asked or asked["code_challenge"] != proof.decode().rstrip("="):
            return 400, {"error": "invalid_grant"}
        if sent.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "an-access-token",
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": "nobody wants it",
            "id_token": self._sign(claims),
        }

    def _sign(self, claims: Claims) -> str:
        if self.algorithm == "none":
            parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
            return ".".join([base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts] + [""])
        if self.algorithm == "HS256":  # with what everybody knows: the public key
            key: Any = OctKey.import_key(json.dumps(self.key.as_dict(private=False)).encode())
            return jwt.encode({"alg": "HS256", "kid": "one"}, claims, key, algorithms=["HS256"])
        return jwt.encode({"alg": self.algorithm, "kid": self.key.kid}, claims, self.key, algorithms=[self.algorithm])
