"""Handing an email to a mail server, and whose fault its refusal is. Knows no database."""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from email.utils import make_msgid
from typing import Literal

from flask import current_app

from alma_leads.outbox.connection import Connection
from alma_leads.outbox.email import Email, Unmailable, make_email, wire_address
from alma_leads.outbox.mail_settings import MailSettings, SmtpServer
from alma_leads.outbox.rendering import Content

Step = Literal["CONNECT", "MAIL", "RCPT", "DATA"]
LOST = 0  # in place of a reply code: the connection broke, or the server fell silent

_GOES_AWAY = 421
_TOO_LARGE = 552


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server does not take this message. `words` are its own; `permanent` says that it never will."""

    step: Step
    code: int
    words: str
    permanent: bool


class MailRefused(Exception):
    """The server takes no mail from us at present, whatever message it is. The text is in the server's words."""

    def __init__(self, words: str, *, step: Step, code: int = LOST) -> None:
        super().__init__(words)
        self.step, self.code = step, code


def hand_over(connection: Connection, email: Email, how: MailSettings) -> Refusal | None:
    """Hand over one email; return why the server does not take it, or None when it did.

    The step tells whose fault a refusal is. RCPT and DATA are about the message, also when the connection breaks after
    DATA; everything before is about us, but for a message that is too large at MAIL. So is 421 at any step.

    Raises:
        MailRefused: the refusal is about us.
    """
    try:
        connection.send(email, wire_address(how.sender))
    except smtplib.SMTPSenderRefused as error:
        return _judge("MAIL", error.smtp_code, error.smtp_error)
    except smtplib.SMTPRecipientsRefused as error:
        [(code, words)] = error.recipients.values()
        return _judge("RCPT", code, words)
    except smtplib.SMTPDataError as error:
        return _judge("DATA", error.smtp_code, error.smtp_error)
    except (OSError, ValueError) as error:  # SMTPException is an OSError; ValueError: no host or password is like that
        words_of_it = _describe(error, how.server)
        if connection.host is not None and connection.host.data_begun:
            connection.close()
            return Refusal("DATA", LOST, words_of_it, permanent=False)
        connection.close()
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else LOST
        raise MailRefused(words_of_it, step="CONNECT", code=code) from error
    return None


def send_test(how: MailSettings, recipient: str) -> str:
    """Send a test email past the outbox; return the server's words when it refuses, else ""."""
    content = Content("Test email", "Email from Alma works.\n", "<p>Email from Alma works.</p>\n")
    try:
        email = make_email(
            message_id=make_msgid(domain=how.server.ehlo_name or "localhost"),
            sender_name="Alma",
            sender=how.sender,
            recipient=recipient,
            reply_to=how.default_recipient,
            content=content,
        )
        with closing(Connection(current_app.extensions["mail"], how.server)) as connection:
            refusal = hand_over(connection, email, how)
    except (MailRefused, Unmailable) as error:
        return str(error)
    return refusal.words if refusal else ""


def _judge(step: Step, code: int, words: bytes | str) -> Refusal:
    text = _text(words)
    said = f"{code} {text}"
    too_large = code == _TOO_LARGE or text.startswith("5.3.4")
    if code == _GOES_AWAY or (step == "MAIL" and not too_large):
        raise MailRefused(said, step=step, code=code)
    return Refusal(step, code, said, permanent=500 <= code <= 599)


def _describe(error: Exception, server: SmtpServer) -> str:
    address = f"{server.host}:{server.port}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    # smtplib calls silence a disconnection, and keeps the cause as context only.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return f"{address} did not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{address} has a certificate that cannot be trusted: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"{address} is not known: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return f"{address}: {error.strerror}"
    return f"{address}: {error}"


def _text(words: bytes | str) -> str:
    return words if isinstance(words, str) else words.decode("utf-8", "replace")
