"""What `gunicorn wsgi:app` is run with, where an operator prefers it to `flask --app wsgi web`.

Its threads wait for slow clients, so let a proxy in front of it buffer requests (docs/operations.md).
"""

from config import load_settings

_settings = load_settings()

bind = f"[{_settings.HOST}]:{_settings.PORT}" if ":" in _settings.HOST else f"{_settings.HOST}:{_settings.PORT}"
workers = _settings.WEB_WORKERS
threads = _settings.WEB_THREADS
worker_class = "gthread"
preload_app = True
loglevel = "warning"
graceful_timeout = 8
timeout = 60
keepalive = 15
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# X-Forwarded-* is the application's business: it believes as many proxies as TRUSTED_PROXIES says.
forwarded_allow_ips = ""
