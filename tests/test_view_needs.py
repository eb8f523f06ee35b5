"""%%needs in a real IPython shell: a cell runs as if the line were not there, or says why not."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError
from support import NEWEST, OLDEST


@pytest.fixture
def on(monkeypatch):
    """Let a server be the one that the magics talk to."""
    return lambda server: monkeypatch.setattr("streamlab.server.lab.current_server", lambda: server)


def test_on_a_new_server_the_cell_runs_and_its_last_value_is_shown(shell, newest, on):
    on(newest)
    result = shell.run_cell("%%needs 8.10\nseen = 1\nseen + 1")
    assert (result.success, result.result) == (True, 2)


def test_on_an_older_server_nothing_runs_and_the_note_has_both_versions(shell, oldest, on, capsys):
    on(oldest)
    shell.push({"seen": "before"})
    result = shell.run_cell("%%needs 8.4\nseen = 'after'\nraise RuntimeError")
    assert result.success
    assert capsys.readouterr().out == f"needs Redis ≥ 8.4, this one is {OLDEST}: not run\n"
    assert shell.user_ns["seen"] == "before"


def test_the_rest_of_the_cell_may_be_another_magic(shell, newest, oldest, on, capsys):
    on(newest)
    shell.run_cell(f"%%needs {NEWEST}\n%%redis\nPING").raise_error()
    assert capsys.readouterr().out == "redis> PING\nPONG\n"
    on(oldest)
    shell.run_cell("%%needs 6.2\n%redis PING").raise_error()
    assert capsys.readouterr().out == "PONG\n"


def test_an_error_in_the_cell_is_the_cells_own(shell, newest, on):
    on(newest)
    with pytest.raises(ZeroDivisionError):
        shell.run_cell("%%needs 6.2\n1 / 0").raise_error()


@pytest.mark.parametrize("line", ["%%needs", "%%needs XNACK", "%%needs 8.x"])
def test_a_line_without_a_version_is_an_error_that_shows_how(shell, newest, on, line):
    on(newest)
    with pytest.raises(UsageError, match=r"%%needs VERSION .* %%needs 8\.4"):
        shell.run_cell(f"{line}\nseen = 'run'").raise_error()
    assert shell.user_ns.get("seen") != "run"


def test_typing_such_a_cell_starts_no_server(shell, monkeypatch):
    def start():
        raise AssertionError

    monkeypatch.setattr("streamlab.server.lab.current_server", start)
    assert shell.check_complete("%%needs 8.4\nx = 1\n\n")[0] in {"complete", "incomplete"}


def test_loading_the_extension_twice_decides_once(shell, newest, on):
    on(newest)
    before = len(shell.input_transformers_cleanup)
    shell.run_line_magic("reload_ext", "streamlab")
    assert len(shell.input_transformers_cleanup) == before
    assert shell.run_cell("%%needs 8.4\n3").result == 3
