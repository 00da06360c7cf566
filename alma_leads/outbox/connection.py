"""Connecting to a mail server: Flask-Mail's connection with verified TLS and time-outs, kept for many messages."""

from __future__ import annotations

import smtplib
import socket
import ssl
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import flask_mail

from alma_leads.outbox.mail_settings import SmtpServer

MESSAGES_PER_CONNECTION = 200
GOODBYE_S = 1.0  # all is settled by then: a farewell is not worth a longer wait


class _NotesData:
    """Notes whether the server was sent a message, after which only its answer tells whether it took it."""

    data_begun = False

    def data(self, msg: Any) -> Any:
        self.data_begun = True
        return super().data(msg)  # type: ignore[misc]


class _Smtp(_NotesData, smtplib.SMTP):
    pass


class _SmtpOverTls(_NotesData, smtplib.SMTP_SSL):
    pass


class Connection(flask_mail.Connection):
    """Flask-Mail's connection, with what it lacks, and opened when the first message is sent.

    `configure_host` verifies certificates, has time-outs and sends no password in clear. `send` asks with a NOOP
    whether a connection is still there before it is used again.
    """

    host: _Smtp | _SmtpOverTls | None

    def __init__(self, mail: flask_mail.Mail, server: SmtpServer) -> None:
        super().__init__(mail)
        self._server = server

    def configure_host(self) -> _Smtp | _SmtpOverTls:
        """Connect, secure the connection and sign in."""
        server = self._server
        if server.user and server.security == "none" and not _is_this_machine(server.host):
            raise ssl.SSLError("SMTP_SECURITY=none would send the password in clear over the network; set starttls")
        host = self._connect()
        try:
            _say_ehlo(host)
            if server.security == "starttls":
                code, words = host.starttls(context=_tls_context(server.ca_file))
                if code != 220:
                    raise smtplib.SMTPResponseException(code, words)
                _say_ehlo(host)
            if server.user:
                host.login(server.user, server.password)
            assert host.sock is not None
            host.sock.settimeout(server.answer_timeout_s)
        except BaseException:
            host.close()
            raise
        return host

    def _connect(self) -> _Smtp | _SmtpOverTls:
        server = self._server
        name, timeout = server.ehlo_name or _our_name(), server.greeting_timeout_s
        if server.security == "tls":
            context = _tls_context(server.ca_file)
            return _SmtpOverTls(server.host, server.port, name, context=context, timeout=timeout)
        return _Smtp(server.host, server.port, name, timeout=timeout)

    def send(self, message: flask_mail.Message, envelope_from: str | tuple[str, str] | None = None) -> None:
        """Send one message, over the connection that is open or else over a new one."""
        if self.num_emails >= MESSAGES_PER_CONNECTION or not self._is_alive():
            self.close()
        if reused := self.host is not None:
            self.host.data_begun = False
        else:
            self.host = self.configure_host()
        try:
            super().send(message, envelope_from)
        except smtplib.SMTPSenderRefused as refused:
            if refused.smtp_code != 421 or not reused:
                raise
            # The server wants a new connection: no fault of the message, and none of ours.
            self.close()
            self.host = self.configure_host()
            super().send(message, envelope_from)

    def _is_alive(self) -> bool:
        try:
            return self.host is None or self.host.noop()[0] == 250
        except OSError:  # SMTPException is one
            return False

    def close(self) -> None:
        """Sign off and close, if anything is open."""
        host, self.host = self.host, None
        self.num_emails = 0
        if host is None:
            return
        try:
            if host.sock is not None:
                host.sock.settimeout(min(GOODBYE_S, self._server.greeting_timeout_s))
                host.quit()
        except OSError:
            pass
        finally:
            host.close()


def _say_ehlo(host: smtplib.SMTP) -> None:
    code, words = host.ehlo()
    if not 200 <= code <= 299:
        raise smtplib.SMTPHeloError(code, words)


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
