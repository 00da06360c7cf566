"""Use cases of passkeys: added, listed, removed, and shown to sign in or to confirm who one is.

A device answers only after it has verified its owner, so that a passkey alone counts as two factors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from alma_leads.accounts.core import factors
from alma_leads.accounts.core.emails import Notice, notify
from alma_leads.accounts.core.errors import LastCredential, NoPasskeysHere, PasskeyRefused
from alma_leads.accounts.core.factors import Factors
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.core.proofs import WORDS, Proof
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.second_factor import ceremonies, challenges, second_factor
from alma_leads.accounts.second_factor.ceremonies import Assertion, BadAnswer, Known
from alma_leads.accounts.second_factor.relying_party import Site, site_of
from alma_leads.accounts.second_factor.second_factor import Added
from alma_leads.accounts.sign_in import throttle
from alma_leads.accounts.sign_in.sign_in_service import Opened, begin_session, complete_sign_in, confirm
from alma_leads.actor import Actor, stranger
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.session import transaction
from alma_leads.extensions import db, settings

MAX_NAME_LENGTH = 100
UNKNOWN_PASSKEY = "an unknown passkey"
SECOND_FACTOR_STAYS = (
    "The firm requires a second factor, so your last one stays. "
    "Set up an authenticator app or add another passkey first."
)

_OF_PERSON = Sql("""
    SELECT id, name, created_at, last_used_at FROM passkeys WHERE user_id = :user_id ORDER BY created_at, id
""")
_KNOWN = Sql("SELECT credential_id, transports FROM passkeys WHERE user_id = :user_id ORDER BY id")
_PERSON = Sql("SELECT handle, email, name FROM users WHERE id = :user_id")
_INSERT = Sql("""
    INSERT INTO passkeys (user_id, credential_id, public_key, sign_count, transports, name, created_at)
    VALUES (:user_id, :credential_id, :public_key, :sign_count, :transports, :name, :now)
    ON CONFLICT (credential_id) DO NOTHING RETURNING id
""")
_FIND = Sql("""
    SELECT p.id, p.user_id, p.public_key, u.handle, u.name FROM passkeys p JOIN users u ON u.id = p.user_id
    WHERE p.credential_id = :credential_id
""")
# A device that counts must count upwards, else there are two of it (WebAuthn 3, 7.2, step 22). Passkeys that are kept
# in a cloud do not count: theirs is always 0.
_USE = Sql("""
    UPDATE passkeys SET sign_count = :count, last_used_at = :now
    WHERE id = :id AND (sign_count < :count OR (sign_count = 0 AND :count = 0)) RETURNING id
""")
_REMOVE = Sql("DELETE FROM passkeys WHERE id = :id AND user_id = :user_id RETURNING name")


class PasskeyRow(NamedTuple):
    """A passkey as its owner sees it."""

    id: int
    name: str
    created_at: str
    last_used_at: str | None


class OwnPasskeys(NamedTuple):
    """A person's passkeys, oldest first; and why none of them can be removed, or ""."""

    rows: list[PasskeyRow]
    kept_because: str


class _Found(NamedTuple):
    """The passkey that an answer names, and its owner."""

    id: int
    user_id: int
    public_key: str
    handle: str
    person: str


def site() -> Site:
    """Return the site that passkeys are made for.

    Raises:
        NoPasskeysHere: browsers allow none at the address of this installation.
    """
    found = site_of(settings().PUBLIC_URL)
    if found is None:
        raise NoPasskeysHere
    return found


def list_passkeys(user_id: int) -> OwnPasskeys:
    """Return a person's passkeys."""
    rows = [PasskeyRow(*row) for row in _OF_PERSON.rows(db.session.connection(), user_id=user_id)]
    required = second_factor.is_required(db.session())
    return OwnPasskeys(rows, _kept_because(factors.get_factors(db.session(), user_id), required=required))


def has_passkey(user_id: int) -> bool:
    """Say whether a person has a passkey, at an address where it works."""
    return site_of(settings().PUBLIC_URL) is not None and bool(_known(db.session(), user_id))


def ask_for_new(user_id: int, *, browser: str) -> dict[str, Any]:
    """Return the options with which a browser makes a passkey for someone who is signed in.

    Raises:
        NoPasskeysHere: browsers allow none here.
    """
    here = site()
    with transaction() as session:
        challenge = challenges.make(session, purpose=_adding(user_id), browser=browser, now=utc_now())
        handle, email, name = _PERSON.rows(session.connection(), user_id=user_id)[0]
        known = _known(session, user_id)
    return ceremonies.ask_for_new(site=here, challenge=challenge, handle=handle, email=email, name=name, known=known)


