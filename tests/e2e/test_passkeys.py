"""Passkeys in a real browser: the ceremonies are Chromium's own, only the device with the fingerprint is virtual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.e2e.conftest import EMAIL, WORD, Product
from tests.e2e.screens import LeadsPage, SignInPage
from tests.e2e.test_accessibility import check, watch


class VirtualDevice:
    """A laptop with a fingerprint reader, in Chromium's own simulation."""

    def __init__(self, page: Page) -> None:
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = {"authenticatorId": made["authenticatorId"]}

    def recognises(self, right: bool) -> None:
        """Recognise its owner's finger, or not."""
        self._cdp.send("WebAuthn.setUserVerified", {**self._id, "isUserVerified": right})

    def passkeys(self) -> list[dict[str, Any]]:
        """Return the passkeys it holds."""
        found: list[dict[str, Any]] = self._cdp.send("WebAuthn.getCredentials", self._id)["credentials"]
        return found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page in a browser of its own."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def here(product: Product) -> str:
    """Return the address at which passkeys work on a laptop."""
    return product.url.replace("127.0.0.1", "localhost")


def sign_out(page: Page) -> SignInPage:
    page.get_by_role("button", name="Sign out", exact=True).click()
    return SignInPage(page)


def test_a_passkey_is_added_and_opens_the_desk(here: str, page: Page) -> None:
    complaints, device = watch(page), VirtualDevice(page)
    page.goto(f"{here}/login")
    SignInPage(page).sign_in(EMAIL, WORD)

    # Adding: a finger that is not recognised adds nothing, and the page says so
    page.goto(f"{here}/internal/account")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Rosa's laptop")
    device.recognises(False)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("You can try again")
    expect(page.get_by_role("button", name="Add a passkey")).not_to_have_attribute("aria-busy", "true")
    check(page, "adding, stopped")
    device.recognises(True)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Keep your recovery codes")
    [held] = device.passkeys()
    assert held["rpId"] == "localhost"
    assert held["isResidentCredential"]
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("row").filter(has_text="Rosa's laptop")).to_contain_text("Not yet")
    check(page, "the account with a passkey")

    # The same device a second time
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Again")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("holds a passkey for your account already")
    page.get_by_role("link", name="Back to your account").click()

    # Instead of a password: nothing is typed
    sign_out(page)
    device.recognises(False)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("use another way")
    check(page, "signing in, stopped")
    device.recognises(True)
    page.get_by_role("button", name="Use a passkey").click()
    LeadsPage(page)

    # After a password: the second step
    sign_out(page)
    page.get_by_label("Email address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(WORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm with your passkey")
    check(page, "the second step")
    page.keyboard.press("Tab")  # the mark of the firm
    page.get_by_role("button", name="Use your passkey").press("Enter")
    LeadsPage(page)
    assert device.passkeys()[0]["signCount"] == 3
    assert complaints == []


@pytest.mark.parametrize(
    ("name", "wait_ms", "words"),
    [
        ("NotAllowedError", 0, "stopped before it finished"),
        ("NotAllowedError", 60, "took too long"),
        ("AbortError", 0, "stopped before it finished"),
        ("NotSupportedError", 0, "cannot make a passkey"),
        ("ConstraintError", 0, "cannot ask for your fingerprint"),
    ],
)
def test_each_failure_of_a_browser_is_told(here: str, page: Page, name: str, wait_ms: int, words: str) -> None:
    fails = f"new Promise((_, no) => setTimeout(() => no(new DOMException('', '{name}')), {wait_ms}))"
    page.add_init_script(f"navigator.credentials.get = () => {fails}")
    options = {"challenge": "AAAA", "rpId": "localhost", "timeout": 50}
    page.route("**/options", lambda route: route.fulfill(json=options))
    page.goto(f"{here}/login/passkey")
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("status")).to_contain_text(words)
    page.unroute_all()
    page.route("**/options", lambda route: route.abort())
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("status")).to_have_text("You seem to be offline. Try again.")


def test_a_browser_without_passkeys_says_so(here: str, page: Page) -> None:
    page.add_init_script("delete window.PublicKeyCredential")
    page.goto(f"{here}/login")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("This browser cannot use passkeys")


def test_at_the_number_of_the_laptop_the_page_says_where_passkeys_work(product: Product, here: str, page: Page) -> None:
    page.goto(f"{product.url}/login/passkey")
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("status")).to_have_text(f"Passkeys work only at {here}. Open this page there.")


def test_without_script_there_is_a_sentence_and_another_way(here: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{here}/login/passkey")
    expect(page.get_by_text("Passkeys need JavaScript.")).to_be_visible()
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("use another way")
    page.get_by_role("link", name="Sign in another way").click()
    SignInPage(page)
    context.close()
