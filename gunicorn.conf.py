"""What `gunicorn wsgi:app` is run with; `make run` uses the same options."""

from alma_leads.serving import gunicorn_options
from config import load_settings

globals().update(gunicorn_options(load_settings()))
