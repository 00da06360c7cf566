"""The desk's buttons over HTTP: marks, notes, assignments; by a form, by a script, by two people, by a stranger."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.models import Role
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.intake.submission import Submission
from alma_leads.leads.intake.submission_service import submit_lead
from alma_leads.resumes.service import keep_file
from tests.support.desk import HTML, add_lead, add_person, csrf, get, post, run, sign_in, value
from tests.support.factories import lead_body, pdf_bytes

WHO: dict[str, Any] = {"first_name": "Ioana", "last_name": "Țepeș", "email": "ioana@example.ro"}


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator."""
    add_person(app)
    sign_in(client)
    return client


def status(app: Flask, lead_id: int) -> Any:
    return value(app, "SELECT status FROM leads WHERE id = :id", id=lead_id)


def events(app: Flask, kind: str) -> Any:
    return value(app, "SELECT count(*) FROM lead_events WHERE kind = :kind", kind=kind)


def test_marking_goes_back_to_where_it_was_pressed_and_says_so(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, **WHO)
    where = "/internal/leads?status=PENDING"
    answer = post(desk, f"/internal/leads/{lead_id}/reached-out", next=where)
    assert (answer.status_code, answer.headers["Location"]) == (303, where)
    assert status(app, lead_id) == "REACHED_OUT"
    assert "Ioana Țepeș is marked reached out." in get(desk, where).text
    assert "is marked" not in get(desk, where).text


def test_marking_takes_the_same_persons_other_leads_with_it(app: Flask, desk: FlaskClient) -> None:
    first, second = add_lead(app, **WHO), add_lead(app, **{**WHO, "last_name": "Again"})
    stranger = add_lead(app)
    post(desk, f"/internal/leads/{second}/reached-out")
    assert [status(app, lead_id) for lead_id in (first, second, stranger)] == ["REACHED_OUT", "REACHED_OUT", "PENDING"]
    assert events(app, "reached_out") == 2
    assert "with 1 other lead" in get(desk, "/internal/leads").text


def test_a_second_press_changes_nothing(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, **WHO)
    for _ in range(2):
        assert post(desk, f"/internal/leads/{lead_id}/reached-out").status_code == 303
    assert events(app, "reached_out") == 1
    assert "was marked reached out already, by Rosa Delgado." in get(desk, "/internal/leads").text


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/",
        "//evil.example",
        "/internal//evil.example",
        "/\\evil.example",
        "/internal/\\..",
        "/login",
        "",
    ],
)
def test_a_button_never_leads_out_of_the_desk(app: Flask, desk: FlaskClient, where: str) -> None:
    lead_id = add_lead(app)
    answer = post(desk, f"/internal/leads/{lead_id}/reached-out", next=where)
    assert answer.headers["Location"] == "/internal/leads"


def test_without_a_field_it_goes_back_to_the_referring_page(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app)
    data = {"csrf_token": csrf(desk, "/internal/leads")}
    for referer, expected in (
        (f"http://localhost/internal/leads/{lead_id}?q=a", f"/internal/leads/{lead_id}?q=a"),
        ("http://evil.example/internal/leads?q=a", "/internal/leads"),
    ):
        answer = desk.post(f"/internal/leads/{lead_id}/reached-out", data=data, headers={**HTML, "Referer": referer})
        assert answer.headers["Location"] == expected


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("/internal/leads/{}/reached-out", {}),
        ("/internal/leads/{}/notes", {"text": "x"}),
        ("/internal/leads/{}/assign", {"attorney": "rosa.delgado@alma.example"}),
        ("/internal/leads/bulk", {"do": "reached_out", "id": "{}", "confirmed": "1"}),
    ],
)
def test_without_a_token_nothing_happens(app: Flask, desk: FlaskClient, address: str, fields: dict[str, str]) -> None:
    lead_id = add_lead(app)
    data = {name: text.format(lead_id) for name, text in fields.items()}
    assert desk.post(address.format(lead_id), data=data, headers=HTML).status_code == 400
    assert status(app, lead_id) == "PENDING"
    assert value(app, "SELECT count(*) FROM lead_events") == 1


@pytest.mark.parametrize("action", ["reached-out", "notes", "assign"])
def test_there_is_nothing_to_press_on_a_lead_that_is_not_there(app: Flask, desk: FlaskClient, action: str) -> None:
    add_lead(app)
    answer = post(desk, f"/internal/leads/99/{action}", text="x", attorney="rosa.delgado@alma.example")
    assert answer.status_code == 404


