"""`make screenshots`: take a picture of every page and state, in both themes, and write `docs/pages.md` around them.

The places are those of the accessibility test. Data and clock are the same in each run, so that a picture changes only
with its page, or with the fonts and the Chromium of the machine. Keys and codes alone are new each time.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.gallery.places import PLACES, Place
from tests.gallery.tour import tour
from tests.support.browser import FLAGS, executable

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
PORTS = (8460, 8461)  # fixed: some pages show the address
MONTHS = 84
SIZES = {"desk": ViewportSize(width=1280, height=800), "phone": ViewportSize(width=360, height=740)}
TALLEST = {"desk": 1150, "phone": 950}
SCALE = 0.65
# States that look like their page; axe looks at them, and nobody else has to.
UNSEEN = (
    "-wrong",
    "-none",
    "-gone",
    "-changed",
    "leads-menu",
    "password-errors",
    "person-errors",
    "key-errors",
    "assignments-errors",
    "reset",
)
HEAD = """# Every page

Each page and state of the product, with a firm and prospects that do not exist; light and dark, on a desk and on a
phone. `make screenshots` makes the pictures and this page anew. Long pages are cut.
"""


def main() -> None:
    """Take the pictures."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir()
    folder = Path(tempfile.mkdtemp(prefix="pictures-"))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
            with tour(browser, folder, PORTS, days=MONTHS) as places:
                for group in PLACES.values():
                    for place in group:
                        page = places.show(place)
                        if not place.name.endswith(UNSEEN):
                            _take(page, place)
            browser.close()
    finally:
        shutil.rmtree(folder)
    (DOCS / "pages.md").write_text(_page())


def _take(page: Page, place: Place) -> None:
    """Take the four pictures of a place."""
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            height = page.evaluate("document.documentElement.scrollHeight")
            clip = {"x": 0, "y": 0, "width": viewport["width"], "height": min(height, TALLEST[size])}
            taken = page.screenshot(full_page=True, clip=clip, animations="disabled", caret="hide")  # type: ignore[arg-type]
            _keep(taken, f"{place.name}-{size}-{theme}")
    page.set_viewport_size(SIZES["desk"])


def _keep(taken: bytes, name: str) -> None:
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    smaller = picture.resize((round(picture.width * SCALE), round(picture.height * SCALE)), Image.Resampling.LANCZOS)
    smaller.save(PICTURES / f"{name}.webp", quality=42, method=6)


def _page() -> str:
    parts = [HEAD]
    for heading, group in PLACES.items():
        parts.append(f"## {heading}\n")
        for place in [place for place in group if not place.name.endswith(UNSEEN)]:
            row = [
                f'<img src="pictures/{place.name}-{size}-{theme}.webp" alt="{place.title}, {size}, {theme}"'
                f' width="{360 if size == "desk" else 100}">'
                for size, theme in (("desk", "light"), ("desk", "dark"), ("phone", "light"), ("phone", "dark"))
            ]
            parts.append("\n".join([f"### {place.title}\n", *row, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    main()
