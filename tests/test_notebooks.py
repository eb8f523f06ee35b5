"""The notebooks run as stored, on every server, and keep the contract with their reader."""

from __future__ import annotations

import ast
import contextlib
import gc
import io
import json
import os
import random
import re
import shutil
import string
import warnings
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient.exceptions import CellExecutionError
from nbval.plugin import coalesce_streams
from store_outputs import KERNEL, NOTEBOOKS, SANITIZE, all_notebooks, masked, run, store
from support import NEWEST, OLDEST, ROOT, VERSIONS

from streamlab.server import CAPABILITIES, RedisServer, capabilities_of, find_redis, found_redis

PATHS = all_notebooks()
SEED = int(os.environ.get("STREAMLAB_TEST_SEED", random.randrange(2**32)))
CONTRACT = [
    "What you will do",
    "What you will learn",
    "What you need",
    "On your own",
    "In practice",
]

#: Those that were written by hand. The generated ones are held to their data in `test_book.py`.
LESSONS = [
    path
    for path in PATHS
    if path.stem != "00-map-of-commands" and path.parent.name != "6-interview"
]

each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def measures(path):
    """Whether its cells assert how fast this machine is, which other tests share: it runs again."""
    return path.parent.name == "5-measure"


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def python_of(cell):
    """The syntax tree of a cell, its magics turned into calls."""
    return ast.parse(TransformerManager().transform_cell(cell.source))


def texts_of(cell):
    """Each stored text of a cell: (the dictionary it is in, its key)."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output, "text"
        for kind in output.get("data", ()):
            if kind.startswith("text/"):
                yield output.data, kind


@pytest.fixture
def desk(tmp_path):
    """A copy of the notebooks, and variables that keep the reader's own settings of Jupyter out."""
    ignored = shutil.ignore_patterns(".*", "__pycache__")
    folder = shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=ignored)
    (tmp_path / "loadtests").symlink_to(ROOT / "loadtests")  # scenarios, and stored results
    ini = tmp_path / "pytest.ini"
    ini.write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    own = {
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    return SimpleNamespace(env=own, ini=ini, copy=lambda path: folder / path.relative_to(NOTEBOOKS))


class BesideNbval:
    """A plugin that notes which cells fail, and which would against a `corrupted` notebook."""

    def __init__(self, corrupted) -> None:
        self.corrupted = code_cells(corrupted)
        self.failed, self.found, self.seconds = [], [], 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        yield
        outputs = coalesce_streams(self.corrupted[item.cell_num].outputs)
        if not item.compare_outputs(item.test_outputs, outputs):
            self.found.append(item.cell_num)

    def pytest_runtest_logreport(self, report):
        self.seconds += report.duration
        if report.failed:
            self.failed.append(int(report.nodeid.rpartition("::Cell ")[2]))


def compare(desk, path, corrupted):
    """Run a copied notebook under nbval, in this process; what was noted, and what it printed."""
    noted = BesideNbval(corrupted)
    options = [
        *("-p", "nbval.plugin", "--capture=no", "--color=no", "-c", str(desk.ini)),
        *("--nbval", f"--nbval-sanitize-with={SANITIZE}", "--nbval-cell-timeout=60"),
    ]
    own = desk.env | {
        "STREAMLAB_REDIS_SERVER": str(find_redis(NEWEST).server),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # those of this run are not for the one within
    }
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as out,
        warnings.catch_warnings(action="ignore", category=ResourceWarning),  # of nbval's kernel
    ):
        for name, value in own.items():
            patch.setenv(name, value)
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        pytest.main([*options, str(path)], plugins=[noted])
        gc.collect()
    return noted, out.getvalue()[-6000:]


def run_on(binary, desk, path):
    """Run a notebook on private servers of `binary`'s version; what its outputs are then."""
    env = desk.env | {"STREAMLAB_REDIS_SERVER": str(binary.server)}
    try:
        return run(desk.copy(path), env)
    except CellExecutionError:
        if not measures(path):
            raise
        return run(desk.copy(path), env)


def said(notebook):
    """All text of all outputs."""
    return "\n".join(holder[key] for cell in code_cells(notebook) for holder, key in texts_of(cell))


# -- they run as stored ------------------------------------------------------------------------


def corrupt(notebook, rng):
    """Change one letter of one stored text, not one that a mask covers; the number of its cell."""
    places = [
        (number, holder, key, at)
        for number, cell in enumerate(code_cells(notebook))
        for holder, key in texts_of(cell)
        for at, character in enumerate(holder[key])
        if character in string.ascii_letters
    ]
    while True:
        number, holder, key, at = rng.choice(places)
        text = holder[key]
        changed = text[:at] + ("X" if text[at] != "X" else "Y") + text[at + 1 :]
        if masked(changed) != masked(text):
            holder[key] = changed
            return number