def test_a_script_gets_the_row_its_siblings_the_counts_and_a_toast(app: Flask, desk: FlaskClient) -> None:
    first, second = add_lead(app, **WHO), add_lead(app, **{**WHO, "last_name": "Again"})
    answer = post(
        desk, f"/internal/leads/{second}/reached-out", part=f"lead-{second}", next="/internal/leads?status=PENDING&q=i"
    )
    words = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert words.lstrip().startswith(f'<tr role="row" id="lead-{second}"><td')
    assert f'<tr role="row" id="lead-{first}" hx-swap-oob="true">' in words
    assert words.count("by you, just now") == 2
    assert f'href="/internal/leads/{second}?status=PENDING&amp;q=i"' in words
    assert '<span id="n-pending" hx-swap-oob="innerHTML">0</span>' in words
    assert '<div hx-swap-oob="innerHTML:#toasts">' in words
    again = post(desk, f"/internal/leads/{second}/reached-out", part=f"lead-{second}").get_data(as_text=True)
    assert "by Rosa Delgado, just now" in again


def test_a_script_on_a_leads_page_gets_head_and_timeline(app: Flask, desk: FlaskClient) -> None:
    older = add_lead(app, first_name="Next", last_name="One", days_ago=1)
    lead_id = add_lead(app, **WHO)
    words = post(
        desk,
        f"/internal/leads/{lead_id}/reached-out",
        part="lead-head",
        next=f"/internal/leads/{lead_id}?status=PENDING",
    ).get_data(as_text=True)
    assert 'id="lead-head"' in words
    assert "Mark reached out" not in words
    assert '<ol class="line" id="timeline" hx-swap-oob="true">' in words
    assert "<b>You</b> marked this lead reached out." in words
    assert f'href="/internal/leads/{older}?status=PENDING">Next lead' in words


def test_a_note_is_kept_as_written(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, **WHO)
    page = f"/internal/leads/{lead_id}"
    answer = post(desk, f"{page}/notes", on=page, text="  Strong <b>record</b>.\r\nAsk again.  ", next=page)
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    shown = get(desk, page)
    assert "You wrote a note." in shown.text
    assert "".join(shown.all("div", class_="note")[0].itertext()) == "Strong <b>record</b>.\nAsk again."
    words = post(desk, f"{page}/notes", on=page, part="timeline", text="Another").get_data(as_text=True)
    assert words.lstrip().startswith('<ol class="line" id="timeline">')
    assert 'hx-swap-oob="true"></textarea>' in words


@pytest.mark.parametrize(("text", "status"), [("", 422), ("   ", 422), ("x" * 4001, 422), ("a\0b", 400)])
def test_a_note_needs_words_and_an_end(app: Flask, desk: FlaskClient, text: str, status: int) -> None:
    lead_id = add_lead(app)
    assert post(desk, f"/internal/leads/{lead_id}/notes", text=text).status_code == status
    assert events(app, "note") == 0


def test_assigning_from_a_leads_page(app: Flask, desk: FlaskClient) -> None:
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    lead_id = add_lead(app, **WHO)
    page = f"/internal/leads/{lead_id}"
    assert post(desk, f"{page}/assign", attorney="daniel.kim@alma.example", next=page).headers["Location"] == page
    shown = get(desk, page)
    assert "You assigned this prospect to Daniel Kim." in shown.text
    assert [option.text for option in shown.all("option") if option.get("selected") is not None] == ["Daniel Kim"]
    words = post(desk, f"{page}/assign", part="attorney", attorney="").get_data(as_text=True)
    assert words.lstrip().startswith('<section class="sec"')
    assert "The helpdesk has it now." in words
    assert value(app, "SELECT attorney_id FROM leads WHERE id = :id", id=lead_id) is None
    assert post(desk, f"{page}/assign", attorney="").status_code == 303


def test_only_an_active_attorney_can_be_given_a_prospect(app: Flask, desk: FlaskClient) -> None:
    add_person(app, "Ian Park", role=Role.ATTORNEY, active=False)
    add_person(app, "Vera View", role=Role.VIEWER)
    lead_id = add_lead(app)
    for email in ("ian.park@alma.example", "vera.view@alma.example", "nobody@alma.example", "x"):
        assert post(desk, f"/internal/leads/{lead_id}/assign", attorney=email).status_code == 422
    assert events(app, "assigned") == 0


