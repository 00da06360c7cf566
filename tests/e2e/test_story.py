"""From a form to a phone call: a prospect submits, the two e-mails arrive, the attorney marks. In a real browser."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import EMAIL, KEY, WORD, Product
from tests.e2e.screens import FormPage, LeadsPage, SignInPage
from tests.support.factories import pdf_bytes


def api(product: Product, path: str, *, method: str = "GET", body: object = None) -> object:
    """Ask the API as a script does."""
    request = urllib.request.Request(
        f"{product.url}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"X-API-Key": KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


@pytest.fixture
def desk(product: Product, page: Page) -> LeadsPage:
    """Return the desk of someone who is signed in."""
    page.goto(f"{product.url}/internal/")
    return SignInPage(page).sign_in(EMAIL, WORD)


def test_a_prospect_submits_and_an_attorney_reaches_out(product: Product, page: Page, tmp_path: Path) -> None:
    # Given a prospect who fills in the form and forgets something
    before = len(product.mail.taken)
    resume = tmp_path / "CV Amara Okafor.pdf"
    resume.write_bytes(pdf_bytes())
    form = FormPage.open(page, product.url)
    form.fill(first="Amara", last="", email="amara.okafor@example", file=resume)
    assert form.send_with_errors() == ["Enter your last name", "Enter an email address like name@example.com"]
    # Then what was typed is still there, the file too
    expect(page.get_by_label("First name")).to_have_value("Amara")
    expect(page.get_by_text("CV Amara Okafor.pdf").first).to_be_visible()
    page.get_by_label("Last name").fill("Okafor")
    page.get_by_label("Email address").fill("amara.okafor@example.com")
    form.send()

    # Then both e-mails arrive, each once
    taken = {message.recipients[0]: message.message for message in product.mail.wait_for(before + 2)[before:]}
    assert set(taken) == {"amara.okafor@example.com", "helpdesk@firm.example"}
    confirmation, notice = taken["amara.okafor@example.com"], taken["helpdesk@firm.example"]
    assert "Amara" in confirmation.get_body(("plain",)).get_content()
    assert product.url not in confirmation.as_string()
    assert confirmation["Auto-Submitted"] == "auto-generated"
    assert "Amara Okafor" in notice["Subject"]
    assert f"{product.url}/internal/leads/" in notice.get_body(("plain",)).get_content()

    # When an attorney signs in, finds the lead and reads it
    page.goto(f"{product.url}/internal/leads")
    leads = SignInPage(page).sign_in(EMAIL, WORD)
    leads.search("okafor")
    lead = leads.open("Amara Okafor")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "CV Amara Okafor.pdf"
    assert Path(download.value.path()).read_bytes() == resume.read_bytes()

    # And presses the button, once
    lead.mark()
    found = api(product, "/internal/leads?q=okafor")
    assert isinstance(found, list)
    assert [each["status"] for each in found] == ["REACHED_OUT"]
    events = api(product, f"/internal/leads/{found[0]['id']}/events")
    assert isinstance(events, list)
    assert [event["type"] for event in events].count("reached_out") == 1


def test_a_script_does_the_same(product: Product) -> None:
    before = len(product.mail.taken)
    body = {
        "first_name": "Sai",
        "last_name": "Maryada",
        "email": "sai@example.com",
        "resume_url": "https://drive.google.com/x",
    }
    lead = api(product, "/public/leads", method="POST", body=body)
    assert isinstance(lead, dict)
    product.mail.wait_for(before + 2)
    marked = api(product, f"/internal/leads/{lead['id']}", method="PATCH", body={"status": "REACHED_OUT"})
    assert isinstance(marked, dict)
    assert marked["status"] == "REACHED_OUT"


def test_a_row_is_marked_by_keyboard_alone(product: Product, desk: LeadsPage) -> None:
    body = {"first_name": "김", "last_name": "서연", "email": "s@example.kr", "resume_url": "https://x.co/cv"}
    api(product, "/public/leads", method="POST", body=body)
    desk.page.reload()
    keyboard = desk.page.keyboard
    keyboard.press("/")
    expect(desk.page.get_by_label("Search names and email addresses")).to_be_focused()
    keyboard.press("Escape")
    keyboard.press("j")  # the newest lead comes first
    expect(desk.page.get_by_role("link", name="김 서연")).to_be_focused()
    keyboard.press("e")
    expect(desk.page.get_by_role("button", name="Mark reached out: 김 서연")).to_be_focused()
    keyboard.press("Enter")
    expect(desk.page.get_by_role("row").filter(has_text="김 서연").get_by_text("Reached out")).to_be_visible()
    expect(desk.page.get_by_role("link", name="김 서연")).to_be_focused()


def test_two_fast_clicks_send_one_lead(product: Product, page: Page) -> None:
    form = FormPage.open(page, product.url)
    form.fill(first="Zoë", last="van der Berg", email="zoe@example.nl", link="https://x.co/cv")
    page.get_by_role("button", name="Send my details").dblclick()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you.")
    found = api(product, "/internal/leads?q=zoe@example.nl")
    assert isinstance(found, list)
    assert len(found) == 1
