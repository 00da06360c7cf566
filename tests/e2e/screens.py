"""The pages as people know them: by what they read and press. Each press returns the page it leads to."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote_plus

from playwright.sync_api import Page, expect


class FormPage:
    """The public form."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    def open(cls, page: Page, url: str) -> FormPage:
        """Open it."""
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Talk to an immigration attorney.")
        return cls(page)

    def fill(
        self, *, first: str = "", last: str = "", email: str = "", link: str = "", file: Path | None = None
    ) -> None:
        """Type what is given."""
        self.page.get_by_label("First name").fill(first)
        self.page.get_by_label("Last name").fill(last)
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Link to your resume").fill(link)
        if file:
            self.page.locator("input[type=file]").set_input_files(file)

    def send(self) -> ThanksPage:
        """Send it, and be thanked."""
        self.page.get_by_role("button", name="Send my details").click()
        return ThanksPage(self.page)

    def send_with_errors(self) -> list[str]:
        """Send it, and return the messages of the summary, which has the focus."""
        self.page.get_by_role("button", name="Send my details").click()
        summary = self.page.get_by_role("alert")
        expect(summary).to_be_visible()
        expect(self.page.locator("#problem")).to_be_focused()
        expect(self.page).to_have_title("Error: Talk to an immigration attorney – Alma")
        return summary.get_by_role("link").all_inner_texts()


class ThanksPage:
    """What a prospect sees afterwards."""

    def __init__(self, page: Page) -> None:
        expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you.")


class SignInPage:
    """The sign-in page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to the desk")

    def sign_in(self, email: str, word: str) -> LeadsPage:
        """Sign in, and come to the desk."""
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Password", exact=True).fill(word)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        return LeadsPage(self.page)


class LeadsPage:
    """The list of leads."""

    def __init__(self, page: Page) -> None:
        self.page = page
        expect(page.get_by_role("heading", level=1)).to_have_text("Leads")

    def mark(self, name: str) -> None:
        """Press the button in the row of `name`, and see that it is done."""
        self.page.get_by_role("button", name=f"Mark reached out: {name}").click()
        expect(self.page.get_by_role("row").filter(has_text=name).get_by_text("Reached out")).to_be_visible()

    def search(self, text: str) -> None:
        """Type into the search, and see the list follow: a row that is about to be replaced takes no click."""
        self.page.get_by_label("Search names and email addresses").fill(text)
        expect(self.page).to_have_url(re.compile(rf"[?&]q={re.escape(quote_plus(text))}(&|$)"))

    def names(self) -> list[str]:
        """Return the names in the list."""
        return self.page.locator(".leads .name").all_inner_texts()

    def open(self, name: str) -> LeadPage:
        """Open a lead."""
        self.page.get_by_role("link", name=name, exact=True).click()
        return LeadPage(self.page, name)


class LeadPage:
    """One lead."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        expect(page.get_by_role("heading", level=1)).to_have_text(name)

    def mark(self) -> None:
        """Press the button, and see that it is done."""
        self.page.get_by_role("button", name="Mark reached out").click()
        expect(self.page.get_by_text("Reached out today")).to_be_visible()

    def timeline(self) -> list[str]:
        """Return what happened, newest first."""
        return self.page.locator("#timeline > li").all_inner_texts()
