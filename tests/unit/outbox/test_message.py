"""A message refuses what could break a header, and becomes what a mail server takes."""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alma_leads.outbox.email import Unmailable, make_email, wire_address
from alma_leads.outbox.message import NewMessage, UnsafeHeader
from alma_leads.outbox.rendering import Content

GOOD = NewMessage("note", "lead:1", "ada@example.com", "Alma", {}, "desk@firm.example")

_LETTERS = st.characters(codec="utf-8")


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def content_of(
    message: NewMessage = GOOD, *, subject: str = "Hello", text: str = "text", html: str = "<p>html</p>"
) -> bytes:
    return make_email(
        message_id="<1@firm.example>",
        sender_name=message.sender_name,
        sender="intake@firm.example",
        recipient=message.recipient or "",
        reply_to=message.reply_to,
        content=Content(subject, text, html),
    ).as_bytes()


@pytest.mark.parametrize("field", ["recipient", "sender_name", "reply_to", "subject"])
@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_header_value_with_a_line_break_is_refused(field: str, break_: str) -> None:
    value = f"a{break_}Bcc: all@example.com"
    with pytest.raises(UnsafeHeader) as raised:
        content_of(subject=value) if field == "subject" else replace(GOOD, **{field: value})  # type: ignore[arg-type]

    assert raised.value.field == field


@pytest.mark.parametrize("subject", ["Žofie \u200d नमस्ते 你好 🙂", "עברית \u200f", "tab-free, dots... and <angles>", ""])
def test_other_letters_of_the_world_are_not(subject: str) -> None:
    message = parsed(content_of(subject=subject))

    assert message["Subject"] == subject


@given(st.text(_LETTERS, max_size=200), st.text(_LETTERS, max_size=100), st.text(_LETTERS, max_size=500))
def test_no_value_whatever_makes_another_header_or_another_part(subject: str, sender_name: str, text: str) -> None:
    try:
        message = NewMessage("note", "lead:1", "ada@example.com", sender_name, {})
        content = content_of(message, subject=subject, text=text, html=text)
    except UnsafeHeader:
        return
    read = parsed(content)

    assert content.isascii()
    assert sorted(key.lower() for key in read) == sorted(
        ["content-type", "mime-version", "from", "to", "subject", "date", "message-id", "auto-submitted"]
    )
    assert [part.get_content_type() for part in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_bodies_arrive_as_they_were_written() -> None:
    text = "Hello Zoë,\n\n.a line that starts with a dot\n" + "long " * 400 + "\n=20 From here\n"
    read = parsed(content_of(text=text, html="<p>Zoë — 你好</p>\n"))
    plain, html = read.iter_parts()

    assert plain.get_content().replace("\r\n", "\n") == text
    assert html.get_content() == "<p>Zoë — 你好</p>\r\n"


@pytest.mark.parametrize(
    "name",
    [
        "Олена Шевченко",
        "María de los Ángeles Fernández-Castellanos",
        "王小明",
        "علي " * 15,
        "ü" * 90,
        "plain " * 30,
        "x" * 99,
    ],
)
def test_encoded_words_are_as_short_as_rfc_2047_says(name: str) -> None:
    subject = f"New lead: {name.strip()} (lead 412)"
    content = content_of(replace(GOOD, sender_name=f"Žofie {name.strip()}"), subject=subject)
    head = content.partition(b"\r\n\r\n")[0]
    assert parsed(content)["Subject"] == subject
    assert all(len(word) <= 75 for word in re.findall(rb"=\?\S+\?=", head))
    assert all(len(line) <= 78 for line in content.split(b"\r\n"))
    for line in head.split(b"\r\n"):
        assert line.startswith(b" ") or line.partition(b":")[2].strip(), "a header begins on its first line"


def test_an_international_domain_goes_over_the_wire_in_ascii() -> None:
    assert wire_address("ada@bücher.example") == "ada@xn--bcher-kva.example"
    assert wire_address("ada@faß.example") == "ada@xn--fa-hia.example"


@pytest.mark.parametrize("address", ["zoë@example.com", "ada@bü..cher.example", f"ada@{'ü' * 70}.example"])
def test_an_address_no_server_takes_is_named(address: str) -> None:
    with pytest.raises(Unmailable, match=address.split("@")[0]):
        wire_address(address)
