"""What a user has proved while signing in, and how far that leads."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Final

from alma_leads.accounts.core.models import SessionStage


class Proof(enum.StrEnum):
    """One thing that a user has proved. A passkey alone counts only where the device has verified its owner."""

    PASSWORD = "password"  # noqa: S105 -- a name, not a secret
    LINK = "link"  # a one-time link from an e-mail, or from the operator
    SSO = "sso"
    SSO_MFA = "sso_mfa"  # the identity provider says that it asked for more than a password
    CODE = "code"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"


WORDS: Final[dict[Proof, str]] = {
    Proof.PASSWORD: "password",
    Proof.LINK: "link",
    Proof.SSO: "work account",
    Proof.SSO_MFA: "work account with a second factor",
    Proof.CODE: "code",
    Proof.RECOVERY_CODE: "recovery code",
    Proof.PASSKEY: "passkey",
}
_TWO_BY_THEMSELVES = frozenset({Proof.SSO_MFA, Proof.PASSKEY})


def are_two_factors(proofs: Collection[Proof]) -> bool:
    """Return whether these are two factors. No step shows the same factor twice, so two proofs are."""
    return len(set(proofs)) > 1 or not _TWO_BY_THEMSELVES.isdisjoint(proofs)


def stage_of(proofs: Collection[Proof], *, has_second_factor: bool, required: bool) -> SessionStage:
    """Return how far `proofs` lead someone.

    Args:
        proofs: what was shown.
        has_second_factor: the user has an authenticator app or a passkey.
        required: the firm requires a second factor of everyone.
    """
    if are_two_factors(proofs):
        return SessionStage.OPEN
    if has_second_factor:
        return SessionStage.SECOND_FACTOR
    return SessionStage.ENROLMENT if required else SessionStage.OPEN


def in_words(proofs: str) -> str:
    """Return "password and code" for the "password code" of a row."""
    return " and ".join(WORDS[Proof(proof)] for proof in proofs.split())
