"""The e-mails of a lead on its page: how each is, and the button that sends it again."""

from __future__ import annotations

from typing import NamedTuple

from flask import Response

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import settings
from alma_leads.jobs.tasks import wake
from alma_leads.leads.core import resend_service
from alma_leads.leads.core.emails import CONFIRMATION
from alma_leads.leads.core.resend_service import PER_DAY, Resent, Sending
from alma_leads.outbox.queries import MessageRow
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.back import go_back
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import Clock, in_sentence
from alma_leads.web.internal.frame.mail_labels import TOO_OLD, mail_name
from alma_leads.web.internal.frame.toasts import Toast, keep_toast

EMAIL = "/leads/<int(max=9223372036854775807):lead_id>/emails/<int(max=9223372036854775807):message_id>"


class Mail(NamedTuple):
    """An e-mail of a lead. `again` is the label of the button that sends it now, or ""."""

    id: int
    name: str
    state: str
    line: str
    words: str
    again: str


@internal.post(f"{EMAIL}/send")
@access(needs(Permission.SEND_EMAILS))
def send_email_again(lead_id: int, message_id: int) -> Response:
    """Send an e-mail of a lead again, or try it now."""
    resent = resend_service.send_again(lead_id, message_id, actor=actor())
    if resent.sending is Sending.GOES_OUT:
        wake()
    keep_toast(_toast(resent))
    return go_back(f"/internal/leads/{lead_id}")


def _toast(resent: Resent) -> Toast:
    what = f"The {mail_name(resent.kind).lower()} to {resent.recipient}"
    said = {
        Sending.GOES_OUT: f"{what} goes out again.",
        Sending.ON_ITS_WAY: f"{what} is on its way already.",
        Sending.TOO_SOON: f"{what} went out less than a minute ago.",
        Sending.TOO_OFTEN: f"{what} went out {PER_DAY} times in 24 hours. Write to them yourself.",
        Sending.TOO_OLD: TOO_OLD,
    }[resent.sending]
    return Toast(said) if resent.sending is Sending.GOES_OUT else Toast(said, icon="info")


def mail_view(message: MessageRow, clock: Clock) -> Mail:
    """Return an e-mail as the page of its lead shows it."""
    to = "To the prospect" if message.kind == CONFIRMATION else f"To {message.recipient}"
    state, most = message.delivery, max(settings().MAIL_MAX_ATTEMPTS, message.attempts)
    line = f"{to}. {'Waits to be sent' if settings().SMTP_HOST else 'Waits for a mail server'}."
    if state == "sent":
        line = f"{to}, {in_sentence(clock.moment(message.settled_at or message.created_at))}"
    elif state == "dead":
        tries = "1 try" if message.attempts == 1 else f"{message.attempts} tries"
        line = f"{to}. Given up after {tries}."
    elif state == "retrying":
        line = f"{to}. Try {message.attempts} of {most} failed; next {clock.until(message.due_at)}."
    words = (message.last_error or "") if state in ("dead", "retrying") else ""
    again = "Try now" if state == "retrying" else "Send again"
    return Mail(
        message.id, mail_name(message.kind), state, line, words, again if resend_service.can_go_again(message) else ""
    )
