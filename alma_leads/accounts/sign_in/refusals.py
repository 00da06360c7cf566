"""Why someone does not come in with a work account. What to say then is the web's business."""

from __future__ import annotations

import enum

from alma_leads.accounts.core.errors import AccountError


class Refusal(enum.StrEnum):
    """Why someone does not come in with a work account. A value is the audit log's word for it."""

    PROVIDER_FAILED = "provider_failed"  # cannot be reached, or says what makes no sense
    NOT_STARTED_HERE = "not_started_here"  # in another browser, too long ago, or a second time
    DENIED = "denied"  # by the person, or by the provider
    WRONG_ANSWER = "wrong_answer"  # not from our provider, not for us, or not for this sign-in
    UNVERIFIED_EMAIL = "unverified_email"
    FOREIGN_DOMAIN = "foreign_domain"
    NOT_INVITED = "not_invited"
    TURNED_OFF = "turned_off"
    ANOTHER_WORK_ACCOUNT = "another_work_account"  # the address came in with another one before
    ANOTHER_PERSON = "another_person"  # whoever confirmed is not who is signed in
    ONE_FACTOR = "one_factor"  # whoever has a second one here shows both
    NOT_SHOWN_AGAIN = "not_shown_again"  # the provider did not ask again


class WorkAccountRefused(AccountError):
    """Someone came back from the identity provider, or could not go there, and is not let in.

    Args:
        refusal: why.
        subject: the name of whom it would have been, where that is known.
        detail: more for the log; nothing about people.
    """

    def __init__(self, refusal: Refusal, *, subject: str = "", detail: str = "") -> None:
        super().__init__(f"{refusal.value}: {detail}" if detail else refusal.value)
        self.refusal = refusal
        self.subject = subject
        self.detail = detail
