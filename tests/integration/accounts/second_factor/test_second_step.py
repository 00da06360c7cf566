"""The second step of signing in: a code of the app, or a recovery code. Each works once, and guesses are counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update
from werkzeug.test import TestResponse

from alma_leads.accounts.core import links
from alma_leads.accounts.core.errors import SessionExpired
from alma_leads.accounts.core.models import Authenticator, LinkPurpose, RecoveryCode, SignInAttempt, User, UserSession
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.session_service import use_session
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.second_factor import authenticators, recovery
from alma_leads.accounts.second_factor.second_factor_service import sign_in_with_code
from alma_leads.accounts.sign_in.throttle import PER_ACCOUNT
from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from tests.support.desk import HTML, PASSWORD, Page, add_person, count, run, token, value
from tests.support.pages import StrictClient
from tests.support.second_factors import Enrolled, enrol

ROSA = "rosa.delgado@alma.example"


@pytest.fixture
def rosa(app: Flask) -> Enrolled:
    """Return what Rosa has, who has set up an app."""
    return enrol(app, add_person(app))


def first_step(client: StrictClient, *, wanted: str = "") -> TestResponse:
    """Show the password."""
    csrf = token(client.get("/login", headers=HTML))
    data = {"email": ROSA, "password": PASSWORD, "csrf_token": csrf, "next": wanted}
    return client.post("/login", data=data, headers=HTML)


def second_step(client: StrictClient, code: str, *, page: str = "/login/code", wanted: str = "") -> TestResponse:
    """Show a second proof."""
    csrf = token(client.get(page, headers=HTML))
    return client.post(page, data={"code": code, "csrf_token": csrf, "next": wanted}, headers=HTML)


def is_in(client: StrictClient) -> bool:
    """Say whether a browser may see the desk."""
    return client.get("/internal/leads", headers=HTML).status_code == 200


def sid(client: StrictClient) -> str:
    with client.session_transaction() as cookie:
        return str(cookie["sid"])


def test_password_and_code_open_the_desk(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    answer = first_step(client, wanted="/internal/outbox")
    assert answer.headers["Location"] == "/login/code?next=/internal/outbox".replace("/internal/", "%2Finternal%2F")
    assert not is_in(client)
    half_open = sid(client)
    page = Page(client.get(answer.headers["Location"], headers=HTML))
    assert "Your password is right." in page.text
    answer = second_step(client, rosa.phone.code(), wanted="/internal/outbox")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/outbox")
    assert is_in(client)
    assert sid(client) != half_open
    assert count(app, UserSession) == 1
    assert value(app, select(UserSession.proofs)) == "password code"
    assert value(app, select(AuditEvent.data).where(AuditEvent.action == Action.SIGNED_IN)) == {
        "by": "password and code"
    }
    assert count(app, SignInAttempt) == 0


def test_half_way_nothing_opens_but_the_second_step(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    first_step(client)
    asked = client.get("/internal/leads", headers=HTML)
    assert asked.headers["Location"].startswith("/login/code")
    assert client.get("/internal/leads").status_code == 401
    for path in ("/internal/account", "/internal/account/confirm", "/internal/settings/people"):
        assert client.get(path, headers=HTML).headers["Location"].startswith("/login/code"), path
    run(app, update(UserSession).values(created_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert client.get("/login/code", headers=HTML).headers["Location"] == "/login"


def test_without_a_first_proof_there_is_no_second_step(client: StrictClient, rosa: Enrolled) -> None:
    for page in ("/login/code", "/login/recovery-code"):
        assert client.get(page, headers=HTML).headers["Location"] == "/login"
        csrf = token(client.get("/login", headers=HTML))
        answer = client.post(page, data={"code": rosa.phone.code(), "csrf_token": csrf}, headers=HTML)
        assert answer.headers["Location"] == "/login"
    assert not is_in(client)


def test_a_code_works_once(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    first_step(client)
    code = rosa.phone.code()
    assert second_step(client, code).status_code == 303
    again = app.test_client()
    assert isinstance(again, StrictClient)
    first_step(again)
    answer = second_step(again, code)
    assert answer.status_code == 422
    assert "it was used already" in answer.get_data(as_text=True)
    assert second_step(again, rosa.phone.code(later=1)).status_code == 303
    # The step before one that was taken is gone with it.
    third = app.test_client()
    assert isinstance(third, StrictClient)
    first_step(third)
    assert second_step(third, rosa.phone.code(later=-1)).status_code == 422


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "000 00"])
def test_what_is_no_code_opens_nothing(client: StrictClient, rosa: Enrolled, typed: str) -> None:
    first_step(client)
    assert second_step(client, typed).status_code == 422
    assert not is_in(client)


def test_a_code_may_be_typed_with_a_space(client: StrictClient, rosa: Enrolled) -> None:
    first_step(client)
    code = rosa.phone.code()
    assert second_step(client, f"{code[:3]} {code[3:]}").status_code == 303


def test_codes_of_two_steps_ago_and_ahead_are_refused(client: StrictClient, rosa: Enrolled) -> None:
    first_step(client)
    for later in (-3, -2, 3):  # 2 ahead may become 1 ahead while the test runs
        assert second_step(client, rosa.phone.code(later=later)).status_code == 422


def test_a_recovery_code_opens_once_and_however_it_is_typed(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    first_step(client)
    typed = rosa.codes[3].upper().replace("-", " ").replace("0", "O")
    answer = second_step(client, typed, page="/login/recovery-code")
    assert answer.headers["Location"].startswith("/internal/account")
    assert is_in(client)
    assert value(app, select(UserSession.proofs)) == "password recovery_code"
    again = app.test_client()
    assert isinstance(again, StrictClient)
    first_step(again)
    assert second_step(again, rosa.codes[3], page="/login/recovery-code").status_code == 422
    assert second_step(again, rosa.codes[4], page="/login/recovery-code").status_code == 303


def test_a_code_of_someone_else_opens_nothing(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    ian = enrol(app, add_person(app, "Ian Park"))
    first_step(client)
    assert second_step(client, ian.codes[0], page="/login/recovery-code").status_code == 422
    assert second_step(client, ian.phone.code()).status_code == 422


def test_guesses_are_counted_with_those_of_the_password(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    first_step(client)  # counts as one until the second proof is shown
    for number in range(PER_ACCOUNT - 1):
        page = "/login/code" if number % 2 else "/login/recovery-code"
        assert second_step(client, "000000", page=page).status_code == 422
    refused = second_step(client, rosa.phone.code())
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 800
    # Beginning again gives no new guesses, and says the same.
    again = first_step(app.test_client())  # type: ignore[arg-type]
    assert again.status_code == 429
    wait = re.compile(r"\d+ seconds?")
    assert (
        wait.sub("N", again.get_data(as_text=True)).split("<main")[1].split("request_id")[0]
        == wait.sub("N", refused.get_data(as_text=True)).split("<main")[1].split("request_id")[0]
    )
    assert count(app, AuditEvent, AuditEvent.action == Action.SIGN_IN_FAILED) == PER_ACCOUNT - 1


def test_the_right_code_forgets_wrong_ones(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    first_step(client)
    assert second_step(client, "000000").status_code == 422
    assert second_step(client, rosa.phone.code()).status_code == 303
    assert count(app, SignInAttempt) == 0


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_of_many_who_show_one_code_at_once_one_comes_in(app: Flask, rosa: Enrolled, kind: str) -> None:
    person = value(app, select(User.id))
    use: Callable[..., bool] = authenticators.use_code if kind == "app" else recovery.use_code
    code = rosa.phone.code() if kind == "app" else rosa.codes[0]

    def show(_: int) -> bool:
        with app.app_context(), transaction() as session:
            return use(session, person, code)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(show, range(16))) == 1


def test_a_secret_is_encrypted_and_worth_nothing_under_another_key(
    app: Flask, make_app: Callable[..., Flask], client: StrictClient, rosa: Enrolled
) -> None:
    kept = value(app, select(Authenticator.secret))
    assert kept.startswith("gAAAA")
    settings = app.config["SETTINGS"].model_copy(
        update={"SECRET_KEY": type(app.config["SETTINGS"].SECRET_KEY)("x" * 40)}
    )
    other = make_app(settings).test_client()
    assert isinstance(other, StrictClient)
    first_step(other)
    assert second_step(other, rosa.phone.code()).status_code == 422
    assert second_step(other, rosa.codes[0], page="/login/recovery-code").status_code == 303


def test_recovery_codes_are_kept_as_hashes(app: Flask, rosa: Enrolled) -> None:
    assert len(set(rosa.codes)) == value(app, select(func.count(RecoveryCode.code_hash.distinct()))) == 10
    assert count(app, RecoveryCode, func.length(RecoveryCode.code_hash) != 64) == 0
    assert all(re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){5}[0-9a-hjkmnp-tv-z]{4}", code) for code in rosa.codes)


def test_the_operator_resets(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    first_step(client)
    second_step(client, rosa.phone.code())
    assert is_in(client)
    done = app.test_cli_runner().invoke(args=["people", "reset-2fa", "Rosa.Delgado@alma.example"])
    assert (done.exit_code, "signed out everywhere" in done.output) == (0, True)
    assert not is_in(client)
    assert count(app, Authenticator) == count(app, RecoveryCode) == 0
    reset = select(AuditEvent.actor_name).where(AuditEvent.action == Action.SECOND_FACTOR_RESET)
    assert value(app, reset).startswith("Operator")
    assert first_step(client).headers["Location"] == "/internal/leads"
    run(app, update(User).values(password=None))
    left_out = app.test_cli_runner().invoke(args=["people", "reset-2fa", "Rosa.Delgado@alma.example"])
    assert "No way in is left" in left_out.output
    nobody = app.test_cli_runner().invoke(args=["people", "reset-2fa", "nobody@alma.example"])
    assert nobody.exit_code == 1


def test_a_new_password_by_a_link_leads_to_the_second_step(app: Flask, client: StrictClient, rosa: Enrolled) -> None:
    person = value(app, select(User.id))
    with app.app_context(), transaction() as session:
        link = links.create_link(session, LinkPurpose.RESET, user_id=person, now=utc_now())
    data = {"csrf_token": token(client.get(f"/reset/{link}", headers=HTML)), "password": "entirely different words 2"}
    assert client.post(f"/reset/{link}", data=data, headers=HTML).headers["Location"] == "/login/code"
    assert not is_in(client)
    page = Page(client.get("/login/code", headers=HTML))
    assert "Your password is right" not in page.text  # it was not asked
    assert second_step(client, rosa.phone.code()).status_code == 303
    assert is_in(client)


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_is_not_used_up_where_the_sign_in_has_ended(
    app: Flask, client: StrictClient, rosa: Enrolled, kind: str
) -> None:
    first_step(client)
    half_open, client_info = sid(client), ClientInfo("192.0.2.1", "test")
    with app.app_context():
        holder = use_session(half_open)
        run(app, delete(UserSession))
        proof, code = (Proof.CODE, rosa.phone.code()) if kind == "app" else (Proof.RECOVERY_CODE, rosa.codes[0])
        with pytest.raises(SessionExpired):
            sign_in_with_code(holder, code, proof=proof, token=half_open, client=client_info)
    first_step(client)
    page = "/login/code" if kind == "app" else "/login/recovery-code"
    assert second_step(client, code, page=page).status_code == 303
