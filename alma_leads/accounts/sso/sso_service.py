"""Use cases of single sign-on: a browser goes to the identity provider, and comes back as somebody.

No transaction is open while the provider is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import structlog

from alma_leads.accounts.core import factors, sessions, users
from alma_leads.accounts.core.errors import UserExists
from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import Role, User
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.session_service import session_lifetime
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.sign_in import throttle
from alma_leads.accounts.sign_in.refusals import Refusal, WorkAccountRefused
from alma_leads.accounts.sign_in.sign_in_service import UNKNOWN_ACCOUNT, Opened, begin_session, confirm
from alma_leads.accounts.sso import identities, sso_requests
from alma_leads.accounts.sso.id_token import BadIdToken, WorkAccount
from alma_leads.accounts.sso.identities import Rules
from alma_leads.accounts.sso.provider import CodeRefused, IdentityProvider, ProviderFailed
from alma_leads.accounts.sso.sso_requests import SsoRequest
from alma_leads.actor import Actor, stranger
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.extensions import settings

log = structlog.get_logger(__name__)
# Clocks differ.
_LEEWAY = timedelta(minutes=1)
# Not guesses: an office whose provider is down must not be locked out of the other ways in.
_NO_GUESS = (Refusal.PROVIDER_FAILED, Refusal.DENIED)


class CameBack(NamedTuple):
    """Someone who has come back from the provider: the session, and the page of the desk that was wanted."""

    opened: Opened
    wanted: str


def go_to_provider(provider: IdentityProvider, *, browser: str, wanted: str, confirming: bool = False) -> str:
    """Return the address at the provider where somebody shows who it is.

    Args:
        provider: the firm's.
        browser: what its cookie knows it by; only this browser may come back.
        wanted: the page of the desk to lead to then, or "".
        confirming: someone who is signed in shows again who it is.

    Raises:
        WorkAccountRefused: the provider cannot be reached.
    """
    made = sso_requests.make_secrets()
    try:
        address = provider.address_to_ask(state=made.state, nonce=made.nonce, verifier=made.verifier, again=confirming)
    except ProviderFailed as failed:
        log.error("identity provider failed", reason=str(failed))
        raise WorkAccountRefused(Refusal.PROVIDER_FAILED) from failed
    with transaction() as session:
        sso_requests.keep(session, made, browser=browser, wanted=wanted, confirming=confirming, now=utc_now())
    return address


def come_back(
    provider: IdentityProvider, answer: Mapping[str, str], *, browser: str, client: ClientInfo, token: str
) -> CameBack:
    """Let in whoever the provider says has come back, or note that who is signed in has shown so again.

    Args:
        provider: the firm's.
        answer: the parameters that the browser has brought (`state`, `code` or `error`, `iss`).
        browser: what its cookie knows it by, or "".
        client: the browser.
        token: that of the session that it had before, which ends or is confirmed.

    Raises:
        TooManyAttempts: this address has to wait.
        WorkAccountRefused: nobody is let in, and nothing is confirmed.
    """
    state = answer.get("state", "")
    account_key = token_hash(state)  # counted by address: who it is is not known yet
    with transaction() as session:
        attempt = throttle.count_attempt(session, account=account_key, address=client.address, now=utc_now())
        request = sso_requests.use(session, state, browser=browser, now=utc_now()) if browser else None
    try:
        if request is None:
            raise WorkAccountRefused(Refusal.NOT_STARTED_HERE)
        account = _ask(provider, request, answer)
        opened = _confirm(account, request, token=token) if request.confirming else None
        opened = opened or _sign_in(account, client=client, instead_of=token)
    except WorkAccountRefused as refused:
        log.warning("work account refused", reason=refused.refusal.value, detail=refused.detail)
        with transaction() as session:
            trail.record(
                session,
                Action.SIGN_IN_FAILED,
                actor=stranger(client.address),
                subject=refused.subject or UNKNOWN_ACCOUNT,
                by=Proof.SSO.value,
                reason=refused.refusal.value,
            )
            if refused.refusal in _NO_GUESS:
                throttle.clear_attempts(session, attempt, account=account_key)
        raise
    with transaction() as session:
        throttle.clear_attempts(session, attempt, account=account_key)
    return CameBack(opened, request.wanted)


def unlink_work_account(person_id: int, *, actor: Actor) -> tuple[User, int]:
    """Forget someone's work account, end that person's sessions, and return who it was and how many there were.

    The next one with the person's address is joined then: for someone who has another account at the provider now.

    Raises:
        UserNotFound: there is no such person.
    """
    with transaction() as session:
        person = users.get_user(session, person_id)
        count = identities.unlink(session, person_id)
        if count:
            sessions.end_sessions_of_user(session, person_id)
            trail.record(session, Action.IDENTITY_UNLINKED, actor=actor, subject=person.name)
        return person, count


def _ask(provider: IdentityProvider, request: SsoRequest, answer: Mapping[str, str]) -> WorkAccount:
    """Return who has come back, as far as the provider can be believed."""
    try:
        # An answer of another provider than the one asked would send our secrets there (RFC 9207, 2.4).
        named = answer.get("iss")
        if named is None and provider.must_name_itself():
            raise WorkAccountRefused(Refusal.WRONG_ANSWER, detail="the answer does not say whose it is")
        if named not in (None, provider.issuer):
            raise WorkAccountRefused(Refusal.WRONG_ANSWER, detail="the answer is of another provider")
        if "error" in answer:
            raise WorkAccountRefused(Refusal.DENIED, detail=answer["error"][:100])
        return provider.redeem(answer.get("code", ""), verifier=request.verifier, nonce=request.nonce)
    except ProviderFailed as failed:
        raise WorkAccountRefused(Refusal.PROVIDER_FAILED, detail=str(failed)) from failed
    except (CodeRefused, BadIdToken) as wrong:
        raise WorkAccountRefused(Refusal.WRONG_ANSWER, detail=str(wrong)) from wrong


def _sign_in(account: WorkAccount, *, client: ClientInfo, instead_of: str) -> Opened:
    proof = Proof.SSO_MFA if account.two_factors else Proof.SSO
    for _ in range(2):
        try:
            with transaction() as session:
                user_id = identities.admit(session, account, rules=_rules(), address=client.address)
                opened = begin_session(session, user_id, [proof], client=client, instead_of=instead_of)
        except UserExists:
            continue  # the same person in another window, or invited at this moment
        if opened is not None:
            return opened
    raise WorkAccountRefused(Refusal.TURNED_OFF)


def _confirm(account: WorkAccount, request: SsoRequest, *, token: str) -> Opened | None:
    """Confirm the session with this token, if there still is one; it must be this person's, and shown just now."""
    with transaction() as session:
        auth_session = sessions.find_session(session, token, lifetime=session_lifetime(), now=utc_now())
        if auth_session is None:
            return None  # it ended meanwhile: this is a sign-in then
        if identities.find(session, account) != auth_session.user.id:
            raise WorkAccountRefused(Refusal.ANOTHER_PERSON, subject=auth_session.user.name)
        if account.shown_at is None or account.shown_at < request.created_at - _LEEWAY:
            raise WorkAccountRefused(Refusal.NOT_SHOWN_AGAIN, subject=auth_session.user.name)
        if not account.two_factors and factors.get_factors(session, auth_session.user.id).has_second:
            raise WorkAccountRefused(Refusal.ONE_FACTOR, subject=auth_session.user.name)
        return confirm(session, token)


def _rules() -> Rules:
    role = settings().OIDC_DEFAULT_ROLE
    return Rules(frozenset(settings().OIDC_ALLOWED_DOMAINS.split()), None if role == "none" else Role(role))
