"""SVG written by hand: elements with escaped text, one a line, and one style for all pictures.

The colours are Okabe and Ito's, which people with any colour vision tell apart; each state has a
shape or a pattern of its own besides, so that the pictures read in grey.
"""

from __future__ import annotations

from html import escape
from urllib.parse import quote

#: Widths of a character, in units of the font size; what is drawn is fitted with these.
MONO, SANS, BOLD = 0.61, 0.58, 0.68

_STYLE = """
text{font:11px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1b2733}
.m{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.n{font-size:12px;font-weight:600}
.i{font-style:italic}
.h{font-size:15px;font-weight:600}
.b{font-weight:600}
.s{font-size:10px;fill:#52606d}
.c{fill:#005a94}
.d{fill:#4a3500}
.card{fill:#fdfdfb;stroke:#cfd6dd}
.entry{fill:#e3eef6;stroke:#5b7f9b}
.gone{fill:none;stroke:#8a939c;stroke-dasharray:3 3}
.done{fill:#e9ecef}
.tick{fill:none;stroke:#6b7783;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
.pending{fill:#f9dda4;stroke:#a86e00}
.hatched{fill:url(#hatch)}
.waiting{fill:#fff;stroke:#8a939c;stroke-dasharray:2 3}
.cursor{stroke:#0072b2;stroke-width:2.5}
.flag{fill:#0072b2}
.on{fill:#7a4f00}
.off{fill:#fff;stroke:#c79a4b;stroke-width:.7}
.rule{stroke:#e4e8ec}
""".strip().replace("\n", "")

_HATCH = (
    "<defs><pattern id='hatch' width='6' height='6' patternUnits='userSpaceOnUse'"
    " patternTransform='rotate(45)'><rect width='6' height='6' fill='#fbedd0'/>"
    "<path d='M0 0v6' stroke='#e3b866' stroke-width='2'/></pattern></defs>"
)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _element(name: str, kind: str, **numbers: float) -> str:
    attributes = "".join(f" {key}='{_number(value)}'" for key, value in numbers.items())
    return f"<{name} class='{kind}'{attributes}/>"


def rect(kind: str, x: float, y: float, width: float, height: float, radius: float = 0) -> str:
    """A rectangle in the style `kind`."""
    rounding = {"rx": radius} if radius else {}
    return _element("rect", kind, x=x, y=y, width=width, height=height, **rounding)


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line in the style `kind`."""
    return _element("line", kind, x1=x1, y1=y1, x2=x2, y2=y2)


def path(kind: str, moves: str) -> str:
    """A path in the style `kind`; `moves` is ours, never a reader's."""
    return f"<path class='{kind}' d='{moves}'/>"


def text(kind: str, x: float, y: float, words: str, *, anchor: str = "start") -> str:
    """Escaped text whose baseline is at `y`; `anchor` is start, middle or end."""
    where = f" text-anchor='{anchor}'" if anchor != "start" else ""
    return f"<text class='{kind}' x='{_number(x)}' y='{_number(y)}'{where}>{escape(words)}</text>"


def tick(x: float, y: float) -> str:
    """A check mark around that point, drawn, since fonts differ in theirs."""
    return path("tick", f"M{x - 4:.1f} {y:.1f}l3 3.5l5.5 -7")


def steps(x: float, y: float, level: int, width: float) -> list[str]:
    """Five boxes in a row, the first `level` of them filled."""
    return [
        rect("on" if number < level else "off", x + number * width + 1, y, width - 2, 5, 1)
        for number in range(5)
    ]


def volatile(parts: list[str]) -> str:
    """What differs between two runs, on one line in a group that a test can mask."""
    return f"<g class='idle'>{''.join(parts)}</g>"


def room(width: float, font_size: float, advance: float) -> int:
    """How many characters fit in `width`."""
    return max(int(width / (font_size * advance)), 0)


def document(width: float, height: float, title: str, description: str, body: list[str]) -> str:
    """A whole SVG on its own light card, legible on a page of any colour."""
    w, h = _number(width), _number(height)
    size = f"width='{w}' height='{h}'"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' {size} viewBox='0 0 {w} {h}' role='img'>",
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            f"<style>{_STYLE}</style>",
            _HATCH,
            rect("card", 0.5, 0.5, width - 1, height - 1, 8),
            *body,
            "</svg>",
        ]
    )


def image(svg: str, alt: str, width: float) -> str:
    """An HTML image of `svg`: no script in it can run, and it needs no file beside the page.

    The URL is percent-encoded, not base64, and keeps the line ends, which a URL ignores: a stored
    notebook can be compared line by line.
    """
    url = quote(svg, safe=" \n='/:;,.()-_")
    return (
        f'<img alt="{escape(alt)}" width="{_number(width)}" style="max-width:100%;height:auto"'
        f' src="data:image/svg+xml;charset=utf-8,{url}">'
    )
