"""What anyone may use: the form, `POST /public/leads`, the API's description, one-time links."""

from alma_leads.web.public import api, docs, form_page, one_time_pages
from alma_leads.web.public.blueprint import public

__all__ = ["api", "docs", "form_page", "one_time_pages", "public"]
