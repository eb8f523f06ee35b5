"""What to keep in mind about a folder's figures: what holds for all, then for its experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.measure.runs import Mode
from streamlab.measure.spread import FEWEST_RUNS, coverage
from streamlab.report.phrases import percent_text

if TYPE_CHECKING:
    from streamlab.measure.folder import Results

_SENDING = (
    "p99 from sending is what a benchmark reports that waits for the server before it sends. It "
    "hides stalls; it stands here to be compared, never alone."
)
_SLEEP = "A sleep needs no processor: work that computes scales with cores, not with consumers."
_TINY = (
    "The size was tiny: it shows that the experiment runs, and proves nothing about Redis. Run it "
    "with a larger size for figures."
)
_ASKED = 0.95


def caveats(results: Results) -> list[str]:
    """The caveats, in order: of this folder, of all folders, of its experiment."""
    settings = results.manifest.get("settings", {})
    told = [_TINY] if settings.get("size") == "tiny" else []
    told += [_host(results), _repeats(results)]
    if any(run.mode is Mode.LATENCY for run in results.runs):
        told.append(_SENDING)
    if any(run.load.work_ms for run in results.runs):
        told.append(_SLEEP)
    return [*told, *map(str, results.manifest.get("caveats", []))]


def _host(results: Results) -> str:
    owner = str(results.manifest.get("server", {}).get("owner", "private"))
    if not owner.startswith("private"):
        return (
            "The server is the reader's own: what else it did meanwhile, and what the network to "
            "it costs, is in these figures."
        )
    cores = results.manifest.get("machine", {}).get("usable_cores") or "a few"
    return (
        f"Server, producer and consumers share one host with {cores} cores and a local connection. "
        "Where there are more processes than cores they wait for each other; on machines of their "
        "own they would not, but a network would add its round trip to every command."
    )


def _repeats(results: Results) -> str:
    repeats = max((run.repeat for run in results.runs), default=0)
    if repeats < FEWEST_RUNS:
        return (
            f"With fewer than {FEWEST_RUNS} runs of each kind nothing says how much a figure "
            "varies: no difference here is proven."
        )
    sure = percent_text(round(min(_ASKED, coverage(repeats)), 2))
    return (
        f"Intervals are bootstraps over {repeats} runs of each kind: they hold the median {sure} "
        "of the time, and know nothing of what all the runs share, such as a slow machine."
    )
