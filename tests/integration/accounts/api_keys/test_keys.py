"""Keys of scripts: made, used, ended, revoked; on both databases, asked over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.api_keys import key_service, keys
from alma_leads.accounts.core.errors import KeyRefused
from alma_leads.accounts.core.models import ApiKey
from alma_leads.accounts.core.permissions import Scope
from alma_leads.audit.models import AuditEvent
from alma_leads.common.actor import OPERATOR
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from config import Settings
from tests.support.desk import count, run, value
from tests.support.keys import new_key


def ask(client: FlaskClient, key: str, *, address: str = "127.0.0.1") -> Any:
    """Read the leads with a key."""
    return client.get("/internal/leads", headers={"X-API-Key": key}, environ_overrides={"REMOTE_ADDR": address})


def flask(app: Flask, *arguments: str) -> Result:
    """Run a command of the operator."""
    return app.test_cli_runner().invoke(args=["keys", *arguments])


def test_only_a_fingerprint_is_kept(app: Flask, client: FlaskClient) -> None:
    key = new_key(app)
    assert ask(client, key).status_code == 200
    with app.app_context(), db.engine.connect() as connection:
        for table in ("api_keys", "audit_events"):
            kept = str(connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall())
            assert key not in kept
            assert key[9:] not in kept
    assert value(app, select(ApiKey.prefix)) == key[:9]


def test_unknown_ended_and_revoked_keys_get_the_same_answer(app: Flask, client: FlaskClient) -> None:
    ended, revoked = new_key(app, "ended"), new_key(app, "revoked")
    run(app, update(ApiKey).where(ApiKey.name == "ended").values(expires_at=utc_now()))
    run(app, update(ApiKey).where(ApiKey.name == "revoked").values(revoked_at=utc_now()))
    answers = [ask(client, key) for key in (ended, revoked, keys.new_secret(), "wrong")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.data for answer in answers}) == 1
    assert len({answer.headers["WWW-Authenticate"] for answer in answers}) == 1


def test_a_key_ends_by_the_clock(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = utc_now() + timedelta(hours=1)
    key = new_key(app, expires_at=ends)
    monkeypatch.setattr(key_service, "utc_now", lambda: ends - timedelta(microseconds=1))
    assert ask(client, key).status_code == 200
    monkeypatch.setattr(key_service, "utc_now", lambda: ends)
    assert ask(client, key).status_code == 401


def test_a_revoked_key_is_refused_at_once(app: Flask, client: FlaskClient) -> None:
    key = new_key(app)
    assert ask(client, key).status_code == 200
    with app.app_context():
        number = key_service.get_key_by_name("website-import").id
        assert key_service.revoke_key(number, actor=OPERATOR)
        assert not key_service.revoke_key(number, actor=OPERATOR)
    assert ask(client, key).status_code == 401
    assert count(app, AuditEvent, AuditEvent.action == "key_revoked") == 1


def test_a_key_of_some_networks(app: Flask, client: FlaskClient) -> None:
    key = new_key(app, networks=["192.0.2.0/24", "2001:db8::/32"])
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8:5::1"):
        assert ask(client, key, address=address).status_code == 200
    refused = ask(client, key, address="198.51.100.1")
    assert refused.status_code == 403
    assert "may not be used from 198.51.100.1" in refused.json["detail"]
    assert value(app, select(ApiKey.last_used_at)) is not None


def test_behind_a_proxy_the_network_is_the_script_s_own(
    make_app: Callable[[Settings], Flask], make_settings: Callable[..., Settings], sqlite_url: str
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, TRUSTED_PROXIES=1))
    key = new_key(app, networks=["192.0.2.0/24"])

    def status(forwarded: str) -> int:
        headers = {"X-API-Key": key, "X-Forwarded-For": forwarded}
        proxy = {"REMOTE_ADDR": "10.0.0.1"}
        asked = app.test_client().get("/internal/leads", headers=headers, environ_overrides=proxy)
        return int(asked.status_code)

    assert status("192.0.2.9") == 200
    assert status("192.0.2.9:51000") == 200
    assert status("::ffff:192.0.2.9") == 200
    assert status("198.51.100.1") == 403
    # What a script says of itself stands before what the proxy has added, and is not believed.
    assert status("192.0.2.9, 198.51.100.1") == 403


def test_without_a_proxy_nobody_says_where_they_are(app: Flask, client: FlaskClient) -> None:
    key = new_key(app, networks=["192.0.2.0/24"])
    asked = client.get("/internal/leads", headers={"X-API-Key": key, "X-Forwarded-For": "192.0.2.9"})
    assert asked.status_code == 403


def test_a_refused_address_is_no_use(app: Flask, client: FlaskClient) -> None:
    assert ask(client, new_key(app, networks=["192.0.2.0/24"])).status_code == 403
    assert value(app, select(ApiKey.last_used_at)) is None


def test_last_use_is_written_once_a_minute(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key(app)
    used = select(ApiKey.last_used_at)
    ask(client, key)
    first = value(app, used)
    with monkeypatch.context() as patch:
        patch.setattr(keys, "touch", lambda *_, **__: pytest.fail("a write for nothing"))
        assert [ask(client, key).status_code for _ in range(5)] == [200] * 5
    earlier = utc_now() - timedelta(seconds=61)
    run(app, update(ApiKey).values(last_used_at=earlier))
    ask(client, key)
    assert value(app, used) > first


def test_of_those_who_find_last_use_old_one_writes(app: Flask, engine: Engine) -> None:
    new_key(app)
    now = utc_now()
    before = now - key_service.TOUCH_EVERY
    with Session(engine) as session, session.begin():
        keys.touch(session, 1, before=before, now=now)
    with Session(engine) as session, session.begin():  # this one had read the row before the first one wrote it
        keys.touch(session, 1, before=before, now=now + timedelta(seconds=1))
    assert value(app, select(ApiKey.last_used_at)) == now


def test_many_requests_at_once_with_one_key(app: Flask) -> None:
    key = new_key(app)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: ask(app.test_client(), key).status_code, range(36)))
    assert answers == [200] * 36


def test_two_keys_that_work_have_two_names(app: Flask) -> None:
    new_key(app, "sync")
    with pytest.raises(KeyRefused, match="Another key has this name"):
        new_key(app, " sync ")
    with app.app_context():
        key_service.revoke_key(key_service.get_key_by_name("sync").id, actor=OPERATOR)
    new_key(app, "sync")
    assert count(app, ApiKey, ApiKey.name == "sync") == 2


def test_of_twenty_who_take_one_name_one_gets_it(app: Flask) -> None:
    def attempt(_: int) -> bool:
        try:
            return bool(new_key(app, "sync"))
        except KeyRefused:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(20))) == 1
    assert count(app, ApiKey) == 1
    assert count(app, AuditEvent, AuditEvent.action == "key_created") == 1


def test_a_key_that_has_ended_leaves_its_name(app: Flask, client: FlaskClient) -> None:
    old = new_key(app, "sync")
    run(app, update(ApiKey).values(expires_at=utc_now() - timedelta(days=1)))
    new = new_key(app, "sync")
    assert ask(client, old).status_code == 401
    assert ask(client, new).status_code == 200
    with app.app_context():
        assert [(key.name, key.state) for key in key_service.list_keys()] == [("sync", "active"), ("sync", "expired")]


def test_who_made_it_is_written_down(app: Flask) -> None:
    new_key(app, "website-import", Scope.CREATE, networks=["192.0.2.0/24"])
    assert value(app, select(AuditEvent.subject)) == "script: website-import"
    assert value(app, select(AuditEvent.actor_name)) == "Operator, command line"
    data = value(app, select(AuditEvent.data))
    assert data == {"key": 1, "scopes": ["leads:create"], "networks": ["192.0.2.0/24"], "expires_at": None}


def test_the_commands_of_the_operator(app: Flask, client: FlaskClient) -> None:
    made = flask(
        app,
        *("create", "--name", "sync", "--scope", "leads:read", "--scope", "leads:export"),
        *("--expires", "2999-02-24", "--network", "127.0.0.0/8"),
    )
    assert made.exit_code == 0, made.output
    key = made.stdout.removesuffix("\n")
    assert key.startswith("alma_")
    assert "\n" not in key
    assert "is made, for leads:read, leads:export" in made.stderr
    assert key not in made.stderr
    assert ask(client, key).status_code == 200
    cells = flask(app, "list").stdout.removesuffix("\n").split("\t")
    assert cells[:4] == ["sync", f"{key[:9]}…", "leads:read leads:export", "127.0.0.0/8"]
    assert cells[5:] == ["2999-02-24T23:59:59.999999Z", "active"]
    assert flask(app, "revoke", "sync").output == "sync is revoked.\n"
    assert ask(client, key).status_code == 401
    again = flask(app, "revoke", "sync")
    assert (again.exit_code, again.output) == (1, "Error: No key that works is called sync.\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scope", "people:manage"], "is not one of"),
        ([], "Missing option '--scope'"),
        (["--scope", "leads:read", "--expires", "soon"], "soon is no day like 2027-02-24"),
        (["--scope", "leads:read", "--expires", "2027-02-24T10:00"], "is no day like"),
        (["--scope", "leads:read", "--expires", "2020-01-01"], "Give a day that is still to come"),
        (["--scope", "leads:read", "--network", "192.0.2.7/24"], "Write 192.0.2.0/24 for all of it"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(app: Flask, options: list[str], said: str) -> None:
    result = flask(app, "create", "--name", "sync", *options)
    assert result.exit_code != 0
    assert result.stdout == ""
    assert said in result.stderr
    assert count(app, ApiKey) == 0
