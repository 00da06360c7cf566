"""The address of a client: parsed once, after the proxy, and the networks that limits count.

Knows neither Flask nor settings, so that what stands in front of the application can use it too.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

import structlog
from werkzeug.http import parse_list_header

log = structlog.get_logger(__name__)
# One customer of an IPv6 provider has a whole /64 (RFC 6177), and often a /56 or /48. Limits count both: the /64 as one
# client, and the /48 with this many times the limit, so that 65,536 networks of one customer are not as many clients,
# and a provider that gives each customer one /64 of a shared /48 still has room for several.
WIDE_TIMES = 4
# The last kind is an IPv6 address of eight groups and a port without brackets. With "::" in it, nobody can tell the two
# apart, and the port is taken for a group: the network that is counted is the same.
_WITH_PORT = re.compile(
    r"\[([^\[\]]*)\](?::\d{1,5})?|([0-9.]+):\d{1,5}|([0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}):\d{1,5}", re.ASCII
)
_LONGEST = 80  # "[", 45 characters of IPv6, a zone, "]:65535"


@lru_cache(maxsize=4096)
def parse_address(text: str) -> str:
    """Return the address in `text` in its canonical form, without port, brackets and zone; "" when there is none.

    Proxies write "203.0.113.10:50001" (Azure Application Gateway), "[2001:db8::1]:443" and "[2001:db8::1]". An IPv4
    client of a dual-stack socket (::ffff:192.0.2.1) is that IPv4 address. What is no address is logged, and all such
    clients are one. An empty text (a Unix socket has no address) is not logged.
    """
    found = _parsed(text.strip())
    if found is None:
        if text:
            log.warning("client address cannot be read", text=text[:_LONGEST])
        return ""
    return str(found)


def network_of(address: str) -> str:
    """Return what limits count as one client: an IPv4 address itself, the /64 of an IPv6 address; "" for neither."""
    return _network(address, 64) or parse_address(address)


def wide_network_of(address: str) -> str:
    """Return the /48 of an IPv6 address, which limits count too, `WIDE_TIMES` as generously; "" for any other."""
    return _network(address, 48)


def forwarded_address(peer: str, forwarded_for: str | None, *, trusted_proxies: int) -> str:
    """Return the parsed address of the client behind `trusted_proxies`: the hop that werkzeug's ProxyFix picks.

    Args:
        peer: the address that the connection comes from.
        forwarded_for: the X-Forwarded-For header, several of them joined by commas; None when there is none.
        trusted_proxies: how many proxies in front add to that header. 0: it is not believed.
    """
    if trusted_proxies and forwarded_for:
        hops = parse_list_header(forwarded_for)
        if len(hops) >= trusted_proxies:
            peer = hops[-trusted_proxies] or peer
    return parse_address(peer)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if len(text) > _LONGEST:
        return None
    ported = _WITH_PORT.fullmatch(text)
    bare = next(filter(None, ported.groups()), "") if ported else text
    try:
        found = ipaddress.ip_address(bare.partition("%")[0] if ":" in bare else bare)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


@lru_cache(maxsize=4096)
def _network(address: str, prefix: int) -> str:
    found = _parsed(address)
    if not isinstance(found, ipaddress.IPv6Address):
        return ""
    return str(ipaddress.IPv6Network((int(found), prefix), strict=False))
