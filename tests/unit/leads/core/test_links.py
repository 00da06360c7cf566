"""Links of prospects: what is taken, what is completed, what is refused with which words, and where each leads."""

from __future__ import annotations

import contextlib
import time

import pytest
from pydantic_core import Url

from alma_leads.leads.core.links import BadLink, Link, read_link, web_link

FORM = "starts with https"
PARTS = "empty or too long"
PRIVATE = "private network"
FILE = "Choose the file instead"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("drive.google.com/x", "https://drive.google.com/x"),
        ("www.linkedin.com/in/x", "https://www.linkedin.com/in/x"),
        ("drive.google.com", "https://drive.google.com"),
        ("example.com:8443/cv", "https://example.com:8443/cv"),
        ("example.com?id=1", "https://example.com?id=1"),
        ("example.com/me/cv.pdf", "https://example.com/me/cv.pdf"),
        ("bücher.de/cv", "https://bücher.de/cv"),
        (" https://x.co/cv\n", "https://x.co/cv"),
    ],
)
def test_a_link_that_begins_like_a_host_is_completed(typed: str, stored: str) -> None:
    assert read_link(typed) == stored


@pytest.mark.parametrize(
    ("link", "href", "host"),
    [
        ("https://drive.google.com/x", "https://drive.google.com/x", "drive.google.com"),
        ("HTTP://EXAMPLE.COM:8080/CV?a#b", "http://example.com:8080/CV?a#b", "example.com"),
        ("https://faß.de/cv", "https://xn--fa-hia.de/cv", "xn--fa-hia.de"),  # not fass.de: UTS 46, non-transitional
        ("https://☃.net/é", "https://xn--n3h.net/é", "xn--n3h.net"),
        ("https://ex\u00adample。com/", "https://example.com/", "example.com"),
        ("https://%65xample.com/", "https://example.com/", "example.com"),
        ("http://134744072/cv", "http://8.8.8.8/cv", "8.8.8.8"),
        ("http://[2606:4700::1111]:8443/", "http://[2606:4700::1111]:8443/", "[2606:4700::1111]"),
        ("https://example.com./cv", "https://example.com./cv", "example.com."),
        (f"https://{'a' * 63}.com/cv", f"https://{'a' * 63}.com/cv", f"{'a' * 63}.com"),
    ],
)
def test_what_is_shown_is_where_it_leads(link: str, href: str, host: str) -> None:
    assert read_link(link) == link
    assert web_link(link) == Link(href, host)
    assert Url(href).host == host


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("resume.pdf", FILE),
        ("my_cv.docx", FILE),
        ("my cv.DOCX", FILE),
        ("C:\\fakepath\\cv.pdf", FILE),
        ("/home/me/cv.odt", FILE),
        ("../cv.pdf", FILE),
        ("Resumes/cv.pdf", FILE),
        ("file:///home/me/cv.pdf", FILE),
        ("n/a", FORM),
        ("none.", FORM),
        ("v1.0", FORM),
        ("8.8.8.8/cv", FORM),
        ("me@example.com", FORM),
        ("example.com:99999/cv", FORM),
        ("javascript:alert(1)", FORM),
        ("//example.com/cv", FORM),
        ("https:/example.com", FORM),
        ("https://xn--a.com/", FORM),  # no Punycode
        ("https://a%2fb.com/", FORM),
        ("https://1.2.3.4.5/", FORM),  # its last part is a number, so it would have to be an address
        ("https://[::1", FORM),
        (f"https://{'a' * 64}.com/cv", PARTS),
        (f"https://{'ü' * 60}.com/cv", PARTS),
        (f"https://{'a.' * 130}com/cv", PARTS),
        (f"{'a' * 64}.com/cv", PARTS),
        ("https://a..b.com", PARTS),
        ("a..b.com", PARTS),
        ("https://.example.com", PARTS),
        ("https://example../", PARTS),
        ("https://./", PARTS),
        ("https://user@x.co/", "user name or password"),
        ("https://x.co/a b", "without spaces"),
        ("x.co/" + "y" * 2040, "at most 2,048"),
    ],
)
def test_what_leads_nowhere_is_refused_with_a_remedy(typed: str, why: str) -> None:
    with pytest.raises(BadLink, match=why):
        read_link(typed)
    assert web_link(typed) == Link("", "")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "0177.0.0.1", "0x7f.1", "0x7F000001", "017700000001"),
        *("１２７.0.0.1", "127。0。0。1", "%31%32%37.0.0.1", "127.0.0.%31", "0", "0.0.0.0"),
        *("10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255"),
        *("240.0.0.1", "198.18.0.1", "192.0.2.1", "192.88.99.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[fe80::1]", "[fec0::1]"),
        *("[fc00::1]", "[ff02::1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001:0:1::1]"),
        *("[2001:db8::1]", "[0:0:0:0:0:0:0:1]"),
        *("localhost", "LOCALHOST", "localhost.", "a.localhost", "ⓛocalhost", "lo\u00adcalhost", "%6cocalhost"),
        *("printer.local", "printer.local.", "api.internal", "metadata.google.internal", "box.localdomain"),
        "router.home.arpa",
    ],
)
def test_what_leads_into_a_private_network_is_refused(host: str) -> None:
    for link in (f"http://{host}/cv", f"https://{host}:8443/cv"):
        with pytest.raises(BadLink, match=PRIVATE):
            read_link(link)
        assert web_link(link) == Link("", "")


@pytest.mark.parametrize("host", ["mylocalhost.com", "local.example.com", "internal.co", "9.9.9.9", "100.128.0.1"])
def test_what_only_looks_private_is_taken(host: str) -> None:
    assert read_link(f"https://{host}/cv")


@pytest.mark.parametrize("part", ["a.", "a@", "\u0315\u0300\u05ae", "%61", "ü.", ".pdf", "1", "/", "[", ":"])
def test_no_link_takes_long(part: str) -> None:
    for typed in (part * 200_000, part * 500, f"https://{part * 500}", f"{part * 500}@", f"a.b{part * 500}\\"):
        began = time.thread_time()
        with contextlib.suppress(BadLink):
            read_link(typed)
        assert time.thread_time() - began < 0.1
