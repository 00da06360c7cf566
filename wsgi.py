"""What any WSGI server and `flask --app wsgi` load."""

import os

from alma_leads.app import create_app
from alma_leads.server.starting import prepare_server
from config import load_settings

os.umask(0o077)  # databases, locks, resumes and what lies in temporary folders are their owner's alone
settings = load_settings()
app = create_app(settings)
prepare_server(app, settings)
