"""API keys: how a secret looks, what a key may be called and do, stored, found. Runs in its callers' transactions."""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Row, and_, bindparam, case, or_, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.api_keys.networks import BadNetwork, parse_network
from alma_leads.accounts.core.errors import KeyNotFound, KeyRefused
from alma_leads.accounts.core.models import ApiKey
from alma_leads.accounts.core.permissions import Scope
from alma_leads.common.text import EXPANSION, MAX_MARKS, TextTooLong, TooManyMarks, UnfitText, normalise
from alma_leads.database.upsert import insert

STATIC_NAME = "INTERNAL_API_KEY"
START = "alma_"
# 43 characters of 62 are 256 bits.
_SECRET_LENGTH = 43
_CHECK_LENGTH = 6
_SHOWN_LENGTH = len(START) + 4
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
MAX_NAME_LENGTH = 100
MAX_NETWORKS = 50

# Looked up by the digest, and not by the key: how long the index takes tells a stranger about a digest that cannot be
# steered. Every request with a key asks this: one statement, built once.
_FIND_ACTIVE = select(ApiKey.id, ApiKey.name, ApiKey.scopes, ApiKey.networks, ApiKey.last_used_at).where(
    ApiKey.key_hash == bindparam("key_hash"),
    ApiKey.revoked_at.is_(None),
    or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > bindparam("now")),
)
_INSERT = (
    insert(ApiKey)
    .on_conflict_do_nothing(index_elements=[ApiKey.name], index_where=ApiKey.revoked_at.is_(None))
    .returning(ApiKey)
)


class NewApiKey(NamedTuple):
    """What a new key may be called and do, validated: see `validate`."""

    name: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    expires_at: datetime | None


def new_secret() -> str:
    """Return a new secret: 256 random bits and a checksum, so that a typing error costs no look-up."""
    secret = START + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return secret + _check(secret)


def is_well_formed(key: str) -> bool:
    """Return whether a text could be a secret that `new_secret` made."""
    length = len(START) + _SECRET_LENGTH + _CHECK_LENGTH
    if len(key) != length or not key.startswith(START) or not key.isascii():
        return False
    return _check(key[:-_CHECK_LENGTH]) == key[-_CHECK_LENGTH:]


def _check(secret: str) -> str:
    number, digits = zlib.crc32(secret.encode()), ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _normalise_name(name: str) -> str:
    return normalise(name.strip(), "NFC", at_most=EXPANSION * MAX_NAME_LENGTH).strip()


def _check_name(typed: str) -> str:
    """Return a key's name as it is stored, or raise KeyRefused with what is wrong with it."""
    wrong = None
    try:
        name = _normalise_name(typed)
    except TextTooLong:
        name = ""
    except TooManyMarks:
        raise KeyRefused({"name": f"Give the key a name with at most {MAX_MARKS} accents on a letter"}) from None
    if not (1 <= len(name) <= MAX_NAME_LENGTH and name.isprintable()):
        wrong = f"Give the key a name of 1 to {MAX_NAME_LENGTH} characters"
    elif name == STATIC_NAME:
        wrong = "Choose another name: the key of the environment is called so"
    if wrong:
        raise KeyRefused({"name": wrong})
    return name


