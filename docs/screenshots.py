"""`make screenshots`: start the product with made-up leads and take the pictures that the README shows."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from bench.delivery import sink
from bench.servers import KEY, app_environment, flask, gunicorn
from tests.e2e.conftest import CHROMIUM_FLAGS

PICTURES = Path(__file__).parent / "pictures"
EMAIL = "rosa.delgado@alma.example"
WORD = "forty green umbrellas"
PROSPECTS = [
    ("Amara", "Okafor", "amara.okafor@example.com"),
    ("José María", "Núñez Ibáñez", "jm.nunez@example.es"),
    ("فاطمة الزهراء", "بنعلي", "fatima.benali@example.ma"),
    ("Ioana", "Țepeș", "ioana.tepes@example.ro"),
    ("김", "서연", "seoyeon.kim@example.kr"),
    ("Amara", "Okafor-Bell", "amara.okafor@example.com"),
    ("Priya", "Raghunathan", "priya.raghunathan@example.in"),
]


def main() -> None:
    """Take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="pictures-"))
    try:
        with sink("well", folder) as (smtp_port, _taken):
            environment = app_environment(
                f"sqlite:///{folder}/leads.db",
                folder,
                SMTP_HOST="127.0.0.1",
                SMTP_PORT=str(smtp_port),
                SMTP_SECURITY="none",
            )
            flask(environment, "db", "upgrade")
            invited = flask(environment, "people", "add", EMAIL, "--name", "Rosa Delgado", "--role", "administrator")
            with gunicorn("wsgi:app", environment) as port:
                _fill(port)
                flask(environment, "outbox", "deliver")
                _take(f"http://127.0.0.1:{port}", urlsplit(invited.split()[-1]).path)
    finally:
        shutil.rmtree(folder)


def _fill(port: int) -> None:
    _ask(port, "PUT", "/internal/assignments/amara.okafor@example.com", {"attorney": EMAIL})
    for first, last, email in PROSPECTS:
        body = {"first_name": first, "last_name": last, "email": email, "resume_url": "https://drive.google.com/x"}
        _ask(port, "POST", "/public/leads", body)
    _ask(port, "PATCH", "/internal/leads/3", {"status": "REACHED_OUT"})


def _ask(port: int, method: str, path: str, body: object) -> None:
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers, method=method
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()


def _take(url: str, invitation: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        page: Page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(url)
        page.screenshot(path=PICTURES / "form.png")
        page.goto(f"{url}{invitation}")
        page.get_by_label("Password", exact=True).fill(WORD)
        page.get_by_role("button", name="Save and sign in").click()
        page.get_by_role("heading", name="Leads").wait_for()
        page.screenshot(path=PICTURES / "desk.png")
        browser.close()


if __name__ == "__main__":
    main()
