"""Which Word documents are taken. The check runs in the test's own process here; `test_sniff` runs the real one."""

from __future__ import annotations

import io
import struct
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alma_leads.resumes.sandbox.docx import check
from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from tests.support.factories import docx_bytes

Parts = dict[str, bytes]
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONSHIP = '<Relationship Id="r9" Type="{type}" Target="{target}" {more}/>'
_RELATIONSHIPS = (
    '<?xml version="1.0"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
)
# Zip's own note that an entry is encrypted.
_ENCRYPTED = 0x1


def _parts(**more: bytes) -> Parts:
    with ZipFile(io.BytesIO(docx_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()} | more


def _zip(parts: Parts, compression: int = ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _with(more: Parts) -> bytes:
    return _zip(_parts() | more)


def _reason(content: bytes) -> Reason | None:
    try:
        check(io.BytesIO(content))
    except RefusedFile as refused:
        return refused.reason
    return None


def _related(kind: str, target: str, more: str = 'TargetMode="External"') -> Parts:
    relationship = _RELATIONSHIP.format(type=f"{OFFICE}/{kind}", target=target, more=more)
    return {"word/_rels/document.xml.rels": _RELATIONSHIPS.format(relationship).encode()}


def _typed(old: str, new: str) -> Parts:
    changed = _parts()["[Content_Types].xml"].replace(old.encode(), new.encode())
    assert changed != _parts()["[Content_Types].xml"]
    return {"[Content_Types].xml": changed}


def _override(name: str, kind: str) -> Parts:
    return _typed("</Types>", f'<Override PartName="/{name}" ContentType="{kind}"/></Types>')


_BEGIN, _SEPARATE, _END = (f'<w:fldChar w:fldCharType="{kind}"/>' for kind in ("begin", "separate", "end"))
# A field within the instruction, which would make "DDE" of numbers.
_QUOTED = f"</w:instrText>{_BEGIN}<w:instrText>QUOTE 68 68 69</w:instrText>{_END}<w:instrText>".encode()


def _field(*instruction: str) -> Parts:
    """Return a document with a field whose instruction is in as many pieces."""
    pieces = "".join(f"<w:r><w:instrText>{piece}</w:instrText></w:r>" for piece in instruction)
    said = f"<w:r>{_BEGIN}</w:r>{pieces}<w:r>{_SEPARATE}<w:t>said</w:t>{_END}</w:r>"
    return {"word/document.xml": f'<w:document xmlns:w="w"><w:p>{said}</w:p></w:document>'.encode()}


FINE: dict[str, bytes] = {
    "plain": docx_bytes(),
    "not compressed": _zip(_parts(), ZIP_STORED),
    "a picture": _with({"word/media/image1.png": b"\x89PNG" + bytes(range(256)) * 40}),
    "a drawing": _with({"word/media/image1.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}),
    "a link": _with(_related("hyperlink", "https://example.com")),
    "fonts and printer settings": _with({"word/fonts/font1.odttf": b"x" * 99, "word/printerSettings/p.bin": b"y"}),
    "its styles": _with(_related("styles", "styles.xml", "")),
    "a template on the writer's Windows": _with(_related("attachedTemplate", "file:///C:\\Users\\me\\Resume.dotx")),
    "a template on the writer's Mac": _with(_related("attachedTemplate", "file:///Users/me/Resume.dotx")),
    "keys of its own": _with(
        _override("word/customizations.xml", "application/vnd.ms-word.keyMapCustomizations+xml")
        | {"word/customizations.xml": b"<tcg/>"}
    ),
    "a pasted picture": _with(_field('INCLUDEPICTURE "/var/folders/x/page1image.png" \\* MERGEFORMATINET')),
    "a number of pages": _with(_field(" PAGE ")),
    "a field that links to the web": _with(_field('HYPERLINK "https://example.com/DDE"')),
    "a link to its own disk": _with(_related("hyperlink", "file:///C:\\Users\\me\\Cover.docx")),
    "the usual template": _with(_related("attachedTemplate", "Normal.dotm")),
    "UTF-16": _with({"word/document.xml": _parts()["word/document.xml"].decode().encode("utf-16")}),
    "many pages": _with({"word/document.xml": b"<d>" + b"<p>words words words</p>" * 150_000 + b"</d>"}),
    "another name for the document": _zip(
        {name.replace("document.xml", "document2.xml"): body for name, body in _parts().items()}
        | _typed("word/document.xml", "word/document2.xml")
    ),
}


def _entry(name: str, *, link: bool = False, compression: int = ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO(_zip(_parts()))
    with ZipFile(buffer, "a") as archive:
        info = ZipInfo(name)
        info.compress_type = compression
        info.external_attr = (0o120777 if link else 0o100644) << 16
        archive.writestr(info, b"x")
    return buffer.getvalue()


def _encrypted() -> bytes:
    content = bytearray(_zip(_parts()))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= _ENCRYPTED
    return bytes(content)


def _lying_about_sizes() -> bytes:
    """Return an archive whose headers say that a bomb is small."""
    content = bytearray(_with({"word/bomb.bin": b"\0" * 30_000_000}))
    start = content.rindex(b"PK\x01\x02")
    struct.pack_into("<L", content, start + 24, 100)
    start = content.index(b"word/bomb.bin") - 30
    struct.pack_into("<L", content, start + 22, 100)
    return bytes(content)


DOCTYPE = '<?xml version="1.0" encoding="{}"?><!DOCTYPE d [<!ENTITY a "ha">]><d>&a;</d>'

REFUSED: dict[str, tuple[bytes, Reason]] = {
    "a zip of something": (_zip({"a.txt": b"hello"}), Reason.WRONG_KIND),
    "a spreadsheet": (
        _with(_typed("wordprocessingml.document.main", "spreadsheetml.sheet.main")),
        Reason.WRONG_KIND,
    ),
    "a document with macros": (
        _with(
            _typed(
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main",
                "application/vnd.ms-word.document.macroEnabled.main",
            )
        ),
        Reason.MACROS,
    ),
    "macros": (_with({"word/vbaProject.bin": b"x"}), Reason.MACROS),
    "macros elsewhere": (_with({"other/VBAPROJECT.BIN": b"x"}), Reason.MACROS),
    "macros under another name": (
        _with(_override("word/a.dat", "application/vnd.ms-office.vbaProject") | {"word/a.dat": b"x"}),
        Reason.MACROS,
    ),
    "macros by relationship": (_with(_related("vbaProject", "a.dat", "")), Reason.MACROS),
    "a control": (_with({"word/activeX/activeX1.xml": b"<a/>"}), Reason.MACROS),
    "a control by relationship": (_with(_related("control", "a.xml", "")), Reason.MACROS),
    "an object": (_with({"word/embeddings/oleObject1.bin": b"x"}), Reason.CARRIES_FILES),
    "a table in a chart": (_with({"word/embeddings/Sheet.xlsx": b"x"}), Reason.CARRIES_FILES),
    "an object elsewhere": (_with(_related("oleObject", "https://example.com/x")), Reason.CARRIES_FILES),
    "a page of the web inside": (_with(_related("aFChunk", "a.html", "")), Reason.CARRIES_FILES),
    "a template elsewhere": (_with(_related("attachedTemplate", "https://example.com/t.dotm")), Reason.LOADS_REMOTE),
    "a template on a share": (_with(_related("attachedTemplate", "file://host/t.dotm")), Reason.LOADS_REMOTE),
    "a template on a Windows share": (_with(_related("attachedTemplate", "\\\\host\\t.dotm")), Reason.LOADS_REMOTE),
    "a template over a disguised share": (
        _with(_related("attachedTemplate", "file:///\\\\host\\t.dotm")),
        Reason.LOADS_REMOTE,
    ),
    "a picture elsewhere": (_with(_related("image", "https://example.com/p.png")), Reason.LOADS_REMOTE),
    "a link to a share": (_with(_related("hyperlink", "file://host/share/x.docx")), Reason.LEADS_ELSEWHERE),
    "a link to a Windows share": (_with(_related("hyperlink", "\\\\host\\x.docx")), Reason.LEADS_ELSEWHERE),
    "a link to a disguised share": (_with(_related("hyperlink", "%5C%5Chost%5Cx")), Reason.LEADS_ELSEWHERE),
    "a field that links to a share": (_with(_field('HYPERLINK "\\\\\\\\host\\\\x.docx"')), Reason.LEADS_ELSEWHERE),
    "a picture that a field fetches": (_with(_field('INCLUDEPICTURE "https://host/x.png" \\d')), Reason.LOADS_REMOTE),
    "a text that a field fetches": (_with(_field('includetext "\\\\\\\\host\\\\x.docx"')), Reason.LOADS_REMOTE),
    "a program that a field asks": (_with(_field("DDEAUTO c:\\\\windows\\\\cmd.exe /k calc")), Reason.LOADS_REMOTE),
    "a field in pieces": (_with(_field("DD", "E excel", " x")), Reason.LOADS_REMOTE),
    "a field in a footer": (_with({"word/footer1.xml": _field("DDE x y")["word/document.xml"]}), Reason.LOADS_REMOTE),
    "a simple field": (
        _with({"word/document.xml": b'<d xmlns:w="w"><w:fldSimple w:instr=" DDE x y "/></d>'}),
        Reason.LOADS_REMOTE,
    ),
    "a field whose name another one makes": (
        _with({"word/document.xml": _field("@")["word/document.xml"].replace(b"@", _QUOTED)}),
        Reason.LOADS_REMOTE,
    ),
    "an old drawing's picture": (
        _with({"word/document.xml": b'<d xmlns:v="v"><v:imagedata src="http://host/x.png"/></d>'}),
        Reason.LOADS_REMOTE,
    ),
    "part of another document": (_with(_related("subDocument", "https://host/x.docx")), Reason.CARRIES_FILES),
    "a list of addresses elsewhere": (
        _with(
            {
                "word/_rels/settings.xml.rels": _related("mailMergeSource", "file://host/x")[
                    "word/_rels/document.xml.rels"
                ]
            }
        ),
        Reason.LOADS_REMOTE,
    ),
    "a frame": (_with(_related("frame", "https://example.com")), Reason.LOADS_REMOTE),
    "a relationship in capitals": (
        _with(_related("image", "https://example.com", "TargetMode='EXTERNAL'")),
        Reason.LOADS_REMOTE,
    ),
    "entities": (_with({"word/document.xml": DOCTYPE.format("utf-8").encode()}), Reason.DAMAGED),
    "entities in UTF-16": (_with({"word/document.xml": DOCTYPE.format("utf-16").encode("utf-16")}), Reason.DAMAGED),
    "entities in EBCDIC": (_with({"word/document.xml": DOCTYPE.format("cp037").encode("cp037")}), Reason.DAMAGED),
    "entities in a part that is called something else": (
        _with(_override("word/a.dat", "application/x+xml") | {"word/a.dat": DOCTYPE.format("utf-8").encode()}),
        Reason.DAMAGED,
    ),
    "half a document": (_with({"word/document.xml": _parts()["word/document.xml"][:-9]}), Reason.DAMAGED),
    "a path upwards": (_entry("../../evil.xml"), Reason.DAMAGED),
    "a path from the root": (_entry("/etc/evil.xml"), Reason.DAMAGED),
    "a path of Windows": (_entry("word\\..\\evil.xml"), Reason.DAMAGED),
    "a drive": (_entry("C:evil.xml"), Reason.DAMAGED),
    "a link to a file": (_entry("word/link.png", link=True), Reason.DAMAGED),
    "the same name twice": (_entry("WORD/document.xml"), Reason.DAMAGED),
    "another way to pack": (_entry("word/a.png", compression=ZIP_BZIP2), Reason.DAMAGED),
    "a password": (_encrypted(), Reason.LOCKED),
    "a bomb": (_with({"word/media/a.png": b"\0" * 30_000_000}), Reason.BOMB),
    "a bomb of words": (_with({"word/document.xml": b"<d>" + b" " * 30_000_000 + b"</d>"}), Reason.BOMB),
    "many small bombs": (_with({f"word/{n}.png": b"\0" * 4_000_000 for n in range(30)}), Reason.BOMB),
    "very many entries": (_with({f"word/{n}.png": b"" for n in range(2100)}), Reason.BOMB),
    "sizes that are not true": (_lying_about_sizes(), Reason.DAMAGED),
}


@pytest.mark.parametrize("case", FINE)
def test_a_document_that_only_shows_something_is_taken(case: str) -> None:
    assert _reason(FINE[case]) is None


@pytest.mark.parametrize("case", REFUSED)
def test_a_document_that_does_something_is_refused(case: str) -> None:
    content, reason = REFUSED[case]
    assert _reason(content) is reason


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_half_a_document_is_refused(share: float) -> None:
    content = docx_bytes()
    assert _reason(content[: int(len(content) * share)]) is Reason.DAMAGED


def test_a_document_with_a_torn_part_is_refused() -> None:
    content = _zip(_parts(), ZIP_STORED)
    assert content.count(b"Resume") == 1
    assert _reason(content.replace(b"Resume", b"resume")) is Reason.DAMAGED


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_only_ever_refused(noise: bytes) -> None:
    assert _reason(noise) is not None
    assert _reason(b"PK\x03\x04" + noise + b"PK\x05\x06" + bytes(18)) is not None


_GOOD = (docx_bytes(), FINE["not compressed"], FINE["a link"], FINE["UTF-16"])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(_GOOD), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=8)), max_size=6)
)
def test_a_changed_document_is_taken_or_refused_and_nothing_else(
    content: bytes, changes: list[tuple[float, bytes]]
) -> None:
    changed = bytearray(content)
    for where, what in changes:
        start = int(where * len(changed))
        changed[start : start + len(what)] = what
    _reason(bytes(changed))
