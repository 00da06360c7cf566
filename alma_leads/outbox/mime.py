"""An e-mail as a mail server takes it: headers, bodies, envelope. Opens no connection."""

from __future__ import annotations

from dataclasses import dataclass
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import formataddr, formatdate

import flask_mail
import idna

from alma_leads.outbox.message import ensure_one_line

_POLICY = compat32.clone(linesep="\r\n")
_UTF8 = Charset("utf-8")
_UTF8.body_encoding = QP  # legible in transit; base64 bodies look like spam to filters


class Unmailable(Exception):
    """No mail server could take a message for this address. The text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message for one recipient. All of it is ASCII; `content` has CRLF at the end of its lines."""

    sender: str
    recipient: str
    content: bytes


class _Mail(flask_mail.Message):
    """Flask-Mail's message without its outer multipart/mixed, its local time zone and its base64."""

    def _message(self) -> MIMEMultipart:
        part = MIMEMultipart("alternative", policy=_POLICY)
        part["From"] = str(self.sender)
        part["To"] = str(self.recipients[0])
        if self.reply_to:
            part["Reply-To"] = str(self.reply_to)
        part["Subject"] = self.subject if self.subject.isascii() else Header(self.subject, "utf-8").encode()
        part["Date"] = formatdate(usegmt=True)
        part["Message-ID"] = self.msgId
        for name, value in (self.extra_headers or {}).items():
            part[name] = value
        part.attach(MIMEText(self.body or "", "plain", _UTF8))  # type: ignore[arg-type]
        part.attach(MIMEText(self.html or "", "html", _UTF8))  # type: ignore[arg-type]
        return part


def envelope(
    *,
    message_id: str,
    sender_name: str,
    sender: str,
    recipient: str,
    reply_to: str | None,
    subject: str,
    text: str,
    html: str,
) -> Envelope:
    """Return the message ready to be handed over.

    Raises:
        Unmailable: an address cannot be written in ASCII.
        UnsafeHeader: the subject would break the header.
    """
    ensure_one_line("subject", subject)
    sender, recipient = wire_address(sender), wire_address(recipient)
    mail = _Mail(
        subject=subject,
        recipients=[recipient],
        body=text,
        html=html,
        sender=formataddr((sender_name, sender)),
        reply_to=wire_address(reply_to) if reply_to else None,
        # RFC 3834: whoever answers automatically does not answer this.
        extra_headers={"Auto-Submitted": "auto-generated"},
    )
    mail.msgId = message_id  # one for all attempts, so that a repeat can be told
    return Envelope(sender, recipient, mail.as_bytes())


def wire_address(address: str) -> str:
    """Return `address` with its domain in ASCII form (IDNA 2008, UTS 46), as every mail server takes it.

    Raises:
        Unmailable: the domain is none, or the part before the @ is not ASCII, which few servers take.
    """
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        raise Unmailable(f"{address} has letters before the @ that mail servers do not take.")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise Unmailable(f"{address} is not an address that mail can be sent to: {error}.") from error
    return f"{local}@{domain}"
