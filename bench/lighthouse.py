"""`make lighthouse`: what Lighthouse says of the form, the desk and a lead, in a product that runs as in earnest.

Lighthouse comes from npm (`npx`); nothing else here needs it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from tests.e2e.conftest import EMAIL, KEY, WORD, run_product
from tests.gallery.firm import PROSPECTS
from tests.support.browser import FLAGS, executable

VERSION = "12"
PAGES = {"form": "/", "desk": "/internal/leads", "lead": "/internal/leads/1"}
CATEGORIES = ("performance", "accessibility", "best-practices")


def main() -> None:
    """Measure, and print a table."""
    folder = Path(tempfile.mkdtemp(prefix="lighthouse-"))
    try:
        with run_product(folder) as product:
            for prospect in PROSPECTS:
                _send(product.url, prospect.first, prospect.last, prospect.email)
            cookie = _sign_in(product.url)
            sys.stdout.write(f"| page | device | {' | '.join(CATEGORIES)} |\n| --- | --- | --- | --- | --- |\n")
            for name, path in PAGES.items():
                for device in ("desktop", "mobile"):
                    headers = {} if name == "form" else {"Cookie": cookie}
                    found = _measure(f"{product.url}{path}", device, headers, folder)
                    scores = [round(found["categories"][category]["score"] * 100) for category in CATEGORIES]
                    sys.stdout.write(f"| {name} | {device} | {' | '.join(map(str, scores))} |\n")
    finally:
        shutil.rmtree(folder)


def _send(url: str, first: str, last: str, email: str) -> None:
    body = {"first_name": first, "last_name": last, "email": email, "resume_url": "https://drive.example.com/x"}
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/public/leads", json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()


def _sign_in(url: str) -> str:
    """Return the header of someone's cookies."""
    jar = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    browser.addheaders = [("Accept", "text/html")]
    page = browser.open(f"{url}/login").read().decode()
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    form = {"csrf_token": token[1], "email": EMAIL, "password": WORD, "next": "/internal/leads"}
    browser.open(f"{url}/login", urllib.parse.urlencode(form).encode()).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def _measure(url: str, device: str, headers: dict[str, str], folder: Path) -> dict[str, Any]:
    report = folder / "report.json"
    command = ["npx", "--yes", f"lighthouse@{VERSION}", url, "--quiet", "--output=json"]
    command += ["--preset=desktop"] if device == "desktop" else []
    command += [f"--output-path={report}", f"--only-categories={','.join(CATEGORIES)}"]
    command += [f"--extra-headers={json.dumps(headers)}", f"--chrome-flags=--headless {' '.join(FLAGS)}"]
    subprocess.run(command, check=True, env={**os.environ, "CHROME_PATH": executable() or ""})  # noqa: S603
    found: dict[str, Any] = json.loads(report.read_text())
    return found


if __name__ == "__main__":
    main()
