"""Every page and state, and how one gets there. A new page is added here, or a test says that it is missing.

Each place is opened anew by its address; what has to be typed or pressed there is its `act`. They are shown in this
order, for some change what later ones show.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import Page, expect

from tests.gallery.serving import BREAKING
from tests.support.desk import PASSWORD
from tests.support.second_factors import Phone

SETTINGS = "/internal/settings"
ACCOUNT = "/internal/account"
ASSIGNMENTS = """email,attorney
seoyeon.kim@example.kr,leila.haddad@alma.example
jm.nunez@example.es,rosa.delgado@alma.example
soren@example.dk,
zoe.vdberg@example.nl,daniel.kim@alma.example
amara.okafor@example.com,rosa.delgado@alma.example
someone@,rosa.delgado@alma.example
avigail.cohen@example.il,nobody@alma.example
"""
Act = Callable[[Page], None]


class Place(NamedTuple):
    """A page in a state.

    `who` is whose browser shows it: "nobody", "rosa" (an administrator), "daniel" (an attorney), "leila" (who has given
    her password and not yet her code), or "new" and "newcomer": nobody, and the first administrator, where the product
    is new and no mail server is set. An `{amara}` in the path is the number of her newest lead, and so on.
    """

    name: str
    title: str
    path: str
    who: str = "rosa"
    act: Act | None = None


def press(name: str) -> Act:
    """Press a button."""
    return lambda page: page.get_by_role("button", name=name, exact=True).first.click()


def fill(button: str, **fields: str) -> Act:
    """Fill fields, by their ids, and press a button."""

    def act(page: Page) -> None:
        for field, value in fields.items():
            page.locator(f"[id='{field}']").fill(value)
        press(button)(page)

    return act


def unhindered(act: Act) -> Act:
    """Act on a page whose browser would not send what it knows to be wrong."""

    def without(page: Page) -> None:
        page.evaluate("document.querySelectorAll('form').forEach(form => form.noValidate = true)")
        act(page)

    return without


def select_two(page: Page) -> None:
    """Tick two leads."""
    for name in ("Select Zoë van der Berg", "Select Łukasz Wiśniewski"):
        page.get_by_label(name, exact=True).first.check()


def ask_to_mark(page: Page) -> None:
    """Tick two leads, and press the button that asks once more."""
    select_two(page)
    page.get_by_role("group", name="With the selected leads").get_by_role("button", name="Mark reached out").click()


def out_of_date(act: Act) -> Act:
    """Act on a page that somebody else was faster than."""

    def late(page: Page) -> None:
        page.locator("main input[name=seen]").evaluate("field => field.value = '0'")
        act(page)

    return late


def mark_what_changed(page: Page) -> None:
    """Confirm what was asked of leads that are not as they were seen any more."""
    ask_to_mark(page)
    out_of_date(lambda page: page.get_by_role("main").locator(".btn.pri").click())(page)
    expect(page.get_by_text("Nothing was changed")).to_be_visible()


def mark_two(page: Page) -> None:
    """Mark two leads, and confirm it."""
    ask_to_mark(page)
    page.get_by_role("main").locator(".btn.pri").click()
    expect(page.get_by_text("marked reached out")).to_be_visible()


def wrong_again_and_again(page: Page) -> None:
    """Fail to sign in until one has to wait."""
    for _ in range(6):
        fill("Sign in", email="somebody@alma.example", password="not the word at all")(page)
        if page.get_by_text(re.compile("minutes")).count():
            return


def new_app(page: Page) -> None:
    """Begin to set up an app."""
    press("Set up an authenticator app")(page)
    expect(page.get_by_role("img", name="QR code")).to_be_visible()


def use_app(page: Page) -> None:
    """Use the app that was begun."""
    phone = Phone(page.locator(".secret").inner_text())
    fill("Use this app", code=phone.code())(page)
    expect(page.get_by_label("Recovery codes")).to_be_visible()


def send_file(content: bytes) -> Act:
    """Send a file of assignments."""

    def act(page: Page) -> None:
        page.locator("#file").set_input_files({"name": "assignments.csv", "mimeType": "text/csv", "buffer": content})
        press("Look at the changes")(page)

    return act


def look_at_file(page: Page) -> None:
    """Send a file that changes something, and has lines that cannot be used."""
    send_file(ASSIGNMENTS.encode())(page)
    expect(page.get_by_text("Nothing is changed yet.")).to_be_visible()


def key_made(page: Page) -> None:
    """Make a key."""
    page.get_by_label("Name").fill("Newsletter")
    page.locator("#scope-1").check()
    press("Make the key")(page)
    expect(page.locator("#nk")).to_be_visible()


PUBLIC = [
    Place("form", "The form", "/", "nobody"),
    Place(
        "form-errors",
        "The form, with what has to be changed",
        "/",
        "nobody",
        unhindered(fill("Send my details", first_name="Amara", email="amara@example")),
    ),
    Place("thanks", "After sending", "/thanks", "nobody"),
    Place("docs", "The API, to read", "/docs", "nobody"),
    Place("not-found", "A page that is not there", "/nowhere", "nobody"),
    Place("broken", "A page that broke", BREAKING, "nobody"),
]
SIGN_IN = [
    Place("setup", "The first administrator", "/setup/{setup}", "new"),
    Place("sign-in", "Signing in", "/login", "nobody"),
    Place(
        "sign-in-wrong",
        "Signing in, wrong",
        "/login",
        "nobody",
        fill("Sign in", email="rosa.delgado@alma.example", password="not the word at all"),
    ),
    Place("sign-in-wait", "Signing in, too often wrong", "/login", "nobody", wrong_again_and_again),
    Place("sign-in-passkey", "Signing in with a passkey", "/login/passkey", "nobody"),
    Place("sign-in-code", "The code from the app", "/login/code", "leila"),
    Place("sign-in-code-wrong", "The code, wrong", "/login/code", "leila", unhindered(fill("Continue", code="000000"))),
    Place("sign-in-recovery", "A recovery code", "/login/recovery-code", "leila"),
    Place("forgotten", "Password forgotten", "/login/forgotten", "nobody"),
    Place(
        "forgotten-sent",
        "Password forgotten, the link is on its way",
        "/login/forgotten",
        "nobody",
        fill("Send the link", email="somebody@alma.example"),
    ),
    Place("invitation", "An invitation", "/invitation/{invitation}", "nobody"),
    Place(
        "invitation-errors",
        "An invitation, the password is too short",
        "/invitation/{invitation}",
        "nobody",
        unhindered(fill("Save and sign in", password="short")),
    ),
    Place("reset", "A new password", "/reset/{reset}", "nobody"),
    Place("change-email", "Confirming a new address", "/change-email/{change}"),
    Place("link-gone", "A link that was used", "/reset/gone", "nobody"),
    Place("work-account-refused", "A work account that did not work", "/login/sso/callback?error=x", "nobody"),
]
LEADS = [
    Place("leads-empty", "A new desk", "/internal/leads", "newcomer"),
    Place("leads", "The leads", "/internal/leads"),
    Place("leads-oldest", "A saved view", "/internal/leads?status=PENDING&sort=created_at"),
    Place("leads-none", "No lead matches", "/internal/leads?q=nobody-at-all&status=PENDING"),
    Place("leads-selected", "Two leads are ticked", "/internal/leads", act=select_two),
    Place("leads-shortcuts", "The keyboard's shortcuts", "/internal/leads", act=lambda page: page.keyboard.press("?")),
    Place("leads-menu", "What can be exported", "/internal/leads", act=lambda page: page.locator("#export").click()),
    Place("leads-changed", "Many leads, who changed meanwhile", "/internal/leads", act=mark_what_changed),
    Place("leads-confirm", "Many leads at once, asking once", "/internal/leads", act=ask_to_mark),
    Place("lead", "A lead", "/internal/leads/{amara}?status=PENDING&sort=created_at"),
    Place("leads-resume", "Leads, by words of resumes", "/internal/leads?resume=bridges+engineer"),
    Place("lead-resume", "A lead, and what its resume says", "/internal/leads/{amara}?resume=bridges+engineer"),
    Place("lead-link", "A lead with a link", "/internal/leads/{olena}"),
    Place("lead-link-out", "Where the link of a resume leads", "/internal/leads/{olena}/resume"),
    Place("lead-reached", "A lead that was reached", "/internal/leads/{sai}"),
    Place(
        "lead-toast",
        "A lead, just marked",
        "/internal/leads/{itzel}?status=PENDING&sort=created_at",
        act=press("Mark reached out"),
    ),
    Place("leads-marked", "Many leads at once, done", "/internal/leads", act=mark_two),
    Place("leads-bulk", "How far many leads are", "/internal/leads/bulk/1"),
    Place("conflict", "The conflict check", "/internal/leads/{amara}/conflict"),
    Place("note", "Changing a note", "/internal/leads/{amara}/notes/{note}"),
    Place(
        "note-changed",
        "A note that was changed meanwhile",
        "/internal/leads/{amara}/notes/{note}",
        act=out_of_date(press("Save note")),
    ),
    Place("views", "Saved views", "/internal/views"),
    Place("view-new", "Saving a view", "/internal/views/new?status=PENDING&assigned_to=me"),
    Place("view-stale", "A view of someone who left", "/internal/views/{stale}"),
    Place("insights", "Insights", "/internal/insights"),
    Place("insights-empty", "Insights of a new desk", "/internal/insights", "newcomer"),
    Place("outbox", "The outbox", "/internal/outbox"),
    Place("outbox-dead", "Dead letters", "/internal/outbox?state=dead"),
    Place("outbox-empty", "The outbox without a mail server", "/internal/outbox", "newcomer"),
]
DESK_SETTINGS = [
    Place("forbidden", "A page that is for others", f"{SETTINGS}/people", "daniel"),
    Place("assignments", "Assignments", f"{SETTINGS}/assignments"),
    Place(
        "assignments-errors", "Assignments, an error", f"{SETTINGS}/assignments", act=unhindered(fill("Assign", pe="x"))
    ),
    Place("import", "An import, and what it would change", f"{SETTINGS}/assignments", act=look_at_file),
    Place(
        "import-errors",
        "A file that cannot be used",
        f"{SETTINGS}/assignments",
        act=unhindered(send_file(b"name\nx\n")),
    ),
    Place("assignment-rules", "Rules for new prospects", f"{SETTINGS}/assignment-rules"),
    Place("first-contact", "First contact", f"{SETTINGS}/first-contact"),
    Place(
        "first-contact-errors",
        "First contact, with errors",
        f"{SETTINGS}/first-contact",
        act=unhindered(fill("Save", target="soon", closed_days="24.12.2026")),
    ),
    Place("people", "People", f"{SETTINGS}/people"),
    Place("person", "A person", f"{SETTINGS}/people/4"),
    Place("person-new", "Inviting a person", f"{SETTINGS}/people/new"),
    Place(
        "person-errors",
        "Inviting, with errors",
        f"{SETTINGS}/people/new",
        act=unhindered(press("Send the invitation")),
    ),
    Place("keys", "API keys", f"{SETTINGS}/keys"),
    Place("key-new", "Making a key", f"{SETTINGS}/keys/new"),
    Place("key-errors", "Making a key, with errors", f"{SETTINGS}/keys/new", act=unhindered(press("Make the key"))),
    Place("key-made", "A key, shown once", f"{SETTINGS}/keys/new", act=key_made),
    Place("key-revoke", "Revoking a key", f"{SETTINGS}/keys/1/revoke"),
    Place("audit", "The audit log", f"{SETTINGS}/audit"),
    Place("audit-none", "The audit log, nothing found", f"{SETTINGS}/audit?who=system&action=key_revoked"),
]
OWN_ACCOUNT = [
    Place("account", "One's account", ACCOUNT),
    Place("account-email", "Another address", f"{ACCOUNT}/email"),
    Place("password", "Another password", f"{ACCOUNT}/password"),
    Place(
        "password-errors",
        "Another password, with errors",
        f"{ACCOUNT}/password",
        act=unhindered(fill("Change password", new_password="short", current_password="x")),
    ),
    Place("confirm", "Showing once more who one is", f"{ACCOUNT}/confirm"),
    Place("passkey-new", "Adding a passkey", f"{ACCOUNT}/passkeys/new"),
    Place("second-factor", "A second factor", f"{ACCOUNT}/second-factor"),
    Place("second-factor-app", "An app, to be scanned", f"{ACCOUNT}/second-factor", act=new_app),
    Place("recovery-codes", "The recovery codes, shown once", f"{ACCOUNT}/second-factor", act=use_app),
    Place("account-app", "One's account, with an app", ACCOUNT),
]
PLACES = {
    "For everyone": PUBLIC,
    "Coming in": SIGN_IN,
    "Leads": LEADS,
    "Settings": DESK_SETTINGS,
    "One's own account": OWN_ACCOUNT,
}
PEOPLE = {"rosa": "Rosa Delgado", "daniel": "Daniel Kim", "leila": "Leila Haddad", "newcomer": "Rosa Delgado"}
NEW = ("new", "newcomer")


def sign_in(page: Page, who: str) -> None:
    """Sign someone in, on the sign-in page."""
    email = f"{PEOPLE[who].lower().replace(' ', '.')}@alma.example"
    fill("Sign in", email=email, password=PASSWORD)(page)
    expect(page.locator("h1")).not_to_have_text("Sign in to the desk")
