"""Composing an e-mail: strict about what a template uses, and text stays text, whatever is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import UndefinedError

from alma_leads.outbox.composition import compose, message_id_domain
from alma_leads.outbox.message import Message, UnsafeHeader


@pytest.fixture(autouse=True)
def templates(tmp_path: Path) -> Iterator[Path]:
    """Offer one kind of e-mail, "note"."""
    folder = tmp_path / "templates" / "email"
    folder.mkdir(parents=True)
    (folder / "note.subject.txt").write_text("For {{ name }}\n")
    (folder / "note.txt").write_text("{% if late %}Late: {% endif %}{{ name }}\n")
    (folder / "note.html").write_text("<b>{{ name }}</b>")
    with Flask(__name__, root_path=str(tmp_path), template_folder="templates").app_context():
        yield folder


def note(name: str, *, late: bool = False) -> Message:
    return compose("note", correlation="test:1", recipient="a@b.example", sender_name="Alma", name=name, late=late)


def test_what_is_given_is_filled_in() -> None:
    message = note("Ada")
    assert (message.subject, message.text, message.html) == ("For Ada", "Ada", "<b>Ada</b>")
    assert (message.kind, message.correlation, message.recipient) == ("note", "test:1", "a@b.example")
    assert message.reply_to is None
    assert note("Ada", late=True).text == "Late: Ada"


def test_a_template_that_uses_what_it_is_not_given_fails(templates: Path) -> None:
    (templates / "note.txt").write_text("{{ nmae }}")
    with pytest.raises(UndefinedError):
        note("Ada")


def test_text_is_never_mark_up_and_never_a_template() -> None:
    message = note("<i>{{ 7 * 7 }}</i>")
    assert message.html == "<b>&lt;i&gt;{{ 7 * 7 }}&lt;/i&gt;</b>"
    assert message.text == "<i>{{ 7 * 7 }}</i>"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\x0b", "\u2028"])
def test_no_value_starts_another_header(end: str) -> None:
    with pytest.raises(UnsafeHeader):
        note(f"Ada{end}Bcc: all@firm.example")


@pytest.mark.parametrize(
    ("address", "domain"), [("https://desk.firm.example:8443", "desk.firm.example"), ("", "localhost")]
)
def test_message_ids_are_of_the_public_address(address: str, domain: str) -> None:
    assert message_id_domain(address) == domain
