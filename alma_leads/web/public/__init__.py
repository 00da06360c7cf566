"""What anyone may use: the form, `POST /public/leads`, the API's description."""

from alma_leads.web.public import api, docs, form_page
from alma_leads.web.public.blueprint import public

__all__ = ["api", "docs", "form_page", "public"]
