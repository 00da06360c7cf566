"""Where a lead came from: the form, the API without a key, or a script with one."""

from __future__ import annotations

import enum


class Source(enum.StrEnum):
    """The door that a lead came in by."""

    FORM = "form"
    API = "api"
    KEY = "key"
