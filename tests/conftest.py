"""Real servers for the tests: one a version and session; a key of its own for each test."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from support import NEWEST, OLDEST, VERSIONS
from traitlets.config import Config

from streamlab.server import RedisServer

_numbers = itertools.count()


def pytest_addoption(parser):
    parser.addoption(
        "--look",
        metavar="FOLDER",
        help="run every notebook in JupyterLab; screenshots, light and dark, go to FOLDER",
    )


@pytest.fixture(autouse=True, scope="session")
def _no_server_of_the_readers():
    """A reader's own server is never a test's: the variables are taken out for the session."""
    for name in ("STREAMLAB_REDIS_URL", "STREAMLAB_REDIS_SERVER"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session", params=VERSIONS)
def server(request):
    """A running server of each version; a missing one is an error, never a skip."""
    with RedisServer(request.param) as running:
        yield running


@pytest.fixture(scope="session")
def newest():
    with RedisServer(NEWEST) as running:
        yield running


@pytest.fixture(scope="session")
def oldest():
    with RedisServer(OLDEST) as running:
        yield running


@pytest.fixture
def r(server):
    with server.client() as client:
        yield client


@pytest.fixture
def short_path():
    """A folder whose path leaves room for a unix socket, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def key():
    """A key that no other test uses."""
    return f"tasks-{os.getpid()}-{next(_numbers)}"


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A real IPython with this package's magics, away from the reader's own settings."""
    config = Config()
    config.HistoryManager.enabled = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        shell = InteractiveShell(config=config)
    shell.run_line_magic("load_ext", "streamlab")
    return shell