def servers_at_hand(path):
    """Skip a lesson that climbs from server to server where one of these is missing."""
    for version in re.findall(r'climb\("([\d.]+)"', "\n".join(c.source for c in read(path).cells)):
        if not any(binary.version.startswith(version) for binary in found_redis()):
            reason = f"no Redis {version} here: streamlab redis install {version}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@each
def test_a_notebook_alone_repeats_its_outputs_and_a_corrupted_one_is_found_at_its_cell(path, desk):
    servers_at_hand(path)
    print(f"STREAMLAB_TEST_SEED={SEED}")
    corrupted = read(path)
    corrupted_cell = corrupt(corrupted, random.Random(f"{SEED} {path.stem}"))
    noted, printed = compare(desk, desk.copy(path), corrupted)
    if noted.failed and measures(path):
        noted, printed = compare(desk, desk.copy(path), corrupted)
    assert noted.failed == [], printed
    assert noted.found == [corrupted_cell]
    assert f"{len(noted.corrupted)} passed" in printed  # none was left out
    assert noted.seconds <= 30


def test_storing_outputs_twice_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(find_redis(NEWEST).server))
    shortest = min(PATHS, key=lambda path: path.stat().st_size)
    copy = Path(shutil.copy(shortest, tmp_path))
    assert not store(copy)
    assert copy.read_bytes() == shortest.read_bytes()


# -- on other servers --------------------------------------------------------------------------


def is_private(path):
    """Whether a lesson kills or restarts its server, which is never the reader's."""
    return "server = RedisServer(" in "\n".join(cell.source for cell in code_cells(read(path)))


def says_what_is_missing(path, notebook, version):
    has = capabilities_of(version)
    missing = set(read(path).metadata.streamlab.needs) - has
    # The lag is missing in every picture before 7.0; a notebook that has pictures says so.
    pictures = any("show(r" in cell.source for cell in code_cells(notebook))
    if missing or (pictures and "lag" not in has):
        assert f"this one is {version}" in said(notebook)


@each
def test_a_notebook_runs_on_the_oldest_redis_and_says_what_is_missing(path, desk):
    notebook = run_on(find_redis(OLDEST), desk, path)
    says_what_is_missing(path, notebook, OLDEST)


MIDDLE = [version for version in VERSIONS if version not in {NEWEST, OLDEST}]


# Of the lessons that measure, which take their time, one: all of them reach the server by one way,
# and run on the oldest and the newest.
SPARED = {p for p in PATHS if measures(p) and p.stem != "02-latency-and-load"}


@pytest.mark.parametrize("version", MIDDLE)
@pytest.mark.parametrize(
    "path", [p for p in PATHS if is_private(p) and p not in SPARED], ids=lambda path: path.stem
)
def test_a_notebook_with_a_server_of_its_own_runs_on_a_redis_in_between(path, version, desk):
    binary = find_redis(version)
    says_what_is_missing(path, run_on(binary, desk, path), binary.version)


@pytest.fixture(scope="module")
def readers_own():
    with contextlib.ExitStack() as stack:
        servers = {}

        def server_of(version):
            if version not in servers:
                servers[version] = stack.enter_context(RedisServer(version, tcp=True))
            return servers[version]

        yield server_of


# Once more on the newest only what asks for more than the one in between has.
THEIRS = [
    pytest.param(path, version, id=f"{path.stem}-{version}")
    for path in PATHS
    if not is_private(path) and path not in SPARED
    for version in (MIDDLE or [NEWEST])
    + [NEWEST]
    * (bool(MIDDLE) and not set(read(path).metadata.streamlab.needs) <= capabilities_of("7.0"))
]


@pytest.mark.parametrize(("path", "version"), THEIRS)
def test_on_the_readers_own_redis_a_notebook_cleans_up_and_tells_no_password(
    path, version, readers_own, desk
):
    server = readers_own(version)
    with server.client() as r:
        r.set("the readers key", "kept")
        notebook = run(desk.copy(path), desk.env | {"STREAMLAB_REDIS_URL": str(server.url)})
        assert r.keys() == ["the readers key"]
        assert r.get("the readers key") == "kept"
    password = r.connection_pool.connection_kwargs["password"]
    assert password not in json.dumps(notebook)
    says_what_is_missing(path, notebook, server.version)


# -- what is stored ----------------------------------------------------------------------------


