"""A test client that reads every answer as a strict reader would: headers in ASCII; valid HTML, a title, unique ids."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import html5lib
from flask.testing import FlaskClient
from html5lib import treebuilders
from werkzeug.test import TestResponse

REDIRECTS = {301, 302, 303, 304, 307, 308}
XHTML = "{http://www.w3.org/1999/xhtml}"


class StrictClient(FlaskClient):
    """Flask's test client; a page that is not valid HTML fails the test that asked for it."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        a_page = response.mimetype == "text/html" and response.status_code not in REDIRECTS
        a_page = a_page and "HX-Request" not in response.request.headers  # a script gets parts of pages
        for name, value in response.headers:  # a web server sends nothing else; this client would
            assert value.isascii(), f"{response.request.path}: {name}: {value}"
        if a_page and response.get_data():
            assert_valid_page(response.get_data(as_text=True), response.request.path)
        return response


@lru_cache(maxsize=4)  # the client reads a page that the test then reads again
def parse(page: str) -> ElementTree.Element:
    """Return the document, forgiving nothing."""
    parser = html5lib.HTMLParser(tree=treebuilders.getTreeBuilder("etree"), strict=True)
    try:
        root: ElementTree.Element = parser.parse(page)
    except html5lib.html5parser.ParseError as wrong:
        (line, column), code, data = parser.errors[0]
        nearby = page.splitlines()[max(0, line - 2) : line + 1]
        raise AssertionError(f"not valid HTML at {line}:{column}: {code} {data}\n" + "\n".join(nearby)) from wrong
    return root


def assert_valid_page(page: str, path: str) -> None:
    """Fail unless `page` is valid HTML with a language, one title, one main heading at least, and unique ids."""
    root = parse(page)
    assert root.get("lang"), f"{path}: <html> has no lang"
    titles = [("".join(title.itertext())).strip() for title in root.iter(f"{XHTML}title")]
    # A title inside an inline SVG is in another namespace, so it does not count here.
    assert len(titles) == 1, f"{path}: {len(titles)} titles"
    assert titles[0], f"{path}: empty title"
    twice = [
        name for name, count in Counter(element.get("id") for element in root.iter()).items() if name and count > 1
    ]
    assert not twice, f"{path}: ids used twice: {twice}"
    ids = {element.get("id") for element in root.iter()}
    for element in root.iter():
        for attribute in ("for", "aria-describedby", "aria-labelledby", "aria-controls"):
            for target in (element.get(attribute) or "").split():
                assert target in ids, f"{path}: {attribute}={target!r} names no element"
