"""What a provider, or a stranger in its name, cannot make us believe about a work account; and providers that fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from alma_leads.accounts.core.models import SignInAttempt, SsoRequest, User
from alma_leads.accounts.sso import provider as provider_module
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import HTML, add_person, count, sign_in, token
from tests.support.oidc import CLIENT_ID, Provider
from tests.support.sso import assert_refused, come_back, sso, start


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str, provider: Provider) -> Settings:
    """Return settings that name the provider."""
    return make_settings(DATABASE_URL=sqlite_url, **provider.settings())


LIES: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"nonce": None},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"aud": "another client"},
    {"aud": None},
    {"aud": [CLIENT_ID, "another client"]},
    {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
    {"aud": [CLIENT_ID, "another client"], "azp": ""},
    {"aud": [CLIENT_ID, "another client"], "azp": [CLIENT_ID]},
    {"aud": ["another client", "a third"], "azp": CLIENT_ID},
    {"aud": [], "azp": CLIENT_ID},
    {"aud": "another client", "azp": CLIENT_ID},
    {"aud": [CLIENT_ID], "azp": "another client"},
    {"azp": "another client"},
    {"exp": 1},
    {"exp": None},
    {"exp": "tomorrow"},
    {"iat": 1},
    {"iat": None},
    {"iat": 99999999999},
    {"nbf": 99999999999},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"sub": "x" * 256},
]


@pytest.mark.parametrize("lie", LIES, ids=repr)
def test_a_token_that_lies_is_not_believed(app: Flask, client: FlaskClient, provider: Provider, lie: Any) -> None:
    assert_refused(app, client, sso(client, provider, **lie), "wrong_answer")
    assert count(app, User) == 0


@pytest.mark.parametrize("audience", [[CLIENT_ID, "a project"], ["a project", CLIENT_ID]], ids=repr)
def test_a_token_for_others_too_is_believed_when_it_was_issued_to_us(
    client: FlaskClient, provider: Provider, audience: list[str]
) -> None:
    assert sso(client, provider, aud=audience, azp=CLIENT_ID).headers["Location"] == "/internal/leads"


def test_a_short_rsa_key_is_not_believed(app: Flask, client: FlaskClient, provider: Provider) -> None:
    with pytest.warns(SecurityWarning):
        provider.key = RSAKey.generate_key(1024, {"kid": "short"})
    provider.published.append(provider.key)
    assert_refused(app, client, sso(client, provider), "wrong_answer")
    provider.published[:] = [provider.key]
    elsewhere = app.test_client()
    app.extensions["identity_provider"]._keys._at = 0.0  # ten minutes later
    assert_refused(app, elsewhere, sso(elsewhere, provider), "provider_failed", status=503)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_without_an_asymmetric_signature_is_not_believed(
    app: Flask, client: FlaskClient, provider: Provider, algorithm: str
) -> None:
    provider.algorithm = algorithm
    provider.description["id_token_signing_alg_values_supported"] = [algorithm]
    assert_refused(app, client, sso(client, provider), "wrong_answer")


def test_a_token_of_another_key_with_the_same_name_is_not_believed(
    app: Flask, client: FlaskClient, provider: Provider
) -> None:
    provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    assert_refused(app, client, sso(client, provider), "wrong_answer")


def test_new_keys_are_asked_for_once_a_minute_at_most(
    app: Flask, client: FlaskClient, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sso(client, provider).status_code == 303
    provider.key = RSAKey.generate_key(2048, {"kid": "two"})
    provider.published.append(provider.key)
    elsewhere = app.test_client()
    for _ in range(2):
        assert_refused(app, elsewhere, sso(elsewhere, provider), "wrong_answer")
    assert provider.asked["/jwks"] == 1
    assert provider_module._KEYS_AGAIN_S == 60
    monkeypatch.setattr(provider_module, "_KEYS_AGAIN_S", 0)  # a minute later
    assert sso(elsewhere, provider).status_code == 303
    assert provider.asked["/jwks"] == 2
    assert provider.asked["/.well-known/openid-configuration"] == 1


def test_what_the_token_does_not_tell_is_asked_for(client: FlaskClient, app: Flask, provider: Provider) -> None:
    provider.description["userinfo_endpoint"] = f"{provider.issuer}/userinfo"
    provider.userinfo = {"sub": "somebody else", "email": "rosa.delgado@alma.example", "email_verified": True}
    assert_refused(app, client, sso(client, provider, email=None), "wrong_answer")
    provider.userinfo["sub"] = "rosa-at-the-provider"
    assert sso(client, provider, email=None, email_verified=None).status_code == 303


def test_a_provider_that_takes_its_secret_by_post_gets_it_so(client: FlaskClient, provider: Provider) -> None:
    provider.description["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    assert sso(client, provider).status_code == 303


def test_two_windows_may_sign_in_at_once(client: FlaskClient, provider: Provider) -> None:
    first, second = start(client), start(client)
    queries = [provider.answer(first), provider.answer(second)]
    assert first != second
    assert come_back(client, queries[1]).status_code == 303


def test_a_code_of_another_sign_in_is_refused(app: Flask, client: FlaskClient, provider: Provider) -> None:
    stolen = provider.answer(start(app.test_client())).split("&")[0]
    own = provider.answer(start(client)).split("&")[1]
    assert_refused(app, client, come_back(client, f"{stolen}&{own}"), "wrong_answer")  # PKCE


def test_an_answer_that_names_another_provider_is_refused(app: Flask, client: FlaskClient, provider: Provider) -> None:
    query = provider.answer(start(client))
    assert_refused(app, client, come_back(client, f"{query}&iss=https%3A%2F%2Fevil.example"), "wrong_answer")
    assert provider.asked["/token"] == 0
    query = provider.answer(start(client))
    assert come_back(client, f"{query}&iss={provider.issuer}").status_code == 303


def test_a_provider_that_promises_to_name_itself_must(app: Flask, client: FlaskClient, provider: Provider) -> None:
    provider.description["authorization_response_iss_parameter_supported"] = True
    assert_refused(app, client, sso(client, provider), "wrong_answer")


def test_whoever_goes_back_at_the_provider_is_told_so(app: Flask, client: FlaskClient, provider: Provider) -> None:
    state = provider.answer(start(client)).split("&")[1]
    answer = come_back(client, f"error=access_denied&error_description=%3Cb%3Eno&{state}")
    assert_refused(app, client, answer, "denied")
    assert "<b>" not in answer.get_data(as_text=True)
    assert count(app, SignInAttempt) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=repr,
)
def test_a_provider_whose_description_does_not_fit_is_not_asked(
    client: FlaskClient, provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.description |= wrong
    data = {"csrf_token": token(client.get("/login", headers=HTML))}
    assert client.post("/login/sso", data=data, headers=HTML).status_code == 503


def test_a_provider_that_is_down_is_said_to_be_and_is_left_alone_for_a_moment(
    app: Flask, client: FlaskClient, provider: Provider
) -> None:
    add_person(app)
    provider.down = True
    data = {"csrf_token": token(client.get("/login", headers=HTML))}
    for _ in range(3):
        page = client.post("/login/sso", data=data, headers=HTML)
        assert page.status_code == 503
        assert "Other ways to sign in" in page.get_data(as_text=True)
    assert provider.asked["/.well-known/openid-configuration"] == 1
    sign_in(client)  # by password
    assert client.get("/internal/leads", headers=HTML).status_code == 200


def test_a_provider_that_goes_down_half_way(app: Flask, client: FlaskClient, provider: Provider) -> None:
    query = provider.answer(start(client))
    provider.down = True
    assert_refused(app, client, come_back(client, query), "provider_failed", status=503)
    assert count(app, SignInAttempt) == 0


def test_a_provider_is_not_followed_elsewhere(client: FlaskClient, provider: Provider) -> None:
    provider.redirect = f"{provider.issuer}/jwks"
    data = {"csrf_token": token(client.get("/login", headers=HTML))}
    assert client.post("/login/sso", data=data, headers=HTML).status_code == 503
    assert provider.asked["/jwks"] == 0


def test_an_answer_without_end_is_not_read(client: FlaskClient, provider: Provider) -> None:
    provider.description["more"] = "x" * 300_000
    data = {"csrf_token": token(client.get("/login", headers=HTML))}
    assert client.post("/login/sso", data=data, headers=HTML).status_code == 503


def test_a_slow_provider_is_waited_for_so_long(
    client: FlaskClient, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert provider_module.WAIT_S == 5
    monkeypatch.setattr(provider_module, "WAIT_S", 0.1)
    provider.delay_s = 0.5
    data = {"csrf_token": token(client.get("/login", headers=HTML))}
    started = time.monotonic()
    assert client.post("/login/sso", data=data, headers=HTML).status_code == 503
    assert time.monotonic() - started < 0.5


def test_starting_over_and_over_has_a_limit(client: FlaskClient, app: Flask) -> None:
    data = {"csrf_token": token(client.get("/login", headers=HTML))}
    answers = [client.post("/login/sso", data=data, headers=HTML).status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]
    assert count(app, SsoRequest) == 30


def test_without_a_provider_there_is_no_such_way(
    make_app: Callable[[Settings], Flask], make_settings: MakeSettings, sqlite_url: str
) -> None:
    client = make_app(make_settings(DATABASE_URL=sqlite_url)).test_client()
    page = client.get("/login", headers=HTML)
    assert b"work account" not in page.data
    assert client.post("/login/sso", data={"csrf_token": token(page)}, headers=HTML).status_code == 404
    assert come_back(client, "state=x&code=x").status_code == 404
