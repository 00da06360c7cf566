"""A tour of all places: both products, the browsers of all who visit, and one place after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from playwright.sync_api import Browser, Page

from alma_leads.accounts.core import links
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.accounts.users.setup_service import prepare_first_administrator
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.listing import view_service
from tests.gallery import firm
from tests.gallery.places import NEW, PEOPLE, Place, sign_in
from tests.gallery.serving import serve, stopped_clock
from tests.support.desk import add_person, run, value
from tests.support.second_factors import enrol

FIRM = {
    "SMTP_HOST": "127.0.0.1",
    "SENDER_EMAIL": "intake@alma.example",
    "HELPDESK_EMAIL": "helpdesk@alma.example",
    "OIDC_ISSUER": "https://id.alma.example",
    "OIDC_CLIENT_ID": "alma",
    "OIDC_CLIENT_SECRET": "a secret of the gallery only",
    "OIDC_ALLOWED_DOMAINS": "alma.example",
}


class Tour:
    """Shows places. `app` is the firm's product, `new` the one that nobody has used yet."""

    def __init__(self, browser: Browser, app: Flask, new: Flask) -> None:
        self.app, self.new = app, new
        self._browser = browser
        self._pages: dict[str, Page] = {}
        self._words = _words(app, new)

    def show(self, place: Place) -> Page:
        """Open a place, and do what has to be done there."""
        page = self._page(place.who)
        page.goto(self._address(place.who, place.path.format_map(self._words)))
        if place.act:
            place.act(page)
            page.wait_for_load_state()
        return page

    def _page(self, who: str) -> Page:
        if who not in self._pages:
            page = self._pages[who] = self._browser.new_context(reduced_motion="reduce").new_page()
            if who == "newcomer":
                add_person(self.new, PEOPLE[who], time_zone="Europe/Berlin")
            if who in PEOPLE:
                page.goto(self._address(who, "/login"))
                sign_in(page, who)
        return self._pages[who]

    def _address(self, who: str, path: str) -> str:
        app = self.new if who in NEW else self.app
        return f"{app.config['SETTINGS'].PUBLIC_URL}{path}"


@contextmanager
def tour(browser: Browser, folder: Path, ports: tuple[int, int], *, days: int = 0) -> Iterator[Tour]:
    """Begin a tour, with leads of so many days. Everything is kept in `folder`."""
    with (
        stopped_clock() as clock,
        serve(folder / "firm", ports[0], **FIRM) as app,
        serve(folder / "new", ports[1]) as new,
    ):
        firm.settle(app, clock, days=days)
        yield Tour(browser, app, new)


def _words(app: Flask, new: Flask) -> dict[str, str]:
    """Return what stands for the braces in paths."""
    leads = {
        name: firm.lead_of(app, address)
        for name, address in {
            "amara": "amara.okafor@example.com",
            "olena": "olena.shevchenko@example.com",
            "sai": "sai.maryada@example.in",
            "itzel": "itzel.hernandez@example.mx",
        }.items()
    }
    enrol(app, value(app, "SELECT id FROM users WHERE email = 'leila.haddad@alma.example'"))
    rosa = value(app, "SELECT id FROM users WHERE email = 'rosa.delgado@alma.example'")
    tomas = value(app, "SELECT id FROM users WHERE email = 'tomas.reyes@alma.example'")
    with app.app_context(), transaction() as session:
        invitation = links.create_link(session, LinkPurpose.INVITATION, user_id=tomas, now=utc_now())
        reset = links.create_link(session, LinkPurpose.RESET, user_id=rosa, now=utc_now())
        change = links.create_link(
            session, LinkPurpose.CHANGE_EMAIL, user_id=rosa, now=utc_now(), new_email="rosa@delgado.example"
        )
    with app.app_context():
        left = "assigned_to=oskar.lund%40alma.example"
        stale = view_service.save_view(owner_id=rosa, name="Oskar’s", query=left, shared=False)
    run(app, "UPDATE users SET role = 'viewer' WHERE email = 'oskar.lund@alma.example'")
    with new.app_context():
        setup = prepare_first_administrator(email=None, password=None)
    tokens = {"invitation": invitation, "reset": reset, "change": change, "setup": setup or ""}
    note = value(app, "SELECT min(id) FROM lead_events WHERE kind = 'note' AND lead_id = :id", id=leads["amara"])
    return {**tokens, **{name: str(number) for name, number in {**leads, "stale": stale, "note": note}.items()}}
