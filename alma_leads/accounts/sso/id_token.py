"""Read and validate ID tokens of the identity provider.

Authlib and joserfc check signatures and claims (OpenID Connect Core 1.0, 3.1.3.7). What Core leaves open is decided
here: asymmetric signatures only, which audiences, and what counts as a verified address and as two factors.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

# No HS256: whoever has the client secret could sign tokens. And "none" is no signature.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
)
MIN_RSA_BITS: Final = 2048  # RFC 7518, 3.3
LEEWAY_S: Final = 60
MAX_AGE_S: Final = 600  # a token is issued when its code is redeemed, a moment ago
_MAX_SUBJECT: Final = 255  # Core, 2
# Authentication contexts that mean more than one factor.
_TWO_FACTOR_CONTEXTS: Final = frozenset(
    {
        "phr",  # phishing-resistant: OpenID Connect Extended Authentication Profile, 3
        "phrh",
        "https://refeds.org/profile/mfa",
        "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
    }
)


class BadIdToken(Exception):
    """The token is not valid. The text says why, for the log."""


class WorkAccount(NamedTuple):
    """Who a user is at the identity provider.

    `email` is "" unless the provider says that it has verified the address. `shown_at` is when the user last
    authenticated there, if the provider says so.
    """

    issuer: str
    subject: str
    email: str
    name: str
    two_factors: bool
    shown_at: datetime | None


def import_keys(document: object) -> KeySet:
    """Return the keys of a JWK set that can sign a token.

    Keys of unknown types are left out (RFC 7517, 5), and so are RSA keys that are too short to be trusted.

    Raises:
        BadIdToken: no key is left.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    keys: list[Key] = []
    for entry in entries if isinstance(entries, list) else []:
        if _is_short(entry):
            continue
        try:
            key = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            keys.append(key)
    if not keys:
        raise BadIdToken("the provider publishes no key that can be used")
    return KeySet(keys)


def _is_short(entry: object) -> bool:
    # Checked before the import: the library accepts short keys, with a warning on stderr.
    modulus = entry.get("n") if isinstance(entry, dict) and entry.get("kty") == "RSA" else None
    if not isinstance(modulus, str):
        return False
    try:
        return int.from_bytes(urlsafe_b64decode(modulus.encode("ascii"))).bit_length() < MIN_RSA_BITS
    except ValueError:
        return True


def read_claims(token: object, keys: KeySet, *, issuer: str, client_id: str, nonce: str) -> dict[str, Any]:
    """Return the claims of an ID token, after checking that `issuer` made it, just now, for us and this sign-in.

    Raises:
        InvalidKeyIdError: it is signed with a key that is not among `keys`.
        BadIdToken: it is not valid for another reason.
    """
    if not isinstance(token, str):
        raise BadIdToken("there is no ID token")
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        decoded = jwt.decode(token, keys, registry=registry)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": client_id},
                "sub": {"essential": True},
            },
            {"client_id": client_id, "nonce": nonce},
        )
        claims.validate(leeway=LEEWAY_S)
    except InvalidKeyIdError:
        raise
    except (JoseError, ValueError, TypeError) as wrong:
        raise BadIdToken(str(wrong)) from wrong
    _check_audience(claims["aud"], claims.get("azp"), client_id)
    if claims["iat"] < time.time() - MAX_AGE_S:
        raise BadIdToken("it was made long ago")
    if not 0 < len(claims["sub"]) <= _MAX_SUBJECT:
        raise BadIdToken("its subject is empty or too long")
    return dict(claims)


def _check_audience(audience: object, authorized_party: object, client_id: str) -> None:
    """Refuse a token with other audiences unless it names us as the authorized party (Core, 2)."""
    if audience in (client_id, [client_id]):
        return
    # Zitadel, and Keycloak with some settings, always add the project or another API.
    named = isinstance(audience, list) and all(isinstance(each, str) for each in audience) and client_id in audience
    if not (named and authorized_party == client_id):
        raise BadIdToken("it is meant for others too, and was not issued to us")


def work_account(claims: dict[str, Any]) -> WorkAccount:
    """Return the work account that the claims describe."""
    return WorkAccount(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=_verified_email(claims),
        name=_name(claims),
        two_factors=_are_two_factors(claims),
        shown_at=_moment(claims.get("auth_time")),
    )


def _moment(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (OverflowError, OSError, ValueError):
        return None


def _verified_email(claims: dict[str, Any]) -> str:
    email = claims.get("email")
    # Entra ID has no `email_verified`. Its optional claim `xms_edov` says that the domain owner has verified the
    # address; without it, an address there is whatever somebody typed.
    verified = claims.get("email_verified") is True or claims.get("xms_edov") in (True, "1", "true")
    return email if isinstance(email, str) and verified else ""


def _name(claims: dict[str, Any]) -> str:
    given = [claims.get(part) for part in ("given_name", "family_name")]
    name = claims.get("name") or " ".join(part for part in given if isinstance(part, str))
    return " ".join(name.split()) if isinstance(name, str) else ""


def _are_two_factors(claims: dict[str, Any]) -> bool:
    methods, context = claims.get("amr"), claims.get("acr")
    by_method = isinstance(methods, list) and "mfa" in methods  # RFC 8176, 2
    return by_method or (isinstance(context, str) and context in _TWO_FACTOR_CONTEXTS)
