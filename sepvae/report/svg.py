"""Small SVG drawings that stand in the page itself, so that they take its colours, light or dark."""

from __future__ import annotations

from html import escape


def element(name: str, *inside: str, text: str = "", **attributes: str | float) -> str:
    """Return one element; its text and attributes are escaped, what is `inside` is markup already.

    Args:
        name: of the element.
        inside: its children, markup.
        text: its text.
        attributes: an underscore at the end is left out, others are hyphens; numbers have two decimals at most.

    Example:
        >>> element("text", x=3.0, class_="mark", text_anchor="end", text="a < b")
        '<text x="3" class="mark" text-anchor="end">a &lt; b</text>'
    """
    pairs = []
    for key, value in attributes.items():
        shown = value if isinstance(value, str) else f"{round(value, 2) + 0.0:g}"
        pairs.append(f' {key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    return f"<{name}{''.join(pairs)}>{escape(text)}{''.join(inside)}</{name}>"


def drawing(*inside: str, width: float, height: float, label: str, class_: str = "") -> str:
    """Return a whole drawing of a size in pixels, shrunk where there is less room; `label` says what it shows."""
    return element(
        "svg",
        *inside,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        role="img",
        aria_label=label,
        class_=f"drawing {class_}".strip(),
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def words(x: float, y: float, text: str, *, anchor: str = "start", class_: str = "") -> str:
    """Return a line of text that starts, ends or is centred (`middle`) at a place."""
    more = {"class_": class_} if class_ else {}
    return element("text", x=x, y=y, text_anchor=anchor, text=text, **more)


def dot(x: float, y: float, r: float, class_: str) -> str:
    """Return a circle."""
    return element("circle", cx=x, cy=y, r=r, class_=class_)
