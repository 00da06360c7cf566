"""An attorney's day, by keyboard alone and by touch on a phone: the oldest lead, from the list to the next one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import EMAIL, WORD, Product
from tests.e2e.screens import SignInPage
from tests.e2e.test_accessibility import watch
from tests.support.factories import pdf_bytes

PROSPECTS = ("Amara Okafor", "Ioana Țepeș", "김 서연", "José Núñez")
NOTE = "Left a message; she is free on Thursday."
# What has the focus, if one can see that it has: the ring is there, it is on the screen, and nothing lies over it.
FOCUSED = """() => {
    const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
    const x = box.x + box.width / 2, y = box.y + Math.min(box.height, innerHeight) / 2;
    const top = document.elementFromPoint(x, y);
    const name = one.getAttribute("aria-label") || (one.labels && one.labels[0] || one).textContent.trim();
    if (one === document.body) return "nothing has the focus";
    if (!top || !(one.contains(top) || top.contains(one))) return `${name}: out of sight`;
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) return `${name}: no ring`;
    return "";
}"""
# The size of a target a finger can hit without care: WCAG 2.5.5 asks for 44 by 44, 2.5.8 for 24.
FINGER = 44


@pytest.fixture(scope="module", autouse=True)
def _leads(product: Product, browser: Browser) -> None:
    context = browser.new_context()
    for number, name in enumerate(PROSPECTS * 2):
        first, last = name.split()
        answer = context.request.post(
            f"{product.url}/public/leads",
            multipart={
                "first_name": first,
                "last_name": last,
                "email": f"{number}@example.com",
                "resume": {"name": f"CV {name}.pdf", "mimeType": "application/pdf", "buffer": pdf_bytes()},
            },
        )
        assert answer.status == 201
    context.close()


class Keys:
    """A keyboard. After each press that leads somewhere, the focus can be seen."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def on(self, place: Locator) -> None:
        """Expect the focus in a place, where it can be seen."""
        expect(place).to_be_focused()
        assert self.page.evaluate(FOCUSED) == ""

    def tab_to(self, place: Locator) -> None:
        """Go on with Tab until it is reached; on the way too the focus is always seen."""
        for _ in range(30):
            self.press("Tab")
            assert self.page.evaluate(FOCUSED) == ""
            if place.evaluate("one => one === document.activeElement"):
                return
        raise AssertionError(f"30 presses of Tab do not lead to {place}")


def _sign_in(product: Product, page: Page, keys: Keys) -> None:
    page.goto(f"{product.url}/internal/")
    keys.tab_to(page.get_by_label("Email address"))
    page.keyboard.type(EMAIL)
    keys.tab_to(page.get_by_label("Password", exact=True))
    page.keyboard.type(WORD)
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Leads")
    page.wait_for_load_state()


def _download_its_resume(page: Page, keys: Keys) -> None:
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    keys.on(page.get_by_role("button", name="Close"))
    keys.press("Escape", "r")
    keys.on(page.get_by_role("link", name="Download"))
    with page.expect_download() as download:
        keys.press("Enter")
    assert download.value.suggested_filename == f"CV {PROSPECTS[0]}.pdf"
    keys.on(page.get_by_role("link", name="Download"))


def _write_a_note(page: Page, keys: Keys) -> None:
    keys.press("n")
    note = page.get_by_label("Note", exact=True)
    keys.on(note)
    note.evaluate("box => box.style.height = '9rem'")  # as who drags its corner; no swap may copy that past the policy
    page.keyboard.type(NOTE)
    keys.press("Control+Enter")
    expect(page.locator("#timeline").get_by_text(NOTE)).to_be_visible()
    expect(note).to_have_value("")
    keys.on(note)
    keys.press("Escape")
    keys.on(page.get_by_role("heading", level=1))


