"""The API's description (OpenAPI 3.1), as data. A test holds it against the routes, another against real answers."""

from __future__ import annotations

from alma_leads.accounts.core.permissions import Permission, Scope
from alma_leads.file_formats.formats import CONTENT_TYPES
from alma_leads.leads.core.schemas import AssignmentIn, LeadIn, LeadPatch
from alma_leads.web.openapi.operations import (
    EMAIL,
    FILTERS,
    LEAD_ID,
    UPLOAD,
    answers,
    export,
    filter_of,
    header,
    json_of,
    operation,
    problem,
    ref,
)
from alma_leads.web.openapi.schemas import (
    ASSIGNMENT,
    EVENT,
    FULL_LEAD,
    MESSAGE,
    PROBLEM,
    RECORD,
    STATUS,
    Schema,
    an_object,
)


def document(*, public_url: str) -> Schema:
    """Return the OpenAPI document of an application whose address is `public_url`."""
    record = an_object(RECORD)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Alma Lead Manager",
            "version": "1.0.0",
            "description": "Send leads to a law firm, list them, and mark them reached out.",
        },
        "servers": [{"url": public_url}],
        "paths": {
            "/public/leads": {
                "post": operation(
                    "Public",
                    "Send a lead",
                    answers(
                        "The stored record",
                        json_of(ref("Record")),
                        *(400, 401, 403, 409, 413, 415, 422, 429, 507),
                        status=201,
                        Location="The lead's address",
                    ),
                    scope=Scope.CREATE,
                    operationId="createLead",
                    parameters=[
                        header(
                            "Idempotency-Key",
                            "1 to 255 visible characters. For 24 hours a retry with it and the same fields and file "
                            "gets the first answer again. It belongs to your API key, or without one to your network.",
                        )
                    ],
                    requestBody={
                        "required": True,
                        "content": {**json_of(ref("LeadIn")), "multipart/form-data": {"schema": UPLOAD}},
                    },
                )
            },
            "/internal/leads": {
                "get": operation(
                    "Leads",
                    "List leads, newest first",
                    answers(
                        "A page of leads",
                        json_of({"type": "array", "items": ref("FullLead")}),
                        *(400, 401, 403, 422, 429),
                        Link="The next page, while there is one",
                    ),
                    scope=Scope.READ,
                    operationId="listLeads",
                    parameters=FILTERS,
                )
            },
            "/internal/leads.csv": {"get": export("text/csv", "Download leads as CSV", "downloadCsv")},
            "/internal/leads.ndjson": {
                "get": export("application/x-ndjson", "Download leads, one JSON object a line", "downloadNdjson")
            },
            "/internal/leads.xlsx": {
                "get": export(CONTENT_TYPES["xlsx"], "Download leads as a workbook", "downloadXlsx")
            },
            "/internal/leads/{lead_id}": {
                "parameters": [LEAD_ID],
                "get": operation(
                    "Leads",
                    "One lead in full",
                    answers("The lead", json_of(ref("FullLead")), 401, 403, 404, 429, ETag="Its version"),
                    scope=Scope.READ,
                    operationId="getLead",
                ),
                "patch": operation(
                    "Leads",
                    "Mark a lead reached out",
                    answers(
                        "The lead, changed; for a key without leads:read only what it changed",
                        json_of({"anyOf": [ref("FullLead"), ref("LeadChange")]}),
                        *(400, 401, 403, 404, 409, 412, 413, 415, 422, 429),
                        ETag="Its version",
                    ),
                    scope=Scope.UPDATE,
                    operationId="updateLead",
                    parameters=[header("If-Match", "The ETag that you saw.")],
                    requestBody={"required": True, "content": json_of(ref("LeadPatch"))},
                ),
            },
            "/internal/leads/{lead_id}/events": {
                "parameters": [LEAD_ID],
                "get": operation(
                    "Leads",
                    "What happened to a lead, newest first",
                    answers("Its events", json_of({"type": "array", "items": ref("Event")}), *(401, 403, 404, 429)),
                    scope=Scope.READ,
                    operationId="listEvents",
                ),
            },
            "/internal/leads/{lead_id}/resume": {
                "parameters": [LEAD_ID],
                "get": operation(
                    "Leads",
                    "The uploaded file; 409 when the prospect gave a link",
                    {
                        **answers("The file", {"application/octet-stream": {}}, 401, 403, 404, 429),
                        "409": problem(409, "The lead has no file: the prospect gave a link, which is in `resume_url`"),
                    },
                    scope=Scope.READ,
                    operationId="getResume",
                ),
            },
            "/internal/assignments/{email}": {
                "parameters": [EMAIL],
                "get": operation(
                    "Assignments",
                    "The attorney of a prospect",
                    answers("The assignment", json_of(ref("Assignment")), *(401, 403, 404, 422, 429)),
                    scope=Scope.READ,
                    operationId="getAssignment",
                ),
                "put": operation(
                    "Assignments",
                    "Give a prospect to an attorney",
                    answers("The assignment", json_of(ref("Assignment")), *(400, 401, 403, 404, 413, 415, 422, 429)),
                    scope=Scope.UPDATE,
                    operationId="putAssignment",
                    requestBody={"required": True, "content": json_of(ref("AssignmentIn"))},
                ),
                "delete": operation(
                    "Assignments",
                    "Take a prospect from its attorney",
                    answers("Done", None, *(400, 401, 403, 404, 422, 429), status=204),
                    scope=Scope.UPDATE,
                    operationId="deleteAssignment",
                ),
            },
            "/internal/outbox": {
                "get": operation(
                    "Outbox",
                    "Messages waiting, retrying and dead",
                    answers(
                        "The messages", json_of({"type": "array", "items": ref("Message")}), *(400, 401, 403, 422, 429)
                    ),
                    scope=Permission.READ_OUTBOX,
                    operationId="listOutbox",
                    parameters=[
                        filter_of(
                            "state", "Only these.", {"type": "string", "enum": ["queued", "retrying", "dead", "sent"]}
                        ),
                        filter_of("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 1000}),
                        filter_of("before", "Only those with a smaller id.", {"type": "integer", "minimum": 1}),
                    ],
                )
            },
            "/healthz": {
                "get": operation("Public", "Whether the process lives", answers("It lives", None), operationId="live")
            },
            "/readyz": {
                "get": operation(
                    "Public",
                    "Whether it can serve",
                    {
                        **answers("It can; `warnings` name what to look at nevertheless", None),
                        "503": {"description": "It cannot, and why"},
                    },
                    operationId="ready",
                )
            },
        },
        "components": {
            "schemas": {
                "LeadIn": LeadIn.model_json_schema(),
                "LeadPatch": {**an_object({"status": STATUS}), "title": LeadPatch.__name__},
                "AssignmentIn": AssignmentIn.model_json_schema(),
                "Record": record,
                "FullLead": FULL_LEAD,
                "LeadChange": an_object(
                    {name: FULL_LEAD["properties"][name] for name in ("id", "status", "updated_at")}
                ),
                "Event": EVENT,
                "Assignment": ASSIGNMENT,
                "Message": MESSAGE,
                "Problem": PROBLEM,
            },
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": (
                        f"A key has some of the scopes {', '.join(Scope)}, and each operation names the one that it "
                        f"needs. INTERNAL_API_KEY has all of them, and {Permission.READ_OUTBOX} besides."
                    ),
                }
            },
        },
    }
