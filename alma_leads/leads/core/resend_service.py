"""The use case of sending an e-mail of a lead again: a dead letter as it is, a sent one composed anew."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from alma_leads.actor import Actor
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.session import transaction
from alma_leads.database.transactions import reading
from alma_leads.extensions import db, settings
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import SERVES
from alma_leads.leads.core.emails import CONFIRMATION, NOTIFICATION, correlation
from alma_leads.leads.core.errors import EmailNotFound, LeadNotFound
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.outbox import queries as outbox
from alma_leads.outbox import queue
from alma_leads.outbox.message import NewMessage
from alma_leads.outbox.queries import MessageRow
from alma_leads.outbox.queue import enqueue
from alma_leads.resumes.service import find_resume

# The kinds that are true at any time. What a reminder says is not, and the next one comes by itself.
KINDS = (CONFIRMATION, NOTIFICATION)
# A second press within so long is taken for the first; and whoever presses cannot flood an inbox.
PAUSE = timedelta(minutes=1)
PER_DAY = 5

# Holds the lead, so that two presses stand in line.
_LEAD = f"""
    SELECT l.first_name, l.last_name, l.email, l.resume_url, l.prospect_id, u.email
    FROM leads l LEFT JOIN users u ON u.id = l.attorney_id AND {SERVES}
    WHERE l.id = :id
"""
_HOLD_LEAD = Sql(sqlite=_LEAD, postgresql=f"{_LEAD} FOR UPDATE OF l")
_EARLIER = Sql("SELECT id, status FROM leads WHERE prospect_id = :prospect_id AND id < :id ORDER BY id DESC LIMIT 3")
# Of all their leads: an inbox knows no leads.
_CONFIRMED = Sql("""
    SELECT count(*) FROM leads l JOIN outbox_messages m ON m.correlation = 'lead:' || l.id
    WHERE l.prospect_id = :prospect_id AND m.kind = :kind AND m.created_at > :since
""")


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
    with reading(db.engine) as connection:
        message = outbox.message(connection, message_id)
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
    connection = session.connection()
    lead = _HOLD_LEAD.row(connection, id=lead_id)
    if lead is None:
        raise LeadNotFound(lead_id)
    sending = _may_go(connection, message, prospect_id=lead[4])
    if sending is not Sending.GOES_OUT:
        return Resent(sending, message.kind, message.recipient)
    anew = _compose(session, lead_id, message.kind, *lead)
    enqueue(session, anew)
    recipient = anew.recipient or settings().HELPDESK_EMAIL or "the helpdesk"
    # The prospect is not named in the event: it stands in the lead itself.
    data = {"kind": message.kind} | ({} if message.kind == CONFIRMATION else {"to": recipient})
    record(connection, lead_id, kind=EventKind.SENT_AGAIN, actor=actor, at=to_stamp(utc_now()), data=data)
    return Resent(Sending.GOES_OUT, message.kind, recipient)


def _may_go(connection: Connection, message: MessageRow, *, prospect_id: int) -> Sending:
    now = utc_now()
    same = [each for each in outbox.of_correlation(connection, message.correlation) if each.kind == message.kind]
    if any(each.state == "queued" for each in same):
        return Sending.ON_ITS_WAY
    if any(each.created_at > to_stamp(now - PAUSE) for each in same):
        return Sending.TOO_SOON
    since = to_stamp(now - timedelta(days=1))
    today = sum(each.created_at > since for each in same)
    if message.kind == CONFIRMATION:
        today = _CONFIRMED.rows(connection, prospect_id=prospect_id, kind=CONFIRMATION, since=since)[0][0]
    return Sending.TOO_OFTEN if today >= PER_DAY else Sending.GOES_OUT


def _compose(
    session: Session,
    lead_id: int,
    kind: str,
    first_name: str,
    last_name: str,
    email: str,
    resume_url: str | None,
    prospect_id: int,
    attorney_email: str | None,
) -> NewMessage:
    # Accepted once already, by the rules of that day.
    lead = LeadIn.model_construct(first_name=first_name, last_name=last_name, email=email, resume_url=resume_url)
    if kind == CONFIRMATION:
        return emails.confirmation(lead, lead_id=lead_id)
    resume = find_resume(session, lead_id)
    return emails.notification(
        lead,
        lead_id=lead_id,
        attorney_email=attorney_email,
        file_name=resume.file_name if resume else None,
        earlier=[(row[0], row[1]) for row in _EARLIER.rows(session.connection(), prospect_id=prospect_id, id=lead_id)],
    )
