"""A key from its making to its end: made in Chromium, seen once, used by a script over HTTP, revoked."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from playwright.sync_api import Page, expect

from tests.e2e.conftest import EMAIL, WORD, Product
from tests.e2e.test_accessibility import watch
from tests.support.factories import lead_body


def send_lead(product: Product, key: str) -> int:
    """Send a lead as a script does, and return the status."""
    request = urllib.request.Request(
        f"{product.url}/public/leads",
        json.dumps(lead_body()).encode(),
        {"X-API-Key": key, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_key_is_made_seen_once_used_and_revoked(product: Product, page: Page) -> None:
    complaints = watch(page)
    page.goto(f"{product.url}/internal/settings/keys")
    page.get_by_label("Email address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(WORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Make a key").click()
    page.get_by_label("Name").fill("Website form")
    page.get_by_label("Send leads in").check()
    page.get_by_role("button", name="Make the key").click()

    # It is shown, its heading has the focus, and the button copies it
    expect(page.get_by_role("heading", name="Copy your new key now")).to_be_focused()
    key = page.get_by_label("New API key").input_value()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    assert key not in page.url
    assert send_lead(product, key) == 201

    # Neither reloading (which sends the form again) nor the way back shows it, or makes another
    page.reload()
    expect(page.get_by_text("A key is shown once.")).to_be_visible()
    assert key not in page.content()
    page.go_back()
    assert key not in page.content()
    page.goto(f"{product.url}/internal/settings/keys")
    expect(page.get_by_role("row").filter(has_text="Website form")).to_have_count(1)

    # Its lead names it
    page.goto(f"{product.url}/internal/leads/1")
    expect(page.locator("#timeline")).to_contain_text("script: Website form sent this lead in.")

    # Revoking asks first, and works at once
    page.goto(f"{product.url}/internal/settings/keys")
    page.get_by_role("link", name="Revoke Website form").click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_text("Website form is revoked.")).to_be_visible()
    assert send_lead(product, key) == 401
    assert complaints == []