def test_by_keyboard_alone(product: Product, page: Page) -> None:
    complaints, keys = watch(page), Keys(page)
    _sign_in(product, page, keys)

    # The oldest lead that waits
    keys.press("Tab", "Enter")  # skips to the content
    keys.tab_to(page.get_by_role("navigation", name="Views").get_by_role("link", name="Pending"))
    keys.press("Enter")
    expect(page).to_have_url(re.compile("status=PENDING"))
    page.wait_for_load_state()
    keys.press("Tab", "Enter")
    keys.tab_to(page.get_by_label("Order", exact=True))
    page.keyboard.type("Oldest")
    expect(page.locator(".leads .name").first).to_have_text(PROSPECTS[0])
    keys.on(page.get_by_label("Order", exact=True))
    keys.press("Escape", "j")
    keys.on(page.get_by_role("link", name=PROSPECTS[0], exact=True).first)
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(PROSPECTS[0])
    expect(page.get_by_text("1 of 8 pending, oldest first")).to_be_visible()

    _download_its_resume(page, keys)
    _write_a_note(page, keys)

    # An attorney
    keys.press("a")
    keys.on(page.get_by_label("Attorney for this prospect"))
    keys.press("ArrowDown", "Tab")
    keys.on(page.get_by_role("button", name="Assign"))
    keys.press("Enter")
    expect(page.locator("#timeline").get_by_text("assigned").first).to_be_visible()
    keys.on(page.get_by_role("button", name="Assign"))

    # The mark, and the next one
    keys.press("e")
    keys.on(page.get_by_role("button", name="Mark reached out"))
    keys.press("Enter")
    expect(page.get_by_text("Reached out today")).to_be_visible()
    keys.on(page.get_by_role("heading", level=1))
    keys.press("j")
    expect(page.get_by_role("heading", level=1)).to_have_text(PROSPECTS[1])
    expect(page.get_by_text("1 of 7 pending, oldest first")).to_be_visible()
    assert complaints == []


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """Return a page of a phone: 360 px wide, for fingers."""
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    yield context.new_page()
    context.close()


def tap(place: Locator) -> None:
    """Tap it; it has to be large enough for a finger, and within the width of the screen."""
    box = place.bounding_box()
    assert box
    label = place.text_content()
    # Rounded: while the page still scrolls, 44 can read as 43.999998.
    assert round(min(box["width"], box["height"]), 2) >= FINGER, f"{label}: {box}"
    assert box["x"] >= 0, label
    assert box["x"] + box["width"] <= 360, label
    place.tap()


def test_by_touch_on_a_phone(product: Product, phone: Page) -> None:
    complaints = watch(phone)
    phone.goto(f"{product.url}/internal/")
    SignInPage(phone)
    tap(phone.get_by_label("Email address"))
    phone.keyboard.type(EMAIL)
    tap(phone.get_by_label("Password", exact=True))
    phone.keyboard.type(WORD)
    tap(phone.get_by_role("button", name="Sign in", exact=True))
    expect(phone.get_by_role("heading", level=1)).to_have_text("Leads")

    # The oldest lead that waits
    tap(phone.get_by_role("navigation", name="Views").get_by_role("link", name="Pending"))
    expect(phone).to_have_url(re.compile("status=PENDING"))
    order = phone.get_by_label("Order", exact=True)
    tap(order)
    order.select_option("Oldest first")  # the phone's own wheel, which no test can turn
    expect(phone).to_have_url(re.compile("sort=created_at"))
    name = phone.locator(".leads .name").first
    oldest = name.text_content() or ""
    tap(name)
    expect(phone.get_by_role("heading", level=1)).to_have_text(oldest)

    # Its resume, a note, an attorney
    with phone.expect_download() as download:
        tap(phone.get_by_role("link", name="Download"))
    assert download.value.suggested_filename == f"CV {oldest}.pdf"
    tap(phone.get_by_label("Note", exact=True))
    phone.keyboard.type(NOTE)
    tap(phone.get_by_role("button", name="Add note"))
    expect(phone.locator("#timeline").get_by_text(NOTE)).to_be_visible()
    attorney = phone.get_by_label("Attorney for this prospect")
    tap(attorney)
    attorney.select_option(EMAIL)
    tap(phone.get_by_role("button", name="Assign"))
    expect(phone.locator("#timeline").get_by_text("assigned").first).to_be_visible()

    # The mark, and the next one
    tap(phone.get_by_role("button", name="Mark reached out"))
    expect(phone.get_by_text("Reached out today")).to_be_visible()
    expect(phone.locator(".toast")).to_have_count(1)  # the newest; they do not pile up over what is read
    tap(phone.get_by_role("status").get_by_role("link", name="Next lead"))
    expect(phone.get_by_role("heading", level=1)).not_to_have_text(oldest)
    assert phone.evaluate("document.documentElement.scrollWidth") == 360
    assert complaints == []