def test_a_viewer_presses_in_vain(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Vera View", role=Role.VIEWER)
    sign_in(client, "Vera View")
    lead_id = add_lead(app)
    for action in (f"{lead_id}/reached-out", f"{lead_id}/notes", f"{lead_id}/assign", "bulk"):
        assert post(client, f"/internal/leads/{action}", text="x", do="reached_out", id="1").status_code == 403
    assert status(app, lead_id) == "PENDING"


def test_a_stranger_is_sent_to_sign_in(app: Flask, client: FlaskClient) -> None:
    lead_id = add_lead(app)
    answer = client.post(f"/internal/leads/{lead_id}/reached-out", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")
    assert status(app, lead_id) == "PENDING"


def test_a_script_whose_session_ended_goes_to_sign_in_as_a_whole_page(app: Flask, client: FlaskClient) -> None:
    lead_id = add_lead(app)
    headers = {**HTML, "HX-Request": "true", "HX-Target": f"lead-{lead_id}"}
    answer = client.post(f"/internal/leads/{lead_id}/reached-out", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/login")


def test_the_lead_page_knows_its_place_in_the_list(app: Flask, desk: FlaskClient) -> None:
    oldest, middle, newest = (add_lead(app, days_ago=days) for days in (3, 2, 1))
    page = get(desk, f"/internal/leads/{middle}?status=PENDING&sort=created_at")
    assert "2 of 3 pending" in page.text
    assert page.link("prev") == f"/internal/leads/{oldest}?status=PENDING&sort=created_at"
    assert page.link("next") == f"/internal/leads/{newest}?status=PENDING&sort=created_at"
    plain = get(desk, f"/internal/leads/{newest}")
    assert plain.all("a", rel="prev") == []
    assert plain.link("next") == f"/internal/leads/{middle}"
    assert (
        get(desk, f"/internal/leads/{middle}?utm_source=mail&sort=nonsense").link("next") == f"/internal/leads/{oldest}"
    )


def test_the_lead_page_shows_what_is_known(app: Flask, desk: FlaskClient) -> None:
    first = add_lead(app, **WHO, resume_url="https://example.com/cv?a=1&b=2")
    second = add_lead(app, **{**WHO, "last_name": "Again"})
    page = get(desk, f"/internal/leads/{first}")
    link = page.all("a", href="https://example.com/cv?a=1&b=2")[0]
    assert link.get("rel") == "noopener noreferrer nofollow"
    assert link.get("referrerpolicy") == "no-referrer"
    assert "A link to example.com" in page.text
    assert f"Also sentNo. {second}, pending, sent today" in page.text
    assert "The prospect sent the form." in page.text
    assert f"The prospect also sent No. {second}." in page.text
    assert page.all("a", href="mailto:ioana@example.ro")
    assert "Confirmation" in page.text
    assert desk.get("/internal/leads/999", headers=HTML).status_code == 404


@pytest.mark.parametrize(
    ("link", "href", "host"),
    [
        # The first two letters are Cyrillic.
        ("https://раypal.com/cv", "https://xn--ypal-43d9g.com/cv", "xn--ypal-43d9g.com"),
        ("https://BÜCHER.example/cv", "https://xn--bcher-kva.example/cv", "xn--bcher-kva.example"),
        ("http://0x8.8.8.8/cv", "http://8.8.8.8/cv", "8.8.8.8"),
        (
            "https://example.com:8443/@drive.google.com",
            "https://example.com:8443/@drive.google.com",
            "example.com",
        ),
    ],
)
def test_a_links_host_is_the_one_that_a_browser_goes_to(
    app: Flask, desk: FlaskClient, link: str, href: str, host: str
) -> None:
    page = get(desk, f"/internal/leads/{add_lead(app, resume_url=link)}")
    assert f"A link to {host}" in page.text
    assert page.all("a", href=href)


def test_what_no_browser_can_follow_is_text(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app)
    run(app, "UPDATE leads SET resume_url = 'javascript:alert(1)' WHERE id = :id", id=lead_id)
    page = get(desk, f"/internal/leads/{lead_id}")
    assert "javascript:alert(1)" in page.text
    assert not [link for link in page.all("a") if "alert" in (link.get("href") or "")]


def test_an_uploaded_file_is_a_row_with_a_download(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        kept = keep_file(io.BytesIO(pdf_bytes()), file_name="CV & Țepeș.pdf")
        lead = LeadIn(**{**lead_body(), "resume_url": "https://drive.example.com/x"})
        lead_id = submit_lead(Submission(lead, kept)).lead.id
    page = get(desk, f"/internal/leads/{lead_id}")
    assert "CV & Țepeș.pdf" in page.text
    assert "PDF, 1 kB" in page.text
    assert page.all("a", href=f"/internal/leads/{lead_id}/resume")
    assert "The prospect also gave a link to drive.example.com" in page.text
    assert "A picture of the first page is being made." in page.text
    assert page.all("img") == []
