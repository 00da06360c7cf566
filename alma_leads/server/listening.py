"""The sockets that the application listens on."""

from __future__ import annotations

import errno
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config import Settings

PREDECESSOR_S = 2.0  # one that is being stopped has so long to let go of the port


class CannotListen(Exception):
    """Nothing can listen at HOST and PORT. Says why, in one line."""


def listen(settings: Settings) -> list[socket.socket]:
    """Return sockets that listen at every address of HOST, waiting a moment for a predecessor to let go of the port.

    Raises:
        CannotListen: HOST or PORT cannot be used.
    """
    patience = time.monotonic() + PREDECESSOR_S
    while True:
        try:
            return _listen(settings.HOST, settings.PORT)
        except socket.gaierror:
            raise CannotListen(
                f"HOST holds {settings.HOST!r}; it should hold the name or address of this machine."
            ) from None
        except OSError as wrong:
            if wrong.errno != errno.EADDRINUSE:
                raise CannotListen(
                    f"HOST and PORT hold {settings.HOST!r} and {settings.PORT}: {wrong.strerror}."
                ) from None
            if time.monotonic() > patience:
                raise CannotListen(
                    f"PORT holds {settings.PORT}, where another program listens at {settings.HOST}; "
                    f"stop that one, or set PORT to a port that is free."
                ) from None
            time.sleep(0.1)


def _listen(host: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
        both = host == "::" and socket.has_dualstack_ipv6()
        try:
            made.append(socket.create_server(address[:2], family=family, backlog=2048, dualstack_ipv6=both))
        except OSError as wrong:
            if wrong.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:  # "localhost" may have an IPv6 too many
                for each in made:
                    each.close()
                raise
            missing = wrong
    if not made:
        raise missing or OSError(errno.EADDRNOTAVAIL, "no such address")
    return made
