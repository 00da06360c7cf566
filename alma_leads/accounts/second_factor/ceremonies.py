"""Ask browsers to make or use a passkey, and verify their answers (WebAuthn). Reads and writes no database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from alma_leads.accounts.core.models import Passkey, User
from alma_leads.accounts.second_factor.relying_party import Site

TIMEOUT_MS = 120_000
MAX_LENGTH = 20_000
MAX_ID_LENGTH = 1400  # base64url of the 1023 bytes that a credential's name may have
# The library does not catch what a forged answer makes it raise.
_UNREADABLE = (
    WebAuthnException,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    OverflowError,
)


class BadAnswer(Exception):
    """The answer cannot be read, or proves nothing."""


class NewPasskey(NamedTuple):
    """A passkey that was made, with the values of its row."""

    credential_id: str
    public_key: str
    sign_count: int
    transports: str


class Assertion(NamedTuple):
    """An answer that claims to come from a passkey. Nothing in it is verified."""

    credential_id: str
    handle: str | None
    challenge: bytes
    credential: Any


def registration_options(user: User, *, site: Site, challenge: bytes, known: Sequence[Passkey]) -> dict[str, Any]:
    """Return the options for making a passkey: one that a device finds by itself, and that verifies its owner.

    The make of the device is not asked for (attestation "none"), since nothing depends on it.
    """
    options = generate_registration_options(
        rp_id=site.id,
        rp_name="Alma",
        user_id=user.handle.encode(),
        user_name=user.email,
        user_display_name=user.name,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[_descriptor(each) for each in known],
    )
    return options_to_json_dict(options)


def authentication_options(*, site: Site, challenge: bytes, known: Sequence[Passkey]) -> dict[str, Any]:
    """Return the options for using one of the `known` passkeys, or any on the device if none are given."""
    options = generate_authentication_options(
        rp_id=site.id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=[_descriptor(each) for each in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def challenge_of_registration(answer: str) -> bytes:
    """Return the challenge that the answer with a new passkey says it signs.

    Raises:
        BadAnswer: it cannot be read.
    """
    try:
        credential = parse_registration_credential_json(_short(answer))
        return parse_client_data_json(credential.response.client_data_json).challenge
    except _UNREADABLE as error:
        raise BadAnswer("unreadable") from error


def verify_registration(answer: str, *, challenge: bytes, site: Site) -> NewPasskey:
    """Return a new passkey, if this site asked for it and the device has verified its owner.

    Raises:
        BadAnswer: the site did not, or the device did not.
    """
    try:
        credential = parse_registration_credential_json(_short(answer))
        made = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
        transports = " ".join(transport.value for transport in credential.response.transports or [])
    except _UNREADABLE as error:
        raise BadAnswer("not verified") from error
    credential_id = bytes_to_base64url(made.credential_id)
    if len(credential_id) > MAX_ID_LENGTH:
        raise BadAnswer("credential id too long")
    return NewPasskey(credential_id, bytes_to_base64url(made.credential_public_key), made.sign_count, transports[:100])


def read_assertion(answer: str) -> Assertion:
    """Return what an answer says, without verifying it.

    Raises:
        BadAnswer: it cannot be read.
    """
    try:
        credential = parse_authentication_credential_json(_short(answer))
        handle = credential.response.user_handle
        challenge = parse_client_data_json(credential.response.client_data_json).challenge
        return Assertion(
            bytes_to_base64url(credential.raw_id), handle.decode() if handle else None, challenge, credential
        )
    except _UNREADABLE as error:
        raise BadAnswer("unreadable") from error


def verify_assertion(assertion: Assertion, *, public_key: str, site: Site) -> int:
    """Return the sign count, if the passkey with this key signed the challenge here, and its owner was verified.

    The caller checks whether the count has grown, in the statement that stores it.

    Raises:
        BadAnswer: the answer does not prove it.
    """
    try:
        verified = verify_authentication_response(
            credential=assertion.credential,
            expected_challenge=assertion.challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=base64url_to_bytes(public_key),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except _UNREADABLE as error:
        raise BadAnswer("not verified") from error
    return verified.new_sign_count


def _short(answer: str) -> str:
    if len(answer) > MAX_LENGTH:
        raise ValueError("too long")
    return answer


def _descriptor(known: Passkey) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(
        id=base64url_to_bytes(known.credential_id),
        transports=[AuthenticatorTransport(name) for name in known.transports.split()] or None,
    )
