"""Passkeys over HTTP, with a device in software: added, shown to come in, and what must not open anything."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import column, delete, func, insert, select, table, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core.errors import LastCredential, TooManyAttempts
from alma_leads.accounts.core.models import (
    Firm,
    Passkey,
    PasskeyChallenge,
    RecoveryCode,
    SessionStage,
    SignInAttempt,
    User,
    UserSession,
)
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.second_factor.passkey_service import remove_passkey
from alma_leads.accounts.second_factor.passkey_sign_in_service import sign_in_with_passkey
from alma_leads.accounts.sign_in.throttle import PER_ADDRESS
from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.jobs.upkeep_service import purge_expired
from config import Settings
from tests.support.authenticator import Device, decode, encode
from tests.support.desk import HTML, PASSWORD, Page, add_person, count, csrf, get, post, run, sign_in, token, value
from tests.support.pages import StrictClient

NEW = "/internal/account/passkeys/new"
CONFIRM = "/internal/account/confirm"
DESK = "/internal/leads"
REFUSED = "That passkey was not taken"
# PostgreSQL's view of what its connections do.
ACTIVITY = table("pg_stat_activity", column("wait_event_type"), column("query"))


@pytest.fixture
def rosa(app: Flask, client: StrictClient) -> StrictClient:
    """Return Rosa's browser."""
    add_person(app)
    sign_in(client)
    return client


@pytest.fixture
def device(rosa: StrictClient) -> Device:
    """Return Rosa's device, with a passkey for her account. She is signed out."""
    device = Device()
    assert "recovery codes" in add(rosa, device).get_data(as_text=True)
    assert post(rosa, "/logout", on="/internal/account").status_code == 303
    return device


def browser(app: Flask) -> StrictClient:
    """Return a browser that nobody has used."""
    client = app.test_client()
    assert isinstance(client, StrictClient)
    return client


def options(client: StrictClient, address: str, *, on: str, **fields: str) -> Any:
    """Return what the script passes to the browser."""
    answer = client.post(address, data={"csrf_token": csrf(client, on), **fields})
    assert answer.status_code == 200, answer.data
    return answer.json


def add(client: StrictClient, device: Device, *, name: str = "MacBook", **client_data: Any) -> TestResponse:
    """Add a passkey as the page does."""
    asked = options(client, "/internal/account/passkeys/options", on=NEW)
    return post(client, "/internal/account/passkeys", on=NEW, name=name, credential=device.create(asked, **client_data))


def ask(client: StrictClient, **fields: str) -> Any:
    """Return a challenge of the sign-in page."""
    return options(client, "/login/passkey/options", on="/login/passkey", **fields)


def send(client: StrictClient, credential: str, **fields: str) -> TestResponse:
    """Send the answer of a device."""
    return post(client, "/login/passkey", on="/login/passkey", credential=credential, **fields)


def show(client: StrictClient, device: Device, *, step: str = "", **client_data: Any) -> TestResponse:
    """Sign in with a passkey as the page does."""
    return send(client, device.get(ask(client, step=step), **client_data), step=step)


def refused(answer: TestResponse) -> bool:
    """Say whether the page came back with the sentence for a passkey that was not taken."""
    return answer.status_code == 422 and REFUSED in answer.get_data(as_text=True)


def is_in(client: StrictClient) -> bool:
    """Say whether a browser may see the desk."""
    return client.get("/internal/account", headers=HTML).status_code == 200


def half_way(client: StrictClient, name: str) -> None:
    """Give the password of someone who has a second factor."""
    sign_in(client, name)
    assert not is_in(client)


def last_event(app: Flask) -> dict[str, Any]:
    """Return the newest event of the audit log."""
    columns = ("action", "actor_kind", "actor_name", "subject", "data")
    with app.app_context():
        event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
        return {column: getattr(event, column) for column in columns}


# Adding


