"""The client's address in the WSGI environment: read once, so that everything after it sees the same one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from alma_leads.common.client_address import parse_address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class ParsedAddress:
    """WSGI middleware that puts the parsed address of the client into REMOTE_ADDR. Belongs inside of ProxyFix."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand the request on."""
        environ["REMOTE_ADDR"] = parse_address(environ.get("REMOTE_ADDR") or "")
        return self._app(environ, start_response)
