"""What the values of settings may look like: each function returns a value made whole, or raises `ValueError`."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from limits import parse_many
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from alma_leads.common.email_address import normalise_email

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_CREDENTIALS = re.compile(r"^(\s*[\w+.-]*:?/{0,2}).*@", re.DOTALL)
_SECRET_PARAMETER = re.compile(r"(?i)((?:password|passwd|secret|token|key)\w*=)[^&\s]*")
_EVERY_INTERFACE = {"0.0.0.0", "::"}  # noqa: S104 -- compared with, not bound to
_POSTGRESQL = {"postgres", "postgresql", "postgresql+psycopg"}


def masked(text: str) -> str:
    """Return `text` without what may be a password in a URL, on one line and of bearable length."""
    hidden = _SECRET_PARAMETER.sub(r"\1***", _CREDENTIALS.sub(r"\1***@", text))
    return hidden if len(hidden) <= 200 else f"{hidden[:200]}…"


def host_name(text: str) -> str:
    """Return a host name, or an IP address without brackets."""
    bare = text.strip().removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if len(bare) > 253 or not _HOST_NAME.fullmatch(bare):
            raise
    return bare


def database_url(text: str) -> str:
    """Return an SQLAlchemy URL of a file of SQLite, or of PostgreSQL with its driver named."""
    try:
        url = make_url(text.strip())
    except ArgumentError as wrong:
        raise ValueError(str(wrong)) from None
    if url.drivername in _POSTGRESQL:
        if not url.database:
            raise ValueError("no database is named")
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if url.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise ValueError("neither SQLite nor PostgreSQL")
    # In memory every process would have a database of its own.
    if url.host or not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError("not a file")
    return url.set(drivername="sqlite").render_as_string(hide_password=False)


def absolute_sqlite(url: str, root: Path) -> str:
    """Return `url` with a relative file of SQLite placed under `root`; its folder is made."""
    parts = make_url(url)
    if parts.drivername != "sqlite" or parts.database is None:
        return url
    path = root / parts.database
    _make_folder(path.parent)
    return parts.set(database=str(path)).render_as_string(hide_password=False)


def queue_beside(database: str) -> str:
    """Return where background work is queued unless told: beside the file of SQLite, or in the same PostgreSQL."""
    if not database.startswith("sqlite"):
        return database
    url = make_url(database)
    path = Path(url.database or "")
    return url.set(database=str(path.with_name(f"{path.stem}_queue.db"))).render_as_string(hide_password=False)


def storage_url(text: str, schemes: tuple[str, ...]) -> str:
    """Return `text` when it is a URL of one of `schemes`; every one but memory:// names a host."""
    url = urlsplit(text.strip())
    _ = url.port  # raises ValueError when it is none
    if url.scheme not in schemes or (url.scheme != "memory" and not url.hostname):
        raise ValueError("another scheme, or no host")
    return text.strip()


def folder_or_bucket(text: str, root: Path) -> str:
    """Return an s3:// URL as it is, or a file:// URL made absolute under `root`; its folder is made."""
    scheme, _, rest = text.strip().partition("://")
    if scheme == "s3" and urlsplit(text.strip()).netloc:
        return text.strip().rstrip("/")
    if scheme != "file" or not rest:
        raise ValueError("neither a folder nor a bucket")
    path = root / rest
    _make_folder(path)
    return f"file://{path}"


def public_url(text: str, *, host: str, port: int) -> str:
    """Return an http(s) address without a path or a final slash; when `text` is empty, that of `host` and `port`."""
    if not text.strip():
        shown = "localhost" if host in _EVERY_INTERFACE else f"[{host}]" if ":" in host else host
        return f"http://{shown}" if port == 80 else f"http://{shown}:{port}"
    url = urlsplit(text.strip())
    _ = url.port  # raises ValueError when it is none
    host_name(url.hostname or "")
    if (
        url.scheme not in {"http", "https"}
        or "@" in url.netloc
        or url.path not in {"", "/"}
        or url.query
        or url.fragment
    ):
        raise ValueError("not the address of a site")
    return f"{url.scheme}://{url.netloc.lower()}"


def issuer(text: str) -> str:
    """Return an identity provider's address: https, or http on this machine, without a query (OIDC Core, 2)."""
    url = urlsplit(text)
    _ = url.port  # raises ValueError when it is none
    secure = url.scheme == "https" or (url.scheme == "http" and is_loopback(host_name(url.hostname or "")))
    if not secure or len(text) > 255 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not the address of an identity provider")
    host_name(url.hostname or "")
    if "@" in url.netloc or "?" in text or "#" in text:
        raise ValueError("more than the address of an identity provider")
    return text


def mail_domains(text: str) -> str:
    """Return domains of e-mail addresses, normalised and separated by spaces."""
    named = [name.removeprefix("@") for name in re.split(r"[\s,]+", text) if name]
    if not named or any("@" in name for name in named):
        raise ValueError("no domains")
    return " ".join(dict.fromkeys(normalise_email(f"x@{name}").split("@")[1] for name in named))


def rate(text: str) -> str:
    """Return a rate limit such as "20 per minute"."""
    parse_many(text)
    return text


def is_loopback(host: str) -> bool:
    """Say whether a host name or an IP address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as wrong:
        raise ValueError(f"the folder cannot be made: {wrong.strerror}") from None