def test_what_a_browser_is_asked_to_make(rosa: StrictClient) -> None:
    asked = options(rosa, "/internal/account/passkeys/options", on=NEW)
    assert asked["rp"] == {"name": "Alma", "id": "localhost"}
    assert asked["user"]["name"] == "rosa.delgado@alma.example"
    assert asked["attestation"] == "none"
    selection = asked["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert len(decode(asked["challenge"])) == 32
    assert asked["excludeCredentials"] == []
    device = Device()
    add(rosa, device)
    again = options(rosa, "/internal/account/passkeys/options", on=NEW)
    assert [each["id"] for each in again["excludeCredentials"]] == [encode(device.credential_id)]
    assert again["excludeCredentials"][0]["transports"] == ["internal", "hybrid"]


def test_a_passkey_is_added_listed_and_written_down(app: Flask, rosa: StrictClient) -> None:
    before = value(app, select(UserSession.token_hash))
    answer = add(rosa, Device(), name="  Rosa's   <MacBook> ")
    assert "This is the only time you see them" in Page(answer).text
    assert value(app, select(UserSession.token_hash)) != before
    page = get(rosa, "/internal/account")
    assert "Rosa's <MacBook>" in page.text
    assert "Not yet" in page.text
    by_rosa = (AuditEvent.action == Action.PASSKEY_ADDED, AuditEvent.actor_name == "Rosa Delgado")
    assert value(app, select(AuditEvent.data).where(*by_rosa)) == {"passkey": "Rosa's <MacBook>"}
    assert count(app, RecoveryCode) == 10


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\x07b"])
def test_a_passkey_has_a_name(app: Flask, rosa: StrictClient, name: str) -> None:
    assert add(rosa, Device(), name=name).status_code == 422
    assert count(app, Passkey) == 0


@pytest.mark.parametrize(
    ("fault", "client_data"),
    [
        ({"origin": "https://evil.example"}, {}),
        ({"origin": "http://localhost:8001"}, {}),
        ({"origin": "http://127.0.0.1:8000"}, {}),
        ({"rp_id": "evil.example"}, {}),
        ({"verified": False}, {}),
        ({}, {"type": "webauthn.get"}),
        ({}, {"challenge": encode(bytes(32))}),
        ({}, {"challenge": 7}),
        ({"credential_id": b"x" * 1060}, {}),
    ],
    ids=str,
)
def test_a_passkey_that_was_not_made_as_asked_is_refused(
    app: Flask, rosa: StrictClient, fault: dict[str, Any], client_data: dict[str, Any]
) -> None:
    device = Device()
    for name, wrong in fault.items():
        setattr(device, name, wrong)
    answer = add(rosa, device, **client_data)
    assert answer.status_code == 422
    assert "Try again" in answer.get_data(as_text=True)
    assert 'value="MacBook"' in answer.get_data(as_text=True)
    assert count(app, Passkey) == 0


def test_an_answer_adds_once_and_a_device_once(app: Flask, rosa: StrictClient) -> None:
    device = Device()
    made = device.create(options(rosa, "/internal/account/passkeys/options", on=NEW))
    assert post(rosa, "/internal/account/passkeys", on=NEW, name="One", credential=made).status_code == 200
    again = post(rosa, "/internal/account/passkeys", on=NEW, name="Two", credential=made)
    assert "sent twice" in again.get_data(as_text=True)
    taken = add(rosa, device)
    assert "in use already" in taken.get_data(as_text=True)
    assert count(app, Passkey) == 1


def test_without_script_the_page_says_what_is_missing(rosa: StrictClient) -> None:
    answer = post(rosa, "/internal/account/passkeys", on=NEW, name="MacBook")
    assert answer.status_code == 422
    assert "need JavaScript" in answer.get_data(as_text=True)
    post(rosa, "/logout", on="/internal/account")
    assert "need JavaScript" in send(rosa, "").get_data(as_text=True)


def test_adding_and_removing_need_a_fresh_sign_in(app: Flask, rosa: StrictClient) -> None:
    add(rosa, Device())
    run(app, update(UserSession).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    number = value(app, select(Passkey.id))
    page = rosa.get(NEW, headers=HTML)
    assert (page.status_code, page.headers["Location"]) == (
        303,
        f"{CONFIRM}?next=%2Finternal%2Faccount%2Fpasskeys%2Fnew",
    )
    answer = post(rosa, f"/internal/account/passkeys/{number}/remove", on="/internal/account")
    assert answer.headers["Location"].startswith(CONFIRM)
    script = rosa.post("/internal/account/passkeys/options", data={"csrf_token": csrf(rosa, "/internal/account")})
    assert script.status_code == 403
    assert count(app, Passkey) == 1


def test_whoever_must_have_a_second_factor_comes_in_by_adding_a_passkey(app: Flask, client: StrictClient) -> None:
    add_person(app)
    run(app, update(Firm).values(second_factor_required=True))
    sign_in(client)
    assert not is_in(client)
    assert "Add a passkey instead" in get(client, "/internal/account/second-factor").text
    assert 'href="/internal/leads"' in add(client, Device()).get_data(as_text=True)
    assert is_in(client)
    assert value(app, select(UserSession.proofs)) == "password passkey"
    came_in = value(app, select(AuditEvent.data).where(AuditEvent.action == Action.SIGNED_IN))
    assert came_in == {"by": "password and passkey"}


# Signing in


def test_a_passkey_alone_signs_in(app: Flask, device: Device) -> None:
    client = browser(app)
    asked = ask(client)
    assert asked["userVerification"] == "required"
    assert asked["allowCredentials"] == []
    answer = send(client, device.get(asked), next="/internal/outbox")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/outbox")
    assert is_in(client)
    assert value(app, select(UserSession.proofs)) == "passkey"
    event = last_event(app)
    assert (event["action"], event["actor_name"], event["data"]) == ("signed_in", "Rosa Delgado", {"by": "passkey"})
    assert value(app, select(Passkey.sign_count)) == device.count == 1
    assert value(app, select(Passkey.last_used_at)) is not None
    assert count(app, SignInAttempt) == 0
    assert "Not yet" not in get(client, "/internal/account").text


def test_a_passkey_is_the_second_step_after_a_password(app: Flask, device: Device) -> None:
    client = browser(app)
    half_way(client, "Rosa Delgado")
    half = value(app, select(UserSession.token_hash))
    step = client.get("/login/code?next=/internal/outbox", headers=HTML)
    assert step.headers["Location"] == "/login/passkey?next=%2Finternal%2Foutbox"
    page = get(client, "/login/passkey")
    assert "Confirm with your passkey" in page.text
    assert "Use a recovery code instead" in page.text
    asked = ask(client, step="second")
    assert [each["id"] for each in asked["allowCredentials"]] == [encode(device.credential_id)]
    device.handle = b""  # a device that was told which passkey need not say whose it is
    assert send(client, device.get(asked), step="second").status_code == 303
    assert is_in(client)
    assert value(app, select(UserSession.proofs)) == "password passkey"
    assert value(app, select(UserSession.token_hash)) != half
    assert last_event(app)["data"] == {"by": "password and passkey"}


def test_another_persons_passkey_is_no_second_step(app: Flask, device: Device) -> None:
    add_person(app, "Ian Park")
    his, client = Device(), browser(app)
    sign_in(client, "Ian Park")
    add(client, his)
    half = browser(app)
    half_way(half, "Rosa Delgado")
    assert refused(show(half, his, step="second"))
    assert not is_in(half)
    event = last_event(app)
    assert (event["action"], event["subject"]) == ("sign_in_failed", "Ian Park")
    assert event["data"] == {"by": "passkey", "reason": "someone else's passkey"}
    # A challenge of one step is worth nothing in the other; alone, his passkey signs him in and ends her half-way.
    assert refused(send(half, his.get(ask(half, step="second"))))
    assert show(half, his).status_code == 303
    assert "Ian Park" in get(half, "/internal/account").text
    assert count(app, UserSession, UserSession.stage == SessionStage.SECOND_FACTOR) == 0


def test_a_second_step_without_a_first_starts_again(app: Flask, device: Device) -> None:
    client = browser(app)
    answer = send(client, device.get(ask(client)), step="second")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert not is_in(client)


@pytest.mark.parametrize(
    ("fault", "client_data"),
    [
        ({"origin": "https://evil.example"}, {}),
        ({"origin": "http://127.0.0.1:8000"}, {}),
        ({"rp_id": "evil.example"}, {}),
        ({"verified": False}, {}),
        ({"credential_id": b"nobody's"}, {}),
        ({"handle": b"someone else"}, {}),
        ({"handle": b""}, {}),
        ({"handle": b"\xff\xfe"}, {}),
        ({}, {"type": "webauthn.create"}),
        ({}, {"challenge": encode(bytes(32))}),
        ({}, {"challenge": ""}),
    ],
    ids=str,
)
def test_what_proves_nothing_opens_nothing(
    app: Flask, device: Device, fault: dict[str, Any], client_data: dict[str, Any]
) -> None:
    for name, wrong in fault.items():
        setattr(device, name, wrong)
    client = browser(app)
    assert refused(show(client, device, **client_data))
    assert not is_in(client)
    event = last_event(app)
    assert (event["action"], event["actor_kind"]) == ("sign_in_failed", "stranger")
    assert event["data"]["reason"]
    assert count(app, SignInAttempt) == 1


def test_a_foreign_key_opens_nothing(app: Flask, device: Device) -> None:
    forger = Device()
    forger.credential_id, forger.handle = device.credential_id, device.handle
    assert refused(show(browser(app), forger))
    assert last_event(app)["data"]["reason"] == "not verified"


def test_an_answer_works_once(app: Flask, device: Device) -> None:
    client = browser(app)
    shown = device.get(ask(client))
    assert send(client, shown).status_code == 303
    post(client, "/logout", on="/internal/account")
    assert refused(send(client, shown))


def test_an_answer_works_in_the_browser_that_was_asked(app: Flask, device: Device) -> None:
    victim, thief = browser(app), browser(app)
    shown = device.get(ask(victim))
    ask(thief)
    assert refused(send(thief, shown))
    assert send(victim, shown).status_code == 303  # nobody else can use a challenge up


def test_an_answer_comes_within_five_minutes(app: Flask, device: Device) -> None:
    client = browser(app)
    shown = device.get(ask(client))
    run(app, update(PasskeyChallenge).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert refused(send(client, shown))
    with app.app_context():
        assert purge_expired() >= 1
    assert count(app, PasskeyChallenge) == 0


def test_no_challenge_is_kept_as_it_is(app: Flask, device: Device) -> None:
    asked = ask(browser(app))
    kept = value(app, select(func.max(PasskeyChallenge.challenge_hash)))
    assert len(kept) == 64
    assert kept not in (decode(asked["challenge"]).hex(), asked["challenge"])


def test_a_count_that_does_not_grow_is_refused_and_written_down(app: Flask, device: Device) -> None:
    device.count = 41
    assert show(browser(app), device).status_code == 303
    for shown in (42, 8, 0):
        device.count = shown - 1
        assert refused(show(browser(app), device)), shown
    assert last_event(app)["data"] == {"by": "passkey", "reason": "sign count did not grow"}
    assert value(app, select(Passkey.sign_count)) == 42


def test_a_passkey_that_never_counts_works_again_and_again(app: Flask, device: Device) -> None:
    device.counts = False
    for _ in range(2):
        assert show(browser(app), device).status_code == 303


def test_someone_turned_off_is_refused(app: Flask, device: Device) -> None:
    run(app, update(User).values(active=False))
    client = browser(app)
    assert refused(show(client, device))
    assert not is_in(client)
    assert last_event(app)["action"] == "sign_in_failed"


def test_failures_are_counted_and_make_an_address_wait(app: Flask, device: Device) -> None:
    client, forger = browser(app), Device()
    forger.credential_id, forger.handle = device.credential_id, device.handle
    for _ in range(5):
        assert refused(show(client, forger))
    waits = show(client, device)
    assert waits.status_code == 429
    assert int(waits.headers["Retry-After"]) > 800
    run(app, delete(SignInAttempt))
    for number in range(PER_ADDRESS):
        run(app, insert(SignInAttempt).values(account=str(number), address="127.0.0.1", at=utc_now()))
    assert show(client, device).status_code == 429


def test_whoever_guesses_passwords_locks_no_passkey_out(app: Flask, device: Device) -> None:
    client = browser(app)
    for number in range(6):
        page = client.get("/login", headers=HTML)
        data = {"email": "rosa.delgado@alma.example", "password": f"wrong {number}", "csrf_token": token(page)}
        client.post("/login", data=data, headers=HTML, environ_base={"REMOTE_ADDR": "192.0.2.66"})
    assert show(browser(app), device).status_code == 303


def test_whoever_is_signed_in_is_not_asked(app: Flask, device: Device) -> None:
    client = browser(app)
    show(client, device)
    assert client.get("/login/passkey", headers=HTML).headers["Location"] == DESK


def test_forged_answers_never_break_the_server(app: Flask, device: Device) -> None:
    client, chance = browser(app), random.Random(7)
    page = csrf(client, "/login/passkey")
    strange = ["{}", "[]", "7", "null", "{", '{"id": 7}', "[" * 15_000, "x" * 30_000, "\ud800", '{"response": []}']
    for _ in range(60):
        shown = json.loads(device.get({"challenge": encode(bytes(32))}))
        part = chance.choice(list(shown["response"]))
        broken = bytearray(decode(shown["response"][part]))
        broken[chance.randrange(len(broken))] = chance.randrange(256)
        shown["response"][part] = chance.choice([encode(bytes(broken)), encode(bytes(broken[:9])), "", 7, None, "é"])
        strange.append(json.dumps(shown))
    for sent in strange:
        run(app, delete(SignInAttempt))
        data = {"csrf_token": page, "credential": sent.encode("utf-8", "surrogatepass").decode("utf-8", "replace")}
        assert refused(client.post("/login/passkey", data=data, headers=HTML)), sent[:300]


# Confirming, and removing


def stale(app: Flask) -> None:
    """Let every sign-in have been long ago."""
    run(app, update(UserSession).values(authenticated_at=utc_now() - timedelta(minutes=16)))


def test_a_passkey_confirms_who_one_is(app: Flask, device: Device) -> None:
    client = browser(app)
    show(client, device)
    run(app, update(User).values(password=None))
    stale(app)
    page = get(client, CONFIRM)
    assert "Use your passkey" in page.text
    assert page.all("input", type="password") == []
    asked = options(client, f"{CONFIRM}/passkey/options", on=CONFIRM)
    shown = device.get(asked)
    data = {"on": CONFIRM, "credential": shown, "next": NEW}
    answer = post(client, f"{CONFIRM}/passkey", **data)
    assert (answer.status_code, answer.headers["Location"]) == (303, NEW)
    assert client.get(NEW, headers=HTML).status_code == 200
    stale(app)
    assert refused(post(client, f"{CONFIRM}/passkey", **data))
    assert client.get(NEW, headers=HTML).status_code == 303


def test_a_password_alone_confirms_nothing_for_someone_with_a_passkey(app: Flask, device: Device) -> None:
    client = browser(app)
    show(client, device)
    stale(app)
    page = get(client, CONFIRM)
    assert page.all("input", type="password") == []
    assert post(client, CONFIRM, on=CONFIRM, password=PASSWORD, next=NEW).status_code == 422
    assert client.get(NEW, headers=HTML).status_code == 303


def test_another_persons_passkey_confirms_nothing(app: Flask, device: Device) -> None:
    client = browser(app)
    add_person(app, "Ian Park")
    sign_in(client, "Ian Park")
    add(client, Device())
    stale(app)
    asked = options(client, f"{CONFIRM}/passkey/options", on=CONFIRM)
    assert refused(post(client, f"{CONFIRM}/passkey", on=CONFIRM, credential=device.get(asked)))
    assert client.get(NEW, headers=HTML).status_code == 303


def remove(client: StrictClient, number: int) -> TestResponse:
    """Press "Remove"."""
    return post(client, f"/internal/account/passkeys/{number}/remove", on="/internal/account")


def test_a_passkey_is_removed_and_opens_nothing_more(app: Flask, device: Device) -> None:
    client = browser(app)
    show(client, device)
    assert remove(client, value(app, select(Passkey.id))).status_code == 303
    assert count(app, Passkey) == 0
    event = last_event(app)
    assert (event["action"], event["data"]) == ("passkey_removed", {"passkey": "MacBook"})
    assert refused(show(browser(app), device))


def test_nobody_removes_the_passkey_of_another(app: Flask, device: Device) -> None:
    client = browser(app)
    add_person(app, "Ian Park")
    sign_in(client, "Ian Park")
    assert remove(client, value(app, select(Passkey.id))).status_code == 303
    assert count(app, Passkey) == 1


def without_password(app: Flask) -> None:
    run(app, update(User).values(password=None))


def with_required_second_factor(app: Flask) -> None:
    run(app, update(Firm).values(second_factor_required=True))


@pytest.mark.parametrize(
    ("given", "why"),
    [(without_password, "This is your only way in"), (with_required_second_factor, "requires a second factor")],
)
def test_the_last_passkey_stays_where_it_is_needed(
    app: Flask, device: Device, given: Callable[[Flask], None], why: str
) -> None:
    client = browser(app)
    show(client, device)
    given(app)
    number = value(app, select(Passkey.id))
    page = get(client, "/internal/account")
    assert why in page.text
    assert "Remove MacBook" not in page.text
    answer = remove(client, number)
    assert answer.status_code == 409
    assert why in answer.get_data(as_text=True)
    assert count(app, Passkey) == 1
    assert add(client, Device(), name="Other").status_code == 303
    assert remove(client, number).status_code == 303
    assert value(app, select(Passkey.name)) == "Other"


def test_of_two_passkeys_removed_at_once_one_stays_when_it_is_the_only_way_in(app: Flask, device: Device) -> None:
    client = browser(app)
    show(client, device)
    add(client, Device(), name="Other")
    without_password(app)
    person = value(app, select(User.id))
    numbers = [value(app, select(which(Passkey.id))) for which in (func.min, func.max)]

    def take_away(number: int) -> bool:
        with app.app_context():
            try:
                remove_passkey(Actor("user", person, "Rosa Delgado"), number, keep_session="")
            except LastCredential:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take_away, numbers)) == [False, True]
    assert count(app, Passkey) == 1


def test_of_two_who_show_one_answer_at_once_one_comes_in(app: Flask, device: Device) -> None:
    client = browser(app)
    device.counts = False  # a passkey in a cloud: its count tells nobody of a second use
    shown = device.get(ask(client))
    with client.session_transaction() as cookie:
        secret = cookie["passkeys"]

    def come_in(number: int) -> bool:
        client_info = ClientInfo(f"192.0.2.{number}", "")
        with app.app_context():
            try:
                opened = sign_in_with_passkey(
                    shown, browser=secret, client=client_info, instead_of="", second_step_of=None
                )
            except TooManyAttempts:
                return False
            return opened is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(come_in, range(8))) == 1


