"""Every page, in both themes, on a desk and on a phone: no violation of WCAG 2.2 A and AA, no breach of the policy."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.conftest import EMAIL, KEY, WORD, Product
from tests.e2e.screens import FormPage, SignInPage

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PUBLIC = ["/", "/thanks", "/login", "/login/passkey", "/docs", "/nowhere"]
DESK = [
    "/internal/leads",
    "/internal/leads?q=nobody-at-all",
    "/internal/leads?status=REACHED_OUT",
    "/internal/leads/1",
    "/internal/leads/2",
    "/internal/insights",
    "/internal/outbox",
    "/internal/settings/assignments",
    "/internal/settings/audit",
    "/internal/settings/audit?who=system&action=key_revoked",
    "/internal/settings/first-contact",
    "/internal/settings/assignment-rules",
    "/internal/settings/keys",
    "/internal/settings/keys/new",
    "/internal/account",
    "/internal/account/passkeys/new",
]
# Links of a navigation whose words stand out of their own box, and so over the next one.
SQUEEZED = """[...document.querySelectorAll("nav a")]
    .filter(link => link.clientWidth && link.scrollWidth > link.clientWidth + 1).map(link => link.textContent.trim())"""
SIZES = {"desk": (1280, 900), "phone": (360, 740)}


@pytest.fixture(scope="module")
def stocked(product: Product) -> Product:
    """Return a product with leads in several states."""
    names = [("Amara", "Okafor"), ("فاطمة الزهراء", "بنعلي"), ("Ananya", "Krishnamurthy-Venkataraman")]
    for number, (first, last) in enumerate(names):
        body = {
            "first_name": first,
            "last_name": last,
            "email": f"a.very.long.address.of.number.{number}@research.example.edu",
            "resume_url": "https://drive.google.com/x",
        }
        _api(product, "/public/leads", "POST", body)
        _api(product, "/public/leads", "POST", {**body, "resume_url": "https://drive.google.com/y"})
    _api(product, "/internal/leads/2", "PATCH", {"status": "REACHED_OUT"})
    return product


def _api(product: Product, path: str, method: str, body: object) -> None:
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(f"{product.url}{path}", json.dumps(body).encode(), headers, method=method)
    )


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    """Return a colour scheme."""
    scheme: str = request.param
    return scheme


@pytest.fixture(params=list(SIZES))
def context(request: pytest.FixtureRequest, browser: Browser, theme: str) -> Iterator[BrowserContext]:
    """Return a browser of a size, in a theme."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
    yield context
    context.close()


def check(page: Page, path: str) -> None:
    """Fail on any violation on the page that is open, on sideways scrolling, and on links that run into each other."""
    results = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
    assert results.violations_count == 0, f"{path}\n{results.generate_report()}"
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{path} scrolls sideways by {overflow} px"
    assert page.evaluate(SQUEEZED) == [], path


def watch(page: Page) -> list[str]:
    """Return a list that fills with what the browser complains about."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def test_public_pages(stocked: Product, context: BrowserContext) -> None:
    page = context.new_page()
    complaints = watch(page)
    for path in PUBLIC:
        page.goto(f"{stocked.url}{path}")
        check(page, path)
    form = FormPage.open(page, stocked.url)
    form.fill(first="Amara")
    form.send_with_errors()
    check(page, "the form with errors")
    unexpected = [text for text in complaints if "404" not in text and "422" not in text]
    assert unexpected == []


def test_desk_pages(stocked: Product, context: BrowserContext) -> None:
    page = context.new_page()
    complaints = watch(page)
    page.goto(f"{stocked.url}/login")
    SignInPage(page).sign_in(EMAIL, WORD)
    for path in DESK:
        page.goto(f"{stocked.url}{path}")
        check(page, path)
    assert complaints == []


def test_the_form_without_script(stocked: Product, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(stocked.url)
    page.get_by_label("First name").fill("Tom")
    page.get_by_role("button", name="Send my details").click()
    assert page.get_by_role("alert").get_by_role("link").count() == 3
    page.get_by_label("Last name").fill("Ferreira")
    page.get_by_label("Email address").fill("tom@example.com")
    page.get_by_label("Link to your resume").fill("https://x.co/cv")
    page.get_by_role("button", name="Send my details").click()
    assert "Thank you." in page.get_by_role("heading", level=1).inner_text()
    context.close()
