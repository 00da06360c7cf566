"""Use cases of signing in: counted, opened, used, ended. Each is one transaction."""

from __future__ import annotations

from datetime import timedelta

from alma_leads.accounts import sessions, throttle
from alma_leads.accounts.models import User
from alma_leads.accounts.sessions import TOUCH_EVERY, Lifetime, SessionRow
from alma_leads.database import reading, transaction, utc_now
from alma_leads.extensions import db, settings


def session_lifetime() -> Lifetime:
    """Return how long sessions last."""
    return Lifetime(timedelta(minutes=settings().SESSION_IDLE_MINUTES), timedelta(hours=settings().SESSION_MAX_HOURS))


def begin_sign_in(email: str, *, address: str) -> int:
    """Count a sign-in before its password is looked at, and return its number.

    Raises:
        TooManyAttempts: this account or this address has to wait.
    """
    with transaction(db.engine) as connection:
        return throttle.begin(
            connection,
            account=throttle.account_key(email),
            address=throttle.address_key(address),
            now=utc_now(),
        )


def finish_sign_in(attempt: int, email: str) -> None:
    """Forget a sign-in that was right, and the wrong ones before it."""
    with transaction(db.engine) as connection:
        throttle.succeed(connection, attempt, account=throttle.account_key(email))


def open_session(user_id: int, *, instead_of: str, address: str, user_agent: str) -> str:
    """Open a session and return the token for its cookie; the one with the token `instead_of` ends."""
    with transaction(db.engine) as connection:
        sessions.end(connection, instead_of)
        return sessions.begin(connection, user_id, address=address, user_agent=user_agent, now=utc_now())


def use_session(token: str) -> User | None:
    """Return whose session a token is while it holds, noting now and then that it was used."""
    now = utc_now()
    with reading(db.engine) as connection:
        found = sessions.holder(connection, token, lifetime=session_lifetime(), now=now)
    if found is None:
        return None
    if found.last_seen_at < now - TOUCH_EVERY:
        with transaction(db.engine) as connection:
            sessions.touch(connection, found.session_id, now=now)
    return found.person


def list_sessions(user_id: int) -> list[SessionRow]:
    """Return the open sessions of a person, last used first."""
    with reading(db.engine) as connection:
        return sessions.of_user(connection, user_id, lifetime=session_lifetime(), now=utc_now())


def end_session(token: str) -> None:
    """Sign a browser out."""
    with transaction(db.engine) as connection:
        sessions.end(connection, token)


def end_other_sessions(user_id: int, *, keep: str) -> int:
    """Sign out every other browser of a person, and return how many there were."""
    with transaction(db.engine) as connection:
        return sessions.end_all(connection, user_id, keep=keep)
