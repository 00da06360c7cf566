"""Why a file is not kept, in the words that the prospect reads. Knows no HTTP."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a file is refused, and what to do: one for each kind of trouble."""

    EMPTY = "The file is empty. Choose another one, or give a link"
    WRONG_KIND = "The file is neither PDF nor Word (.docx). Save it as one of the two, or give a link"
    OPENDOCUMENT = "This is an OpenDocument file (.odt). Save it as PDF or Word (.docx), or give a link"
    PAGES = "This is a Pages document. Export it from Pages as PDF or Word (.docx), or give a link"
    OLD_WORD = "This is an older Word document (.doc). Save it as PDF or Word (.docx), or give a link"
    RICH_TEXT = "This is a rich text document (.rtf). Save it as PDF or Word (.docx), or give a link"
    PICTURE = "This is a picture. Save it as PDF, or give a link"
    HEIC = "This is a photo (HEIC). Save it as PDF, or give a link"
    WRONG_NAME = "The name of the file does not match what is in it. Save it again as PDF or DOCX, or give a link"
    LONG_NAME = (
        "The name of the file is too long, or has too many accents on a letter. Save it under a shorter one, "
        "or give a link"
    )
    DAMAGED = "The file is damaged. Save it again as PDF or DOCX, or give a link"
    LOCKED = "The file is locked with a password. Save it without one, or give a link"
    SCRIPTS = "The file has scripts in it. Print it to PDF and choose that one, or give a link"
    MACROS = "The file has macros in it. Save it as PDF and choose that one, or give a link"
    CARRIES_FILES = "The file carries other files in it. Print it to PDF and choose that one, or give a link"
    LOADS_REMOTE = (
        "The file loads something from elsewhere when it is opened. Print it to PDF and choose that one, or give a link"
    )
    LEADS_ELSEWHERE = "The file leads to a file elsewhere. Print it to PDF and choose that one, or give a link"
    BOMB = "The file becomes far too large when it is unpacked. Print it to PDF and choose that one, or give a link"
    TOO_COMPLEX = "The file is too complicated to check. Print it to PDF and choose that one, or give a link"


class RefusedFile(Exception):
    """The file is not what a resume may be. Its text is plain words that say why, and what to do."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class UploadsRefused(Exception):
    """No file can be taken now, whatever is in it. Its text says so to the prospect, and that a link can be given."""

    def __init__(self, sentence: str, *, wait_seconds: int | None = None) -> None:
        super().__init__(sentence)
        self.wait_seconds = wait_seconds


class NoRoom(UploadsRefused):
    """There is too little room where files are kept, or none at all."""

    def __init__(self) -> None:
        super().__init__("We can't take files at the moment. Give a link to your resume instead")


class UploadQuotaSpent(UploadsRefused):
    """This client's forms with errors have left too many files today."""

    def __init__(self, wait_seconds: int) -> None:
        sentence = "Too many files were sent from your connection today. Give a link to your resume instead"
        super().__init__(sentence, wait_seconds=wait_seconds)


class TooManyInspections(UploadsRefused):
    """Too many files are being inspected, and this one's turn did not come in time."""

    def __init__(self) -> None:
        sentence = "We're checking too many files right now. Choose the file again in a minute, or give a link"
        super().__init__(sentence, wait_seconds=10)


class FileTooLarge(Exception):
    """The file has more bytes than allowed."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The file has more than {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes


class StoreSilent(Exception):
    """The file store did not answer a moment ago, and has not been asked again."""
