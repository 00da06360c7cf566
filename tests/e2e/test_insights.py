"""Charts in a real browser: their numbers by pointer and by keyboard, on a desk and on a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from alma_leads.database.base import utc_now
from alma_leads.leads.first_contact.contact_time_service import measure_contact_times
from config import Settings
from tests.conftest import MakeSettings
from tests.e2e.screens import SignInPage
from tests.e2e.test_accessibility import check, watch
from tests.support.desk import PASSWORD, add_person
from tests.support.first_contact import set_clock
from tests.support.insights import put_lead


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Settings:
    """Return settings with SQLite alone."""
    return make_settings(DATABASE_URL=sqlite_url)


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """Return where an application runs that has leads of sixty days."""
    add_person(app)
    set_clock(app)
    for days in range(60):
        at = utc_now() - timedelta(days=days)
        put_lead(app, at, email=f"p{days}@example.com", reached=None if days < 5 else at + timedelta(hours=20))
    with app.app_context():
        measure_contact_times()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


def test_charts_by_keyboard_by_pointer_and_on_a_phone(url: str, page: Page) -> None:
    complaints = watch(page)
    page.goto(f"{url}/login")
    SignInPage(page).sign_in("rosa.delgado@alma.example", PASSWORD)
    page.goto(f"{url}/internal/insights?period=30d")
    chart = page.get_by_role("group", name="Leads per day")
    points = chart.get_by_role("img")
    expect(points).to_have_count(30)
    page.get_by_role("button", name="Show").focus()
    for _ in range(3):  # the median and who waits are links; the chart is one stop
        page.keyboard.press("Tab")
    expect(points.last).to_be_focused()
    expect(points.last.locator(".tip")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(points.nth(28)).to_be_focused()
    expect(points.last.locator(".tip")).to_be_hidden()
    page.keyboard.press("Home")
    expect(points.first).to_be_focused()
    points.nth(10).locator(".k1").hover()
    expect(points.nth(10).locator(".tip")).to_be_visible()
    expect(points.first.locator(".tip")).to_be_hidden()
    page.get_by_text("Show as table: Leads per day").click()
    expect(page.get_by_role("group", name="Leads per day").get_by_role("row")).to_have_count(31)
    check(page, "insights")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.goto(f"{url}/internal/insights?from=2999-01-01")
    expect(page.get_by_role("alert")).to_be_focused()
    check(page, "insights of days to come")
    assert [words for words in complaints if "422" not in words] == []
