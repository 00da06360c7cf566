"""Talk to the identity provider (OpenID Connect): fetch its metadata and keys, and redeem codes.

Only here does a request wait for somebody else's server. So each response has five seconds to start, ten to end, and
256 kB; redirects are not followed; and what has just failed is not tried again at once. No tokens are stored: an access
token is used for one request at most, and a refresh token is discarded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from flask import current_app
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet
from requests import RequestException, Response

from alma_leads.accounts.sso.id_token import BadIdToken, WorkAccount, import_keys, read_claims, work_account

if TYPE_CHECKING:
    from flask import Flask

    from config import Settings

CALLBACK: Final = "/login/sso/callback"
WAIT_S: Final = 5  # to connect, and for each chunk of a response
_WHOLE_S: Final = 10
_MAX_BYTES: Final = 262_144
_PIECE_BYTES: Final = 16_384
_LIFETIME_S: Final = 600
# Anyone can make a token that names a key that does not exist: the keys are fetched once a minute at most.
_KEYS_AGAIN_S: Final = 60
_PAUSE_S: Final = 5
_NEEDED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_Document = TypeVar("_Document")


class ProviderFailed(Exception):
    """The identity provider cannot be reached, or its response makes no sense. The text says why, for the log."""


class CodeRefused(Exception):
    """The provider does not accept the code of a callback. The text says why, for the log."""


class _Wire(OAuth2Session):  # type: ignore[misc]
    """Authlib's client, with limits on the time and memory that a response may take."""

    wait_s: float | None = None  # a shorter timeout than `WAIT_S`

    def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request, and read the response within the limits.

        Raises:
            RequestException: there is no response within the limits.
        """
        options |= {"timeout": self.wait_s or WAIT_S, "allow_redirects": False, "stream": True}
        until = time.monotonic() + _WHOLE_S
        with super().request(method, url, **options) as response:
            body = bytearray()
            for piece in response.iter_content(_PIECE_BYTES):
                body += piece
                if len(body) > _MAX_BYTES or time.monotonic() > until:
                    raise RequestException("the response is too long, or takes too long")
            response._content = bytes(body)
            return cast(Response, response)


class _Cached(Generic[_Document]):
    """A document of the provider, fetched when it is needed and cached for a while. Other threads wait meanwhile."""

    def __init__(self, fetch: Callable[[], _Document]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._document: _Document | None = None
        self._at = self._failed_at = float("-inf")
        self._failure = ""

    def get(self, *, at_most_s: float = _LIFETIME_S) -> _Document:
        """Return the document, at most `at_most_s` seconds old.

        Raises:
            ProviderFailed: it cannot be fetched.
        """
        with self._lock:
            if self._document is not None and time.monotonic() - self._at <= at_most_s:
                return self._document
            if time.monotonic() - self._failed_at < _PAUSE_S:
                raise ProviderFailed(self._failure)
            try:
                self._document = self._fetch()
            except ProviderFailed as failed:
                self._failed_at, self._failure = time.monotonic(), str(failed)
                raise
            self._at = time.monotonic()
            return self._document


class IdentityProvider:
    """The provider that the settings name, with its cached metadata and keys."""

    def __init__(self, *, issuer: str, client_id: str, client_secret: str, callback: str) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._callback = callback
        self._metadata = _Cached(self._fetch_metadata)
        self._keys = _Cached(self._fetch_keys)

    def authorization_url(self, *, state: str, nonce: str, verifier: str, again: bool) -> str:
        """Return the address where a user signs in at the provider; with `again`, even if already signed in there.

        Raises:
            ProviderFailed: the provider cannot be reached.
        """
        endpoint = self._metadata.get()["authorization_endpoint"]
        more = {"prompt": "login", "max_age": "0"} if again else {}
        with self._wire() as wire:
            address, _ = wire.create_authorization_url(
                endpoint, state=state, code_verifier=verifier, nonce=nonce, **more
            )
        return cast(str, address)

    def must_name_itself(self) -> bool:
        """Return whether the provider promises to name itself in each callback (RFC 9207, 3).

        Raises:
            ProviderFailed: the provider cannot be reached.
        """
        return self._metadata.get().get("authorization_response_iss_parameter_supported") is True

    def redeem(self, code: str, *, verifier: str, nonce: str) -> WorkAccount:
        """Return the work account that a `code` stands for.

        Raises:
            ProviderFailed: the provider cannot be reached.
            CodeRefused: the provider does not accept the code.
            BadIdToken: its ID token is not valid.
        """
        metadata = self._metadata.get()
        with self._wire(_auth_method(metadata)) as wire:
            try:
                tokens = wire.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=self._callback,
                    code_verifier=verifier,
                )
            except AuthlibBaseError as refused:
                raise CodeRefused(str(refused)) from refused
            except (RequestException, ValueError) as failed:
                raise ProviderFailed(str(failed)) from failed
            claims = self._claims(tokens.get("id_token"), nonce)
            if "email" not in claims and "userinfo_endpoint" in metadata:
                claims = self._add_user_info(metadata["userinfo_endpoint"], tokens.get("access_token"), claims)
        return work_account(claims)

    def check(self, *, wait_s: float) -> None:
        """Fetch the provider's metadata, without caching them.

        Raises:
            ProviderFailed: it does not answer within about `wait_s`, or its metadata do not fit the settings.
        """
        self._fetch_metadata(wait_s=wait_s)

    def _claims(self, token: object, nonce: str) -> dict[str, Any]:
        for at_most_s in (_LIFETIME_S, _KEYS_AGAIN_S):
            keys = self._keys.get(at_most_s=at_most_s)
            try:
                return read_claims(token, keys, issuer=self.issuer, client_id=self._client_id, nonce=nonce)
            except InvalidKeyIdError:
                continue
        raise BadIdToken("it is signed with a key that the provider does not publish")

    def _add_user_info(self, endpoint: str, access_token: object, claims: dict[str, Any]) -> dict[str, Any]:
        """Return `claims` with those that some providers send only from the UserInfo endpoint (Core 1.0, 5.3, 5.4)."""
        found = self._fetch(endpoint, {"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != claims["sub"]:
            raise BadIdToken("the provider was asked about one person and told about another")
        return {**found, **claims}

    def _fetch_metadata(self, *, wait_s: float | None = None) -> dict[str, Any]:
        found = self._fetch(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration", wait_s=wait_s)
        if found.get("issuer") != self.issuer:
            raise ProviderFailed(f"OIDC_ISSUER holds {self.issuer!r}, but it calls itself {found.get('issuer')!r}")
        for name in (*_NEEDED, "userinfo_endpoint"):
            if (name in found or name in _NEEDED) and not self._is_safe(found.get(name)):
                raise ProviderFailed(f"its metadata have no {name} on https")
        return found

    def _fetch_keys(self) -> KeySet:
        try:
            return import_keys(self._fetch(self._metadata.get()["jwks_uri"]))
        except BadIdToken as failed:
            raise ProviderFailed(str(failed)) from failed

    def _fetch(
        self, address: str, headers: dict[str, str] | None = None, *, wait_s: float | None = None
    ) -> dict[str, Any]:
        try:
            with self._wire() as wire:
                wire.wait_s = wait_s
                answer = wire.request("GET", address, withhold_token=True, headers=headers)
            found = answer.json()
        except (RequestException, ValueError) as failed:
            raise ProviderFailed(f"{urlsplit(address).path}: {failed}") from failed
        if answer.status_code != 200 or not isinstance(found, dict):
            raise ProviderFailed(f"{urlsplit(address).path}: answered with {answer.status_code}, or with no object")
        return found

    def _is_safe(self, address: object) -> bool:
        # A provider on this machine may use http, if all of its addresses are there.
        here = f"http://{urlsplit(self.issuer).netloc}/"
        return isinstance(address, str) and address.startswith(("https://", here))

    def _wire(self, auth_method: str = "none") -> _Wire:
        return _Wire(
            self._client_id,
            self._client_secret,
            token_endpoint_auth_method=auth_method,
            scope="openid email profile",
            redirect_uri=self._callback,
            code_challenge_method="S256",
        )


def init_app(app: Flask, settings: Settings) -> None:
    """Set up the identity provider of `app`, if the settings name one."""
    if settings.OIDC_ISSUER:
        assert settings.OIDC_CLIENT_ID
        assert settings.OIDC_CLIENT_SECRET
        app.extensions["identity_provider"] = IdentityProvider(
            issuer=settings.OIDC_ISSUER,
            client_id=settings.OIDC_CLIENT_ID,
            client_secret=settings.OIDC_CLIENT_SECRET.get_secret_value(),
            callback=f"{settings.PUBLIC_URL}{CALLBACK}",
        )


def identity_provider() -> IdentityProvider | None:
    """Return the identity provider of the running application, or None if there is none."""
    return cast("IdentityProvider | None", current_app.extensions.get("identity_provider"))


def _auth_method(metadata: dict[str, Any]) -> str:
    offered = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    post_only = "client_secret_post" in offered and "client_secret_basic" not in offered
    return "client_secret_post" if post_only else "client_secret_basic"
