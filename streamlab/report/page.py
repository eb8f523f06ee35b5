"""One self-contained page: the answer, the figures, every run, the machine, the caveats."""

from __future__ import annotations

import base64
import re
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from streamlab.report.caveats import caveats
from streamlab.report.charts import chart, drawn
from streamlab.report.charts.look import WIDTH_IN, png
from streamlab.report.phrases import time_text
from streamlab.report.tables import (
    budget_table,
    facts_table,
    floor_table,
    published_table,
    runs_table,
)
from streamlab.report.words import answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamlab.measure.folder import Results

#: The page's name in a results folder.
REPORT = "report.html"
_CSS_PX = 96  # an inch, by definition


def write_report(results: Results) -> Path:
    """Write ``report.html`` and its figures (``NAME.png``) into the results folder.

    Everything in it comes from the folder, so that it can be written again at any time. The page
    needs nothing from elsewhere: no script, no font, no image but its own.

    Returns
    -------
    The path of the page.

    Raises
    ------
    BenchError
        The manifest names a chart that there is not.
    """
    images = {}
    for name in results.manifest.get("charts", []):
        figure = drawn(name, results)
        path = results.path / f"{name}.png"
        path.unlink(missing_ok=True)  # of an earlier time, when there was something to draw
        if figure is not None:
            images[name] = png(figure)
            path.write_bytes(images[name])
    page = results.path / REPORT
    page.write_text(_page(results, images), encoding="utf-8")
    return page


def prose(text: str) -> str:
    """Escaped, with no line break between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:%|µs|ms|s|kB|MB|GB|tasks/s)(?![a-z]))", "&nbsp;", escape(text))


def _page(results: Results, images: dict[str, bytes]) -> str:
    manifest = results.manifest
    question = escape(str(manifest.get("question", "What was measured?")))
    css = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(str(manifest.get("experiment", "results")))}: {question}</title>
<style>
{css}</style>
</head>
<body>
<main>
<h1>{question}</h1>
{"".join(f'<p class="answer">{prose(sentence)}</p>' for sentence in answer(results))}
<p class="quiet">{prose(_when(results))}</p>
{"".join(_sections(results, images))}
</main>
</body>
</html>
"""


def _when(results: Results) -> str:
    manifest = results.manifest
    settings = manifest.get("settings", {})
    size = f", size {settings['size']}" if "size" in settings else ""
    date = str(manifest.get("date", "at an unknown date"))[:10]
    return f"Figures are medians over valid runs. Measured {date}{size}."


def _sections(results: Results, images: dict[str, bytes]) -> Iterator[str]:
    for name, data in images.items():
        yield _section(chart(name).title, _figure(name, results, data), name)
    missing = [name for name in results.manifest.get("charts", []) if name not in images]
    if missing:
        told = ", ".join(chart(name).title for name in missing)
        yield f'<p class="quiet">Not drawn, since no run has what it shows: {escape(told)}.</p>\n'
    yield _section("Latency budget", budget_table(results))
    yield _section("Every run", runs_table(results) if results.runs else "")
    yield _section("The harness's own share", _floor(results))
    yield _section("What others published", published_table(results))
    items = "".join(f"<li>{prose(text)}</li>" for text in caveats(results))
    yield _section("What to keep in mind", f"<ul>{items}</ul>")
    yield _section("Measured on", facts_table(results.manifest))
    yield _section("How to repeat it", _command(results))


def _section(title: str, inner: str, name: str = "") -> str:
    """A heading and what belongs to it; nothing where there is nothing."""
    anchor = f' id="{escape(name)}"' if name else ""
    return f"<section{anchor}>\n<h2>{escape(title)}</h2>\n{inner}\n</section>\n" if inner else ""


def _figure(name: str, results: Results, data: bytes) -> str:
    image = base64.b64encode(data).decode("ascii")
    one = chart(name)
    return (
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="{escape(one.title)}">'
        f'<img src="data:image/png;base64,{image}" alt="{escape(one.alt(results))}" '
        f'width="{WIDTH_IN * _CSS_PX:.0f}"></div>'
        f"<figcaption>{prose(one.caption(results))}</figcaption></figure>"
    )


def _floor(results: Results) -> str:
    floor = results.manifest.get("floor")
    if not floor:
        return ""
    ours, bare = (sorted(floor[name]) for name in ("harness_p50_us", "bare_p50_us"))
    at = len(ours) // 2
    words = (
        f"At {floor['rate_per_s']:g} tasks/s with one consumer and no work, the median latency was "
        f"{time_text(ours[at])} with the package's queue and worker, and {time_text(bare[at])} "
        "with redis-py alone (the middle one of each side's rounds). What lies below that cannot "
        "be measured here."
    )
    return f"<p>{prose(words)}</p>\n{floor_table(floor)}"


def _command(results: Results) -> str:
    command = results.manifest.get("command")
    if not command:
        return ""
    return f"<pre><code>{escape(str(command))}</code></pre>"
