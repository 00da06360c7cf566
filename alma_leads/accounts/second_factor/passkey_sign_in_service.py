"""Sign in with a passkey, use one as the second step, or show one again to confirm who you are.

A device answers only after it has verified its owner, so that a passkey alone counts as two factors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import Passkey, User
from alma_leads.accounts.core.proofs import WORDS, Proof
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.second_factor import ceremonies, challenges
from alma_leads.accounts.second_factor.ceremonies import Assertion, BadAnswer
from alma_leads.accounts.second_factor.passkey_service import get_site, list_known_passkeys
from alma_leads.accounts.second_factor.relying_party import Site
from alma_leads.accounts.sign_in import throttle
from alma_leads.accounts.sign_in.sign_in_service import Opened, begin_session, complete_sign_in, confirm
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import stranger
from alma_leads.database.base import utc_now
from alma_leads.database.session import count_changed, transaction

UNKNOWN_PASSKEY = "an unknown passkey"


class _Use(NamedTuple):
    """What a passkey is shown for: its purpose, the browser's secret, and whose it must be (None: anyone's)."""

    purpose: str
    browser: str
    owner_id: int | None


class _Attempt(NamedTuple):
    """An attempt that was counted, and the passkey that the answer names with its owner, if they are known."""

    id: int
    account: str
    was_asked: bool
    passkey: Passkey | None
    owner: User | None


def sign_in_options(*, browser: str, second_step_of: int | None) -> dict[str, Any]:
    """Return the options with which a browser shows a passkey: any, or one of the user who has shown a first proof.

    Raises:
        NoPasskeysHere: browsers allow none here.
    """
    return _options(_sign_in_use(browser, second_step_of))


def sign_in_with_passkey(
    answer: str, *, browser: str, client: ClientInfo, instead_of: str, second_step_of: int | None
) -> Opened | None:
    """Create a session for whoever shows a passkey, or open the half-open one; None when the answer proves nothing.

    Args:
        answer: of the browser, as JSON.
        browser: the secret in its cookie.
        client: the browser.
        instead_of: the token of the session that it had before, which ends.
        second_step_of: who has shown a first proof in this browser; no other user's passkey is accepted then.

    Raises:
        NoPasskeysHere: browsers allow none here.
        TooManyAttempts: this passkey or this address has to wait.
    """

    def open_session(session: Session, user_id: int) -> Opened | None:
        if second_step_of is not None:
            return complete_sign_in(session, instead_of, Proof.PASSKEY, client=client)
        return begin_session(session, user_id, [Proof.PASSKEY], client=client, instead_of=instead_of)

    return _show(answer, _sign_in_use(browser, second_step_of), client=client, then=open_session)


def confirmation_options(user_id: int, *, browser: str) -> dict[str, Any]:
    """Return the options with which a signed-in user shows a passkey again.

    Raises:
        NoPasskeysHere: browsers allow none here.
    """
    return _options(_confirmation_use(browser, user_id))


def confirm_with_passkey(user_id: int, answer: str, *, browser: str, token: str, client: ClientInfo) -> Opened | None:
    """Record that the user of an open session has just shown a passkey of theirs; None when the answer proves nothing.

    Raises:
        NoPasskeysHere: browsers allow none here.
        TooManyAttempts: this passkey or this address has to wait.
    """
    use = _confirmation_use(browser, user_id)
    return _show(answer, use, client=client, then=lambda session, _: confirm(session, token))


def _sign_in_use(browser: str, second_step_of: int | None) -> _Use:
    purpose = "sign in" if second_step_of is None else f"second step of {second_step_of}"
    return _Use(purpose, browser, second_step_of)


def _confirmation_use(browser: str, user_id: int) -> _Use:
    return _Use(f"confirm {user_id}", browser, user_id)


def _options(use: _Use) -> dict[str, Any]:
    site = get_site()
    with transaction() as session:
        challenge = challenges.create_challenge(session, purpose=use.purpose, browser=use.browser, now=utc_now())
        known = [] if use.owner_id is None else list_known_passkeys(session, use.owner_id)
    return ceremonies.authentication_options(site=site, challenge=challenge, known=known)


def _show(
    answer: str, use: _Use, *, client: ClientInfo, then: Callable[[Session, int], Opened | None]
) -> Opened | None:
    """Count the attempt, verify the answer, and do `then` in the transaction that records the passkey's use."""
    site = get_site()
    try:
        assertion = ceremonies.read_assertion(answer)
    except BadAnswer:
        assertion = None
    attempt = _begin_attempt(assertion, use, client=client)
    sign_count, failure = 0, ""
    try:
        sign_count = _verify(assertion, attempt, use, site=site)
    except BadAnswer as bad:
        failure = str(bad)
    with transaction() as session:
        opened = None
        if attempt.passkey is not None and not failure:
            # The user is locked before the passkey, as when one is removed: otherwise each could wait for the other.
            lock_user(session, attempt.passkey.user_id)
            if _record_use(session, attempt.passkey, sign_count):
                opened = then(session, attempt.passkey.user_id)
            else:
                failure = "sign count did not grow"
        if opened is not None:
            throttle.clear_attempts(session, attempt.id, account=attempt.account)
        else:
            trail.record(
                session,
                Action.SIGN_IN_FAILED,
                actor=stranger(client.address),
                subject=attempt.owner.name if attempt.owner else UNKNOWN_PASSKEY,
                by=WORDS[Proof.PASSKEY],
                reason=failure or "deactivated, or the session has ended",
            )
        return opened


