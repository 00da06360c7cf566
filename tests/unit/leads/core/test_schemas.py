"""What a submission must look like: every rule of a field, with the sentence that a person reads."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alma_leads.leads.core.schemas import LeadIn, field_messages

GOOD = {
    "first_name": "Sai",
    "last_name": "Maryada",
    "email": "example@gmail.com",
    "resume_url": "https://drive.google.com/x",
}


def messages(**changes: object) -> dict[str, str]:
    """Return the sentence for each field that is refused when GOOD is changed."""
    try:
        LeadIn.model_validate({**GOOD, **changes})
    except ValidationError as error:
        return dict(field_messages(error))
    return {}


@pytest.mark.parametrize("field", ["first_name", "last_name"])
@pytest.mark.parametrize(
    "name",
    [
        "A",
        "김 서연",
        "فاطمة الزهراء",
        "José María",
        "O'Neil-Smith",
        "ราชพฤกษ์",
        "a\u200db",
        "علي\u200f",
        "-",
        "🙂",
        "x" * 100,
    ],
)
def test_names_of_any_script_are_accepted(field: str, name: str) -> None:
    assert messages(**{field: name}) == {}


@pytest.mark.parametrize("field", ["first_name", "last_name"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Enter your {}"),
        ("   ", "Enter your {}"),
        ("\u200b", "Enter your {}"),
        ("\u3164", "Enter your {}"),
        ("\u2800", "Enter your {}"),
        ("\u00ad\ufeff", "Enter your {}"),
        ("a\nb", "Enter your {} without line breaks or hidden control characters"),
        ("a\x7fb", "Enter your {} without line breaks or hidden control characters"),
        ("a\u2028b", "Enter your {} without line breaks or hidden control characters"),
        ("a\u202eb", "Enter your {} without line breaks or hidden control characters"),
        ("a\u2066b", "Enter your {} without line breaks or hidden control characters"),
        ("x" * 101, "Enter a {} of at most 100 characters"),
        ("a" + "\u0315\u0300\u05ae" * 80_000, "Enter a {} of at most 100 characters"),
        ("a" + "\u0301" * 31, "Enter a {} with at most 30 accents on a letter"),
        (7, "Enter your {} as text"),
        (None, "Enter your {} as text"),
        (["x"], "Enter your {} as text"),
    ],
)
def test_other_names_are_refused_with_a_remedy(field: str, name: object, sentence: str) -> None:
    assert messages(**{field: name}) == {field: sentence.format(field.replace("_", " "))}


def test_names_are_trimmed_and_composed() -> None:
    lead = LeadIn.model_validate({**GOOD, "first_name": " Jose\u0301\n"})
    assert lead.first_name == "José"


def test_length_counts_after_composition() -> None:
    assert messages(first_name="e\u0301" * 100) == {}
    assert messages(first_name="e\u0301" * 101) == {"first_name": "Enter a first name of at most 100 characters"}


@given(st.text(max_size=120))
def test_an_accepted_name_is_trimmed_composed_and_visible(name: str) -> None:
    try:
        kept = LeadIn.model_validate({**GOOD, "last_name": name}).last_name
    except ValidationError:
        return
    assert kept == kept.strip()
    assert unicodedata.is_normalized("NFC", kept)
    assert 1 <= len(kept) <= 100
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in kept)


@pytest.mark.parametrize(
    ("email", "known_as"),
    [
        ("Example@Gmail.com", "example@gmail.com"),
        (" a@b.co ", "a@b.co"),
        ("a+b@x.co", "a+b@x.co"),
        ("a@bücher.de", "a@xn--bcher-kva.de"),
        ("a@BÜCHER.de", "a@xn--bcher-kva.de"),
        ("a@firm.test", "a@firm.test"),
        ("a" * 64 + "@x.co", "a" * 64 + "@x.co"),
    ],
)
def test_addresses_are_kept_as_typed_and_known_by_one_form(email: str, known_as: str) -> None:
    lead = LeadIn.model_validate({**GOOD, "email": email})
    assert lead.email == email.strip()
    assert lead.normalised_email == known_as


@pytest.mark.parametrize(
    ("email", "kept"),
    [
        ("a＠example.com", "a@example.com"),
        ("a＠ｅｘａｍｐｌｅ。com", "a@ｅｘａｍｐｌｅ。com"),
        ("\u200ba@example.com\ufeff", "a@example.com"),
        ("\u00a0\u2060 a@example.com\u3000\u200e\n", "a@example.com"),
        ("a@example.com\ufe0f\u00ad", "a@example.com"),
        ("\u202aa@example.com\u202c", "a@example.com"),
        ("\u200b" * 300 + "a@example.com", "a@example.com"),
    ],
)
def test_addresses_lose_what_keyboards_and_clipboards_add(email: str, kept: str) -> None:
    lead = LeadIn.model_validate({**GOOD, "email": email})
    assert lead.email == kept
    assert lead.normalised_email == "a@example.com"


@pytest.mark.parametrize(
    "email",
    [
        "a",
        "a\u200bb@x.co",
        "a＠b@x.co",
        "a@x.co" + "\u200b" * 2000,
        "a" + "\u0315\u0300\u05ae" * 80_000 + "@x.co",
        "a@b",
        "a@localhost",
        "a@@b.co",
        '"a b"@x.co',
        "a@[127.0.0.1]",
        "ü@x.co",
        "a@x..co",
        "a" * 65 + "@x.co",
        "a@" + "b" * 63 + "." + ("c" * 63 + ".") * 3 + "com",
        "a@x.co\nBcc: b@x.co",
        "a b@x.co",
    ],
)
def test_other_addresses_are_refused(email: str) -> None:
    assert messages(email=email) == {"email": "Enter an email address like name@example.com"}


@pytest.mark.parametrize(
    "link",
    [
        "https://drive.google.com/x",
        "HTTP://EXAMPLE.COM",
        "http://[2606:4700::1111]:8080/cv",
        "https://例え.jp/履歴書.pdf?x=1#y",
        "https://x.co/" + "y" * (2048 - 13),
    ],
)
def test_links_are_kept_as_given(link: str) -> None:
    assert LeadIn.model_validate({**GOOD, "resume_url": link}).resume_url == link


@pytest.mark.parametrize(
    "link",
    [
        "ftp://x.co/cv",
        "javascript:alert(1)",
        "https://",
        "https:example.com",
        "https:///x.co",
        "http://x.co:99999/",
        "https://user@x.co/",
        "https://user:word@x.co/",
        "https://x.co/a b",
        "https://x.co/\\evil",
        "https://x.co/\u202egnp",
        "https://x.co/" + "y" * 2048,
        5,
    ],
)
def test_other_links_are_refused(link: object) -> None:
    assert list(messages(resume_url=link)) == ["resume_url"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        LeadIn.model_validate({"nickname": "x"})
    assert dict(field_messages(caught.value)) == {
        "first_name": "Enter your first name",
        "last_name": "Enter your last name",
        "email": "Enter your email address",
        "nickname": "This field is not known. Leave it out",
    }
