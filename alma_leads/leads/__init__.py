"""The business: prospects, leads, what happens to them, and the e-mails that they cause. Knows no request."""
