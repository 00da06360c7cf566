"""The public form: its fields, its CSRF token and its honeypot. What is valid is decided by `LeadIn` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_wtf import FlaskForm
from pydantic import ValidationError
from wtforms import StringField

from alma_leads.leads.core.schemas import LeadIn, field_messages

FIELDS = ("first_name", "last_name", "email", "resume_url")
EXPIRED = "This page was open for too long, or your browser keeps no cookies. Send your details again"


class LeadForm(FlaskForm):
    """The fields that a prospect fills in. `website` is for robots: people never see it."""

    first_name = StringField("First name")
    last_name = StringField("Last name")
    email = StringField("Email address")
    resume_url = StringField("Link to your resume")
    website = StringField("Website")

    lead: LeadIn | None = None

    def validate(self, extra_validators: Mapping[str, Sequence[Any]] | None = None) -> bool:
        """Say whether the submission can be used. `lead` is then set; else `messages` says what to mend."""
        super().validate(extra_validators)
        self.messages: dict[str, str] = {}
        if "csrf_token" in self.errors:
            self.messages[""] = EXPIRED
        try:
            self.lead = LeadIn.model_validate(self.typed)
        except ValidationError as error:
            for field, message in field_messages(error):
                self.messages.setdefault(field, message)
        return not self.messages

    @property
    def typed(self) -> dict[str, str]:
        """What was typed, as it was typed."""
        return {name: self[name].data or "" for name in FIELDS}
