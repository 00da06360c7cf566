"""A second factor as people meet it: an app set up, a sign-in with its code, and one with a recovery code."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.conftest import EMAIL, WORD, Product
from tests.e2e.screens import LeadsPage, SignInPage
from tests.e2e.test_accessibility import watch
from tests.support.second_factors import Phone


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_an_app_and_a_recovery_code(product: Product, page: Page) -> None:
    complaints = watch(page)
    page.goto(f"{product.url}/login")
    SignInPage(page).sign_in(EMAIL, WORD)

    page.goto(f"{product.url}/internal/account")
    page.get_by_role("link", name="Set up an authenticator app").click()
    heading(page, "Set up a second factor")
    page.get_by_role("button", name="Set up an authenticator app").click()
    heading(page, "Scan this with your app")
    picture = page.get_by_role("img", name="QR code")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth > 0")
    phone = Phone(page.locator(".secret").inner_text())
    page.get_by_label("Six-digit code").fill(phone.code(later=-1))
    page.get_by_role("button", name="Use this app").click()
    heading(page, "Keep your recovery codes")
    codes = page.get_by_label("Recovery codes").input_value().split()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("10 left")).to_be_visible()

    sign_out(page)
    first_step(page)
    heading(page, "Enter your code")
    page.get_by_label("Six-digit code").fill("000000")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#problem")).to_be_focused()
    page.get_by_label("Six-digit code").fill(phone.code())
    page.get_by_role("button", name="Continue").click()
    LeadsPage(page)

    sign_out(page)
    first_step(page)
    page.get_by_role("link", name="Use a recovery code instead").click()
    heading(page, "Enter a recovery code")
    page.get_by_label("Recovery code").fill(codes[0].upper())
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("You came in with a recovery code")).to_be_visible()
    expect(page.get_by_text("9 left")).to_be_visible()
    assert [text for text in complaints if "422" not in text] == []


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    heading(page, "Sign in to the desk")


def first_step(page: Page) -> None:
    page.get_by_label("Email address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(WORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
