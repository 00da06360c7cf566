"""An email as a mail server takes it: Flask-Mail's message, and addresses in ASCII. Opens no connection."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any

import flask_mail
import idna
from sqlalchemy import Row

from alma_leads.outbox.mail_settings import MailSettings
from alma_leads.outbox.message import ENGLISH, ensure_one_line
from alma_leads.outbox.rendering import Content, render

# An encoded word has at most 75 characters (RFC 2047, 2), and a line that continues a header begins with a space.
_POLICY = SMTP.clone(max_line_length=76)


class Unmailable(Exception):
    """No mail server could take a message for this address. The text is a sentence for people."""


class Email(flask_mail.Message):
    """Flask-Mail's message, written the way strict mail servers want it.

    Flask-Mail 0.10 itself writes 8-bit lines of any length, which break DKIM where a server recodes them, and encoded
    words of 77 characters after an empty first line, which some servers refuse.
    """

    def as_bytes(self) -> bytes:
        """Return headers and bodies in ASCII, with CRLF at the end of each line of at most 78 characters."""
        message = EmailMessage(policy=_POLICY)
        message["From"] = self.sender
        message["To"] = self.recipients
        if self.reply_to:
            message["Reply-To"] = self.reply_to
        message["Subject"] = self.subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = self.msgId
        for name, value in (self.extra_headers or {}).items():
            message[name] = value
        message.set_content(self.body or "", cte="quoted-printable")
        message.add_alternative(self.html or "", subtype="html", cte="quoted-printable")
        return message.as_bytes()


def make_email(
    *,
    message_id: str,
    sender_name: str,
    sender: str,
    recipient: str,
    reply_to: str | None,
    content: Content,
) -> Email:
    """Return an email that is ready to be sent.

    Raises:
        Unmailable: an address cannot be written in ASCII.
        UnsafeHeader: the subject would break the header.
    """
    ensure_one_line("subject", content.subject)
    email = Email(
        subject=content.subject,
        recipients=[wire_address(recipient)],
        body=content.text,
        html=content.html,
        sender=str(Address(sender_name, addr_spec=wire_address(sender))),
        reply_to=wire_address(reply_to) if reply_to else None,
        # RFC 3834: whoever answers automatically does not answer this.
        extra_headers={"Auto-Submitted": "auto-generated"},
    )
    email.msgId = message_id  # one for all attempts, so that a repeat can be told
    return email


def email_of(message: Row[Any], how: MailSettings) -> Email:
    """Return the email of a row of the outbox. One from before there were facts says what was written then.

    Raises:
        Unmailable: as `make_email`; and whatever rendering raises.
    """
    if message.facts is None:
        content = Content(message.subject, message.text_body, message.html_body)
    else:
        content = render(message.kind, message.facts, language=message.language or ENGLISH)
    return make_email(
        message_id=message.message_id,
        sender_name=message.sender_name,
        sender=how.sender,
        recipient=message.recipient or how.default_recipient,
        reply_to=message.reply_to or how.default_recipient,
        content=content,
    )


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
