"""Which credentials a user has: password, authenticator app, passkeys, recovery codes, work account."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import Passkey, RecoveryCode, User
from alma_leads.accounts.core.users import HAS_APP, HAS_WORK_ACCOUNT

_PASSKEYS = select(func.count()).where(Passkey.user_id == User.id).scalar_subquery()
_RECOVERY_CODES = (
    select(func.count()).where(RecoveryCode.user_id == User.id, RecoveryCode.used_at.is_(None)).scalar_subquery()
)


class Factors(NamedTuple):
    """The credentials of a user, with counts of passkeys and of recovery codes that still work."""

    password: bool
    app: bool
    passkeys: int
    recovery_codes: int
    work_account: bool

    @property
    def has_second(self) -> bool:
        """Whether there is a second factor to ask for. A recovery code only replaces one."""
        return self.app or self.passkeys > 0


def get_factors(session: Session, user_id: int) -> Factors:
    """Return which credentials a user has."""
    row = session.execute(
        select(User.password.is_not(None), HAS_APP, _PASSKEYS, _RECOVERY_CODES, HAS_WORK_ACCOUNT).where(
            User.id == user_id
        )
    ).one()
    return Factors._make(row)