def _begin_attempt(assertion: Assertion | None, use: _Use, *, client: ClientInfo) -> _Attempt:
    """Count the attempt and use up its challenge, before anything is verified."""
    # Counted apart from the user's passwords: whoever guesses those must not lock out the owner of a passkey.
    account = throttle.account_key(f"passkey {assertion.credential_id if assertion else ''}")
    with transaction() as session:
        now = utc_now()
        attempt_id = throttle.count_attempt(session, account=account, address=client.address, now=now)
        if assertion is None:
            return _Attempt(attempt_id, account, was_asked=False, passkey=None, owner=None)
        was_asked = challenges.use_challenge(
            session, assertion.challenge, purpose=use.purpose, browser=use.browser, now=now
        )
        passkey = session.scalar(select(Passkey).where(Passkey.credential_id == assertion.credential_id))
        owner = session.get_one(User, passkey.user_id) if passkey else None
        return _Attempt(attempt_id, account, was_asked, passkey, owner)


def _verify(assertion: Assertion | None, attempt: _Attempt, use: _Use, *, site: Site) -> int:
    """Return the sign count of an answer that proves that a user has shown a passkey.

    Raises:
        BadAnswer: the answer does not prove it.
    """
    if assertion is None:
        raise BadAnswer("unreadable")
    if not attempt.was_asked:
        raise BadAnswer("not asked, too late, or used already")
    if attempt.passkey is None or attempt.owner is None:
        raise BadAnswer("unknown passkey")
    if use.owner_id not in (None, attempt.owner.id):
        raise BadAnswer("someone else's passkey")
    # If nobody has said who they are, the device must.
    if assertion.handle != attempt.owner.handle and (assertion.handle is not None or use.owner_id is None):
        raise BadAnswer("another person's handle")
    return ceremonies.verify_assertion(assertion, public_key=attempt.passkey.public_key, site=site)


def _record_use(session: Session, passkey: Passkey, sign_count: int) -> bool:
    """Record that a passkey was used, and return whether its sign count allows that.

    A device that counts must count upwards, or there are two of it (WebAuthn 3, 7.2, step 22). Passkeys that are synced
    through a cloud do not count: theirs is always 0.
    """
    has_grown = Passkey.sign_count < sign_count if sign_count else Passkey.sign_count == 0
    used = update(Passkey).where(Passkey.id == passkey.id, has_grown)
    return count_changed(session, used.values(sign_count=sign_count, last_used_at=utc_now())) > 0
