"""Sign in with a work account: send a browser to the identity provider, and handle its callback.

No transaction is open while we wait for the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import structlog

from alma_leads.accounts.core import factors, sessions, users
from alma_leads.accounts.core.errors import UserExists
from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import Role, SsoRequest, User
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
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor, stranger
from alma_leads.common.extensions import settings
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction

log = structlog.get_logger(__name__)
# Clocks differ.
_LEEWAY = timedelta(minutes=1)
# Not guesses: an office whose provider is down must not be locked out of the other ways to sign in.
_NO_GUESS = (Refusal.PROVIDER_FAILED, Refusal.DENIED)


class SignedIn(NamedTuple):
    """A sign-in that returned from the provider: the session, and the page of the desk that was wanted."""

    opened: Opened
    wanted: str


def go_to_provider(provider: IdentityProvider, *, browser: str, wanted: str, confirming: bool = False) -> str:
    """Return the address at the provider where somebody signs in.

    Args:
        provider: the firm's.
        browser: the secret in the browser's cookie; only this browser may return.
        wanted: the page of the desk to open afterwards, or "".
        confirming: a signed-in user confirms who they are.

    Raises:
        WorkAccountRefused: the provider cannot be reached.
    """
    made = sso_requests.make_secrets()
    try:
        address = provider.authorization_url(
            state=made.state, nonce=made.nonce, verifier=made.verifier, again=confirming
        )
    except ProviderFailed as failed:
        log.error("identity provider failed", reason=str(failed))
        raise WorkAccountRefused(Refusal.PROVIDER_FAILED) from failed
    with transaction() as session:
        sso_requests.create_request(session, made, browser=browser, wanted=wanted, confirming=confirming, now=utc_now())
    return address


def callback(
    provider: IdentityProvider, answer: Mapping[str, str], *, browser: str, client: ClientInfo, token: str
) -> SignedIn:
    """Sign in the user whom the provider names, or record that a signed-in user has confirmed who they are.

    Args:
        provider: the firm's.
        answer: the parameters of the callback (`state`, `code` or `error`, `iss`).
        browser: the secret in the browser's cookie, or "".
        client: the browser.
        token: of the session that the browser had before, which ends or is confirmed.

    Raises:
        TooManyAttempts: this address has to wait.
        WorkAccountRefused: nobody is let in, and nothing is confirmed.
    """
    state = answer.get("state", "")
    account_key = token_hash(state)  # counted by address: the user is not known yet
    with transaction() as session:
        attempt = throttle.count_attempt(session, account=account_key, address=client.address, now=utc_now())
        request = sso_requests.use_request(session, state, browser=browser, now=utc_now()) if browser else None
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
    return SignedIn(opened, request.wanted)


def unlink_work_account(user_id: int, *, actor: Actor) -> tuple[User, int]:
    """Unlink a user's work accounts, end the user's sessions, and return the user and how many accounts there were.

    The next work account with the user's address is linked then: for someone who has a new account at the provider.

    Raises:
        UserNotFound: there is no such user.
    """
    with transaction() as session:
        user = users.get_user(session, user_id)
        count = identities.unlink(session, user_id)
        if count:
            sessions.end_sessions_of_user(session, user_id)
            trail.record(session, Action.IDENTITY_UNLINKED, actor=actor, subject=user.name)
        return user, count


def _ask(provider: IdentityProvider, request: SsoRequest, answer: Mapping[str, str]) -> WorkAccount:
    """Return the work account that the provider names, after checking that the answer is genuine."""
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
            continue  # the same user in another window, or invited at the same time
        if opened is not None:
            return opened
    raise WorkAccountRefused(Refusal.TURNED_OFF)


def _confirm(account: WorkAccount, request: SsoRequest, *, token: str) -> Opened | None:
    """Confirm the session with this token, if it has not ended. The account must be this user's, and shown just now."""
    with transaction() as session:
        auth_session = sessions.find_session(session, token, lifetime=session_lifetime(), now=utc_now())
        if auth_session is None:
            return None  # it ended meanwhile, so this is a sign-in
        if identities.find_user_id(session, account) != auth_session.user.id:
            raise WorkAccountRefused(Refusal.ANOTHER_PERSON, subject=auth_session.user.name)
        if account.shown_at is None or account.shown_at < request.created_at - _LEEWAY:
            raise WorkAccountRefused(Refusal.NOT_SHOWN_AGAIN, subject=auth_session.user.name)
        if not account.two_factors and factors.get_factors(session, auth_session.user.id).has_second:
            raise WorkAccountRefused(Refusal.ONE_FACTOR, subject=auth_session.user.name)
        return confirm(session, token)


def _rules() -> Rules:
    role = settings().OIDC_DEFAULT_ROLE
    return Rules(frozenset(settings().OIDC_ALLOWED_DOMAINS.split()), None if role == "none" else Role(role))
