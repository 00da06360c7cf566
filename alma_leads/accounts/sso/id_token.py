"""What an identity provider says about a person: an ID token is read, and believed only as far as it can be checked.

Signature and claims are Authlib's and joserfc's to check (OpenID Connect Core 1.0, 3.1.3.7); what Core leaves open is
decided here: asymmetric signatures only, which audiences, and what counts as a verified address and as two factors.
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

# A client secret also makes HS256 signatures: whoever has one of both could be the other. And "none" is none.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
)
MIN_RSA_BITS: Final = 2048  # RFC 7518, 3.3
LEEWAY_S: Final = 60
MAX_AGE_S: Final = 600  # a token is made when its code is redeemed, a moment ago
_MAX_SUBJECT: Final = 255  # Core, 2
# Authentication contexts that say "more than one factor".
_TWO_FACTOR_CONTEXTS: Final = frozenset(
    {
        "phr",  # phishing-resistant: OpenID Connect Extended Authentication Profile, 3
        "phrh",
        "https://refeds.org/profile/mfa",
        "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
    }
)


class BadIdToken(Exception):
    """The token does not show who somebody is. The text says why, for the log."""


class WorkAccount(NamedTuple):
    """Who somebody is at the identity provider.

    `email` is "" unless the provider says that it has seen to it that the address is this person's. `shown_at` is when
    the person last showed the provider who it is, where the provider tells.
    """

    issuer: str
    subject: str
    email: str
    name: str
    two_factors: bool
    shown_at: datetime | None


def import_keys(document: object) -> KeySet:
    """Return the keys of a JWK set that can sign a token.

    Those that we do not understand are left out (RFC 7517, 5), and so are RSA keys that are too short to be trusted.

    Raises:
        BadIdToken: there is none.
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
    # Before it is imported: the library takes short keys, and warns on stderr.
    modulus = entry.get("n") if isinstance(entry, dict) and entry.get("kty") == "RSA" else None
    if not isinstance(modulus, str):
        return False
    try:
        return int.from_bytes(urlsafe_b64decode(modulus.encode("ascii"))).bit_length() < MIN_RSA_BITS
    except ValueError:
        return True


def read_claims(token: object, keys: KeySet, *, issuer: str, client_id: str, nonce: str) -> dict[str, Any]:
    """Return what an ID token says, after checking that `issuer` says so, now, to us, and about this sign-in.

    Raises:
        InvalidKeyIdError: it is signed with a key that is not among `keys`.
        BadIdToken: anything else is wrong with it.
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
    """Refuse a token that was not issued to us: it names others too, and not us as the one that asked (Core, 2)."""
    if audience in (client_id, [client_id]):
        return
    # Zitadel and some settings of Keycloak always add the project or another API.
    named = isinstance(audience, list) and all(isinstance(each, str) for each in audience) and client_id in audience
    if not (named and authorized_party == client_id):
        raise BadIdToken("it is meant for others too, and was not issued to us")


def work_account(claims: dict[str, Any]) -> WorkAccount:
    """Return who somebody is by the claims of an ID token, and of what the provider added to it."""
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
    # Entra ID has no `email_verified`. Its word for "the owner of the domain vouches for the address" is `xms_edov`,
    # an optional claim; without either an address there is what anyone has typed.
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
