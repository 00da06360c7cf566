"""The site that passkeys are made for (the "relying party"), from `PUBLIC_URL` and never from a request."""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Site(NamedTuple):
    """What a passkey is bound to: the host name, and the one origin whose pages may use it."""

    id: str
    origin: str


def site_of(public_url: str) -> Site | None:
    """Return the site at `public_url`, or None if browsers allow no passkeys there.

    They require a name, not an IP address, and HTTPS, except at localhost. A laptop with a loopback address as its URL
    can also be reached at localhost, where passkeys work.
    """
    url = urlsplit(public_url)
    host = url.hostname or ""
    if _is_loopback(host):
        host = "localhost"
    local = host == "localhost" or host.endswith(".localhost")
    if _is_ip_address(host) or not host or (url.scheme != "https" and not local):
        return None
    port = "" if url.port in (None, _DEFAULT_PORTS[url.scheme]) else f":{url.port}"
    return Site(host, f"{url.scheme}://{host}{port}")


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_ip_address(host) and ipaddress.ip_address(host).is_loopback
