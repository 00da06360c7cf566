"""Tables of accounts: users, their credentials, sessions and one-time links, API keys, and the firm's rule."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    exists,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime, text_enum, utc_now


class Role(enum.StrEnum):
    """What a user may do at the firm."""

    ADMINISTRATOR = "administrator"
    ATTORNEY = "attorney"
    VIEWER = "viewer"


class Identity(Base):
    """Who a user is at the firm's identity provider: `subject` never changes there, an e-mail address may."""

    __tablename__ = "identities"

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("issuer", "subject"),)


class Passkey(Base):
    """A passkey (WebAuthn credential). `credential_id` and `public_key` are base64url."""

    __tablename__ = "passkeys"

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[str] = mapped_column(Text)
    sign_count: Mapped[int] = mapped_column(BigInteger, default=0)
    transports: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class User(Base):
    """Someone of the firm. `email` is kept normalised.

    A user is activated once there is a password, a passkey or a work account to sign in with; until then the invitation
    is pending. `handle` is the random name that passkeys know the user by. An empty `time_zone` means the firm's.
    """

    __tablename__ = "users"

    id: Mapped[Id] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(text_enum(Role, name="role", length=20))
    password: Mapped[str | None] = mapped_column(String(255))
    password_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    active: Mapped[bool] = mapped_column(default=True)
    handle: Mapped[str] = mapped_column(String(64), unique=True)
    time_zone: Mapped[str] = mapped_column(String(64), default="")
    theme: Mapped[str] = mapped_column(String(5), default="")
    single_key_shortcuts: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    is_activated: Mapped[bool] = column_property(
        or_(
            password.is_not(None),
            exists(select(Passkey.id).where(Passkey.user_id == id).correlate_except(Passkey)),
            exists(select(Identity.id).where(Identity.user_id == id).correlate_except(Identity)),
        )
    )

    __table_args__ = (CheckConstraint("theme IN ('', 'light', 'dark')", name="theme"),)


class SsoRequest(Base):
    """A sign-in that has gone to the identity provider: it may come back once, and to the same browser.

    Of `state` and of what the browser's cookie holds only the SHA-256 is kept. `wanted` is the page of the desk that it
    shall lead to; `confirming` says that someone who is signed in shows again who it is.
    """

    __tablename__ = "sso_requests"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(64))
    wanted: Mapped[str] = mapped_column(Text)
    confirming: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Authenticator(Base):
    """An authenticator app. Its secret is encrypted; until `confirmed_at` it is being set up and opens nothing.

    `last_step` is the time step of the last code that was taken: that one and earlier ones are refused.
    """

    __tablename__ = "authenticators"

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    secret: Mapped[str] = mapped_column(String(255))
    last_step: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PasskeyChallenge(Base):
    """A challenge that a browser has been given to sign, once. Only its SHA-256 is kept."""

    __tablename__ = "passkey_challenges"

    challenge_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class RecoveryCode(Base):
    """A code for the day the phone is lost. It works once; only its SHA-256 is kept."""

    __tablename__ = "recovery_codes"

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SessionStage(enum.StrEnum):
    """How far a sign-in has come: only an open session opens the desk."""

    SECOND_FACTOR = "second_factor"  # has proved one factor, and has a second one to prove
    ENROLMENT = "enrolment"  # has proved one factor, and has to set up a second one, since the firm requires it
    OPEN = "open"


class UserSession(Base):
    """A browser that is signed in, or half-way there. The cookie holds a random token; only its SHA-256 is kept.

    `proofs` names what the user has shown ("password code"), `authenticated_at` when.
    """

    __tablename__ = "user_sessions"

    id: Mapped[Id] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(255))
    stage: Mapped[SessionStage] = mapped_column(text_enum(SessionStage, name="stage", length=20))
    proofs: Mapped[str] = mapped_column(String(60))
    authenticated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LinkPurpose(enum.StrEnum):
    """What a one-time link lets its holder do."""

    SETUP = "setup"
    INVITATION = "invitation"
    RESET = "reset"
    CHANGE_EMAIL = "change_email"


class OneTimeLink(Base):
    """A link that works once: the set-up, an invitation, a password reset, or a change of address to `new_email`."""

    __tablename__ = "one_time_links"

    id: Mapped[Id] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[LinkPurpose] = mapped_column(text_enum(LinkPurpose, name="purpose", length=20))
    user_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    new_email: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignInAttempt(Base):
    """A sign-in that has not succeeded. `account` is the SHA-256 of the address typed, whether it exists or not.

    `address` is what counts as one client: an IPv4 address, or the /64 of an IPv6 one, whose /48 is `wide_network`.
    """

    __tablename__ = "sign_in_attempts"

    id: Mapped[Id] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(45))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    wide_network: Mapped[str | None] = mapped_column(String(45))

    __table_args__ = (
        Index("ix_sign_in_attempts_account_at", "account", "at"),
        Index("ix_sign_in_attempts_address_at", "address", "at"),
        Index("ix_sign_in_attempts_wide_network_at", "wide_network", "at"),
    )


class KeyState(enum.StrEnum):
    """Whether an API key works. A revoked key that had expired before is expired."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKey(Base):
    """A script's key. Only its SHA-256 is stored, and `prefix`, by which people tell keys apart.

    `scopes` are permissions and `networks` CIDR blocks, each separated by spaces; no network means any. The names of
    who created and who revoked it are those at the time.
    """

    __tablename__ = "api_keys"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(200))
    networks: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_by: Mapped[str | None] = mapped_column(String(200))

    # Two keys that are not revoked have two names: a log that says "website-import" must mean one.
    __table_args__ = (
        Index(
            "ix_api_keys_name",
            "name",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
            sqlite_where=text("revoked_at IS NULL"),
        ),
    )

    @property
    def label(self) -> str:
        """How the key is called in logs and timelines."""
        return f"script: {self.name}"

    @property
    def state(self) -> KeyState:
        """Whether the key works now."""
        if self.expires_at is not None and self.expires_at <= (self.revoked_at or utc_now()):
            return KeyState.EXPIRED
        return KeyState.ACTIVE if self.revoked_at is None else KeyState.REVOKED


class Firm(Base):
    """What the firm has decided for everyone: one row."""

    __tablename__ = "firm"

    id: Mapped[Id] = mapped_column(primary_key=True)
    second_factor_required: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