def test_a_passkey_shown_while_it_is_removed_opens_nothing(app: Flask, device: Device) -> None:
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    client = browser(app)
    shown = device.get(ask(client))
    page = csrf(client, "/login/passkey")
    with ThreadPoolExecutor(1) as pool, engine.connect() as remover, engine.connect() as watch:
        remover.execute(select(User.id).with_for_update())
        data = {"csrf_token": page, "credential": shown}
        answer = pool.submit(client.post, "/login/passkey", data=data, headers=HTML)
        waiting = select(func.count()).where(ACTIVITY.c.wait_event_type == "Lock", ACTIVITY.c.query.contains("users"))
        while not watch.execute(waiting).scalar():
            assert not answer.done()
            watch.rollback()  # else its snapshot of who waits stays the same
        remover.execute(delete(Passkey))
        remover.commit()
        assert refused(answer.result())


# Where there are none


@pytest.fixture
def by_number(make_app: Any, make_settings: Callable[..., Settings], sqlite_url: str) -> Flask:
    """Return an application at an address that is a number."""
    made: Flask = make_app(make_settings(DATABASE_URL=sqlite_url, PUBLIC_URL="https://192.0.2.7"))
    return made


def test_at_an_ip_address_there_are_none_and_the_pages_say_why(by_number: Flask) -> None:
    add_person(by_number)
    client = browser(by_number)
    base: Any = {"base_url": "https://192.0.2.7", "headers": HTML}
    login = client.get("/login", **base)
    assert "passkey" not in login.get_data(as_text=True)
    assert "PUBLIC_URL" in Page(client.get("/login/passkey", **base)).text
    data = {"email": "rosa.delgado@alma.example", "password": PASSWORD, "csrf_token": token(login)}
    assert client.post("/login", data=data, **base).status_code == 303
    page = client.get("/internal/account", **base)
    assert "PUBLIC_URL" in Page(page).text
    assert "Add a passkey" not in Page(page).text
    asked = client.post(
        "/internal/account/passkeys/options", data={"csrf_token": token(page)}, base_url="https://192.0.2.7"
    )
    assert asked.status_code == 404
