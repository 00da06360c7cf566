"""Every setting of the application, read once from the environment and `.env`, typed, and passed in.

Nothing in `alma_leads` imports this module: the factory receives a `Settings`. What a variable means to an
operator is said in `.env.example`; a field's description says what it should hold, and is what an error shows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from alma_leads.common.email_address import normalise_email
from alma_leads.settings.env_file import misspelt
from alma_leads.settings.values import (
    absolute_sqlite,
    database_url,
    folder_or_bucket,
    host_name,
    is_loopback,
    issuer,
    mail_domains,
    masked,
    public_url,
    queue_beside,
    rate,
    storage_url,
)

ROOT = Path(__file__).resolve().parent
ENV_FILE = ROOT / ".env"
E_MAIL = "an e-mail address"


def _address(text: str) -> str:
    # The same rule as for everyone: private networks have names that the public ones do not.
    normalise_email(text)
    return text


_Address = Annotated[str, AfterValidator(_address)]


def _number(default: float, low: float, high: float, unit: str = "") -> Any:
    kind = "a number" if isinstance(default, float) else "a whole number"
    unit = f" ({unit})" if unit else ""
    return Field(default, ge=low, le=high, description=f"{kind} from {low} to {high}{unit}")


class Settings(BaseSettings):
    """The application's configuration. The environment wins over `.env`; an empty value means the default."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_ignore_empty=True,
        case_sensitive=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    HOST: str = Field("127.0.0.1", description="the name or IP address of a network interface")
    PORT: int = _number(8000, 1, 65535)
    FIRST_ADMIN_EMAIL: _Address | None = Field(None, description=f"{E_MAIL}, or nothing")
    FIRST_ADMIN_PASSWORD: SecretStr | None = Field(
        None, description="12 to 256 characters, set together with FIRST_ADMIN_EMAIL"
    )
    SECRET_KEY: SecretStr = Field(description="random characters, 32 or more")
    INTERNAL_API_KEY: SecretStr = Field(description="random visible ASCII characters without spaces, 16 or more")
    DATABASE_URL: str = Field(
        "sqlite:///instance/alma_leads.db",
        description="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
    )
    SMTP_HOST: str | None = Field(None, description="the name or IP address of a mail server")
    SMTP_PORT: int = _number(587, 1, 65535)
    SMTP_USER: str | None = Field(None, description="a user name, or nothing")
    SMTP_PASSWORD: SecretStr | None = Field(None, description="a password, set together with SMTP_USER")
    SMTP_SECURITY: Literal["starttls", "tls", "none"] = Field("starttls", description="starttls, tls or none")
    SMTP_CA_FILE: Path | None = Field(None, description="the path of a readable file of certificates (PEM)")
    SMTP_EHLO_NAME: str | None = Field(None, description="the full name of this machine, such as mail.example.com")
    SENDER_EMAIL: _Address | None = Field(
        None, description=f"{E_MAIL}, which e-mails come from, since SMTP_HOST is set"
    )
    HELPDESK_EMAIL: _Address | None = Field(
        None, description=f"{E_MAIL}, which hears of leads without an attorney, since SMTP_HOST is set"
    )
    MAIL_MAX_ATTEMPTS: int = _number(10, 1, 100)
    MAIL_RETRY_BASE_S: float = _number(30.0, 0.001, 86400, "seconds")
    MAIL_RETRY_MAX_S: float = _number(21600.0, 0.001, 604800, "seconds, and not less than MAIL_RETRY_BASE_S")
    MAIL_GIVE_UP_AFTER_S: float = _number(432000.0, 1, 31536000, "seconds")
    PUBLIC_URL: str = Field("", description="http://HOST or https://HOST, with a port if need be and without a path")
    TRUSTED_PROXIES: int = _number(0, 0, 10)
    RATE_LIMIT_LEADS: str = Field("20 per minute", description="a number per a time, such as 20 per minute")
    RATE_LIMIT_KEY_LEADS: str = Field("600 per minute", description="a number per a time, such as 600 per minute")
    RATE_LIMIT_STORAGE_URL: str = Field("memory://", description="memory://, redis://HOST or rediss://HOST")
    TASK_QUEUE_URL: str = Field(
        "",
        description="sqlite:///FILE, postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, redis://HOST or rediss://HOST",
    )
    WEB_WORKERS: int = _number(1, 1, 64)
    WEB_THREADS: int = _number(8, 1, 256)
    RESUME_STORAGE_URL: str = Field("file://instance/resumes", description="file://FOLDER or s3://BUCKET/PREFIX")
    OIDC_ISSUER: str | None = Field(
        None,
        description="the https:// address of an identity provider, exactly as it calls itself",
    )
    OIDC_CLIENT_ID: str | None = Field(
        None, description="the name that the identity provider knows this application by, set together with OIDC_ISSUER"
    )
    OIDC_CLIENT_SECRET: SecretStr | None = Field(
        None, description="the secret that goes with OIDC_CLIENT_ID, set together with OIDC_ISSUER"
    )
    OIDC_ALLOWED_DOMAINS: str = Field(
        "", description="domains of e-mail addresses, separated by commas, set together with OIDC_ISSUER"
    )
    OIDC_DEFAULT_ROLE: Literal["none", "viewer", "attorney", "administrator"] = Field(
        "viewer", description="viewer, attorney, administrator, or none to let in nobody who was not invited"
    )
    PASSWORD_SIGN_IN: Literal["on", "off"] = Field("on", description="on, or off where OIDC_ISSUER is set")
    SESSION_IDLE_MINUTES: int = _number(60, 1, 43200)
    SESSION_MAX_HOURS: int = _number(12, 1, 720)
    AUTHENTICATOR_ISSUER: str = Field("Alma", description="a name of 1 to 60 visible characters, without a colon")
    RESUME_MAX_BYTES: int = _number(10_485_760, 1024, 1_073_741_824, "bytes")
    RESUME_DISK_RESERVE_BYTES: int | None = Field(
        None,
        ge=0,
        le=1_125_899_906_842_624,
        description="a whole number from 0 to 1125899906842624 (bytes), or nothing",
    )
    LOG_FORMAT: Literal["console", "json"] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json", description="console or json"
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("HOST", "SMTP_HOST", "SMTP_EHLO_NAME")
    @classmethod
    def _is_host(cls, value: str | None) -> str | None:
        return value and host_name(value)

    @field_validator("FIRST_ADMIN_PASSWORD")
    @classmethod
    def _makes_an_administrator(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return _together(value, info, "FIRST_ADMIN_EMAIL", shortest=12, longest=256)

    @field_validator("SMTP_PASSWORD")
    @classmethod
    def _signs_in_to_smtp(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return _together(value, info, "SMTP_USER", shortest=1, longest=1024)

    @field_validator("SECRET_KEY", "INTERNAL_API_KEY")
    @classmethod
    def _is_a_key(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        text = value.get_secret_value()
        # Short ones are said to be weak (`weak_secrets`), not refused: a laptop may do with "dev".
        if not text or (info.field_name == "INTERNAL_API_KEY" and not all("!" <= c <= "~" for c in text)):
            raise ValueError
        return value

    @field_validator("DATABASE_URL")
    @classmethod
    def _is_database(cls, value: str) -> str:
        return absolute_sqlite(database_url(value), ROOT)

    @field_validator("TASK_QUEUE_URL")
    @classmethod
    def _is_queue(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return queue_beside(info.data.get("DATABASE_URL", ""))
        if value.startswith(("redis://", "rediss://")):
            return storage_url(value, ("redis", "rediss"))
        return absolute_sqlite(database_url(value), ROOT)

    @field_validator("SMTP_CA_FILE")
    @classmethod
    def _can_be_read(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        path = ROOT / value
        if not (path.is_file() and os.access(path, os.R_OK)):
            raise ValueError
        return path

    @field_validator("SENDER_EMAIL", "HELPDESK_EMAIL")
    @classmethod
    def _mail_needs_it(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("SMTP_HOST"):
            raise ValueError
        return value

    @field_validator("PUBLIC_URL")
    @classmethod
    def _is_public(cls, value: str, info: ValidationInfo) -> str:
        return public_url(value, host=info.data.get("HOST", ""), port=info.data.get("PORT", 8000))

    @field_validator("RATE_LIMIT_LEADS", "RATE_LIMIT_KEY_LEADS")
    @classmethod
    def _is_rate(cls, value: str) -> str:
        return rate(value)

    @field_validator("RATE_LIMIT_STORAGE_URL")
    @classmethod
    def _counts_somewhere(cls, value: str) -> str:
        return storage_url(value, ("memory", "redis", "rediss"))

    @field_validator("RESUME_STORAGE_URL")
    @classmethod
    def _keeps_files(cls, value: str) -> str:
        return folder_or_bucket(value, ROOT)

    @field_validator("OIDC_ISSUER")
    @classmethod
    def _is_issuer(cls, value: str | None) -> str | None:
        return value and issuer(value)

    @field_validator("OIDC_CLIENT_ID", "OIDC_ALLOWED_DOMAINS")
    @classmethod
    def _goes_with_the_issuer(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "OIDC_ISSUER" in info.data and bool(value) != bool(info.data["OIDC_ISSUER"]):
            raise ValueError
        return mail_domains(value) if value and info.field_name == "OIDC_ALLOWED_DOMAINS" else value

    @field_validator("OIDC_CLIENT_SECRET")
    @classmethod
    def _signs_in_to_the_provider(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return _together(value, info, "OIDC_ISSUER", shortest=1, longest=1024)

    @field_validator("PASSWORD_SIGN_IN")
    @classmethod
    def _leaves_a_way_in(cls, value: str, info: ValidationInfo) -> str:
        if value == "off" and "OIDC_ISSUER" in info.data and not info.data["OIDC_ISSUER"]:
            raise ValueError
        return value

    @field_validator("AUTHENTICATOR_ISSUER")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        # A colon parts the issuer from the account in the address that the QR code holds.
        if not value.strip() or not value.isprintable() or ":" in value or len(value) > 60:
            raise ValueError
        return value.strip()

    @field_validator("LOG_LEVEL", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @property
    def root(self) -> Path:
        """The project's folder: templates, static files and migrations are in it."""
        return ROOT

    def weak_secrets(self) -> list[str]:
        """Return the names of secrets that are too short to withstand guessing."""
        lengths = {"SECRET_KEY": 32, "INTERNAL_API_KEY": 16}
        return [name for name, least in lengths.items() if len(getattr(self, name).get_secret_value()) < least]

    def warnings(self) -> list[str]:
        """Return a line for each setting that is probably not what its owner meant. No line shows a secret."""
        lines = [
            f"{name} is short enough to be guessed. Set a longer random one before anyone else can reach this."
            for name in self.weak_secrets()
        ]
        if "PUBLIC_URL" not in self.model_fields_set and (self.SMTP_HOST or not is_loopback(self.HOST)):
            lines.append(
                f"PUBLIC_URL is not set, so links in emails and in answers begin with {self.PUBLIC_URL}. "
                f"Set it to the address that people use."
            )
        shared = self.WEB_WORKERS > 1 or self.DATABASE_URL.startswith("postgresql")
        if shared and self.RATE_LIMIT_STORAGE_URL.startswith("memory"):
            lines.append(
                "RATE_LIMIT_STORAGE_URL holds memory://, so limits count per process. Set it to redis://HOST if more "
                "than one process serves."
            )
        return [*lines, *misspelt(ENV_FILE, os.environ, known=type(self).model_fields)]

    def flask_config(self) -> dict[str, Any]:
        """Return what Flask and its extensions read from `app.config`."""
        secure = self.PUBLIC_URL.startswith("https://")
        return {
            "SECRET_KEY": self.SECRET_KEY.get_secret_value(),
            "SESSION_COOKIE_NAME": "__Host-session" if secure else "session",
            "SESSION_COOKIE_SECURE": secure,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "SESSION_COOKIE_PATH": "/",
            "PERMANENT_SESSION_LIFETIME": timedelta(hours=self.SESSION_MAX_HOURS),
            "PREFERRED_URL_SCHEME": "https" if secure else "http",
            "SQLALCHEMY_DATABASE_URI": self.DATABASE_URL,
            "SQLALCHEMY_ENGINE_OPTIONS": self._engine_options(),
            "WTF_CSRF_TIME_LIMIT": None,  # as long as the session: a form left open overnight is not an attack
            "WTF_CSRF_CHECK_DEFAULT": False,  # web/auth.py checks, since a key needs no token
            # Browsers and proxies that strip the referrer are common among those who seek asylum; the token suffices.
            "WTF_CSRF_SSL_STRICT": False,
            "MAIL_SERVER": self.SMTP_HOST,
            "MAIL_PORT": self.SMTP_PORT,
            "MAIL_USE_TLS": self.SMTP_SECURITY == "starttls",
            "MAIL_USE_SSL": self.SMTP_SECURITY == "tls",
            "MAIL_USERNAME": self.SMTP_USER,
            "MAIL_PASSWORD": self.SMTP_PASSWORD.get_secret_value() if self.SMTP_PASSWORD else None,
            "MAIL_DEFAULT_SENDER": self.SENDER_EMAIL,
            "MAIL_SUPPRESS_SEND": False,
        }

    def _engine_options(self) -> dict[str, Any]:
        # A thread holds one connection; a few more for what a streamed answer still reads.
        options: dict[str, Any] = {"pool_size": self.WEB_THREADS + 4, "max_overflow": 8, "pool_timeout": 10}
        options["hide_parameters"] = True  # an error in the log must not show what a prospect has typed
        return options


def _together(
    value: SecretStr | None, info: ValidationInfo, partner: str, *, shortest: int, longest: int
) -> SecretStr | None:
    # A partner that is wrong itself is not among the data.
    if partner in info.data and (value is None) != (info.data[partner] is None):
        raise ValueError
    if value is not None and not shortest <= len(value.get_secret_value()) <= longest:
        raise ValueError
    return value


def explain(error: ValidationError) -> Iterator[str]:
    """Yield a line for each wrong setting: its name, what it holds (no secret), what it should hold."""
    for wrong in error.errors(include_url=False, include_context=False):
        name = str(wrong["loc"][0])
        field = Settings.model_fields[name]
        should = f"it should hold {field.description}."
        given = wrong.get("input")
        if wrong["type"] == "missing" or given is None or given == "":
            yield f"{name} is not set; {should}"
        elif "SecretStr" in str(field.annotation):
            yield f"{name} holds a value that does not fit (a secret, so it is not shown); {should}"
        else:
            yield f"{name} holds {masked(str(given))!r}; {should}"


def load_settings() -> Settings:
    """Return the settings. A wrong one ends the process with exit code 2 and a line on stderr that names it."""
    for name, value in dotenv_values(ENV_FILE).items():
        if name.startswith("AWS_") and value:  # the object store reads these from the environment by itself
            os.environ.setdefault(name, value)
    try:
        return Settings()
    except ValidationError as error:
        sys.stderr.write("".join(f"{line}\n" for line in explain(error)))
        raise SystemExit(2) from None
