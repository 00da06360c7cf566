"""What a file is, told by its content and its name: through the real process that looks at it."""

from __future__ import annotations

import hashlib
import io
import time
import unicodedata
import zlib
from zipfile import ZipFile

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from alma_leads.resumes.sandbox.errors import FileTooLarge, Reason, RefusedFile
from alma_leads.resumes.sandbox.sandbox_process import InspectionFailed, check_in_sandbox
from alma_leads.resumes.sandbox.sniff import DOCX, PDF, clean_name, inspect
from tests.support.factories import docx_bytes, pdf_bytes

LIMIT = 10_485_760


def _zip(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [(pdf_bytes(), "Resume.pdf", PDF), (pdf_bytes(), "RESUME.PDF", PDF), (docx_bytes(), "Resume.DocX", DOCX)]
    + [(before + pdf_bytes(), "Resume.pdf", PDF) for before in (b"\xef\xbb\xbf", b"\r\n", bytes(1000))],
)
def test_a_resume_is_described_and_its_stream_is_at_its_start(content: bytes, name: str, media_type: str) -> None:
    stream = io.BytesIO(content)
    found = inspect(stream, file_name=name, max_bytes=LIMIT)
    assert (found.media_type, found.file_name, found.size_bytes) == (media_type, name, len(content))
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert stream.tell() == 0


@pytest.mark.parametrize("strength", [4, 6])
def test_a_pdf_with_an_owner_password_alone_is_read_in_the_sandbox(strength: int) -> None:
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf_bytes())) as document:
        document.save(buffer, encryption=pikepdf.Encryption(owner="owner", user="", R=strength))  # type: ignore[arg-type]
    assert inspect(buffer, file_name="Resume.pdf", max_bytes=LIMIT).media_type == PDF


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "a.pdf", Reason.EMPTY),
        (b"Dear Sir or Madam", "a.pdf", Reason.WRONG_KIND),
        (bytes(1020) + b"%PDF-1.7", "a.pdf", Reason.WRONG_KIND),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a.png", Reason.PICTURE),
        (OLE, "a.xls", Reason.WRONG_KIND),
        (OLE, "a.doc", Reason.OLD_WORD),
        (OLE + "WordDocument".encode("utf-16-le"), "a.docx", Reason.OLD_WORD),
        (b"{\\rtf1\\ansi Hello}", "a.doc", Reason.RICH_TEXT),
        (_zip(mimetype=b"application/vnd.oasis.opendocument.text"), "a.odt", Reason.OPENDOCUMENT),
        (_zip(**{"Index/Document.iwa": b"x", "preview.jpg": b"y"}), "a.pages", Reason.PAGES),
        (_zip(**{"Index/Document.iwa": b"x"}), "a.docx", Reason.PAGES),
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(50), "a.pdf", Reason.PICTURE),
        (b"\0\0\0\x18ftypheic" + bytes(50), "a.heic", Reason.HEIC),
        (OLE + bytes(65_000) + "EncryptedPackage".encode("utf-16-le"), "a.docx", Reason.LOCKED),
        (pdf_bytes(), "a.docx", Reason.WRONG_NAME),
        (pdf_bytes(), "a.pdf.exe", Reason.WRONG_NAME),
        (pdf_bytes(), "a.exe (1)", Reason.WRONG_NAME),
        (pdf_bytes(), "a.docx(1)", Reason.WRONG_NAME),
        (pdf_bytes(), "a.html", Reason.WRONG_NAME),
        (pdf_bytes(), "a.jpg", Reason.WRONG_NAME),
        (docx_bytes(), "a.pdf", Reason.WRONG_NAME),
        (docx_bytes(), "a.docm", Reason.WRONG_NAME),
        (b"%PDF-1.7 and nothing more", "a.pdf", Reason.DAMAGED),
        (b"PK\x03\x04 and nothing more", "a.docx", Reason.DAMAGED),
    ],
)
def test_what_is_no_resume_is_refused(content: bytes, name: str, reason: Reason) -> None:
    with pytest.raises(RefusedFile) as refused:
        inspect(io.BytesIO(content), file_name=name, max_bytes=LIMIT)
    assert refused.value.reason is reason


def test_a_reason_is_plain_words_that_say_what_to_do() -> None:
    for reason in Reason:
        assert str(RefusedFile(reason)) == reason.value
        assert any(remedy in reason for remedy in ("Save it", "Print it", "Export it", "Choose another"))
        assert reason.endswith(", or give a link")
        assert not any(word in reason.lower() for word in ("invalid", "please", "!", "oops", "error"))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("document:1000012", "document1000012.pdf"),
        ("resume.pdf(1)", "resume(1).pdf"),
        ("resume.pdf (2)", "resume (2).pdf"),
        ("blob", "blob.pdf"),
        ("履歴書", "履歴書.pdf"),
        ("my resume", "my resume.pdf"),
        ("CV v2.1", "CV v2.1.pdf"),
        ("Jane Doe, Ph.D", "Jane Doe, Ph.D.pdf"),
        ("", "resume.pdf"),
        ("x" * 300, "x" * 251 + ".pdf"),
    ],
)
def test_a_name_without_an_extension_gets_that_of_its_content(name: str, kept: str) -> None:
    assert inspect(io.BytesIO(pdf_bytes()), file_name=name, max_bytes=LIMIT).file_name == kept


