"""A wrong setting stops the start with one line that names it, what it holds, and what it should hold."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import config
from alma_leads.settings.values import masked
from config import ROOT, Settings, load_settings

GOOD = {"SECRET_KEY": "s" * 32, "INTERNAL_API_KEY": "k" * 16}
MAIL = {"SMTP_HOST": "mail.example.com", "SENDER_EMAIL": "a@example.com", "HELPDESK_EMAIL": "b@example.com"}
SSO = {
    "OIDC_ISSUER": "https://id.firm.example",
    "OIDC_CLIENT_ID": "alma",
    "OIDC_CLIENT_SECRET": "hidden",
    "OIDC_ALLOWED_DOMAINS": "firm.example",
}

# (what is wrong, what is wrong with it, what the rest must be)
WRONG: list[tuple[str, str, dict[str, str]]] = [
    ("HOST", "not a host!", {}),
    ("PORT", "abc", {}),
    ("PORT", "0", {}),
    ("PORT", "65536", {}),
    ("FIRST_ADMIN_EMAIL", "nobody", {"FIRST_ADMIN_PASSWORD": "long enough, this one"}),
    ("FIRST_ADMIN_PASSWORD", "elevenchars", {"FIRST_ADMIN_EMAIL": "a@example.com"}),
    ("FIRST_ADMIN_PASSWORD", "twelve characters", {}),
    ("FIRST_ADMIN_PASSWORD", "", {"FIRST_ADMIN_EMAIL": "a@example.com"}),
    ("SECRET_KEY", "", {}),
    ("INTERNAL_API_KEY", "", {}),
    ("INTERNAL_API_KEY", "a key with spaces in it", {}),
    ("DATABASE_URL", "mysql://u:hidden@host/name", {}),
    ("DATABASE_URL", "nonsense", {}),
    ("DATABASE_URL", "sqlite://", {}),
    ("DATABASE_URL", "sqlite:///:memory:", {}),
    ("DATABASE_URL", "sqlite:////proc/no/such.db", {}),
    ("DATABASE_URL", "postgresql+psycopg://host", {}),
    ("DATABASE_URL", "postgresql+psycopg2://host/name", {}),
    ("SMTP_HOST", "two words", {}),
    ("SMTP_PORT", "smtp", MAIL),
    ("SMTP_PASSWORD", "", {**MAIL, "SMTP_USER": "me"}),
    ("SMTP_PASSWORD", "hidden", MAIL),
    ("SMTP_SECURITY", "ssl", MAIL),
    ("SMTP_CA_FILE", "no/such/file.pem", MAIL),
    ("SMTP_EHLO_NAME", "two words", MAIL),
    ("SENDER_EMAIL", "", {**MAIL, "SENDER_EMAIL": ""}),
    ("SENDER_EMAIL", "nobody", MAIL),
    ("HELPDESK_EMAIL", "", {**MAIL, "HELPDESK_EMAIL": ""}),
    ("MAIL_MAX_ATTEMPTS", "0", {}),
    ("MAIL_RETRY_MAX_S", "0", {}),
    ("MAIL_RETRY_BASE_S", "-1", {}),
    ("MAIL_GIVE_UP_AFTER_S", "0", {}),
    ("MAIL_RETRY_BASE_S", "nan", {}),
    ("PUBLIC_URL", "intake.example.com", {}),
    ("PUBLIC_URL", "ftp://intake.example.com", {}),
    ("PUBLIC_URL", "https://intake.example.com/alma", {}),
    ("PUBLIC_URL", "https://u:hidden@intake.example.com", {}),
    ("PUBLIC_URL", "https://", {}),
    ("TRUSTED_PROXIES", "-1", {}),
    ("RATE_LIMIT_LEADS", "many", {}),
    ("RATE_LIMIT_KEY_LEADS", "many", {}),
    ("RATE_LIMIT_STORAGE_URL", "memcached://host", {}),
    ("RATE_LIMIT_STORAGE_URL", "redis://", {}),
    ("TASK_QUEUE_URL", "amqp://u:hidden@host", {}),
    ("TASK_QUEUE_URL", "redis://", {}),
    ("WEB_WORKERS", "0", {}),
    ("WEB_THREADS", "two", {}),
    ("RESUME_STORAGE_URL", "resumes", {}),
    ("RESUME_STORAGE_URL", "s3://", {}),
    ("RESUME_STORAGE_URL", "file:///proc/no/such", {}),
    ("OIDC_ISSUER", "id.firm.example", SSO),
    ("OIDC_ISSUER", "http://id.firm.example", SSO),
    ("OIDC_ISSUER", "http://127.0.0.1.firm.example", SSO),
    ("OIDC_ISSUER", "https://u:hidden@id.firm.example", SSO),
    ("OIDC_ISSUER", "https://id.firm.example/?tenant=1", SSO),
    ("OIDC_ISSUER", f"https://id.firm.example/{'x' * 255}", SSO),
    ("OIDC_CLIENT_ID", "", SSO),
    ("OIDC_CLIENT_ID", "alma", {}),
    ("OIDC_CLIENT_SECRET", "", SSO),
    ("OIDC_CLIENT_SECRET", "hidden", {}),
    ("OIDC_ALLOWED_DOMAINS", "", SSO),
    ("OIDC_ALLOWED_DOMAINS", "firm.example", {}),
    ("OIDC_ALLOWED_DOMAINS", "rosa@firm.example", SSO),
    ("OIDC_ALLOWED_DOMAINS", "*", SSO),
    ("OIDC_DEFAULT_ROLE", "owner", SSO),
    ("PASSWORD_SIGN_IN", "no", SSO),
    ("PASSWORD_SIGN_IN", "off", {}),
    ("SESSION_IDLE_MINUTES", "0", {}),
    ("SESSION_MAX_HOURS", "721", {}),
    ("AUTHENTICATOR_ISSUER", "Alma: desk", {}),
    ("RESUME_MAX_BYTES", "10MB", {}),
    ("RESUME_DISK_RESERVE_BYTES", "1 GiB", {}),
    ("LOG_FORMAT", "xml", {}),
    ("LOG_LEVEL", "LOUD", {}),
]
SECRETS = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a loader of settings from an environment, and from a `.env` with some lines."""

    def load(environment: dict[str, str], dotenv: str = "") -> Settings:
        (tmp_path / ".env").write_text(dotenv)
        monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
        monkeypatch.setattr(config, "ENV_FILE", tmp_path / ".env")
        here = {
            "DATABASE_URL": f"sqlite:///{tmp_path}/x.db",
            "RESUME_STORAGE_URL": f"file://{tmp_path}/resumes",
        }
        for name, value in {**here, **environment}.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load


