"""Connecting to a mail server, through Flask-Mail: verified TLS, time-outs, signing in. Hands over nothing."""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import flask_mail

GREETING_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0


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
        greeting_timeout_s: longest silence until signed in, in seconds.
        answer_timeout_s: longest silence afterwards.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    greeting_timeout_s: float = GREETING_TIMEOUT_S
    answer_timeout_s: float = ANSWER_TIMEOUT_S


class VerifiedConnection(flask_mail.Connection):
    """Flask-Mail's connection with what it lacks: time-outs, verified certificates, no password in clear."""

    def __init__(self, mail: flask_mail.Mail, server: SmtpServer) -> None:
        super().__init__(mail)
        self._server = server

    def configure_host(self) -> smtplib.SMTP:
        """Connect, secure the connection and sign in."""
        server = self._server
        if server.user and server.security == "none" and not _is_this_machine(server.host):
            raise ssl.SSLError("SMTP_SECURITY=none would send the password in clear over the network; set starttls")
        context = _tls_context(server.ca_file)
        wait, name = server.greeting_timeout_s, _our_name()
        host: smtplib.SMTP
        if server.security == "tls":
            host = smtplib.SMTP_SSL(server.host, server.port, context=context, timeout=wait, local_hostname=name)
        else:
            host = smtplib.SMTP(server.host, server.port, timeout=wait, local_hostname=name)
        try:
            if server.security == "starttls":
                code, words = host.starttls(context=context)
                if code != 220:
                    raise smtplib.SMTPResponseException(code, words)
            host.ehlo_or_helo_if_needed()
            if server.user:
                host.login(server.user, server.password)
            assert host.sock is not None
            host.sock.settimeout(server.answer_timeout_s)
        except BaseException:
            host.close()
            raise
        return host


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=4)
def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what verifies certificates: the system's authorities, and the one in `ca_file`. Loading takes 20 ms."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


@lru_cache(maxsize=1)
def _our_name() -> str:
    """Return the name for EHLO, looked up once: without working DNS it takes seconds."""
    name = socket.getfqdn()
    return name if "." in name else "[127.0.0.1]"