def _key_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def validate(
    name: str, *, scopes: Iterable[str], networks: Iterable[str], expires_at: datetime | None, now: datetime
) -> NewApiKey:
    """Return what a new key is called and may do.

    Args:
        name: one line, 1 to 100 characters.
        scopes: at least one, by value.
        networks: CIDR blocks; none means any.
        expires_at: when it expires; None means never.
        now: the present.

    Raises:
        KeyRefused: something about it is wrong; its errors name everything that is.
    """
    errors: dict[str, str] = {}
    try:
        name = _check_name(name)
    except KeyRefused as refused:
        errors |= refused.errors
    asked = set(scopes)
    known = tuple(scope for scope in Scope if scope in asked)
    if not known or len(known) < len(asked):
        errors["scopes"] = f"Choose what the key may do: {', '.join(Scope)}"
    blocks: list[str] = []
    try:
        blocks = list(dict.fromkeys(parse_network(network) for network in networks))
    except BadNetwork as bad:
        errors["networks"] = str(bad)
    if len(blocks) > MAX_NETWORKS:
        errors["networks"] = f"Give at most {MAX_NETWORKS} networks"
    if expires_at is not None and expires_at <= now:
        errors["expires"] = "Give a day that is still to come"
    if errors:
        raise KeyRefused(errors)
    return NewApiKey(name, known, tuple(blocks), expires_at)


def create_key(session: Session, new: NewApiKey, *, secret: str, by: str, now: datetime) -> ApiKey:
    """Store a new key. An expired key with the same name is revoked, so that its name is free.

    Raises:
        KeyRefused: another active key has the name.
    """
    session.execute(
        update(ApiKey)
        .where(ApiKey.name == new.name, ApiKey.revoked_at.is_(None), ApiKey.expires_at <= now)
        .values(revoked_at=ApiKey.expires_at, revoked_by=by)
    )
    key = session.scalar(
        _INSERT,
        {
            "name": new.name,
            "prefix": secret[:_SHOWN_LENGTH],
            "key_hash": _key_hash(secret),
            "scopes": " ".join(new.scopes),
            "networks": " ".join(new.networks),
            "created_by": by,
            "created_at": now,
            "expires_at": new.expires_at,
        },
    )
    if key is None:
        raise KeyRefused({"name": "Another key has this name. Choose another, or revoke that one first"})
    return key


def find_active(session: Session, secret: str, *, now: datetime) -> Row[int, str, str, str, datetime | None] | None:
    """Return `id`, `name`, `scopes`, `networks` and `last_used_at` of an active key, or None."""
    return session.connection().execute(_FIND_ACTIVE, {"key_hash": _key_hash(secret), "now": now}).one_or_none()


def find_by_secret(session: Session, secret: str) -> ApiKey | None:
    """Return the key that has this secret, active or not, or None."""
    return session.scalar(select(ApiKey).where(ApiKey.key_hash == _key_hash(secret)))


def touch(session: Session, key_id: int, *, before: datetime, now: datetime) -> None:
    """Record that a key is used, unless that was recorded after `before`: of many requests at once, one writes."""
    unused = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < before)
    session.execute(update(ApiKey).where(ApiKey.id == key_id, unused).values(last_used_at=now))


def list_keys(session: Session, *, now: datetime) -> Sequence[ApiKey]:
    """Return every key there ever was: active ones first, then the newest first."""
    is_active = and_(ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now))
    return session.scalars(select(ApiKey).order_by(case((is_active, 0), else_=1), ApiKey.id.desc())).all()


def get_key(session: Session, key_id: int) -> ApiKey:
    """Return a key.

    Raises:
        KeyNotFound: there is none.
    """
    key = session.get(ApiKey, key_id)
    if key is None:
        raise KeyNotFound
    return key


def get_key_by_name(session: Session, name: str) -> ApiKey:
    """Return the key with this name that is not revoked.

    Raises:
        KeyNotFound: there is none.
    """
    try:
        normalised = _normalise_name(name)
    except UnfitText as unfit:
        raise KeyNotFound from unfit
    key = session.scalar(select(ApiKey).where(ApiKey.name == normalised, ApiKey.revoked_at.is_(None)))
    if key is None:
        raise KeyNotFound
    return key


def revoke(session: Session, key_id: int, *, by: str, now: datetime) -> ApiKey | None:
    """Revoke a key and return it, or None when it was revoked already or never existed."""
    key = session.scalar(select(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).with_for_update())
    if key is not None:
        key.revoked_at, key.revoked_by = now, by
    return key
