"""Files that cost much to look at, made here."""

from __future__ import annotations

import io
import zipfile

import pikepdf

MARKS = "\u0315\u0300\u05ae"
_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="word/document.xml" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)


def docx(text: str) -> bytes:
    """Return a small Word document that says `text`."""
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    document = f'<w:document xmlns:w="{main}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>'
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            ("[Content_Types].xml", _TYPES),
            ("_rels/.rels", _RELATIONS),
            ("word/document.xml", document),
        ):
            archive.writestr(name, content)
    return made.getvalue()


def pdf(strings: int = 0) -> bytes:
    """Return a PDF of one page, with an array of so many strings in it, which takes memory to read."""
    made = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        if strings:
            document.Root["/Waste"] = pikepdf.Object.parse(b"[" + b"(abc)" * strings + b"]")
        document.save(made)
    return made.getvalue()


def wrong_pdfs() -> list[bytes]:
    """Return PDFs that run a script when they are opened, keep a stream in another file, and jump to another file."""
    script = {"/OpenAction": b"<< /S /JavaScript /JS (app.alert(1)) >>"}
    jump = {"/OpenAction": rb"<< /S /GoToR /F (\\\\evil.example\\share\\a.pdf) /D [0 /Fit] >>"}
    made = []
    for root in (script, jump, {}):
        content = io.BytesIO()
        with pikepdf.new() as document:
            document.add_blank_page()
            for name, value in root.items():
                document.Root[name] = pikepdf.Object.parse(value)
            if not root:
                document.Root["/Waste"] = document.make_stream(b"", F=pikepdf.String("//evil.example/a"))
            document.save(content)
        made.append(content.getvalue())
    return made
