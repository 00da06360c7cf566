"""The Chromium that tests, pictures and measurements use: the system's, or else the one that Playwright installed."""

from __future__ import annotations

import shutil
import sys

from playwright.sync_api import Error, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str | None:
    """Return the path of the system's Chromium or Chrome, or None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


if __name__ == "__main__":
    try:
        with sync_playwright() as playwright:
            playwright.chromium.launch(executable_path=executable(), args=FLAGS).close()
    except Error as wrong:
        reason = "it was not found" if executable() is None else wrong.message.splitlines()[0]
        sys.exit(
            f"Chromium does not start: {reason}. "
            "Install it (on Debian, as root: apt-get install chromium) and run make again."
        )
