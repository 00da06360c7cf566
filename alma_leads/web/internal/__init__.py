"""What only the firm may use: the desk and its JSON API."""

from alma_leads.web.internal import (
    account,
    account_confirm,
    account_passkeys,
    api,
    assignments_page,
    audit_page,
<<<<<<< HEAD
    bulk_page,
=======
    conflict,
>>>>>>> 349edfb (Record on the page of a lead whether it is in conflict with earlier ones)
    desk,
    first_contact_page,
    keys_page,
    lead_actions,
    new_leads,
    notes,
    outbox,
    people_page,
    people_second_factor,
    person_page,
    profile_page,
    second_factor_page,
    views_page,
)
from alma_leads.web.internal.blueprint import internal

__all__ = [
    "account",
    "account_confirm",
    "account_passkeys",
    "api",
    "assignments_page",
    "audit_page",
<<<<<<< HEAD
    "bulk_page",
=======
    "conflict",
>>>>>>> 349edfb (Record on the page of a lead whether it is in conflict with earlier ones)
    "desk",
    "first_contact_page",
    "internal",
    "keys_page",
    "lead_actions",
    "new_leads",
    "notes",
    "outbox",
    "people_page",
    "people_second_factor",
    "person_page",
    "profile_page",
    "second_factor_page",
    "views_page",
]