def add_passkey(actor: Actor, answer: str, *, name: str, browser: str, token: str, client: ClientInfo) -> Added:
    """Keep the passkey that a browser has made for the person who acts; see `second_factor.added` for what follows.

    Raises:
        NoPasskeysHere: browsers allow none here.
        PasskeyRefused: it was not made as asked, took too long, or is known already.
        SessionExpired: the session has ended meanwhile.
    """
    assert actor.id is not None
    here = site()
    try:
        challenge = ceremonies.challenge_of_new(answer)
        new = ceremonies.verify_new(answer, challenge=challenge, site=here)
    except BadAnswer:
        raise PasskeyRefused("Your device did not make a passkey that can be used here. Try again") from None
    with transaction() as session:
        now = utc_now()
        if not challenges.use(session, challenge, purpose=_adding(actor.id), browser=browser, now=now):
            raise PasskeyRefused("That took too long, or was sent twice. Try again")
        lock_user(session, actor.id)
        if _INSERT.row(session.connection(), user_id=actor.id, name=name, now=to_stamp(now), **new._asdict()) is None:
            raise PasskeyRefused("This passkey is in use already")
        trail.record(session, Action.PASSKEY_ADDED, actor=actor, subject=actor.name, passkey=name)
        return second_factor.added(session, actor.id, actor=actor, token=token, proof=Proof.PASSKEY, client=client)


def remove_passkey(actor: Actor, passkey_id: int, *, keep_session: str) -> None:
    """Remove a passkey of the person who acts; one that is gone already is no error. Every other session ends.

    Raises:
        LastCredential: the person could not come in any more.
        SecondFactorRequired: the firm requires a second factor, and this is the last one.
    """
    assert actor.id is not None
    with transaction() as session:
        lock_user(session, actor.id)
        row = _REMOVE.row(session.connection(), id=passkey_id, user_id=actor.id)
        if row is None:
            return
        left = factors.get_factors(session, actor.id)
        if not _can_come_in(left):
            raise LastCredential  # which takes the deletion back
        second_factor.removed(session, actor.id, keep_session=keep_session)
        trail.record(session, Action.PASSKEY_REMOVED, actor=actor, subject=actor.name, passkey=row[0])
        notify(session, Notice.PASSKEY_REMOVED, user_id=actor.id, actor=actor)


def ask_to_sign_in(*, browser: str, second_step_of: int | None) -> dict[str, Any]:
    """Return the options with which a browser shows a passkey: any, or one of the person who has shown a first proof.

    Raises:
        NoPasskeysHere: browsers allow none here.
    """
    return _ask(_signing_in(second_step_of), browser=browser, user_id=second_step_of)


def sign_in_with_passkey(
    answer: str, *, browser: str, client: ClientInfo, instead_of: str, second_step_of: int | None
) -> Opened | None:
    """Begin a session for whoever shows a passkey, or open the half-open one; None when it proves nothing.

    Args:
        answer: the browser's, as JSON.
        browser: the secret in its cookie.
        client: the browser.
        instead_of: the token of the session that it had before, which ends.
        second_step_of: who has shown a first proof in this browser; nobody else's passkey will do then.

    Raises:
        NoPasskeysHere: browsers allow none here.
        TooManyAttempts: this passkey or this address has to wait.
    """

    def come_in(session: Session, user_id: int) -> Opened | None:
        if second_step_of is not None:
            return complete_sign_in(session, instead_of, Proof.PASSKEY, client=client)
        return begin_session(session, user_id, [Proof.PASSKEY], client=client, instead_of=instead_of)

    purpose = _signing_in(second_step_of)
    return _shown(answer, purpose=purpose, browser=browser, client=client, owner=second_step_of, then=come_in)


def ask_to_confirm(user_id: int, *, browser: str) -> dict[str, Any]:
    """Return the options with which someone who is signed in shows a passkey again.

    Raises:
        NoPasskeysHere: browsers allow none here.
    """
    return _ask(_confirming(user_id), browser=browser, user_id=user_id)


