"""By what a later lead of the same person is recognised: the traces that each lead leaves. See `leads.likeness`.

A trace of a name is a pair of its sounds, with its words as the detail. An address that is a spelling of another
mailbox's (`Ann.Lee+visa@gmail.com`) leaves the trace "@" with that mailbox; any other address is a prospect's own.
"""

from __future__ import annotations

import orjson

from alma_leads.database.raw import Sql, Step
from alma_leads.leads.conflicts.likeness import name_key, pairs_of, words_of

ADDRESS = "@"
_DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}

_STORE = Sql(
    sqlite="""
        INSERT INTO lead_traces (trace, detail, lead_id)
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), :lead_id FROM json_each(:traces)
    """,
    postgresql="""
        INSERT INTO lead_traces (trace, detail, lead_id)
        SELECT each ->> 0, each ->> 1, :lead_id FROM jsonb_array_elements(CAST(:traces AS jsonb)) each
    """,
)


def traces_of(*, first_name: str, last_name: str, address: str) -> list[tuple[str, str]]:
    """Return (trace, detail) of each trace that a lead leaves. `address` is normalised."""
    words = words_of(first_name=first_name, last_name=last_name)
    name = name_key(words)
    found = [(pair, name) for pair in pairs_of(words)]
    return found if mailbox(address) == address else [*found, (ADDRESS, mailbox(address))]


def mailbox(address: str) -> str:
    """Return the mailbox that a normalised address most likely reaches.

    Most mail servers take what follows a plus for a tag (RFC 5233); Gmail takes no notice of dots.
    """
    local, _, domain = address.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), _DOTLESS[domain]
    return f"{local}@{domain}"


def storing(lead_id: int, *, first_name: str, last_name: str, address: str) -> Step:
    """Return the statement that stores the traces of a lead. `address` is normalised."""
    traces = traces_of(first_name=first_name, last_name=last_name, address=address)
    return _STORE, {"lead_id": lead_id, "traces": orjson.dumps(traces).decode()}
