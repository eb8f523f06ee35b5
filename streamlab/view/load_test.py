"""A load test started from a notebook: as a process of its own, with its progress in the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import escape
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError, BenchError

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP = re.compile(r"([01]\.\d+) (.*)")
# Exit codes: 0 done; 1 done, and the answer is "no" (a task lost, no run that is valid).
_ANSWERED = (0, 1)


def load_test(*arguments: object) -> None:
    """Run ``streamlab`` or a script of load tests with `arguments`, and show how far it has come.

    A process of its own: a kernel that also measured would be measured too. Its results are in the
    folder that ``--out`` names; read them with `streamlab.measure.folder.Results`.

    Parameters
    ----------
    arguments
        As on a command line: ``"bench", "--consumers", "1,2", "--out", folder``; or the path of a
        script that ends in ``.py``, and its options.

    Raises
    ------
    BadArgumentError
        There are no arguments.
    BenchError
        It could not be run: with the last line that it wrote.
    """
    words = [str(argument) for argument in arguments]
    if not words:
        msg = "load_test takes the words of a command line, got none: 'bench', '--out', folder"
        raise BadArgumentError(msg)
    command = [sys.executable, *([] if words[0].endswith(".py") else ["-m", "streamlab"]), *words]
    tell = _teller()
    with subprocess.Popen(
        command,
        env=os.environ | {"STREAMLAB_PROGRESS": "lines"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        last = ""
        try:
            for line in process.stderr or ():
                last = line.strip() or last
                if step := _STEP.fullmatch(line.strip()):
                    tell(f"{float(step.group(1)):.0%}, {step.group(2)}")
        except BaseException:
            process.terminate()  # it ends its own children
            raise
    if process.returncode not in _ANSWERED:
        tell("ended with an error")
        msg = f"the load test ended with exit code {process.returncode}: {last}"
        raise BenchError(msg)
    tell("done")


def _teller() -> Callable[[str], None]:
    """Shows one line in the page that changes; without IPython, on stderr."""
    try:
        from IPython import get_ipython  # noqa: PLC0415 - only a notebook has it
        from IPython.display import display  # noqa: PLC0415
    except ImportError:
        return _to_stderr
    if get_ipython() is None:
        return _to_stderr
    handle = display(_bundle("begins"), raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def tell(text: str) -> None:
        handle.update(_bundle(text), raw=True)

    return tell


def _bundle(text: str) -> dict[str, str]:
    told = f"load test: {text}"
    return {"text/html": f"<p>{escape(told)}</p>", "text/plain": told}


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"load test: {text}\n")
