"""Signing in with a work account: whom it lets in, and as whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from alma_leads.accounts.core.emails import ACCOUNT_NOTICE
from alma_leads.accounts.core.models import (
    Firm,
    Identity,
    LinkPurpose,
    OneTimeLink,
    Role,
    SignInAttempt,
    SsoRequest,
    User,
    UserSession,
)
from alma_leads.accounts.sign_in.throttle import PER_ADDRESS
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.jobs.upkeep_service import purge_expired
from alma_leads.outbox.models import OutboxMessage
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import HTML, PASSWORD, add_person, count, run, sign_in, token, value
from tests.support.oidc import Provider
from tests.support.second_factors import add_app
from tests.support.sso import address_on, assert_refused, come_back, events, sso, start


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, provider: Provider) -> Settings:
    """Return settings that name the provider."""
    return make_settings(DATABASE_URL=database_url, **provider.settings())


def test_someone_new_of_the_firm_comes_in_as_a_viewer(app: Flask, client: FlaskClient, provider: Provider) -> None:
    address = start(client, next="/internal/outbox")
    assert address.startswith(f"{provider.issuer}/authorize?")
    answer = come_back(client, provider.answer(address, name=" Rosa \n Delgado "))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/outbox")
    assert client.get("/internal/leads", headers=HTML).status_code == 200
    with app.app_context():
        user = db.session.scalars(select(User).where(User.password.is_(None))).one()
        assert (user.email, user.name, user.role) == ("rosa.delgado@alma.example", "Rosa Delgado", "viewer")
    assert events(app, "person_added") == [("Rosa Delgado", {"role": "viewer", "by": "sso"})]
    assert events(app, "identity_linked") == [("Rosa Delgado", {"issuer": provider.issuer})]
    assert events(app, "signed_in") == [("Rosa Delgado", {"by": "work account"})]
    assert count(app, SsoRequest) == 0
    assert count(app, SignInAttempt) == 0


def test_someone_known_by_address_is_joined_once_and_then_known_by_the_account(
    app: Flask, client: FlaskClient, provider: Provider
) -> None:
    person = add_person(app, role=Role.ATTORNEY)
    assert sso(client, provider, email="Rosa.Delgado@ALMA.example").status_code == 303
    assert value(app, select(Identity.user_id)) == person
    # Whatever happens to the address at the provider: who it is does not change.
    for email in ("rosa.bell@alma.example", "rosa@elsewhere.example", None):
        assert sso(app.test_client(), provider, email=email, email_verified=None).status_code == 303
    assert count(app, User) == 1
    assert len(events(app, "identity_linked")) == 1
    assert count(app, OutboxMessage, OutboxMessage.kind == ACCOUNT_NOTICE) == 1, "it may have been somebody else"
    assert len(events(app, "signed_in")) == 4


def test_an_invitation_ends_when_its_person_comes_in(app: Flask, client: FlaskClient, provider: Provider) -> None:
    person = add_person(app, role=Role.ATTORNEY)
    run(app, update(User).values(password=None))
    invitation = {"token_hash": "x", "purpose": LinkPurpose.INVITATION, "user_id": person}
    run(app, insert(OneTimeLink).values(**invitation, created_at=utc_now(), expires_at=utc_now()))
    assert sso(client, provider).status_code == 303
    assert count(app, OneTimeLink) == 0
    assert value(app, select(User.role)) == "attorney"


def test_a_work_account_with_two_factors_is_enough_where_two_are_required(
    app: Flask, client: FlaskClient, provider: Provider
) -> None:
    run(app, update(Firm).values(second_factor_required=True))
    assert sso(client, provider).headers["Location"] == "/internal/account/second-factor"
    for claims in ({"amr": ["pwd", "mfa"]}, {"acr": "phr"}):
        elsewhere = app.test_client()
        assert sso(elsewhere, provider, **claims).headers["Location"] == "/internal/leads"
    for claims in ({"amr": ["pwd"]}, {"acr": "1"}, {"acr": ["phr"]}):
        assert sso(app.test_client(), provider, **claims).status_code in (303, 403)
    assert len(events(app, "signed_in")) == 2


def test_someone_with_a_second_factor_here_is_asked(app: Flask, client: FlaskClient, provider: Provider) -> None:
    person = add_person(app)
    add_app(app, person)
    answer = come_back(client, provider.answer(start(client, next="/internal/outbox")))
    assert answer.headers["Location"] == "/login/code?next=%2Finternal%2Foutbox"
    assert client.get("/internal/leads", headers=HTML).status_code == 303


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"email_verified": False}, "unverified_email"),
        ({"email_verified": None}, "unverified_email"),
        ({"email_verified": "true"}, "unverified_email"),
        ({"email": None}, "unverified_email"),
        ({"email": ["rosa.delgado@alma.example"]}, "unverified_email"),
        ({"email": "rosa@alma.example, x@evil.example"}, "unverified_email"),
        ({"email": "rosa@evil.example"}, "foreign_domain"),
        ({"email": "rosa@sub.alma.example"}, "foreign_domain"),
        ({"email": "rosa@alma.example.evil.example"}, "foreign_domain"),
    ],
    ids=repr,
)
def test_an_address_that_proves_nothing_lets_nobody_in(
    app: Flask, client: FlaskClient, provider: Provider, claims: dict[str, Any], reason: str
) -> None:
    add_person(app)
    assert_refused(app, client, sso(client, provider, **claims), reason)
    assert count(app, User) == 1
    assert count(app, Identity) == 0


def test_entra_s_word_for_a_verified_address_counts(client: FlaskClient, provider: Provider) -> None:
    assert sso(client, provider, email_verified=None, xms_edov=True).status_code == 303


def test_someone_who_was_turned_off_stays_out(app: Flask, client: FlaskClient, provider: Provider) -> None:
    add_person(app, active=False)
    assert_refused(app, client, sso(client, provider), "turned_off")
    assert events(app, "sign_in_failed")[-1][0] == "Rosa Delgado"
    run(app, update(User).values(active=True))
    assert sso(client, provider).status_code == 303
    run(app, update(User).values(active=False))
    assert_refused(app, client, sso(client, provider), "turned_off")


def test_an_address_that_was_given_to_somebody_else_is_not_the_same_person(
    app: Flask, client: FlaskClient, provider: Provider
) -> None:
    add_person(app)
    assert sso(client, provider).status_code == 303
    assert_refused(app, app.test_client(), sso(app.test_client(), provider, sub="another"), "another_work_account")
    # Until the operator says that it is.
    command = ["people", "unlink-work-account", "Rosa.Delgado@alma.example"]
    done = app.test_cli_runner().invoke(args=command)
    assert (done.exit_code, "is unlinked" in done.output) == (0, True)
    assert client.get("/internal/leads", headers=HTML).status_code == 303
    assert [subject for subject, _ in events(app, "identity_unlinked")] == ["Rosa Delgado"]
    again = app.test_cli_runner().invoke(args=command)
    assert (again.exit_code, "has no work account" in again.output) == (1, True)
    assert sso(client, provider, sub="another").status_code == 303


def test_without_a_default_role_only_the_invited_come_in(
    make_app: Callable[[Settings], Flask], make_settings: MakeSettings, sqlite_url: str, provider: Provider
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, OIDC_DEFAULT_ROLE="none", **provider.settings()))
    client = app.test_client()
    assert_refused(app, client, sso(client, provider), "not_invited")
    add_person(app)
    assert sso(client, provider).status_code == 303


def test_an_answer_works_once(app: Flask, client: FlaskClient, provider: Provider) -> None:
    query = provider.answer(start(client))
    assert come_back(client, query).status_code == 303
    client.post("/logout", data={"csrf_token": token(client.get("/internal/account", headers=HTML))}, headers=HTML)
    assert_refused(app, client, come_back(client, query), "not_started_here", status=400)


def test_an_answer_works_in_the_browser_that_asked(app: Flask, client: FlaskClient, provider: Provider) -> None:
    query = provider.answer(start(client))
    elsewhere = app.test_client()
    assert_refused(app, elsewhere, come_back(elsewhere, query), "not_started_here", status=400)
    start(elsewhere)  # which is known by something of its own now
    assert_refused(app, elsewhere, come_back(elsewhere, query), "not_started_here", status=400)
    assert come_back(client, query).status_code == 303


def test_an_answer_that_comes_late_is_over(app: Flask, client: FlaskClient, provider: Provider) -> None:
    query = provider.answer(start(client))
    run(app, update(SsoRequest).values(created_at=utc_now() - timedelta(minutes=16)))
    assert_refused(app, client, come_back(client, query), "not_started_here", status=400)
    with app.app_context():
        purge_expired()
    assert count(app, SsoRequest) == 0


def test_wrong_answers_count_as_failed_sign_ins_of_the_address(app: Flask, client: FlaskClient) -> None:
    for number in range(PER_ADDRESS):
        assert come_back(client, f"state={number}&code=x").status_code == 400
    assert come_back(client, "state=x&code=x").status_code == 429
    data = {"email": "a@alma.example", "password": PASSWORD, "csrf_token": token(client.get("/login", headers=HTML))}
    assert client.post("/login", data=data, headers=HTML).status_code == 429


def test_a_new_session_begins_and_the_old_one_ends(app: Flask, client: FlaskClient, provider: Provider) -> None:
    add_person(app, "Ian Park")
    sign_in(client, "Ian Park")
    data = {"csrf_token": token(client.get("/internal/account", headers=HTML))}
    query = provider.answer(address_on(client.post("/login/sso", data=data, headers=HTML)))
    assert come_back(client, query).status_code == 303
    assert count(app, UserSession) == 1
    assert b"Rosa Delgado" in client.get("/internal/leads", headers=HTML).data
