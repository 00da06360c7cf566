"""What gunicorn and `flask --app wsgi` load."""

from alma_leads import create_app
from config import load_settings

app = create_app(load_settings())
