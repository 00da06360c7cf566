"""The use case of sending an e-mail of a lead again: a dead letter as it is, a sent one composed anew."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import String, and_, bindparam, cast, func, literal, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import User
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db, settings
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import IS_ACTIVE_ATTORNEY
from alma_leads.leads.core.emails import CONFIRMATION, NOTIFICATION, correlation
from alma_leads.leads.core.errors import EmailNotFound, LeadNotFound
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.models import Lead
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.outbox import queries as outbox
from alma_leads.outbox import queue
from alma_leads.outbox.message import NewMessage
from alma_leads.outbox.models import OutboxMessage
from alma_leads.outbox.queries import MessageRow
from alma_leads.outbox.queue import enqueue
from alma_leads.resumes.service import find_resume

# The kinds that are true at any time. What a reminder says is not, and the next one comes by itself.
KINDS = (CONFIRMATION, NOTIFICATION)
# A second press within so long is taken for the first; and whoever presses cannot flood an inbox.
PAUSE = timedelta(minutes=1)
PER_DAY = 5

# Locks the lead, so that two presses stand in line.
_LOCK_LEAD = (
    select(Lead, User.email.label("attorney_email"))
    .outerjoin(User, and_(User.id == Lead.attorney_id, IS_ACTIVE_ATTORNEY))
    .where(Lead.id == bindparam("id"))
    .with_for_update(of=Lead)
)
_EARLIER = (
    select(Lead.id, Lead.status)
    .where(Lead.prospect_id == bindparam("prospect_id"), Lead.id < bindparam("id"))
    .order_by(Lead.id.desc())
    .limit(3)
)
# Of all leads of the prospect: an inbox knows no leads.
_CONFIRMED = (
    select(func.count())
    .select_from(Lead)
    .join(OutboxMessage, OutboxMessage.correlation == literal("lead:") + cast(Lead.id, String))
    .where(
        Lead.prospect_id == bindparam("prospect_id"),
        OutboxMessage.kind == CONFIRMATION,
        OutboxMessage.created_at > bindparam("since"),
    )
)


class Sending(enum.Enum):
    """What came of it."""

    GOES_OUT = enum.auto()
    ON_ITS_WAY = enum.auto()
    TOO_SOON = enum.auto()
    TOO_OFTEN = enum.auto()
    TOO_OLD = enum.auto()


class Resent(NamedTuple):
    """What came of it, and of which e-mail to whom."""

    sending: Sending
    kind: str
    recipient: str


def can_go_again(message: MessageRow) -> bool:
    """Say whether a message of a lead can be sent again, or be tried now."""
    if message.delivery == "sent":
        return message.kind in KINDS
    return message.delivery in ("dead", "retrying") and not message.is_too_old


def send_again(lead_id: int, message_id: int, *, actor: Actor) -> Resent:
    """Send an e-mail of a lead again. One that was sent goes out as a new message, to who has the lead now.

    Raises:
        LeadNotFound: there is none.
        EmailNotFound: the lead has no such e-mail, or it is of a kind that is not sent again.
    """
    message = outbox.find_message(db.session.connection(), message_id)
    if message is None or message.correlation != correlation(lead_id):
        raise EmailNotFound(message_id)
    if message.delivery != "sent":
        done = queue.retry(db.engine, message_id, actor=actor)
        refused = Sending.TOO_OLD if message.is_too_old else Sending.ON_ITS_WAY
        return Resent(Sending.GOES_OUT if done else refused, message.kind, message.recipient)
    if message.kind not in KINDS:
        raise EmailNotFound(message_id)
    with transaction() as session:
        return _send_anew(session, lead_id, message, actor)


def _send_anew(session: Session, lead_id: int, message: MessageRow, actor: Actor) -> Resent:
    found = session.execute(_LOCK_LEAD, {"id": lead_id}).one_or_none()
    if found is None:
        raise LeadNotFound(lead_id)
    sending = _may_go(session, message, prospect_id=found.Lead.prospect_id)
    if sending is not Sending.GOES_OUT:
        return Resent(sending, message.kind, message.recipient)
    anew = _compose(session, found.Lead, message.kind, attorney_email=found.attorney_email)
    enqueue(session, anew)
    recipient = anew.recipient or settings().HELPDESK_EMAIL or "the helpdesk"
    # The prospect is not named in the event: it stands in the lead itself.
    data = {"kind": message.kind} | ({} if message.kind == CONFIRMATION else {"to": recipient})
    record(session.connection(), lead_id, kind=EventKind.SENT_AGAIN, actor=actor, at=to_stamp(utc_now()), data=data)
    return Resent(Sending.GOES_OUT, message.kind, recipient)


def _may_go(session: Session, message: MessageRow, *, prospect_id: int) -> Sending:
    now = utc_now()
    about = outbox.list_about(session.connection(), message.correlation)
    same = [each for each in about if each.kind == message.kind]
    if any(each.state == "queued" for each in same):
        return Sending.ON_ITS_WAY
    if any(each.created_at > to_stamp(now - PAUSE) for each in same):
        return Sending.TOO_SOON
    since = now - timedelta(days=1)
    today = sum(each.created_at > to_stamp(since) for each in same)
    if message.kind == CONFIRMATION:
        today = session.execute(_CONFIRMED, {"prospect_id": prospect_id, "since": since}).scalar_one()
    return Sending.TOO_OFTEN if today >= PER_DAY else Sending.GOES_OUT


def _compose(session: Session, lead: Lead, kind: str, *, attorney_email: str | None) -> NewMessage:
    # Accepted once already, by the rules of that day.
    typed = LeadIn.model_construct(
        first_name=lead.first_name, last_name=lead.last_name, email=lead.email, resume_url=lead.resume_url
    )
    if kind == CONFIRMATION:
        return emails.confirmation(typed, lead_id=lead.id)
    resume = find_resume(session, lead.id)
    earlier = session.execute(_EARLIER, {"prospect_id": lead.prospect_id, "id": lead.id})
    return emails.notification(
        typed,
        lead_id=lead.id,
        attorney_email=attorney_email,
        file_name=resume.file_name if resume else None,
        earlier=[(row.id, row.status) for row in earlier],
    )
