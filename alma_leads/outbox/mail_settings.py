"""How mail goes out: the server, the sender, and when to try again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from alma_leads.common.extensions import settings
from alma_leads.outbox.backoff import RetryPolicy

GREETING_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0
FIRST_PROBE_S = 30.0


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where and how mail is handed over.

    Args:
        host: name or address; the certificate must be for it.
        port: usually 587 (starttls), 465 (tls) or 25.
        security: "starttls" and "tls" verify the certificate; "none" is for a relay on this machine or a private net.
        user: signs in when it is not empty.
        password: of the user.
        ca_file: PEM file of a further certificate authority.
        ehlo_name: how we name ourselves; "" for this machine's full name.
        greeting_timeout_s: longest silence until signed in, in seconds.
        answer_timeout_s: longest silence afterwards.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    ehlo_name: str = ""
    greeting_timeout_s: float = GREETING_TIMEOUT_S
    answer_timeout_s: float = ANSWER_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class MailSettings:
    """From whom, through what, and how often mail goes.

    Args:
        server: the mail server.
        sender: address in From and in the envelope.
        default_recipient: gets the messages that have no recipient of their own, and the answers to those without
            a Reply-To.
        policy: when a message that was refused is tried again.
        give_up_after_s: how long messages wait at most while mail is paused, in seconds.
        first_probe_s: how long a pause lasts before a message is tried, in seconds.
    """

    server: SmtpServer
    sender: str
    default_recipient: str
    policy: RetryPolicy
    give_up_after_s: float
    first_probe_s: float = FIRST_PROBE_S


def mail_settings() -> MailSettings | None:
    """Return how mail goes by the settings, or None when there is no mail server."""
    given = settings()
    if not given.SMTP_HOST:
        return None
    server = SmtpServer(
        host=given.SMTP_HOST,
        port=given.SMTP_PORT,
        security=given.SMTP_SECURITY,
        user=given.SMTP_USER or "",
        password=given.SMTP_PASSWORD.get_secret_value() if given.SMTP_PASSWORD else "",
        ca_file=given.SMTP_CA_FILE,
        ehlo_name=given.SMTP_EHLO_NAME or _host_of(given.PUBLIC_URL),
    )
    return MailSettings(
        server,
        sender=given.SENDER_EMAIL or "",
        default_recipient=given.HELPDESK_EMAIL or "",
        policy=RetryPolicy(given.MAIL_MAX_ATTEMPTS, base_s=given.MAIL_RETRY_BASE_S, max_s=given.MAIL_RETRY_MAX_S),
        give_up_after_s=given.MAIL_GIVE_UP_AFTER_S,
    )


def _host_of(public_url: str) -> str:
    """Return the name in the public address, or "" where that is an IP address or a name like "localhost"."""
    host = urlsplit(public_url).hostname or ""
    return host if "." in host and not host.rpartition(".")[2].isdigit() else ""
