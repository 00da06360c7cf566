"""The formats of exports."""

from __future__ import annotations

from typing import Literal

TextFormat = Literal["csv", "ndjson"]
Format = Literal[TextFormat, "xlsx"]
CONTENT_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
