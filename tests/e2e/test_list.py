"""The list by keyboard: what has the focus, what is said, and what comes while one reads. In a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import EMAIL, WORD, Product
from tests.e2e.screens import LeadsPage, SignInPage
from tests.e2e.test_accessibility import check, watch
from tests.e2e.test_story import api


def send(product: Product, first: str, last: str) -> None:
    """Send a lead."""
    email = f"{first}.{last}@example.com".lower()
    body = {"first_name": first, "last_name": last, "email": email, "resume_url": "https://x.co/cv"}
    api(product, "/public/leads", method="POST", body=body)


@pytest.fixture(scope="module")
def stocked(product: Product) -> Product:
    """Return a product with three leads more than a page."""
    for number in range(53):
        send(product, "Lead", f"No{number:02}")
    return product


@pytest.fixture
def desk(stocked: Product, page: Page) -> LeadsPage:
    """Return the list of someone who is signed in, on a page whose clock can be moved."""
    page.clock.install()
    page.goto(f"{stocked.url}/internal/")
    found = SignInPage(page).sign_in(EMAIL, WORD)
    page.wait_for_load_state()  # its script has run, and knows the keys
    return found


def said(page: Page, words: str | re.Pattern[str]) -> None:
    """Expect the live region to say something."""
    page.clock.run_for(100)
    expect(page.locator("#announce")).to_have_text(words)


def test_a_conflict_check_comes_by_itself_and_takes_no_focus_until_it_is_pressed(desk: LeadsPage) -> None:
    page = desk.page
    page.get_by_role("link", name="Lead No20", exact=True).click()
    card = page.get_by_role("region", name="Conflict check")
    expect(card.get_by_role("button", name="Clear")).to_be_visible()
    expect(page.locator("body")).to_be_focused()
    card.get_by_label("Note (optional)").fill("A cousin of a client")
    card.get_by_role("button", name="Conflict").click()
    expect(card.get_by_role("heading", name="Conflict check")).to_be_focused()
    expect(page.locator("#lead-head")).to_contain_text("Conflict, by")
    expect(page.locator("#timeline")).to_contain_text("A cousin of a client")


def test_the_list_by_keyboard(desk: LeadsPage) -> None:
    page, keyboard = desk.page, desk.page.keyboard
    complaints = watch(page)
    keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    keyboard.press("j")
    keyboard.press("j")
    expect(page.get_by_role("link", name="Lead No51", exact=True)).to_be_focused()
    keyboard.press("k")
    expect(page.get_by_role("link", name="Lead No52", exact=True)).to_be_focused()
    keyboard.press("x")
    said(page, "1 selected")
    expect(page.get_by_role("group", name="With the selected leads")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("group", name="With the selected leads")).to_be_hidden()
    keyboard.press("e")
    expect(page.get_by_role("button", name="Mark reached out: Lead No52")).to_be_focused()

    # Pages: the focus goes to the list, which says what it shows
    page.get_by_role("link", name="Older").focus()
    keyboard.press("Enter")
    expect(page.locator(".leads .name")).to_have_count(3)
    said(page, "3 leads shown, newest first")
    expect(page.locator("#list")).to_be_focused()

    # Order and filters
    page.get_by_label("Order", exact=True).focus()
    page.get_by_label("Order", exact=True).select_option("last_name")
    expect(page.locator(".leads .name").first).to_have_text("Lead No00")
    said(page, "50 leads shown, by last name, A to Z")
    expect(page.get_by_label("Order", exact=True)).to_be_focused()
    page.get_by_label("Returning").check()
    expect(page.get_by_role("heading", name="No returning lead")).to_be_visible()
    said(page, "No lead matches")
    keyboard.press("/")  # not while a box has the focus that takes letters; this one does not
    expect(page.get_by_label("Search names and email addresses")).to_be_focused()
    assert complaints == []


def test_searching_by_enter_breaks_nothing_off(desk: LeadsPage) -> None:
    page, keyboard = desk.page, desk.page.keyboard
    complaints = watch(page)
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", slow)
    field = page.get_by_label("Search names and email addresses")
    for typed, pause_ms in (("No1", 0), ("No0", 300), ("No21", 600)):  # before it is looked for, while, and after that
        field.fill("")
        field.press_sequentially(typed)
        page.wait_for_timeout(pause_ms)
        keyboard.press("Enter")
        expect(page).to_have_url(re.compile(rf"[?&]q={typed}(&|$)"))
        expect(page.locator(".leads .name").first).to_contain_text(typed)
        expect(page.locator(".htmx-request")).to_have_count(0)
    assert desk.names() == ["Lead No21"]
    assert complaints == []


def test_signing_out_clears_storage_and_leads_to_the_sign_in_page(desk: LeadsPage) -> None:
    page = desk.page
    complaints = watch(page)
    page.evaluate("localStorage.setItem('left', 'behind'); sessionStorage.setItem('left', 'behind')")
    with page.expect_response(lambda answer: answer.url.endswith("/logout")) as signed_out:
        page.get_by_role("button", name="Sign out").click()
    assert signed_out.value.all_headers()["clear-site-data"] == '"cache", "storage"'
    SignInPage(page)
    assert page.evaluate("localStorage.length") == 0
    assert complaints == []


def test_a_selection_lasts_through_pages_and_back_and_can_be_all_that_match(desk: LeadsPage) -> None:
    page, keyboard = desk.page, desk.page.keyboard
    complaints = watch(page)
    bar = page.get_by_role("group", name="With the selected leads")
    first = page.locator("#leads tbody input")
    first.nth(1).check()
    first.nth(4).click(modifiers=["Shift"])
    said(page, "4 selected")
    keyboard.press("Enter")  # on a box: asks about those that are ticked, and marks nobody
    expect(page.get_by_role("heading", level=1)).to_have_text("Mark 4 leads reached out?")
    page.go_back()
    expect(bar).to_contain_text("4 selected")
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".leads .name")).to_have_count(3)
    expect(bar).to_contain_text("4 selected, 4 on other pages")
    first.nth(0).check()
    page.get_by_role("link", name="Lead No01").click()
    page.go_back()
    expect(bar).to_contain_text("5 selected, 4 on other pages")
    bar.get_by_role("button", name="Mark reached out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mark 5 leads reached out?")
    check(page, "the page that asks before many are marked")
    page.get_by_role("link", name="Back to the list").click()
    expect(bar).to_contain_text("5 selected, 4 on other pages")
    bar.get_by_role("button", name="Clear").click()
    expect(bar).to_be_hidden()

    page.get_by_role("link", name="Newer").click()
    expect(page.locator(".leads .name")).to_have_count(50)
    every = page.get_by_label("leads that match this list")
    page.get_by_label("Select all leads on this page").check()
    every.check()
    said(page, re.compile(r"All \d+ leads that match this list are selected"))
    check(page, "the list with all that match selected")
    bar.get_by_label("Attorney for the selected leads").select_option(label="Me")
    bar.get_by_role("button", name="Assign").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"Assign \d+ leads to Rosa"))
    page.get_by_role("button", name="Assign").click()
    expect(page.locator(".toast")).to_contain_text("prospects are with Rosa")
    expect(bar).to_be_hidden()
    assert complaints == []


def test_new_leads_are_said_and_move_nothing(stocked: Product, desk: LeadsPage) -> None:
    page = desk.page
    before = desk.names()
    top = page.locator("#lead-20").bounding_box()
    send(stocked, "New", "One")
    send(stocked, "New", "Two")
    page.clock.run_for(61_000)
    expect(page.get_by_text("2 new leads.").first).to_be_visible()
    said(page, "2 new leads.")
    assert desk.names() == before
    assert page.locator("#lead-20").bounding_box() == top
    check(page, "the list with new leads")
    page.get_by_role("link", name="Show them").click()
    expect(page.locator(".leads .name").first).to_have_text("New Two")


def test_a_view_is_saved_and_its_page_asks_no_more_when_signed_out(desk: LeadsPage) -> None:
    page = desk.page
    page.get_by_label("Status", exact=True).select_option("PENDING")
    expect(page).to_have_url(re.compile("status=PENDING"))
    page.get_by_label("Order", exact=True).select_option("created_at")
    page.get_by_role("link", name="Save this view").click()
    page.get_by_label("Name").fill("Oldest first")
    page.get_by_role("button", name="Save the view").click()
    expect(page.get_by_role("navigation", name="Views").get_by_role("link", name="Oldest first")).to_have_attribute(
        "aria-current", "page"
    )
    page.get_by_role("link", name="Saved views").click()
    page.go_back()
    page.context.clear_cookies()
    page.clock.run_for(61_000)
    expect(page.get_by_text("You are signed out.").first).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(200_000)
    assert asked == []


def test_an_export_is_a_download(desk: LeadsPage) -> None:
    page = desk.page
    complaints = watch(page)
    page.get_by_text("Export", exact=True).focus()
    page.keyboard.press("Enter")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Table (CSV)").press("Enter")
    expect(page.get_by_role("link", name="Table (CSV)")).to_be_hidden()
    assert waiting.value.suggested_filename == "leads.csv"
    assert len(waiting.value.path().read_text().splitlines()) > 20
    assert complaints == []