class _Endless(io.RawIOBase):
    """A stream that never ends, and counts what was taken from it."""

    taken = 0

    def seek(self, *_where: int) -> int:
        return 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        self.taken += size
        return b"x" * size


def test_a_large_file_is_noticed_while_it_is_read() -> None:
    stream = _Endless()
    with pytest.raises(FileTooLarge) as too_large:
        inspect(stream, file_name="a.pdf", max_bytes=1_000_000)  # type: ignore[arg-type]
    assert too_large.value.limit_bytes == 1_000_000
    assert stream.taken < 1_100_000


def test_a_file_of_exactly_the_limit_is_taken() -> None:
    content = pdf_bytes()
    assert inspect(io.BytesIO(content), file_name="a.pdf", max_bytes=len(content)).size_bytes == len(content)
    with pytest.raises(FileTooLarge):
        inspect(io.BytesIO(content), file_name="a.pdf", max_bytes=len(content) - 1)


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("Résumé Ödön.pdf", "Résumé Ödön.pdf"),
        ("C:\\fakepath\\cv.pdf", "cv.pdf"),
        ("../../etc/cv.pdf", "cv.pdf"),
        ("cv\r\nSet-Cookie x.pdf", "cvSet-Cookie x.pdf"),
        ("cv\u202efdp.exe.pdf", "cvfdp.exe.pdf"),
        ("cv\x00\ud800.pdf", "cv.pdf"),
        (unicodedata.normalize("NFD", "é.pdf"), "é.pdf"),
        ("履歴書.docx", "履歴書.docx"),
        ("می\u200cخواهم.pdf", "می\u200cخواهم.pdf"),
        (".pdf", "pdf"),
        (" cv.pdf. ", "cv.pdf"),
        ("...", "resume"),
        ("", "resume"),
    ],
)
def test_a_name_is_cleaned(given: str, cleaned: str) -> None:
    assert clean_name(given) == cleaned


@pytest.mark.parametrize("letter", ["a", "é", "履", "😀"])
def test_a_long_name_keeps_its_extension_and_fits_a_file_system(letter: str) -> None:
    cleaned = clean_name(letter * 400 + ".docx")
    assert cleaned.endswith(f"{letter}.docx")
    assert 245 < len(cleaned.encode()) <= 255


def test_a_file_that_keeps_qpdf_busy_is_given_up() -> None:
    # Each of these streams unpacks to 95 MB, which is just allowed; all of them together take qpdf half a minute.
    bomb = _with_object_streams(zlib.compress(b"2 0 " + b" " * 95_000_000, 9), 80)
    assert len(bomb) < LIMIT
    began = time.monotonic()
    with pytest.raises(RefusedFile) as refused:
        inspect(io.BytesIO(bomb), file_name="a.pdf", max_bytes=LIMIT)
    assert refused.value.reason is Reason.TOO_COMPLEX
    assert time.monotonic() - began < 20


def _with_object_streams(raw: bytes, count: int) -> bytes:
    """Return a PDF whose `count` objects are each packed in another stream, which holds `raw`."""
    data = bytearray(b"%PDF-1.5\n")
    table = [b"\0\0\0\0\0\0"]
    for number in range(1, count + 1):
        table.append(b"\1" + len(data).to_bytes(4, "big") + b"\0")
        data += b"%d 0 obj\n<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>\nstream\n" % (number, len(raw))
        data += raw + b"\nendstream\nendobj\n"
    table += [b"\2" + number.to_bytes(4, "big") + b"\0" for number in range(1, count + 1)]
    catalog, pages, page, own = (len(table) + n for n in range(4))
    for number, body in (
        (catalog, b"<</Type/Catalog/Pages %d 0 R>>" % pages),
        (pages, b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % page),
        (page, b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 9 9]>>" % pages),
    ):
        table.append(b"\1" + len(data).to_bytes(4, "big") + b"\0")
        data += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table.append(b"\1" + len(data).to_bytes(4, "big") + b"\0")
    where = len(data)
    rows = b"".join(table)
    data += b"%d 0 obj\n<</Type/XRef/Size %d/W[1 4 1]/Root %d 0 R/Length %d>>\nstream\n" % (
        own,
        len(table),
        catalog,
        len(rows),
    )
    return bytes(data + rows + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % where)


def test_a_file_with_far_too_many_objects_is_refused_within_two_seconds_of_work() -> None:
    document = pikepdf.new()
    document.add_blank_page()
    document.Root.Extra = Array([document.make_indirect(Dictionary(A=Name.B)) for _ in range(60_000)])
    buffer = io.BytesIO()
    document.save(buffer, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    with pytest.raises(RefusedFile) as refused:
        inspect(buffer, file_name="a.pdf", max_bytes=LIMIT)
    assert refused.value.reason is Reason.TOO_COMPLEX


def test_a_process_that_cannot_look_does_not_blame_the_file() -> None:
    with pytest.raises(InspectionFailed, match="No module named"), open(__file__, "rb") as file:  # noqa: PTH123
        check_in_sandbox(file, kind="nonsense")  # type: ignore[arg-type]
