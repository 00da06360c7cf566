"""Where a button leads back to: the page it was pressed on, and never out of the desk."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from flask import Response, make_response, redirect, request

HOME = "/internal/leads"


def back(otherwise: str = HOME) -> str:
    """Return the address of the page this request was made on: its field `next`, else its Referer, else `otherwise`."""
    wanted = request.form.get("next", "")
    if is_inside(wanted):
        return wanted
    referer = urlsplit(request.headers.get("Referer", ""))
    path = f"{referer.path}?{referer.query}" if referer.query else referer.path
    return path if referer.netloc == request.host and is_inside(path) else otherwise


def go_back(otherwise: str = HOME) -> Response:
    """Return a 303 to `back`."""
    return make_response(redirect(back(otherwise), 303))


def is_inside(address: str) -> bool:
    """Say whether an address is a plain path of the desk: no host, nothing that a browser would read as one."""
    path = unquote(re.split("[?#]", address, maxsplit=1)[0])
    return (
        address.startswith("/internal/")
        and address.isascii()
        and address.isprintable()
        and "\\" not in address
        and "\\" not in path
        and "//" not in path
        and path.isprintable()
        and not {".", ".."} & set(path.split("/"))
    )
