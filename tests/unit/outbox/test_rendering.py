"""Rendering an email: strict about what a template uses, and text stays text, whatever is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import UndefinedError

from alma_leads.outbox.queue import message_id_domain
from alma_leads.outbox.rendering import Content, render
from tests.conftest import MakeSettings


@pytest.fixture(autouse=True)
def templates(tmp_path: Path, make_settings: MakeSettings) -> Iterator[Path]:
    """Offer one kind of email, "note"."""
    folder = tmp_path / "templates" / "email"
    folder.mkdir(parents=True)
    (folder / "note.subject.txt").write_text("For {{ name }}\n")
    (folder / "note.txt").write_text("{% if late %}Late: {% endif %}{{ name }}\n")
    (folder / "note.html").write_text("<b>{{ name }}</b>")
    app = Flask(__name__, root_path=str(tmp_path), template_folder="templates")
    app.config["SETTINGS"] = make_settings(PUBLIC_URL="https://desk.firm.example")
    with app.app_context():
        yield folder


def note(name: str, *, late: bool = False) -> Content:
    return render("note", {"name": name, "late": late}, language="en")


def test_facts_are_filled_in() -> None:
    assert note("Ada") == ("For Ada", "Ada", "<b>Ada</b>")
    assert note("Ada", late=True).text == "Late: Ada"


def test_every_template_knows_the_public_address_and_its_language(templates: Path) -> None:
    (templates / "note.txt").write_text("{{ public_url }}/{{ language }}")
    assert note("Ada").text == "https://desk.firm.example/en"


def test_a_template_that_uses_a_fact_it_was_not_given_fails(templates: Path) -> None:
    (templates / "note.txt").write_text("{{ nmae }}")
    with pytest.raises(UndefinedError):
        note("Ada")


def test_text_is_never_markup_and_never_a_template() -> None:
    content = note("<i>{{ 7 * 7 }}</i>")
    assert content.html == "<b>&lt;i&gt;{{ 7 * 7 }}&lt;/i&gt;</b>"
    assert content.text == "<i>{{ 7 * 7 }}</i>"


@pytest.mark.parametrize(
    ("address", "domain"), [("https://desk.firm.example:8443", "desk.firm.example"), ("", "localhost")]
)
def test_message_ids_are_of_the_public_address(address: str, domain: str) -> None:
    assert message_id_domain(address) == domain