def confirm_with_passkey(user_id: int, answer: str, *, browser: str, token: str, client: ClientInfo) -> Opened | None:
    """Take note that the holder of an open session has just shown a passkey of this person; None when it was not so.

    Raises:
        NoPasskeysHere: browsers allow none here.
        TooManyAttempts: this passkey or this address has to wait.
    """
    return _shown(
        answer,
        purpose=_confirming(user_id),
        browser=browser,
        client=client,
        owner=user_id,
        then=lambda session, _: confirm(session, token),
    )


def _ask(purpose: str, *, browser: str, user_id: int | None) -> dict[str, Any]:
    here = site()
    with transaction() as session:
        challenge = challenges.make(session, purpose=purpose, browser=browser, now=utc_now())
        known = [] if user_id is None else _known(session, user_id)
    return ceremonies.ask_for_assertion(site=here, challenge=challenge, known=known)


def _shown(
    answer: str,
    *,
    purpose: str,
    browser: str,
    client: ClientInfo,
    owner: int | None,
    then: Callable[[Session, int], Opened | None],
) -> Opened | None:
    """Count the attempt, look at the answer, and do `then` in the transaction that notes the passkey's use."""
    here = site()
    try:
        assertion = ceremonies.read_assertion(answer)
    except BadAnswer:
        assertion = None
    # Counted apart from the person's passwords: whoever guesses those shall not lock out the owner of a passkey.
    account = throttle.account_key(f"passkey {assertion.credential_id if assertion else ''}")
    with transaction() as session:
        now = utc_now()
        attempt = throttle.count_attempt(session, account=account, address=client.address, now=now)
        asked = assertion is not None and challenges.use(
            session, assertion.challenge, purpose=purpose, browser=browser, now=now
        )
        row = _FIND.row(session.connection(), credential_id=assertion.credential_id) if assertion else None
        found = _Found(*row) if row else None
    count = 0
    try:
        if assertion is None or not asked:
            raise BadAnswer("unreadable" if assertion is None else "not asked, too late, or used already")
        count = _verify(assertion, found, owner=owner, here=here)
        wrong = ""
    except BadAnswer as bad:
        wrong = str(bad)
    with transaction() as session:
        opened = None
        if found and not wrong:
            # Before the passkey, as whoever removes it does: else each would wait for the other.
            lock_user(session, found.user_id)
            if _USE.row(session.connection(), id=found.id, count=count, now=to_stamp(utc_now())) is None:
                wrong = "sign count did not grow"
            else:
                opened = then(session, found.user_id)
        if opened is not None:
            throttle.clear_attempts(session, attempt, account=account)
        else:
            trail.record(
                session,
                Action.SIGN_IN_FAILED,
                actor=stranger(client.address),
                subject=found.person if found else UNKNOWN_PASSKEY,
                by=WORDS[Proof.PASSKEY],
                reason=wrong or "turned off, or the session has ended",
            )
        return opened


def _verify(assertion: Assertion, found: _Found | None, *, owner: int | None, here: Site) -> int:
    if found is None:
        raise BadAnswer("unknown passkey")
    if owner is not None and found.user_id != owner:
        raise BadAnswer("someone else's passkey")
    # Where nobody has said who it is, the device must.
    if assertion.handle != found.handle and (assertion.handle is not None or owner is None):
        raise BadAnswer("another person's handle")
    return ceremonies.verify_assertion(assertion, public_key=found.public_key, site=here)


def _can_come_in(of: Factors) -> bool:
    with_work_account = of.work_account and settings().OIDC_ISSUER is not None
    return (of.password and passwords_are_on()) or with_work_account or of.passkeys > 0


def _kept_because(of: Factors, *, required: bool) -> str:
    """Return why the last passkey cannot go; "" while there are others, or when it can."""
    if of.passkeys != 1:
        return ""
    left = of._replace(passkeys=0)
    if not _can_come_in(left):
        return str(LastCredential())
    return "" if left.has_second or not required else SECOND_FACTOR_STAYS


def _known(session: Session, user_id: int) -> list[Known]:
    return [Known(*row) for row in _KNOWN.rows(session.connection(), user_id=user_id)]


def _adding(user_id: int) -> str:
    return f"add {user_id}"


def _confirming(user_id: int) -> str:
    return f"confirm {user_id}"


def _signing_in(second_step_of: int | None) -> str:
    return "sign in" if second_step_of is None else f"second step of {second_step_of}"
