"""What a look for conflicts of interest came to."""

from __future__ import annotations

import enum


class Verdict(enum.StrEnum):
    """Whether a lead was checked against earlier ones, and what was found."""

    UNCHECKED = "unchecked"
    CLEAR = "clear"
    CONFLICT = "conflict"
