"""Every setting of the application, read once from the environment and `.env`, typed, and passed in.

Nothing in `alma_leads` imports this module: the factory receives a `Settings`. What a variable means to an
operator is said in `.env.example` and in the README.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn
from urllib.parse import urlsplit

from pydantic import AfterValidator, EmailStr, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent


class Settings(BaseSettings):
    """The application's configuration. The environment wins over `.env`; an empty value means the default."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", env_ignore_empty=True, extra="ignore", frozen=True)

    HOST: str = "127.0.0.1"
    PORT: int = Field(8000, ge=1, le=65535)
    FIRST_ADMIN_EMAIL: EmailStr | None = None
    FIRST_ADMIN_PASSWORD: SecretStr | None = None
    SECRET_KEY: SecretStr
    INTERNAL_API_KEY: SecretStr
    DATABASE_URL: str = "sqlite:///instance/alma_leads.db"
    SMTP_HOST: str | None = None
    SMTP_PORT: int = Field(587, ge=1, le=65535)
    SMTP_USER: str | None = None
    SMTP_PASSWORD: SecretStr | None = None
    SMTP_SECURITY: Literal["starttls", "tls", "none"] = "starttls"
    SMTP_CA_FILE: Path | None = None
    SENDER_EMAIL: EmailStr | None = None
    HELPDESK_EMAIL: EmailStr | None = None
    MAIL_MAX_ATTEMPTS: int = Field(10, ge=1, le=100)
    MAIL_RETRY_BASE_S: float = Field(30, gt=0, le=86400)
    MAIL_RETRY_MAX_S: float = Field(21600, gt=0, le=604800)
    PUBLIC_URL: str = ""
    TRUSTED_PROXIES: int = Field(0, ge=0, le=10)
    RATE_LIMIT_LEADS: str = "20 per minute"
    RATE_LIMIT_STORAGE_URL: str = "memory://"
    TASK_QUEUE_URL: str = ""
    WEB_WORKERS: int = Field(1, ge=1, le=64)
    WEB_THREADS: int = Field(8, ge=1, le=256)
    RESUME_STORAGE_URL: str = "file://instance/resumes"
    SESSION_IDLE_MINUTES: int = Field(60, ge=1, le=43200)
    SESSION_MAX_HOURS: int = Field(12, ge=1, le=720)
    RESUME_MAX_BYTES: int = Field(10_485_760, ge=1024, le=1_073_741_824)
    LOG_FORMAT: Literal["console", "json"] = "console"
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