@pytest.mark.parametrize(("name", "value", "others"), WRONG)
def test_a_wrong_setting_is_named_in_one_line(
    load: Any, capsys: pytest.CaptureFixture[str], name: str, value: str, others: dict[str, str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        load({**GOOD, **others, name: value})
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith(f"{name} "), err
    assert str(Settings.model_fields[name].description) in lines[0]
    assert "hidden" not in err
    if value and name not in SECRETS:
        assert repr(masked(value)) in err
    if value and name in SECRETS:
        assert value not in err


def test_every_setting_that_can_be_wrong_is_tested() -> None:
    free_text = {"SMTP_USER"}
    assert {name for name, _value, _others in WRONG} == set(Settings.model_fields) - free_text


def test_several_wrong_settings_are_a_line_each(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load({**GOOD, "PORT": "x", "LOG_LEVEL": "y"})
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["PORT", "LOG_LEVEL"]


def test_an_empty_value_is_the_default(load: Any) -> None:
    assert load({**GOOD, "PORT": "", "SMTP_HOST": "", "PUBLIC_URL": ""}).PUBLIC_URL == "http://127.0.0.1:8000"


def test_the_environment_wins_over_the_file(load: Any) -> None:
    settings = load({"PORT": "9001"}, "\n".join([*(f"{k}={v}" for k, v in GOOD.items()), "PORT=9000", "WEB_THREADS=3"]))
    assert (settings.PORT, settings.WEB_THREADS) == (9001, 3)


def test_the_file_hands_the_object_store_its_credentials(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # obstore reads them from the environment by itself.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from the environment")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    load(GOOD, "AWS_ENDPOINT_URL=http://127.0.0.1:1\nAWS_ACCESS_KEY_ID=from the file\n")
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "from the environment"


MISSPELT = [
    ("SMPT_HOST=hidden", "SMPT_HOST in .env is not a setting. Did you mean SMTP_HOST?"),
    ("DATABSE_URL=hidden", "DATABSE_URL in .env is not a setting. Did you mean DATABASE_URL?"),
    ("smtp_host=hidden", "smtp_host in .env is not a setting. Did you mean SMTP_HOST?"),
    ("port=hidden", "port in .env is not a setting. Did you mean PORT?"),
    ("FIRST_ADMIN_MAIL=hidden", "FIRST_ADMIN_MAIL in .env is not a setting. Did you mean FIRST_ADMIN_EMAIL?"),
    ("export SECRET-KEY=hidden", "SECRET-KEY in .env is not a setting. Did you mean SECRET_KEY?"),
    ("OIDC_WHATEVER=hidden", "OIDC_WHATEVER in .env is not a setting."),
]


@pytest.mark.parametrize(("written", "line"), MISSPELT)
def test_a_name_that_looks_like_a_setting_is_named_without_its_value(load: Any, written: str, line: str) -> None:
    assert load(GOOD, written).warnings() == [line]


def test_a_misspelt_name_in_the_environment_is_named_too(load: Any) -> None:
    lines = load({**GOOD, "SMPT_HOST": "hidden"}).warnings()
    assert lines == ["SMPT_HOST in the environment is not a setting. Did you mean SMTP_HOST?"]


def test_names_of_others_are_no_misspelt_settings(load: Any) -> None:
    others = "COMPOSE_PROJECT_NAME=x\nPOSTGRES_PASSWORD=x\nREDIS_URL=x\nAWS_REGION=x\nPGHOST=x\nSPORT=x\nTZ=x\n"
    container = {"HOSTNAME": "x", "SMTP_SERVICE_HOST": "x", "REDIS_PORT": "x", "KUBERNETES_PORT": "x", "MAIL": "x"}
    assert (
        load(GOOD | container | {"WEB_CONCURRENCY": "2", "TERM_PROGRAM": "x", "LOGNAME": "x"}, others).warnings() == []
    )


@pytest.mark.parametrize(
    ("environment", "warned"),
    [
        ({}, False),
        ({"HOST": "localhost"}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": "0.0.0.0"}, True),
        ({"HOST": "intake.example.com"}, True),
        (MAIL, True),
        ({**MAIL, "PUBLIC_URL": ""}, True),
        ({**MAIL, "PUBLIC_URL": "https://intake.example.com"}, False),
    ],
)
def test_a_public_url_that_others_cannot_use_is_warned_of(load: Any, environment: dict[str, str], warned: bool) -> None:
    lines = load({**GOOD, **environment}).warnings()
    assert [line.split()[0] for line in lines] == (["PUBLIC_URL"] if warned else [])


def test_limits_that_several_processes_do_not_share_are_warned_of(load: Any) -> None:
    (line,) = load({**GOOD, "WEB_WORKERS": "3"}).warnings()
    assert line.startswith("RATE_LIMIT_STORAGE_URL holds memory://")
    assert load({**GOOD, "DATABASE_URL": "postgresql+psycopg://me:hidden@db/leads"}).warnings() == [line]
    assert load({**GOOD, "WEB_WORKERS": "3", "RATE_LIMIT_STORAGE_URL": "redis://:hidden@x"}).warnings() == []


def test_short_secrets_are_warned_of(load: Any) -> None:
    lines = load({"SECRET_KEY": "hidden", "INTERNAL_API_KEY": "hidden"}).warnings()
    assert [line.split()[0] for line in lines] == ["SECRET_KEY", "INTERNAL_API_KEY"]
    assert "hidden" not in "".join(lines)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        (
            "postgresql+psycopg://u:p%40ss@h:5433/d?sslmode=require",
            "postgresql+psycopg://u:p%40ss@h:5433/d?sslmode=require",
        ),
        ("postgresql+psycopg:///d?host=/run/pg", "postgresql+psycopg:///d?host=%2Frun%2Fpg"),
    ],
)
def test_postgresql_gets_its_driver_and_keeps_its_password(load: Any, given: str, kept: str) -> None:
    settings = load({**GOOD, "DATABASE_URL": given})
    assert settings.DATABASE_URL == kept
    assert settings.TASK_QUEUE_URL == kept, "background work is queued in the same PostgreSQL"


def test_relative_paths_are_relative_to_the_project(load: Any) -> None:
    settings = load(
        {**GOOD, "DATABASE_URL": "sqlite:///instance/x.db", "RESUME_STORAGE_URL": "file://instance/resumes"}
    )
    assert settings.DATABASE_URL == f"sqlite:///{ROOT}/instance/x.db"
    assert settings.TASK_QUEUE_URL == f"sqlite:///{ROOT}/instance/x_queue.db"
    assert settings.RESUME_STORAGE_URL == f"file://{ROOT}/instance/resumes"


def test_folders_are_made(load: Any, tmp_path: Path) -> None:
    load({**GOOD, "DATABASE_URL": f"sqlite:///{tmp_path}/a/b/x.db", "RESUME_STORAGE_URL": f"file://{tmp_path}/c/d"})
    assert (tmp_path / "a/b").is_dir()
    assert (tmp_path / "c/d").is_dir()


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"HOST": "0.0.0.0"}, "http://localhost:8000"),
        ({"HOST": "::"}, "http://localhost:8000"),
        ({"HOST": "::1", "PORT": "9"}, "http://[::1]:9"),
        ({"HOST": "desk.local", "PORT": "80"}, "http://desk.local"),
        ({"PUBLIC_URL": "https://Intake.Example.com/"}, "https://intake.example.com"),
        ({"PUBLIC_URL": "https://intake.example.com:8443"}, "https://intake.example.com:8443"),
    ],
)
def test_public_url(load: Any, environment: dict[str, str], url: str) -> None:
    assert load({**GOOD, **environment}).PUBLIC_URL == url


