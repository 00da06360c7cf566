"""Users: found, created, locked, and who keeps the application manageable. Runs in its callers' transactions."""

from __future__ import annotations

import re
import secrets

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core.errors import BadName, LastAdministrator, UserExists, UserNotFound
from alma_leads.accounts.core.models import Authenticator, Firm, Identity, Passkey, Role, User
from alma_leads.common.email_address import normalise_email
from alma_leads.database.base import utc_now
from alma_leads.database.locks import lock_table
from alma_leads.database.upsert import insert

MAX_NAME_LENGTH = 200

# Which credentials a user has, for statements that select from `users`.
HAS_APP = exists().where(Authenticator.user_id == User.id, Authenticator.confirmed_at.is_not(None))
HAS_PASSKEY = exists().where(Passkey.user_id == User.id)
HAS_WORK_ACCOUNT = exists().where(Identity.user_id == User.id)

_INSERT = (
    insert(User)
    .values(
        {
            name: bindparam(name)
            for name in ("email", "name", "role", "password", "password_changed_at", "handle", "created_at")
        }
    )
    .on_conflict_do_nothing(index_elements=[User.email])
    .returning(User.id)
)
_LOCK_FIRM = select(Firm.id).with_for_update(read=True)
_LOCK_USER = (
    select(User)
    .where(User.id == bindparam("user_id"))
    .with_for_update(key_share=True, of=User)
    .execution_options(populate_existing=True)
)
_LOCK_ADMINISTRATORS = (
    select(User.id)
    .where(User.active, User.role == Role.ADMINISTRATOR, User.is_activated)
    .order_by(User.id)
    .with_for_update(of=User)
)


def check_name(typed: str) -> str:
    """Return a name as it is stored.

    Raises:
        BadName: it is empty, too long, or contains line breaks or control characters.
    """
    name = typed.strip()
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise BadName(f"A name has 1 to {MAX_NAME_LENGTH} characters")
    return name


def name_from_email(email: str) -> str:
    """Return "Rosa Delgado" for rosa.delgado@…, for a user whose name is not known."""
    return " ".join(part.capitalize() for part in re.split(r"[._+-]+", email.split("@")[0]) if part) or email


def find_user_by_email(session: Session, email: str) -> User | None:
    """Return the user with an email address, which must be normalised, or None."""
    return session.scalar(select(User).where(User.email == email))


def get_user_by_email(session: Session, email: str) -> User:
    """Return the user with an email address, however it is typed.

    Raises:
        BadEmailAddress: it cannot be an address.
        UserNotFound: nobody has it.
    """
    normalised = normalise_email(email)
    user = find_user_by_email(session, normalised)
    if user is None:
        raise UserNotFound(normalised)
    return user


def get_user(session: Session, user_id: int) -> User:
    """Return the user with an id.

    Raises:
        UserNotFound: there is none.
    """
    user = session.get(User, user_id)
    if user is None:
        raise UserNotFound(f"number {user_id}")
    return user


def lock_user(session: Session, user_id: int) -> User:
    """Lock a user, and the firm's rule, until the transaction ends, and return the user as they are now.

    A password that is being changed, a user who is being deactivated, a factor that is being added and a rule that is
    being made are finished before this returns. SQLite has one writer anyway.

    Raises:
        UserNotFound: there is none.
    """
    user = session.scalar(_LOCK_USER, {"user_id": user_id})
    if user is None:
        raise UserNotFound(f"number {user_id}")
    session.execute(_LOCK_FIRM)
    return user


def lock_users(session: Session) -> None:
    """Keep everyone else from writing users until the transaction ends.

    On PostgreSQL two transactions that look for a row and then write it would both find nothing.
    """
    lock_table(session, User)


def has_users(session: Session) -> bool:
    """Return whether there is any account."""
    return session.scalar(select(User.id).limit(1)) is not None


def can_anyone_sign_in(session: Session) -> bool:
    """Return whether there is an account that someone can sign in to."""
    return session.scalar(select(User.id).where(User.active, User.is_activated).limit(1)) is not None


def ensure_another_administrator(session: Session, user: User) -> None:
    """Check that somebody else could manage the application without this user.

    Every administrator's row is locked, so that two who deactivate each other wait for one another.

    Raises:
        LastAdministrator: nobody could.
    """
    if session.scalars(_LOCK_ADMINISTRATORS).all() == [user.id]:
        raise LastAdministrator(user.email)


def create_user(session: Session, email: str, *, name: str, role: Role, password: str | None) -> User:
    """Create a user.

    Args:
        session: in a transaction of the caller.
        email: normalised.
        name: as shown.
        role: what the user may do.
        password: its hash, if there is one.

    Raises:
        UserExists: someone has the address.
    """
    now = utc_now()
    user_id = session.scalar(
        _INSERT,
        {
            "email": email,
            "name": name,
            "role": role,
            "password": password,
            "password_changed_at": now if password else None,
            "handle": secrets.token_hex(16),
            "created_at": now,
        },
    )
    if user_id is None:
        raise UserExists(email)
    return get_user(session, user_id)
