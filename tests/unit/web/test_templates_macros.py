"""The macros that draw fields and errors: the words where a screen reader looks for them, and nothing unescaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parents[3] / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def draw(file: str, name: str, *args: Any, **kwargs: Any) -> str:
    """Return what a macro draws."""
    return str(getattr(ENVIRONMENT.get_template(f"macros/{file}.html").module, name)(*args, **kwargs))


def test_a_field_in_order_has_no_error() -> None:
    drawn = draw("forms", "field", "city", "City", "Lagos", hint="Where you live")
    assert '<label for="city">City</label>' in drawn
    assert 'value="Lagos"' in drawn
    assert 'aria-describedby="city-h"' in drawn
    assert "aria-invalid" not in drawn
    assert "wrong" not in drawn


def test_a_field_with_an_error_points_at_its_message() -> None:
    drawn = draw("forms", "field", "city", "City", "", "Enter your city", hint="Where you live")
    assert 'aria-invalid="true"' in drawn
    assert 'aria-describedby="city-e city-h"' in drawn
    assert 'id="city-e"' in drawn
    assert '<span class="vh">Error: </span>Enter your city' in drawn


def test_a_password_is_never_drawn_back_by_default() -> None:
    assert 'type="password" value=""' in draw("forms", "field", "password", "Password", type="password")


def test_what_was_typed_stays_text() -> None:
    drawn = draw("forms", "field", "city", "City", '"><script>x</script>', "<b>wrong</b>")
    assert "<script>" not in drawn
    assert "<b>" not in drawn


def test_the_summary_links_to_each_field_and_keeps_the_order() -> None:
    drawn = draw(
        "forms", "problem", {"": "Try again", "last_name": "Enter it", "resume": "Too large"}, {"resume": "link"}
    )
    assert 'role="alert"' in drawn
    assert "<li>Try again</li>" in drawn
    assert '<a href="#last_name">Enter it</a>' in drawn
    assert '<a href="#link">Too large</a>' in drawn
    assert drawn.index("Try again") < drawn.index("Enter it") < drawn.index("Too large")


def test_without_errors_there_is_no_summary() -> None:
    assert draw("forms", "problem", {}).strip() == ""


def test_an_icon_is_decoration() -> None:
    drawn = draw("icons", "icon", "clock")
    assert 'aria-hidden="true"' in drawn
    assert "<path" in drawn


def test_an_icon_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(Exception, match="no-such-icon"):
        draw("icons", "icon", "no-such-icon")