@each
def test_stored_outputs_hold_no_error_no_warning_and_no_path_of_a_machine(path):
    for cell in code_cells(read(path)):
        kinds = {output.output_type for output in cell.outputs}
        names = {output.get("name") for output in cell.outputs}
        assert "error" not in kinds, cell.source
        assert "stderr" not in names, cell.source
        for holder, key in texts_of(cell):
            assert not re.search(r"(?<!\w)/(home|root|tmp|Users|private|var)/", holder[key])


@each
def test_execution_counts_are_those_of_one_run_from_top_to_bottom(path):
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.get("execution_count", cell.execution_count) == cell.execution_count


def shows_something(cell):
    if re.search(r"^\s*%%?redis\b", cell.source, re.MULTILINE):
        return True
    last = python_of(cell).body[-1]
    return isinstance(last, ast.Expr) and (
        isinstance(last.value, ast.Name)
        or (isinstance(last.value, ast.Call) and ast.unparse(last.value.func) == "show")
    )


@each
def test_every_cell_that_shows_a_reply_has_it_stored(path):
    for cell in code_cells(read(path)):
        assert cell.outputs or not shows_something(cell), cell.source


@each
def test_metadata_holds_nothing_that_changes_from_run_to_run(path):
    notebook = read(path)
    nbformat.validate(notebook)  # a repeated cell id is a warning, and warnings are errors here
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.keys() == {"kernelspec", "language_info", "streamlab"}
    assert notebook.metadata.kernelspec == KERNEL
    assert notebook.metadata.language_info == {"name": "python"}
    assert notebook.metadata.streamlab.keys() == {"needs"}
    assert set(notebook.metadata.streamlab.needs) <= {c.name for c in CAPABILITIES}
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", cell.id), cell.id
        assert not re.fullmatch(r"[0-9a-f]{8}", cell.id), f"{cell.id} was chosen at random"
        assert cell.metadata.keys() <= {"tags"}


# -- the contract with the reader --------------------------------------------------------------


@each_lesson
def test_a_notebook_says_what_it_is_for_and_ends_with_practice(path):
    headings = re.findall(r"^## (.+)$", prose(read(path)), re.MULTILINE)
    assert [heading for heading in headings if heading in CONTRACT] == CONTRACT
    assert headings[:3] == CONTRACT[:3]
    assert headings[-2:] == CONTRACT[-2:]


@each
def test_one_cell_the_first_imports_everything(path):
    cells = code_cells(read(path))
    importing = [
        number
        for number, cell in enumerate(cells)
        if any(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.walk(python_of(cell)))
    ]
    assert importing == [0]


@each
def test_no_cell_is_longer_than_ten_lines(path):
    long = [c.id for c in code_cells(read(path)) if len(c.source.splitlines()) > 10]
    assert long == []


@each
def test_no_line_of_code_or_output_needs_scrolling_sideways(path):
    for cell in code_cells(read(path)):
        assert max(map(len, cell.source.splitlines()), default=0) <= 96, cell.source
        for holder, key in texts_of(cell):
            # Pictures shrink with the page, and so does the text that stands for one.
            if key != "text/html" and not (key == "text/plain" and "plot(" in cell.source):
                lines = holder[key].splitlines()
                told = [line for line in lines if not line.startswith("(error)")]  # it wraps
                assert max(map(len, told), default=0) <= 100, holder[key]


@each
def test_the_last_cell_ends_the_server(path):
    last = read(path).cells[-1]
    assert last.cell_type == "code"
    assert "server.stop()" in last.source.splitlines()


@each_lesson
def test_a_reader_predicts_and_an_assertion_settles_it(path):
    notebook = read(path)
    asserting = [cell for cell in code_cells(notebook) if re.search(r"^\s*assert ", cell.source, re.MULTILINE)]  # fmt: skip # noqa: E501
    predictions = prose(notebook).count("**Predict.**")
    assert predictions >= 3
    assert len(asserting) >= predictions


@each
def test_failures_are_announced_at_the_top_and_shown_under_a_heading(path):
    text = prose(read(path))
    assert set(re.findall(r"\bF\d+\b", text)) <= {f"F{n:02}" for n in range(1, 61)}
    announced = re.search(r"^Failures: (.+)$", text, re.MULTILINE)
    if "2-failures" in path.parts:
        assert announced, "a line such as 'Failures: F01 · F02' below the title"
    headings = "\n".join(re.findall(r"^##+ (.+)$", text, re.MULTILINE))
    for failure in announced[1].split(" · ") if announced else ():
        assert f"({failure})" in headings


@each
def test_links_to_other_notebooks_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose(read(path))):
        assert target.startswith("https://") or (path.parent / target).is_file(), target
