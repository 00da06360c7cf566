"""Links that prospects give: which are accepted, and how they are shown. Read by the rules of browsers; none is opened.

The parser is pydantic's, which follows the URL Standard (https://url.spec.whatwg.org): hosts by UTS 46, and IPv4
addresses in every spelling that browsers read (2130706433, 0177.0.0.1, 127.1, full-width digits).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from pydantic import HttpUrl, ValidationError

MAX_LENGTH: Final = 2048
_MAX_HOST, _MAX_LABEL = 253, 63  # octets: RFC 1035

_WITH_SCHEME = re.compile(r"(?i)(https?://)([^/?#\\]+)(.*)", re.DOTALL)
_LIKE_A_HOST = re.compile(r"[^/?#\\:@]++(:\d{1,5})?(?=[/?#]|\Z)")  # at the start of a link without a scheme
_TOP_LEVEL = re.compile(r"[a-z]{2,}|xn--[a-z0-9-]+")
_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_FILE = re.compile(r"(?i)(file:.*|.*\.(pdf|docx?|docm|odt|rtf|pages|txt|html?|jpe?g|png|heic))", re.DOTALL)
# Names that lead nowhere but into the network of whoever asks (RFC 6761, 6762, 8375; .internal by ICANN).
_PRIVATE_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home.arpa")
# Relays of IPv6 (RFC 7526): global by Python's list.
_PRIVATE_V4: Final = (ipaddress.IPv4Network("192.88.99.0/24"),)
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
# In it: protocols and Teredo, 6to4, and two blocks for examples. IPv4-mapped addresses and NAT64 are outside of it.
_PRIVATE_V6: Final = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")))

_FORM = "Enter a link that starts with https:// or http://, like https://example.com/resume.pdf"


class BadLink(ValueError):
    """The link cannot be used. The message says what to do, in words for the prospect."""


class Link(NamedTuple):
    """A link that a browser may follow: where it leads, and its host as it is looked up, in ASCII."""

    href: str
    host: str


def read_link(typed: str) -> str:
    """Return a link as it is stored: as typed, with https:// before it where only a host name was given.

    Raises:
        BadLink: it leads nowhere that a browser can open, or into a private network.
    """
    link = typed.strip()
    if len(link) > MAX_LENGTH:
        raise BadLink(f"Enter a link of at most {MAX_LENGTH:,} characters")
    if not _WITH_SCHEME.match(link):
        link = _completed(link)
        if len(link) > MAX_LENGTH:
            raise BadLink(f"Enter a link of at most {MAX_LENGTH:,} characters")
    _parse(link)
    return link


def web_link(stored: str) -> Link:
    """Return a stored link as a page shows it, with the same host in both parts.

    Both are empty when no browser should follow it: older leads hold links that would be refused today.
    """
    try:
        return _parse(stored)
    except BadLink:
        return Link("", "")


def _completed(link: str) -> str:
    start = _LIKE_A_HOST.match(link)
    begins_like_a_host = start is not None and "." in start[0].strip(".") and start.end() < len(link)
    if _FILE.fullmatch(link) and not begins_like_a_host:
        raise BadLink("Choose the file instead. This is the name of a file, and not a link to it")
    if start is None:
        raise BadLink(_FORM)
    link = f"https://{link}"
    above, _, top = _host(link).rstrip(".").rpartition(".")
    if not above or not _TOP_LEVEL.fullmatch(top):
        raise BadLink(_FORM)
    return link


def _parse(link: str) -> Link:
    parts = _WITH_SCHEME.fullmatch(link)
    if parts is None:
        raise BadLink(_FORM)
    if any(character.isspace() or character == "\\" for character in link):
        raise BadLink("Enter a link without spaces or hidden characters")
    scheme, authority, rest = parts.groups()
    if "@" in authority:
        raise BadLink("Enter a link without a user name or password in it")
    host = _host(link)
    _check(host)
    port = re.search(r":\d+\Z", authority)
    return Link(f"{scheme.lower()}{host}{port[0] if port else ''}{rest}", host)


def _host(link: str) -> str:
    try:
        return HttpUrl(link).host or ""
    except ValidationError:
        raise BadLink(_FORM) from None


def _check(host: str) -> None:
    if host.startswith("["):
        v6 = ipaddress.IPv6Address(host[1:-1])
        public = v6 in _GLOBAL_V6 and not any(v6 in network for network in _PRIVATE_V6)
    elif _IPV4.fullmatch(host):
        v4 = ipaddress.IPv4Address(host)
        unusual = v4.is_multicast or v4.is_reserved or any(v4 in network for network in _PRIVATE_V4)
        public = v4.is_global and not unusual
    else:
        name = host.removesuffix(".")
        if len(name) > _MAX_HOST or not all(0 < len(label) <= _MAX_LABEL for label in name.split(".")):
            raise BadLink("Check the name of the website in the link: one of its parts is empty or too long")
        public = not any(f".{name}".endswith(f".{private}") for private in _PRIVATE_NAMES)
    if not public:
        raise BadLink("Enter a link that anyone can open. This one leads to a private network")
