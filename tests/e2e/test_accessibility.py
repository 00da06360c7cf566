"""Every page and state, in both themes, at a desk and on a phone: no breach of WCAG 2.2 A and AA, or of the policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask, Response, request, request_finished
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import Product, free_port
from tests.gallery.places import PLACES
from tests.gallery.tour import Tour, tour
from tests.support.pages import REDIRECTS
from tests.support.routes import rules

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ALL_RULES = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
# Nothing else that axe looks at depends on the theme.
COLOURS = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
# Links of a navigation whose words stand out of their own box, and so over the next one.
SQUEEZED = """[...document.querySelectorAll("nav a")]
    .filter(link => link.clientWidth && link.scrollWidth > link.clientWidth + 1).map(link => link.textContent.trim())"""
SIZES = {"desk": (1280, 900), "phone": (360, 740)}
LEAD = "<int(max=9223372036854775807):lead_id>"
# What is asked for with GET and shows no page: for programs, for scripts of pages, files, or it leads elsewhere.
NO_PAGES = {
    *("/healthz", "/readyz", "/openapi.json", "/static/<path:filename>"),
    *("/internal/", "/internal/settings", "/internal/assignments/<path:email>"),
    *(f"/internal/leads{rest}" for rest in (".csv", ".ndjson", ".xlsx", "/new")),
    *(f"/internal/leads/{LEAD}{rest}" for rest in ("/events", "/resume/page-1", "/resume/preview")),
    *(f"/internal/settings/{name}" for name in ("audit.csv", "audit.ndjson", "assignments.csv")),
    "/internal/account/second-factor/qr.svg",
    *("/internal/exports/<token>", "/internal/outbox/<int(max=9223372036854775807):message_id>"),
}


def watch(page: Page) -> list[str]:
    """Return a list that fills with what the browser complains about."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def check(page: Page, name: str, *, rules: dict[str, Any] = ALL_RULES) -> None:
    """Fail on any violation on the page that is open, on sideways scrolling, and on links that run into each other."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate("rules => axe.run(document, rules).then(results => results.violations)", rules)
    assert found == [], "\n".join(
        [name, *(f"{each['id']}: {node['html']}\n{node['failureSummary']}" for each in found for node in each["nodes"])]
    )
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} scrolls sideways by {overflow} px"
    assert page.evaluate(SQUEEZED) == [], name


def check_everywhere(page: Page, name: str) -> None:
    """Look at the page that is open in both themes and sizes."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        # Without motion: a colour that is half-way between two themes has the contrast of neither.
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        check(page, f"{name}, light, {size}")
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        check(page, f"{name}, dark, {size}", rules=COLOURS)
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.fixture(scope="module")
def places(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    """Return a tour of all places."""
    with tour(browser, tmp_path_factory.mktemp("tour"), (free_port(), free_port())) as found:
        yield found


def test_every_page_and_state(places: Tour) -> None:
    shown: set[str] = set()
    complaints: dict[Page, list[str]] = {}

    def note(sender: Flask, response: Response, **_: object) -> None:
        if request.url_rule and response.mimetype == "text/html" and response.status_code not in REDIRECTS:
            shown.add(request.url_rule.rule)

    with request_finished.connected_to(note):
        for place in [place for group in PLACES.values() for place in group]:
            page = places.show(place)
            complained = complaints.setdefault(page, watch(page))
            check_everywhere(page, place.name)
            # An answer like 404 is what some of the places are for.
            assert [words for words in complained if "responded with a status of" not in words] == [], place.name
    assert pages(places.app) - shown == set(), "add them to tests/gallery/places.py"


def pages(app: Flask) -> set[str]:
    """Return the rules of all that shows a page."""
    return {rule.rule for rule in rules(app) if "GET" in (rule.methods or ())} - NO_PAGES


def test_the_form_without_script(product: Product, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(product.url)
    page.get_by_label("First name").fill("Tom")
    page.get_by_role("button", name="Send my details").click()
    assert page.get_by_role("alert").get_by_role("link").count() == 3
    page.get_by_label("Last name").fill("Ferreira")
    page.get_by_label("Email address").fill("tom@example.com")
    page.get_by_label("Link to your resume").fill("https://x.co/cv")
    page.get_by_role("button", name="Send my details").click()
    assert "Thank you." in page.get_by_role("heading", level=1).inner_text()
    context.close()
