"""The networks that a key may be used from: CIDR blocks (RFC 4632) of IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadNetwork(ValueError):
    """A text that is no network; says what to write, as a plain sentence."""


def parse_network(text: str) -> str:
    """Return a network as it is stored: "192.0.2.0/24", "2001:db8::/32", or a single address with /32 or /128.

    Raises:
        BadNetwork: it is none, or its address lies inside of it, which is more often a slip than meant.
    """
    try:
        network = ipaddress.ip_network(text, strict=False)
        exact = ipaddress.ip_interface(text).ip == network.network_address
    except ValueError:
        raise BadNetwork(f"{text} is not a network. Write one like 192.0.2.0/24 or 2001:db8::/32") from None
    if not exact:
        raise BadNetwork(f"{text} is an address inside a network. Write {network} for all of it")
    return str(_as_ipv4(network))


def is_within(address: str, networks: str) -> bool:
    """Say whether an address lies in one of `networks`, separated by spaces; none of them means any address."""
    if not networks:
        return True
    try:
        asked = ipaddress.ip_address(address)
    except ValueError:  # a Unix socket has none
        return False
    if isinstance(asked, ipaddress.IPv6Address) and asked.ipv4_mapped is not None:
        asked = asked.ipv4_mapped
    return any(asked in network for network in _parsed(networks))


@lru_cache(maxsize=256)
def _parsed(networks: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(network) for network in networks.split())


def _as_ipv4(network: Network) -> Network:
    """Return what a dual-stack socket calls ::ffff:192.0.2.0/120 by its own name."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network
