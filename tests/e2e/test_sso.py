"""Signing in with the work account, at a real provider in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import EMAIL, WORD, Product, run_product
from tests.e2e.screens import LeadsPage, SignInPage
from tests.e2e.test_accessibility import check_everywhere, watch
from tests.support.real_provider import run_provider

BUTTON = "Continue with your work account"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Return a product whose people have work accounts."""
    with run_provider() as issuer:
        settings = {
            "OIDC_ISSUER": issuer,
            "OIDC_CLIENT_ID": "alma",
            "OIDC_CLIENT_SECRET": "a secret of the story only",
            "OIDC_ALLOWED_DOMAINS": "firm.example",
        }
        with run_product(tmp_path_factory.mktemp("product"), **settings) as product:
            yield product


def test_a_work_account_opens_the_desk(product: Product, page: Page, context: BrowserContext) -> None:
    page.goto(f"{product.url}/internal/outbox")
    complaints = watch(page)
    check_everywhere(page, "the sign-in page")
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Authorize Client")  # at the provider
    page.get_by_role("button", name="amal").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Outbox")
    assert page.url == f"{product.url}/internal/outbox"
    # The provider's own page asks for a style sheet from elsewhere.
    assert [complaint for complaint in complaints if "Content Security Policy" in complaint] == []
    page.goto(f"{product.url}/internal/account")
    expect(page.get_by_text("you sign in with your work account")).to_be_visible()
    expect(page.get_by_role("banner").get_by_text("Amal Haddad")).to_be_visible()
    page.get_by_role("button", name="Sign out", exact=True).click()

    # Whoever is not of the firm reads what to do.
    SignInPage(page)
    page.get_by_role("button", name=BUTTON).click()
    page.get_by_role("button", name="sam").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This account is not one of the firm’s.")
    check_everywhere(page, "the page that refuses")
    page.get_by_role("link", name="Other ways to sign in").click()
    SignInPage(page).sign_in(EMAIL, WORD)


def test_without_script(product: Product, context: BrowserContext) -> None:
    browser = context.browser
    assert browser is not None
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{product.url}/login")
    page.get_by_role("button", name=BUTTON).click()
    page.get_by_role("button", name="amal").click()
    LeadsPage(page)
    page.context.close()
