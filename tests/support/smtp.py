"""A real SMTP server for tests: demands STARTTLS and AUTH, keeps what it takes, and misbehaves on request."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import warnings
from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER = "alma"
PASSWORD = "correct horse battery staple"


@dataclass(slots=True)
class Behaviour:
    """How the server answers. Commands are "CONNECT", "EHLO", "MAIL", "RCPT" and "DATA"."""

    replies: dict[str, str] = field(default_factory=dict)
    """Command -> the reply to give each time instead of taking it, such as "550 5.1.1 No such user"."""
    next_replies: dict[str, deque[str]] = field(default_factory=dict)
    """Command -> replies to give once each, in order, before anything else; "" takes it."""
    delay_s: float = 0.0
    """Seconds before each reply."""
    silent: bool = False
    """Accept connections and never say a word."""
    drop_after_data: bool = False
    """Take the message, then close the connection without a reply."""

    def reply_once(self, command: str, *replies: str) -> None:
        """Give these replies, one each time, before taking `command` again."""
        self.next_replies.setdefault(command, deque()).extend(replies)

    def reply_to(self, command: str) -> str | None:
        """Return the reply that stands in for the real one, if any."""
        waiting = self.next_replies.get(command)
        if waiting:
            return waiting.popleft() or None
        return self.replies.get(command)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the server took: its envelope, and what was in it."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    raw: bytes


class _Handler:
    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def _interfere(self, command: str) -> str | None:
        behaviour = self._server.behaviour
        self._server.commands.append(command)
        if behaviour.silent:
            await asyncio.sleep(3600)
        if behaviour.delay_s:
            await asyncio.sleep(behaviour.delay_s)
        return behaviour.reply_to(command)

    async def handle_EHLO(  # noqa: N802 -- aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self._server.names.add(hostname)
        reply = await self._interfere("EHLO")
        return [reply] if reply else responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self._interfere("MAIL")
        if reply:
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self._interfere("RCPT")
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = await self._interfere("DATA")
        if reply:
            return reply
        raw = envelope.content or b""
        assert isinstance(raw, bytes)
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self._server.take(Taken(str(envelope.mail_from), tuple(envelope.rcpt_tos), message, raw))
        if self._server.behaviour.drop_after_data:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"


class _Protocol(SMTP):
    """aiosmtpd's server, whose greeting can be delayed, withheld or refused too."""

    server: SmtpServer

    def __init__(self, *args: Any, smtp_server: SmtpServer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._smtp_server = smtp_server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._smtp_server.transports.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is not None:
            self._smtp_server.transports.discard(self.transport)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        text = status.decode() if isinstance(status, bytes) else status
        if text.startswith("220 ") and "TLS" not in text:  # the greeting
            self._smtp_server.connections += 1
            behaviour = self._smtp_server.behaviour
            if behaviour.silent:
                await asyncio.sleep(3600)
            await asyncio.sleep(behaviour.delay_s)
            reply = behaviour.reply_to("CONNECT")
            if reply:
                await super().push(reply)
                if self.transport is not None:
                    self.transport.close()
                return
        with contextlib.suppress(ConnectionError):
            await super().push(status)


class _Controller(Controller):
    def __init__(self, smtp_server: SmtpServer, **kwargs: Any) -> None:
        self._smtp_server = smtp_server
        super().__init__(_Handler(smtp_server), **kwargs)

    def _trigger_server(self) -> None:
        # aiosmtpd would connect once to see that the server can be made, which a silent server would not survive.
        self.smtpd = self.factory
        self._factory_invoked.set()

    def factory(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
            return _Protocol(self.handler, smtp_server=self._smtp_server, **self.SMTP_kwargs)

    def stop(self, no_assert: bool = False) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(timeout=10)
        super().stop(no_assert)

    async def _hang_up(self) -> None:
        """Drop every connection, and let asyncio see that: else it complains of sockets left open."""
        assert self.server is not None
        self.server.close()
        for transport in list(self._smtp_server.transports):
            assert isinstance(transport, asyncio.WriteTransport)
            with contextlib.suppress(AttributeError):  # what is over has let go of its TLS, and 3.11.2 does not look
                transport.abort()
        self._smtp_server.transports.clear()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


class SmtpServer:
    """The server. Use it as a context manager; `settings()` is what the application needs to reach it."""

    def __init__(self, folder: Path, *, security: str = "starttls") -> None:
        """Make a server whose certificate authority is written to `folder`; `security` as in SMTP_SECURITY."""
        self.behaviour = Behaviour()
        self.commands: list[str] = []
        self.names: set[str] = set()
        self.connections = 0
        self.transports: set[asyncio.BaseTransport] = set()
        self._taken: list[Taken] = []
        self._changed = threading.Condition()
        self._security = security
        self.ca_file = folder / "smtp-ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self._tls)
        self._controller: _Controller | None = None  # making one opens sockets already
        self.port = 0

    def _make_controller(self, port: int) -> _Controller:
        kwargs: dict[str, Any] = {"hostname": "127.0.0.1", "port": port, "enable_SMTPUTF8": True}
        if self._security == "starttls":
            kwargs |= {"tls_context": self._tls, "require_starttls": True}
        elif self._security == "tls":
            kwargs |= {"ssl_context": self._tls}
        return _Controller(
            self,
            authenticator=self._authenticate,
            auth_required=True,
            auth_require_tls=self._security == "starttls",
            **kwargs,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, credentials: Any
    ) -> AuthResult:
        self.commands.append("AUTH")
        right = isinstance(credentials, LoginPassword) and (
            (credentials.login, credentials.password) == (USER.encode(), PASSWORD.encode())
        )
        return AuthResult(success=right, handled=False)

    def __enter__(self) -> SmtpServer:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one after a `stop()`."""
        self._controller = self._make_controller(self.port)
        self._controller.start()
        listening = self._controller.server
        assert isinstance(listening, asyncio.Server)
        self.port = listening.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._controller is not None:
            self._controller.stop()

    def settings(self) -> dict[str, Any]:
        """Return the settings that make the application use this server."""
        return {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": self.port,
            "SMTP_USER": USER,
            "SMTP_PASSWORD": PASSWORD,
            "SMTP_SECURITY": self._security,
            "SMTP_CA_FILE": str(self.ca_file),
            "SENDER_EMAIL": "intake@firm.example",
            "HELPDESK_EMAIL": "helpdesk@firm.example",
        }

    def take(self, taken: Taken) -> None:
        """Keep a message."""
        with self._changed:
            self._taken.append(taken)
            self._changed.notify_all()

    @property
    def taken(self) -> list[Taken]:
        """Return the messages taken so far, oldest first."""
        with self._changed:
            return list(self._taken)

    def wait_for(self, count: int, *, within_s: float = 10.0) -> list[Taken]:
        """Return the messages once there are `count`; fail the test when they do not come."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self._taken) >= count, timeout=within_s)
            assert came, f"{len(self._taken)} of {count} messages came within {within_s} s"
            return list(self._taken)
