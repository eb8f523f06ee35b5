"""The live page: plain HTML from the figures, everything in it escaped, light and dark."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
# The page is made in one place, on the server: what the script fetches is the same page, later.
_SCRIPT = """
const state = document.querySelector("#fresh");
setInterval(async () => {
  try {
    const text = await (await fetch(location.href)).text();
    const later = new DOMParser().parseFromString(text, "text/html");
    document.querySelector("main").replaceWith(later.querySelector("main"));
    state.textContent = "";
  } catch (error) {
    state.textContent = "no answer: these figures are old";
  }
}, 1000);
"""
_UNKNOWN = "\u2013"  # a dash
_HEADS = ("µs", "tasks", "p50", "p90", "p99", "max")
_CELLS = ("p50_us", "p90_us", "p99_us", "max_us")


def page(told: dict[str, Any]) -> str:
    """The whole page, for what `live.now` told."""
    body = _running(told) if told["test"] else _nothing(told["fault"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<noscript><meta http-equiv="refresh" content="1"></noscript>'
        f"<title>Due to done, in µs</title><style>{_STYLE}</style></head>"
        '<body><header><a href="./">Locust</a><h1>Due to done</h1>'
        f'<span id="fresh" role="status"></span></header><main>{body}</main>'
        f"<script>{_SCRIPT}</script></body></html>"
    )


def _nothing(fault: str) -> str:
    if fault:
        return f'<p class="state bad">{escape(fault)}</p>'
    return '<p>No test has run yet: <a href="./">start one</a>.</p>'


def _running(told: dict[str, Any]) -> str:
    kind = {None: "open", 0: "good"}.get(told["exit_code"], "bad")
    state = told["verdict"] or f"{told['state']}: what is lost is known at the end"
    parts = [
        f'<p class="state {kind}">{escape(state)}</p>',
        _tiles(told["latency"][0]),
        _table("Latency", _HEADS, _latencies(told)),
        *([_table("From due, by stage", _HEADS, _stages(told))] if told["stages"] else []),
        _table("Tasks", ("", "done", "twice", "lost", "pending", "unread"), _counts(told)),
        _table("Rate", ("asked", "sent", "now", "own send lag, p50", "p99"), [_rate(told)]),
        *(f"<p>{escape(line)}</p>" for line in _remarks(told)),
    ]
    return "".join(parts)


def _tiles(row: dict[str, Any]) -> str:
    tiles = "".join(
        f"<div><b>{_number(row[name])}</b><span>{title}, µs from due</span></div>"
        for name, title in zip(_CELLS, _HEADS[2:], strict=True)
    )
    return f'<section class="tiles">{tiles}</section>'


def _latencies(told: dict[str, Any]) -> list[list[str]]:
    rows = [_latency(row) for row in told["latency"]]
    locust = told["locust"]
    cells = [_rounded(locust[f"{name}_ms"]) for name in ("p50", "p90", "p99", "max")]
    rows.append(["Locust, rounded", _number(locust["tasks"]), *cells])
    return rows


def _stages(told: dict[str, Any]) -> list[list[str]]:
    return [_latency(row) for row in told["stages"]]


def _latency(row: dict[str, Any]) -> list[str]:
    return [row["name"], _number(row["tasks"]), *(_number(row[name]) for name in _CELLS)]


def _counts(told: dict[str, Any]) -> list[list[str]]:
    names = ("done", "twice", "lost", "pending", "unread")
    sent = f"sent {_number(told['counts']['sent'])}"
    rows = [[sent, *(_number(told["counts"][name]) for name in names)]]
    groups = told["groups"] if len(told["groups"]) > 1 else []
    return rows + [[one["name"], *(_number(one[name]) for name in names)] for one in groups]


def _rate(told: dict[str, Any]) -> list[str]:
    rate = told["rate"]
    per_s = [_per_s(rate[name]) for name in ("asked_per_s", "sent_per_s", "now_per_s")]
    return per_s + [_number(rate[name]) for name in ("own_lag_p50_us", "own_lag_p99_us")]


def _remarks(told: dict[str, Any]) -> list[str]:
    lines = [f"Server: {told['server']}."]
    clock = told["clock"]
    if clock["kind"] == "server":
        lines.append(f"Clock: Redis TIME, each latency ± {_number(round(clock['error_us']))} µs.")
    kept = {True: "kept", False: "not kept", None: "unknown"}
    lines += [
        f"Limit {one['rule']}: {kept[one['kept']]} ({one['found']})." for one in told["limits"]
    ]
    return lines + [f"{line}." for line in told["remarks"]]


def _table(title: str, heads: tuple[str, ...], rows: list[list[str]]) -> str:
    top = "".join(f"<th scope=col>{escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    rows_of_all = f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return f"<table><caption>{title}</caption>{rows_of_all}</table>"


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}".replace(",", "\u202f")  # a thin space


def _per_s(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.1f}/s"


def _rounded(value: float | None) -> str:
    """Locust's whole ms, in µs, so that both can be compared: marked for what they are."""
    return _UNKNOWN if value is None else f"≈ {_number(round(value * 1000))}"


def rows_of_tab(told: dict[str, Any]) -> list[dict[str, str]]:
    """The rows of the tab in Locust's page, which escapes them itself."""
    names = ("name", "tasks", "p50", "p90", "p99", "max")
    return [dict(zip(names, row, strict=True)) for row in _latencies(told) + _stages(told)]
