"""Use cases of recovery codes: made anew, and one used to sign in. Each is one transaction."""

from __future__ import annotations

from alma_leads.accounts import factors, recovery
from alma_leads.accounts.emails import Notice, tell
from alma_leads.accounts.errors import NoSecondFactor, SignInOver
from alma_leads.accounts.proofs import Proof
from alma_leads.accounts.sessions import Holder, Visitor
from alma_leads.accounts.sign_in_service import Opened, begin_attempt, complete_sign_in, hold, note_failure
from alma_leads.actor import Actor
from alma_leads.database import transaction
from alma_leads.extensions import db


def make_codes_anew(actor: Actor) -> list[str]:
    """Make the codes of the person who acts anew, and return them: nobody can show them again.

    Raises:
        NoSecondFactor: there is nothing that they would stand in for.
    """
    assert actor.id is not None
    with transaction(db.engine) as connection:
        hold(connection, actor.id)
        if not factors.of_person(connection, actor.id).has_second:
            raise NoSecondFactor("There is no second factor.")
        tell(connection, Notice.RECOVERY_CODES_MADE, user_id=actor.id, actor=actor)
        return recovery.make(connection, actor.id, actor=actor)


def sign_in_with_recovery_code(holder: Holder, typed: str, *, token: str, visitor: Visitor) -> Opened | None:
    """Open the half-open session with this token by a recovery code, which is used up; None when it does not work.

    Raises:
        TooManyAttempts: this account or this address has to wait.
        SignInOver: the session has ended meanwhile.
    """
    begin_attempt(holder.person.email, address=visitor.address)
    with transaction(db.engine) as connection:
        if recovery.use(connection, holder.person.id, typed):
            opened = complete_sign_in(connection, token, Proof.RECOVERY_CODE, visitor=visitor)
            if opened is None:
                raise SignInOver("This sign-in has ended.")  # and the code is not used up
            return opened
    note_failure(holder.person.email, address=visitor.address, proof=Proof.RECOVERY_CODE)
    return None
