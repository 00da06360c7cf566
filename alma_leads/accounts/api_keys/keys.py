"""Keys of scripts as rows: how a key looks, what it may be, found, kept. Runs in its callers' transactions."""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.accounts.api_keys.networks import BadNetwork, parse_network
from alma_leads.accounts.core.errors import KeyNotFound, KeyRefused
from alma_leads.accounts.core.permissions import Scope
from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql
from alma_leads.text import EXPANSION, MAX_MARKS, TextTooLong, TooManyMarks, UnfitText, normalise

STATIC_NAME = "INTERNAL_API_KEY"
START = "alma_"
# 43 characters of 62 are 256 bits.
_SECRET_LENGTH = 43
_CHECK_LENGTH = 6
_SHOWN_LENGTH = len(START) + 4
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
MAX_NAME_LENGTH = 100
MAX_NETWORKS = 50

# By the digest, and not by the key: how long the index takes tells a stranger about a digest that cannot be steered.
_WORKING = Sql("""
    SELECT id, name, prefix, scopes, networks, last_used_at FROM api_keys
    WHERE key_hash = :key_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
""")
# Of the many requests that find it old, one writes.
_TOUCH = Sql("""
    UPDATE api_keys SET last_used_at = :now WHERE id = :id AND (last_used_at IS NULL OR last_used_at < :before)
""")
# A key that has ended leaves its name to the next one.
_RETIRE_ENDED = Sql("""
    UPDATE api_keys SET revoked_at = expires_at, revoked_by = :by
    WHERE name = :name AND revoked_at IS NULL AND expires_at <= :now
""")
_INSERT = Sql("""
    INSERT INTO api_keys (name, prefix, key_hash, scopes, networks, created_by, created_at, expires_at)
    VALUES (:name, :prefix, :key_hash, :scopes, :networks, :created_by, :now, :expires_at)
    ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING RETURNING id
""")
_COLUMNS = """id, name, prefix, scopes, networks, created_by, created_at, expires_at, last_used_at, revoked_at,
    CASE WHEN expires_at <= coalesce(revoked_at, :now) THEN 'ended' WHEN revoked_at IS NOT NULL THEN 'revoked'
         ELSE 'working' END"""
_ALL = Sql(f"""
    SELECT {_COLUMNS} FROM api_keys
    ORDER BY CASE WHEN revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now) THEN 0 ELSE 1 END, id DESC
""")
_BY_ID = Sql(f"SELECT {_COLUMNS} FROM api_keys WHERE id = :id")
_BY_SECRET = Sql(f"SELECT {_COLUMNS} FROM api_keys WHERE key_hash = :key_hash")
_ID_OF = Sql("SELECT id FROM api_keys WHERE name = :name AND revoked_at IS NULL")
_REVOKE = Sql("""
    UPDATE api_keys SET revoked_at = :now, revoked_by = :by WHERE id = :id AND revoked_at IS NULL RETURNING name
""")


class WorkingKey(NamedTuple):
    """A key that works. `scopes` and `networks` are separated by spaces."""

    id: int
    name: str
    prefix: str
    scopes: str
    networks: str
    last_used_at: str | None


class KeyRow(NamedTuple):
    """A key in the list. `state` is "working", "ended" or "revoked"."""

    id: int
    name: str
    prefix: str
    scopes: str
    networks: str
    created_by: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None
    state: str


class KeyWish(NamedTuple):
    """What a key is to be, checked: see `wish`."""

    name: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    expires_at: datetime | None


def new_secret() -> str:
    """Return a fresh key: 256 random bits and a checksum, so that a slip in copying costs no look-up."""
    secret = START + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return secret + _check(secret)


def looks_like_one(key: str) -> bool:
    """Say whether a text could be a key that `new_secret` made."""
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
    """Return a key's name as it is kept, or raise KeyRefused with what is wrong with it."""
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


def wish(
    name: str, *, scopes: Iterable[str], networks: Iterable[str], expires_at: datetime | None, now: datetime
) -> KeyWish:
    """Return what a key is to be.

    Args:
        name: one line, 1 to 100 characters.
        scopes: at least one, by value.
        networks: CIDR blocks; none means any.
        expires_at: when it ends; None means never.
        now: the present.

    Raises:
        KeyRefused: something about it cannot be; every such thing is said.
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
    return KeyWish(name, known, tuple(blocks), expires_at)


def insert(connection: Connection, wanted: KeyWish, *, secret: str, by: str, now: datetime) -> int:
    """Keep a new key, and return its number.

    Raises:
        KeyRefused: another key that works has the name.
    """
    stamp = to_stamp(now)
    _RETIRE_ENDED.run(connection, name=wanted.name, by=by, now=stamp)
    row = _INSERT.row(
        connection,
        name=wanted.name,
        prefix=secret[:_SHOWN_LENGTH],
        key_hash=_key_hash(secret),
        scopes=" ".join(wanted.scopes),
        networks=" ".join(wanted.networks),
        created_by=by,
        now=stamp,
        expires_at=None if wanted.expires_at is None else to_stamp(wanted.expires_at),
    )
    if row is None:
        raise KeyRefused({"name": "Another key has this name. Choose another, or revoke that one first"})
    key_id: int = row[0]
    return key_id


def working(connection: Connection, secret: str, *, now: datetime) -> WorkingKey | None:
    """Return the key while it works, or None: there is none, it has ended, or it was revoked."""
    row = _WORKING.row(connection, key_hash=_key_hash(secret), now=to_stamp(now))
    return None if row is None else WorkingKey(*row)


def by_secret(connection: Connection, secret: str, *, now: datetime) -> KeyRow | None:
    """Return the key that has this secret, whether it works or not, or None."""
    row = _BY_SECRET.row(connection, key_hash=_key_hash(secret), now=to_stamp(now))
    return None if row is None else KeyRow(*row)


def touch(connection: Connection, key_id: int, *, before: str, now: datetime) -> None:
    """Note that a key is used, unless that was noted after the stamp `before`."""
    _TOUCH.run(connection, id=key_id, before=before, now=to_stamp(now))


def all_keys(connection: Connection, *, now: datetime) -> list[KeyRow]:
    """Return every key there ever was: those that work first, then the newest first."""
    return [KeyRow(*row) for row in _ALL.rows(connection, now=to_stamp(now))]


def by_id(connection: Connection, key_id: int, *, now: datetime) -> KeyRow:
    """Return one key.

    Raises:
        KeyNotFound: there is none.
    """
    row = _BY_ID.row(connection, id=key_id, now=to_stamp(now))
    if row is None:
        raise KeyNotFound
    return KeyRow(*row)


def id_of(connection: Connection, name: str) -> int:
    """Return the number of the key with this name that is not revoked.

    Raises:
        KeyNotFound: there is none.
    """
    try:
        row = _ID_OF.row(connection, name=_normalise_name(name))
    except UnfitText as unfit:
        raise KeyNotFound from unfit
    if row is None:
        raise KeyNotFound
    key_id: int = row[0]
    return key_id


def revoke(connection: Connection, key_id: int, *, by: str, now: datetime) -> str | None:
    """Revoke a key and return its name, or None when it was revoked already or never was."""
    row = _REVOKE.row(connection, id=key_id, by=by, now=to_stamp(now))
    return None if row is None else row[0]
