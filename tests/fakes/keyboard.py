"""The page by keyboard alone: going on with Tab, while one sees where one is."""

from typing import Any

import pytest

UNSEEN = """() => {
  let one = document.activeElement;
  while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  if (one === document.body || one.controls) return "";  // a player shows where the focus is in it
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const { left, right, top, bottom, width, height } = one.getBoundingClientRect();
  const inView = right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
  const seen = outlineStyle !== "none" && parseFloat(outlineWidth) > 0 && width > 1 && height > 1;
  return seen && inView ? "" : one.outerHTML.slice(0, 200);
}"""
"""What has the focus, where nobody can see that."""


def tab_to(page: Any, target: Any, *, back: bool = False, most: int = 40) -> int:
    """Press Tab, or Shift and Tab, until something has the focus: how often that was.

    A test fails where something on the way has the focus and does not show it.
    """
    for stops in range(most + 1):
        if target.evaluate("one => one === document.activeElement"):
            return stops
        page.keyboard.press("Shift+Tab" if back else "Tab")
        assert page.evaluate(UNSEEN) == ""
    pytest.fail(f"Tab does not reach {target} within {most} stops")


def press(page: Any, target: Any, key: str = "Enter", *, back: bool = False) -> None:
    """Go to something and press a key on it."""
    tab_to(page, target, back=back)
    page.keyboard.press(key)
