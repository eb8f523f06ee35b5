"""The public face: a dozen names, cheap to import, each documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import statistics

import pytest
from support import run_python

import streamlab

NAMES = [
    "QueueDepth",
    "ReaderServer",
    "RedisServer",
    "StreamlabError",
    "Task",
    "TaskQueue",
    "Worker",
    "WorkerReport",
    "find_redis",
    "lab_server",
    "show",
]


def modules():
    found = pkgutil.walk_packages(streamlab.__path__, "streamlab.")
    return ["streamlab", *(m.name for m in found if not m.name.endswith("__main__"))]


def test_the_public_names_are_these():
    assert streamlab.__all__ == NAMES == dir(streamlab)
    for name in NAMES:
        assert getattr(streamlab, name) is not None


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(AttributeError, match="has no attribute 'Queue': it has QueueDepth"):
        _ = streamlab.Queue


@pytest.mark.parametrize("module", modules())
def test_every_module_says_its_one_idea_in_its_first_line(module):
    first = (importlib.import_module(module).__doc__ or "").split("\n")[0]
    assert 10 < len(first) <= 100, f"{module}: {first!r}"


@pytest.mark.parametrize("module", modules())
def test_every_public_function_and_class_has_a_docstring(module):
    loaded = importlib.import_module(module)
    for name, thing in vars(loaded).items():
        ours = getattr(thing, "__module__", None) == module
        if name.startswith("_") or not ours or not (callable(thing) or inspect.isclass(thing)):
            continue
        assert inspect.getdoc(thing), f"{module}.{name} has no docstring"
        if inspect.isclass(thing):
            for method, function in vars(thing).items():
                if not method.startswith("_") and inspect.isfunction(function):
                    assert function.__doc__, f"{module}.{name}.{method} has no docstring"


@pytest.mark.parametrize("name", ["RedisServer", "TaskQueue", "Worker", "lab_server", "show"])
def test_what_lessons_call_documents_every_parameter_and_its_errors(name):
    thing = getattr(streamlab, name)
    text = inspect.getdoc(thing)
    for parameter in inspect.signature(thing).parameters:
        if parameter not in {"self", "options"}:
            assert f"\n{parameter}\n" in text or f"\n{parameter}, " in text, f"{name}: {parameter}"
    assert "\nRaises\n" in text


IMPORT = """
import sys, time
started = time.perf_counter()
import streamlab
print((time.perf_counter() - started) * 1000)
print(sorted({'redis', 'pandas', 'numpy', 'matplotlib', 'IPython', 'typer'} & set(sys.modules)))
"""


def test_import_costs_at_most_50_ms_and_brings_nothing_heavy():
    times_ms = []
    for _ in range(5):
        ms, heavy = run_python("-c", IMPORT).stdout.split("\n", 1)
        times_ms.append(float(ms))
        assert heavy.strip() == "[]"
    print(f"import streamlab: {statistics.median(times_ms):.1f} ms (median)")
    assert min(times_ms) <= 50  # the machine may be busy; the import is not


def imports_of(module):
    """The rooms that a module imports when it runs (what only type checkers see does not count)."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
    names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    names += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    return {name.split(".")[1] for name in names if name.startswith("streamlab.")}


@pytest.mark.parametrize("module", [m for m in modules() if m.count(".")])
def test_imports_go_down_only(module):
    below = {
        "errors": set(),
        "server": {"errors"},
        "queue": {"errors"},
        "worker": {"errors", "queue"},
        "history": {"errors"},
        "faults": {"errors", "server"},
        "load": {"errors", "server", "queue", "worker"},
        "measure": {"errors", "load"},
        "model": {"errors", "load", "measure"},
        "report": {"errors", "load", "measure", "model"},
        "bench": {"errors", "server", "queue", "worker", "load", "measure"},
        "view": {"errors", "server"},
        "doctor": {"errors", "server", "queue"},
        "book": {"errors", "server"},
        "chaos": {"errors", "server", "queue", "worker", "history", "faults"},
        "cli": {"errors", "server", "queue", "worker", "load", "measure", "bench", "report"}
        | {"model", "doctor", "chaos"},
    }
    room = module.split(".")[1]
    if room != "__main__":
        assert imports_of(module) <= below[room] | {room}


def test_bench_never_imports_locust():
    answer = run_python(
        "-c",
        "import sys, pkgutil, importlib\n"
        "for name in ('load', 'measure', 'model', 'bench', 'report'):\n"
        "    room = importlib.import_module('streamlab.' + name)\n"
        "    for m in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "        importlib.import_module(m.name)\n"
        "print('locust' in sys.modules, 'gevent' in sys.modules)",
    )
    assert answer.stdout == "False False\n", answer.stderr
