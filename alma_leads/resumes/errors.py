"""Why a file is not kept. Knows no HTTP."""

from __future__ import annotations


class RefusedFile(Exception):
    """The file is not what a resume may be. Its text is one plain sentence that says what to do."""


class FileTooLarge(Exception):
    """The file has more bytes than allowed."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The file has more than {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes
