"""By what a person can come in: asked by the steps of signing in, the account page and the list of people."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.database.raw import Sql

_OF_PERSON = Sql("""
    SELECT u.password IS NOT NULL,
        EXISTS (SELECT 1 FROM authenticators a WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL),
        (SELECT count(*) FROM passkeys p WHERE p.user_id = u.id),
        (SELECT count(*) FROM recovery_codes r WHERE r.user_id = u.id AND r.used_at IS NULL),
        EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id)
    FROM users u WHERE u.id = :user_id
""")


class Factors(NamedTuple):
    """What a person has to prove who it is; counts of passkeys and of recovery codes that still work."""

    password: bool
    app: bool
    passkeys: int
    recovery_codes: int
    work_account: bool

    @property
    def has_second(self) -> bool:
        """Whether there is a second factor to ask for. A recovery code only stands in for one."""
        return self.app or self.passkeys > 0


def of_person(connection: Connection, user_id: int) -> Factors:
    """Return by what a person can come in."""
    row = _OF_PERSON.row(connection, user_id=user_id)
    assert row is not None
    password, app, passkeys, recovery_codes, work_account = row
    return Factors(bool(password), bool(app), passkeys, recovery_codes, bool(work_account))
