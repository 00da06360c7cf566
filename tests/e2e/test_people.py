"""Inviting someone, as both of them meet it: the page, the real e-mail, its link, and coming in."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import EMAIL, WORD, Product
from tests.e2e.screens import LeadsPage, SignInPage
from tests.e2e.test_accessibility import watch
from tests.e2e.test_second_factor import heading

HANNAH = "hannah.weiss@firm.example"
PEOPLE = "/internal/settings/people"


def test_from_an_invitation_to_the_desk_and_to_a_new_password(product: Product, page: Page, browser: Browser) -> None:
    complaints = watch(page)
    page.goto(f"{product.url}/login")
    SignInPage(page).sign_in(EMAIL, WORD)
    page.goto(f"{product.url}{PEOPLE}")
    page.get_by_role("link", name="Invite a person").click()
    heading(page, "Invite a person")
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.locator("#problem")).to_be_focused()
    page.get_by_label("Name").fill("Hannah Weiss")
    page.get_by_label("Email address").fill(HANNAH)
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_text(f"An invitation goes to {HANNAH}.")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()

    guest = browser.new_context().new_page()
    guest.goto(link_in_mail(product, 1))
    heading(guest, "Choose a password")
    guest.get_by_label("Password", exact=True).fill("seven quiet harbours")
    guest.get_by_role("button", name="Save and sign in").click()
    LeadsPage(guest)
    guest.goto(f"{product.url}/internal/account/email")

    page.get_by_role("link", name="Change Hannah Weiss").click()
    page.get_by_text("Turn Hannah Weiss off", exact=True).first.click()
    page.get_by_role("radio", name="Viewer").check()
    page.get_by_role("button", name="Save the role").click()
    expect(page.get_by_text("Hannah Weiss is viewer now.")).to_be_visible()
    [notice] = product.mail.wait_for(2)[1:]
    assert "Your role was changed." in notice.raw.decode()

    other = browser.new_context().new_page()
    other.goto(f"{product.url}/login")
    other.get_by_role("link", name="Password forgotten?").click()
    heading(other, "Choose a new password")
    other.get_by_label("Email address").fill(HANNAH)
    other.get_by_role("button", name="Send the link").click()
    heading(other, "Look in your inbox")
    other.goto(link_in_mail(product, 3))
    other.get_by_label("Password", exact=True).fill("nine silent lanterns")
    other.get_by_role("button", name="Save and sign in").click()
    LeadsPage(other)
    guest.goto(f"{product.url}/internal/leads")
    heading(guest, "Sign in to the desk")
    other.goto(link_in_mail(product, 3))
    heading(other, "This link no longer works.")
    assert [text for text in complaints if "422" not in text] == []


def link_in_mail(product: Product, number: int) -> str:
    """Return the link in the e-mail that the server took as the first, second, …."""
    mail = product.mail.wait_for(number)[number - 1].message
    assert mail["To"] == HANNAH
    text = mail.get_body(("plain",)).get_content()
    found = re.search(r"http\S+", text)
    assert found, text
    return found[0]
