"""The theme in a cookie of the device, for pages that nobody is signed in to, so that nothing flashes."""

from __future__ import annotations

from flask import Flask, Response, request

from alma_leads.common.extensions import settings

THEMES = ("", "light", "dark")
YEAR_SECONDS = 31_536_000
_PLAIN = "theme"


def offer_theme(app: Flask) -> None:
    """Give templates `device_theme()`."""
    app.add_template_global(device_theme)


def device_theme() -> str:
    """Return the theme that was chosen on this device: "light", "dark" or, following the device, ""."""
    # Cookies that earlier versions set over HTTPS have the plain name. Nothing worse than a colour is in it.
    for name in (_name(), _PLAIN):
        theme = request.cookies.get(name)
        if theme in THEMES:
            return theme
    return ""


def keep_theme(response: Response, theme: str) -> None:
    """Keep a theme on this device."""
    secure = _is_secure()
    response.set_cookie(_name(), theme, max_age=YEAR_SECONDS, secure=secure, httponly=True, samesite="Lax")
    if secure:
        response.delete_cookie(_PLAIN, secure=True, httponly=True, samesite="Lax")


def _is_secure() -> bool:
    return settings().PUBLIC_URL.startswith("https://")


def _name() -> str:
    return f"__Host-{_PLAIN}" if _is_secure() else _PLAIN
