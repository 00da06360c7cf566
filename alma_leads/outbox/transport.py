"""Handing messages to a mail server over one reused connection, and what its answers mean.

Knows no database. Whether and when to try again is decided in `backoff` and `delivery`.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import flask_mail

from alma_leads.outbox.connection import SmtpServer, VerifiedConnection
from alma_leads.outbox.mime import Envelope

MESSAGES_PER_CONNECTION = 200
# "Authentication required" and its kin: answered to MAIL or RCPT, but about us and not about the message.
_OPERATOR_CODES = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the message."""


@dataclass(frozen=True, slots=True)
class Temporary:
    """The server may take the message later. `words` are its own."""

    words: str


@dataclass(frozen=True, slots=True)
class Permanent:
    """The server will never take the message. `words` are its own."""

    words: str


Outcome = Accepted | Temporary | Permanent


class ConnectionFailed(Exception):
    """The server cannot be used at all just now: down, silent, not to be trusted, or it does not let us in."""


class ConnectionLost(Exception):
    """The connection broke while a message was handed over. `silent`: nothing came within the time-out."""

    def __init__(self, words: str, *, silent: bool) -> None:
        super().__init__(words)
        self.silent = silent


class Transport:
    """Hands over messages, over one connection for many of them. Use as a context; not for several threads."""

    def __init__(self, mail: flask_mail.Mail, server: SmtpServer) -> None:
        self._connection = VerifiedConnection(mail, server)
        self._server = server
        self._served = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye, if there is anybody to say it to."""
        host, self._connection.host = self._connection.host, None
        self._served = 0
        if host is None:
            return
        try:
            if host.sock is not None:
                host.sock.settimeout(min(1.0, self._server.greeting_timeout_s))  # not worth a wait: all is settled
                host.quit()
        except (OSError, smtplib.SMTPException):
            pass
        finally:
            host.close()

    def send(self, envelope: Envelope) -> Outcome:
        """Hand over one message.

        A connection that the server has closed or wants to close between two messages is made anew once; that is no
        failed attempt.

        Raises:
            ConnectionFailed: no message can be handed over now.
            ConnectionLost: it is not known whether the message was taken.
        """
        if self._served >= MESSAGES_PER_CONNECTION:
            self.close()
        fresh = self._connection.host is None
        host = self._connect()
        try:
            code, words = host.mail(envelope.sender)
            stale = code == 421
        except OSError as error:  # SMTPException is one
            if fresh:
                raise self._lost(error) from error
            stale = True
        if stale and not fresh:
            self.close()
            return self.send(envelope)
        return self._hand_over(host, envelope, code, words)

    def _connect(self) -> smtplib.SMTP:
        if self._connection.host is None:
            try:
                self._connection.host = self._connection.configure_host()
            except (OSError, ValueError) as error:  # ValueError: a host name or password that no server could have
                raise ConnectionFailed(self._say(error)) from error
            self._served = 0
        return self._connection.host

    def _hand_over(self, host: smtplib.SMTP, envelope: Envelope, code: int, words: bytes) -> Outcome:
        try:
            if code == 250:
                code, words = host.rcpt(envelope.recipient)
            if code in (250, 251):
                code, words = host.data(envelope.content)
                if code == 250:
                    self._served += 1
                    return Accepted()
        except smtplib.SMTPDataError as error:
            code, words = error.smtp_code, _bytes(error.smtp_error)
        except OSError as error:
            raise self._lost(error) from error
        self._start_over(host, code)
        said = f"{code} {words.decode('utf-8', 'replace')}"
        return Permanent(said) if 500 <= code <= 599 and code not in _OPERATOR_CODES else Temporary(said)

    def _start_over(self, host: smtplib.SMTP, code: int) -> None:
        """Make the connection ready for another message after a refusal."""
        try:
            if code == 421 or host.rset()[0] != 250:
                self.close()
        except OSError:
            self.close()

    def _lost(self, error: OSError) -> ConnectionLost:
        words = self._say(error)
        self.close()
        return ConnectionLost(words, silent=_timed_out(error))

    def _say(self, error: Exception) -> str:
        server = f"{self._server.host}:{self._server.port}"
        if isinstance(error, smtplib.SMTPResponseException):
            return f"{error.smtp_code} {_bytes(error.smtp_error).decode('utf-8', 'replace')}"
        if _timed_out(error):
            return f"{server} did not answer in time"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"{server} has a certificate that cannot be trusted: {error.verify_message}"
        if isinstance(error, socket.gaierror):
            return f"{server} is not known: {error.strerror}"
        if isinstance(error, OSError) and error.strerror:
            return f"{server}: {error.strerror}"
        return f"{server}: {error}"


def _timed_out(error: BaseException) -> bool:
    """Say whether nothing came in time: smtplib calls that a disconnection, and keeps the cause only as context."""
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def _bytes(words: bytes | str) -> bytes:
    return words.encode() if isinstance(words, str) else words
