"""Leads of a law firm: a public form, a desk for attorneys, a JSON API. The factory is in `app`."""