@pytest.mark.parametrize(
    "issuer", ["https://id.firm.example/", "http://localhost:9/realms/firm", "http://127.0.0.1:9", "http://[::1]:9"]
)
def test_an_issuer_is_kept_as_it_calls_itself(load: Any, issuer: str) -> None:
    assert load({**GOOD, **SSO, "OIDC_ISSUER": issuer}).OIDC_ISSUER == issuer


def test_domains_are_normalised(load: Any) -> None:
    settings = load({**GOOD, **SSO, "OIDC_ALLOWED_DOMAINS": "Firm.Example, @bücher.example,firm.example"})
    assert settings.OIDC_ALLOWED_DOMAINS == "firm.example xn--bcher-kva.example"
    assert settings.OIDC_DEFAULT_ROLE == "viewer"


def test_passwords_can_be_off_where_there_is_another_way_in(load: Any) -> None:
    assert load({**GOOD, **SSO, "PASSWORD_SIGN_IN": "off"}).PASSWORD_SIGN_IN == "off"


@pytest.mark.parametrize(("public_url", "secure"), [("http://a.example", False), ("https://a.example", True)])
def test_cookies_fit_the_address(load: Any, public_url: str, secure: bool) -> None:
    made = load({**GOOD, "PUBLIC_URL": public_url}).flask_config()
    assert made["SESSION_COOKIE_SECURE"] is secure
    assert made["SESSION_COOKIE_NAME"].startswith("__Host-") is secure
    assert made["SESSION_COOKIE_HTTPONLY"] is True
    assert made["SESSION_COOKIE_SAMESITE"] == "Lax"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hidden@host/name",
        "postgresql://user:hid/hidden@host/name",
        "postgres:user:hidden@host",
        "redis://:hidden@host",
        "https://host/?password=hidden&x=1",
        "https://host/?api_key=hidden",
    ],
)
def test_a_password_in_a_url_is_masked(url: str) -> None:
    assert "hidden" not in masked(url)
    assert "host" in masked(url)


def test_secrets_do_not_show_in_a_dump(load: Any) -> None:
    shown = repr(load({**GOOD, **MAIL, "SMTP_USER": "u", "SMTP_PASSWORD": "hidden"}))
    assert "hidden" not in shown
    assert "ssss" not in shown
    assert "kkkk" not in json.dumps(shown)


def test_the_example_names_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(named) == set(Settings.model_fields)
    for name, text in named.items():
        default = Settings.model_fields[name].default
        assert text in {"", str(default)} or float(text) == default, name
