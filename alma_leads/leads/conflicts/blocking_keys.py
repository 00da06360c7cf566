"""Keys under which a lead is stored, so that later leads of the same person find it. See `name_similarity`.

A name has a key for each pair of its words (`phonetic_key`), with the words themselves as the detail. An address that
is another spelling of a mailbox (`Ann.Lee+visa@gmail.com`) has the key "@" with that mailbox; any other address is
found through its prospect.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert

from alma_leads.leads.conflicts.models import BlockingKey
from alma_leads.leads.conflicts.name_similarity import name_key, phonetic_keys, words_of

ADDRESS = "@"
_DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}

_INSERT = insert(BlockingKey).values(
    {
        BlockingKey.key: bindparam("key"),
        BlockingKey.detail: bindparam("detail"),
        BlockingKey.lead_id: bindparam("lead_id"),
    }
)


def blocking_keys(*, first_name: str, last_name: str, address: str) -> list[tuple[str, str]]:
    """Return (key, detail) of each blocking key of a lead. `address` is normalised."""
    words = words_of(first_name=first_name, last_name=last_name)
    name = name_key(words)
    found = [(key, name) for key in phonetic_keys(words)]
    return found if mailbox(address) == address else [*found, (ADDRESS, mailbox(address))]


def mailbox(address: str) -> str:
    """Return the mailbox that a normalised address most likely reaches.

    Most mail servers treat what follows a plus as a tag (RFC 5233); Gmail ignores dots.
    """
    local, _, domain = address.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), _DOTLESS[domain]
    return f"{local}@{domain}"


def store_blocking_keys(connection: Connection, lead_id: int, *, first_name: str, last_name: str, address: str) -> None:
    """Store the blocking keys of a lead. `address` is normalised."""
    keys = blocking_keys(first_name=first_name, last_name=last_name, address=address)
    if keys:
        connection.execute(_INSERT, [{"key": key, "detail": detail, "lead_id": lead_id} for key, detail in keys])
