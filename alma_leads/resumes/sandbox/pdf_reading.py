"""Reading a PDF for the desk: its text, and a picture of its first page. Runs in the sandbox: it loads PDFium."""

from __future__ import annotations

import io
import time
from typing import IO

import pypdfium2
from pypdfium2 import PdfDocument, PdfiumError, PdfPage

from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.reading import MAX_CHARACTERS, Picture, Reading, tidy

# As large as it must be to be read.
WIDTH, HEIGHT = 1000, 1400
MAX_ENLARGEMENT = 4
MAX_PAGES = 100
# Text that is slow to get is left out after so long, rather than losing the picture to the limit of the process.
TEXT_SECONDS = 4.0
QUALITY = 80


def read(stream: IO[bytes]) -> bytes:
    """Return the `Reading` of a PDF, as bytes.

    Raises:
        RefusedFile: PDFium cannot make anything of it.
    """
    try:
        document = PdfDocument(stream.read())
        picture = _picture(document[0])
        return Reading.of(_text(document), len(document), picture).to_bytes()
    except PdfiumError as error:
        locked = getattr(error, "err_code", None) == pypdfium2.raw.FPDF_ERR_PASSWORD
        raise RefusedFile(Reason.LOCKED if locked else Reason.DAMAGED) from None


def _picture(page: PdfPage) -> Picture:
    width, height = page.get_size()
    scale = min(WIDTH / max(width, 1), HEIGHT / max(height, 1), MAX_ENLARGEMENT)
    # What a form holds is drawn by the page itself; a form's own drawing may be JavaScript's.
    image = page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "webp", quality=QUALITY)
    return Picture(buffer.getvalue(), *image.size)


def _text(document: PdfDocument) -> str:
    parts: list[str] = []
    room, began = MAX_CHARACTERS, time.process_time()
    for number in range(min(len(document), MAX_PAGES)):
        if room <= 0 or time.process_time() - began > TEXT_SECONDS:
            break
        page = document[number]
        text = page.get_textpage()
        # Asked for no more than there is room: a page may hold millions of letters.
        parts.append(text.get_text_range(0, min(room, text.count_chars())) if text.count_chars() > 0 else "")
        room -= len(parts[-1])
        text.close()
        page.close()
    return tidy("\n\n".join(parts))
