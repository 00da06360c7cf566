"""What a lead must look like to be accepted: the one validator behind the form and the API."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from alma_leads.common.email_address import BadEmailAddress, normalise_email, tidy_email
from alma_leads.common.text import BLANK, EXPANSION, MAX_MARKS, TextTooLong, TooManyMarks, normalise
from alma_leads.leads.core.links import MAX_LENGTH as MAX_URL_LENGTH
from alma_leads.leads.core.links import BadLink, read_link
from alma_leads.leads.core.state import LeadStatus

MAX_NAME_LENGTH = 100

# Embeddings, overrides and isolates can make a line read differently from what it says (Unicode TR 36).
# Joiners and the plain direction marks are part of how names are written, and stay.
_FORBIDDEN = frozenset(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029]))


def _refuse(sentence: str) -> NoReturn:
    raise PydanticCustomError("refused", "{sentence}", {"sentence": sentence})


def _has_forbidden(text: str) -> bool:
    return any(c in _FORBIDDEN or unicodedata.category(c) == "Cc" for c in text)


def _is_visible(text: str) -> bool:
    return any(unicodedata.category(c)[0] in "LNPS" and c not in BLANK for c in text)


def _name(what: str) -> BeforeValidator:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            _refuse(f"Enter your {what} as text")
        try:
            name = normalise(value.strip(), "NFC", at_most=EXPANSION * MAX_NAME_LENGTH)
        except TextTooLong:
            _refuse(f"Enter a {what} of at most {MAX_NAME_LENGTH} characters")
        except TooManyMarks:
            _refuse(f"Enter a {what} with at most {MAX_MARKS} accents on a letter")
        if name.isascii() and name.isprintable() and 0 < len(name) <= MAX_NAME_LENGTH and not name.isspace():
            return name
        if _has_forbidden(name):
            _refuse(f"Enter your {what} without line breaks or hidden control characters")
        if not _is_visible(name):
            _refuse(f"Enter your {what}")
        if len(name) > MAX_NAME_LENGTH:
            _refuse(f"Enter a {what} of at most {MAX_NAME_LENGTH} characters")
        return name

    return BeforeValidator(check)


def _email(value: Any) -> str:
    if not isinstance(value, str):
        _refuse("Enter your email address as text")
    try:
        typed = tidy_email(value)
        if not typed:
            _refuse("Enter your email address")
        normalise_email(typed)
    except BadEmailAddress:
        _refuse("Enter an email address like name@example.com")
    return typed


def _resume_url(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        _refuse("Enter the link to your resume as text")
    link = value.strip()
    if not link:
        return None
    if _has_forbidden(link[:MAX_URL_LENGTH]):
        _refuse("Enter a link without spaces or hidden characters")
    try:
        return read_link(link)
    except BadLink as bad:
        _refuse(str(bad))


class LeadIn(BaseModel):
    """A submission as it arrives. Names are trimmed and in NFC; the address is kept as typed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first_name: Annotated[str, _name("first name")] = Field(
        min_length=1,
        max_length=MAX_NAME_LENGTH,
        examples=["Sai"],
        description="Any script. At most 30 accents on a letter.",
    )
    last_name: Annotated[str, _name("last name")] = Field(
        min_length=1,
        max_length=MAX_NAME_LENGTH,
        examples=["Maryada"],
        description="Any script. At most 30 accents on a letter.",
    )
    email: Annotated[str, BeforeValidator(_email)] = Field(
        max_length=254,
        examples=["example@gmail.com"],
        json_schema_extra={"format": "email"},
        description="Spaces and invisible characters at its ends are removed, and a full-width ＠ is read as @.",
    )
    resume_url: Annotated[str | None, BeforeValidator(_resume_url)] = Field(
        None,
        max_length=MAX_URL_LENGTH,
        examples=["https://drive.google.com/x"],
        description=(
            "An http or https link to a public host, without credentials. A link without a scheme that begins like a "
            "host name (`drive.google.com/x`) gets `https://`. Needed unless a file `resume` is sent."
        ),
    )

    @property
    def normalised_email(self) -> str:
        """The form by which the prospect is known."""
        return normalise_email(self.email)


class LeadPatch(BaseModel):
    """The one change a lead knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: LeadStatus = Field(examples=[LeadStatus.REACHED_OUT])


class AssignmentIn(BaseModel):
    """Who gets a prospect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attorney: str = Field(examples=["rosa.delgado@alma.example"], description="The address of an active attorney.")


_MISSING = {
    "first_name": "Enter your first name",
    "last_name": "Enter your last name",
    "email": "Enter your email address",
    "status": "Send the status REACHED_OUT",
    "attorney": "Send the email address of an active attorney",
}


def field_messages(error: ValidationError) -> list[tuple[str, str]]:
    """Return (field, sentence) for each thing that is wrong, in the order of the fields."""
    return [_message(".".join(map(str, item["loc"])), item["type"], item["msg"]) for item in error.errors()]


def _message(field: str, kind: str, message: str) -> tuple[str, str]:
    if kind == "extra_forbidden":
        return field, "This field is not known. Leave it out"
    if kind == "missing":
        return field, _MISSING.get(field, "This field is missing")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "body", "Send a JSON object"
    if kind == "enum":
        return field, "Send PENDING or REACHED_OUT"
    if kind == "string_type":
        return field, _MISSING.get(field, "Send text")
    return field, message
