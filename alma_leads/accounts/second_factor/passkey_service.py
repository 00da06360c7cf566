"""Add, list and remove the passkeys of a user. How they are used to sign in is in `passkey_sign_in_service`."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core import factors
from alma_leads.accounts.core.emails import Notice, notify
from alma_leads.accounts.core.errors import LastCredential, NoPasskeysHere, PasskeyRefused
from alma_leads.accounts.core.factors import Factors
from alma_leads.accounts.core.models import Passkey, User
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.second_factor import ceremonies, challenges, second_factor
from alma_leads.accounts.second_factor.ceremonies import BadAnswer
from alma_leads.accounts.second_factor.relying_party import Site, site_of
from alma_leads.accounts.second_factor.second_factor import Added
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db, settings
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.database.upsert import insert

MAX_NAME_LENGTH = 100
SECOND_FACTOR_STAYS = (
    "The firm requires a second factor, so your last one stays. "
    "Set up an authenticator app or add another passkey first."
)


class OwnPasskeys(NamedTuple):
    """A user's passkeys, oldest first; and why none of them can be removed, or ""."""

    passkeys: list[Passkey]
    kept_because: str


def get_site() -> Site:
    """Return the site that passkeys are made for.

    Raises:
        NoPasskeysHere: browsers allow none at the address of this installation.
    """
    found = site_of(settings().PUBLIC_URL)
    if found is None:
        raise NoPasskeysHere
    return found


def list_passkeys(user_id: int) -> OwnPasskeys:
    """Return a user's passkeys."""
    session = db.session()
    oldest_first = select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.id)
    required = second_factor.is_required(session)
    kept_because = _kept_because(factors.get_factors(session, user_id), required=required)
    return OwnPasskeys(list(session.scalars(oldest_first)), kept_because)


def has_passkey(user_id: int) -> bool:
    """Return whether a user has a passkey, at an address where passkeys work."""
    return site_of(settings().PUBLIC_URL) is not None and bool(list_known_passkeys(db.session(), user_id))


def list_known_passkeys(session: Session, user_id: int) -> list[Passkey]:
    """Return the passkeys that a browser is told of, in a fixed order."""
    return list(session.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.id)))


def registration_options(user_id: int, *, browser: str) -> dict[str, Any]:
    """Return the options with which the browser of a signed-in user makes a passkey.

    Raises:
        NoPasskeysHere: browsers allow none here.
    """
    site = get_site()
    with transaction() as session:
        challenge = challenges.create_challenge(session, purpose=_adding(user_id), browser=browser, now=utc_now())
        user, known = session.get_one(User, user_id), list_known_passkeys(session, user_id)
    return ceremonies.registration_options(user, site=site, challenge=challenge, known=known)


def add_passkey(actor: Actor, answer: str, *, name: str, browser: str, token: str, client: ClientInfo) -> Added:
    """Store the passkey that a browser has made for the acting user; see `second_factor.after_adding`.

    Raises:
        NoPasskeysHere: browsers allow none here.
        PasskeyRefused: it was not made as asked, took too long, or is already stored.
        SessionExpired: the session has ended meanwhile.
    """
    assert actor.id is not None
    site = get_site()
    try:
        challenge = ceremonies.challenge_of_registration(answer)
        new = ceremonies.verify_registration(answer, challenge=challenge, site=site)
    except BadAnswer:
        raise PasskeyRefused("Your device did not make a passkey that can be used here. Try again") from None
    with transaction() as session:
        now = utc_now()
        if not challenges.use_challenge(session, challenge, purpose=_adding(actor.id), browser=browser, now=now):
            raise PasskeyRefused("That took too long, or was sent twice. Try again")
        lock_user(session, actor.id)
        passkey = insert(Passkey).values(user_id=actor.id, name=name, created_at=now, **new._asdict())
        stored = passkey.on_conflict_do_nothing(index_elements=[Passkey.credential_id]).returning(Passkey.id)
        if session.scalar(stored) is None:
            raise PasskeyRefused("This passkey is in use already")
        trail.record(session, Action.PASSKEY_ADDED, actor=actor, subject=actor.name, passkey=name)
        return second_factor.after_adding(
            session, actor.id, actor=actor, token=token, proof=Proof.PASSKEY, client=client
        )


def remove_passkey(actor: Actor, passkey_id: int, *, keep_session: str) -> None:
    """Remove a passkey of the acting user, and end the user's other sessions. One that is gone already is no error.

    Raises:
        LastCredential: the user could no longer sign in.
        SecondFactorRequired: the firm requires a second factor, and this is the last one.
    """
    assert actor.id is not None
    with transaction() as session:
        lock_user(session, actor.id)
        own = delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == actor.id)
        name = session.scalar(own.returning(Passkey.name))
        if name is None:
            return
        if not _can_sign_in(factors.get_factors(session, actor.id)):
            raise LastCredential  # which rolls the deletion back
        second_factor.after_removing(session, actor.id, keep_session=keep_session)
        trail.record(session, Action.PASSKEY_REMOVED, actor=actor, subject=actor.name, passkey=name)
        notify(session, Notice.PASSKEY_REMOVED, user_id=actor.id, actor=actor)


def _can_sign_in(credentials: Factors) -> bool:
    with_work_account = credentials.work_account and settings().OIDC_ISSUER is not None
    return (credentials.password and passwords_are_on()) or with_work_account or credentials.passkeys > 0


def _kept_because(credentials: Factors, *, required: bool) -> str:
    """Return why the last passkey cannot be removed; "" if it can, or if it is not the last one."""
    if credentials.passkeys != 1:
        return ""
    left = credentials._replace(passkeys=0)
    if not _can_sign_in(left):
        return str(LastCredential())
    return "" if left.has_second or not required else SECOND_FACTOR_STAYS


def _adding(user_id: int) -> str:
    return f"add {user_id}"
