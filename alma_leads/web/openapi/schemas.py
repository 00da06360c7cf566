"""What the API's objects look like, as JSON Schema. What comes in is described by the Pydantic models."""

from __future__ import annotations

from typing import Any

from alma_leads.leads.core.state import LeadStatus

Schema = dict[str, Any]
STAMP: Schema = {"type": "string", "format": "date-time", "examples": ["2026-11-24T08:30:00.000000Z"]}
STATUS: Schema = {"type": "string", "enum": [status.value for status in LeadStatus]}


def or_null(schema: Schema) -> Schema:
    """Return the schema of something that may be missing."""
    return {"anyOf": [schema, {"type": "null"}]}


def an_object(properties: dict[str, Schema]) -> Schema:
    """Return the schema of an object with these fields and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


RECORD: dict[str, Schema] = {
    "id": {"type": "integer", "examples": [1]},
    "first_name": {"type": "string", "examples": ["Sai"]},
    "last_name": {"type": "string", "examples": ["Maryada"]},
    "email": {"type": "string", "examples": ["example@gmail.com"]},
    "resume_url": {
        "type": "string",
        "description": "The link given, or this application's own protected address of the uploaded file.",
        "examples": ["https://drive.google.com/x"],
    },
    "status": STATUS,
}
FULL_LEAD = an_object(
    {
        **RECORD,
        "created_at": STAMP,
        "updated_at": STAMP,
        "reached_out_at": or_null(STAMP),
        "assigned_to": or_null({"type": "string", "description": "The attorney's address."}),
    }
)
EVENT = an_object(
    {
        "id": {"type": "integer"},
        "lead_id": {"type": "integer"},
        "type": {"type": "string", "examples": ["reached_out"]},
        "at": STAMP,
        "actor": an_object(
            {
                "type": {"type": "string", "enum": ["prospect", "user", "key", "system"]},
                "id": or_null({"type": "integer"}),
                "name": {"type": "string"},
            }
        ),
        "data": {"type": "object", "examples": [{"status": {"old": "PENDING", "new": "REACHED_OUT"}}]},
    }
)
ASSIGNMENT = an_object(
    {
        "email": {"type": "string", "description": "The prospect's address, normalised."},
        "attorney": {"type": "string"},
        "attorney_name": {"type": "string"},
        "assigned_at": STAMP,
    }
)
MESSAGE = an_object(
    {
        "id": {"type": "integer"},
        "kind": {"type": "string"},
        "recipient": {"type": "string"},
        "correlation": {"type": "string", "description": "What it is about, as lead:1."},
        "subject": {"type": "string"},
        "state": {"type": "string", "enum": ["queued", "retrying", "dead", "sent"]},
        "attempts": {"type": "integer"},
        "created_at": STAMP,
        "due_at": STAMP,
        "settled_at": or_null(STAMP),
        "expires_at": or_null(STAMP),
        "last_error": or_null({"type": "string", "description": "The mail server's words."}),
    }
)
PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "For 422: each field that is wrong, and what to do.",
            "items": an_object({"field": {"type": "string"}, "message": {"type": "string"}}),
        },
        "request_id": {"type": "string", "description": "For 500: give it to the operator."},
    },
    "required": ["type", "title", "status", "detail"],
}
