"""What only the firm may use: the desk and its JSON API."""

from alma_leads.web.internal import api
from alma_leads.web.internal.account import account, account_confirm, account_passkeys, profile_page, second_factor_page
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.insights import insights_page
from alma_leads.web.internal.lead import conflict, lead_actions, lead_emails, notes, resume_page
from alma_leads.web.internal.lead_list import bulk_page, desk, new_leads, views_page
from alma_leads.web.internal.outbox import outbox
from alma_leads.web.internal.settings import (
    assignments_page,
    audit_page,
    first_contact_page,
    imports_page,
    keys_page,
    people_page,
    people_second_factor,
    person_page,
    rules_page,
)

__all__ = [
    "account",
    "account_confirm",
    "account_passkeys",
    "api",
    "assignments_page",
    "audit_page",
    "bulk_page",
    "conflict",
    "desk",
    "first_contact_page",
    "imports_page",
    "insights_page",
    "internal",
    "keys_page",
    "lead_actions",
    "lead_emails",
    "new_leads",
    "notes",
    "outbox",
    "people_page",
    "people_second_factor",
    "person_page",
    "profile_page",
    "resume_page",
    "rules_page",
    "second_factor_page",
    "views_page",
]
