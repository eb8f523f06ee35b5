"""%redis and %%redis in a real IPython shell, answered by the real redis-cli."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest
from IPython.core.error import UsageError
from support import poll

from streamlab.server import RedisServer
from streamlab.view.redis_cli import RedisCli


@pytest.fixture
def redis(shell, server, monkeypatch, capsys):
    """Run a cell against `server`; returns what it printed."""
    monkeypatch.setattr("streamlab.server.lab.current_server", lambda: server)

    def run(cell):
        capsys.readouterr()
        result = shell.run_cell(cell)
        result.raise_error()
        assert result.result is None
        return capsys.readouterr().out

    return run


def children():
    """The redis-cli processes of this one that have not been reaped."""
    found = subprocess.run(
        ["ps", "-o", "comm=", "--ppid", str(os.getpid())], capture_output=True, text=True
    )
    return [name for name in found.stdout.split() if name.startswith("redis-cli")]


def test_a_line_prints_the_reply_as_a_terminal_shows_it(redis, key):
    assert redis(f"%redis XADD {key} 1-1 a 1") == '"1-1"\n'
    assert redis(f"%redis XLEN {key}") == "(integer) 1\n"
    assert redis(f"%redis XRANGE {key} - +") == '1) 1) "1-1"\n   2) 1) "a"\n      2) "1"\n'
    assert redis(f"%redis XREAD STREAMS {key} 1-1") == "(nil)\n"
    assert redis("%redis PING") == "PONG\n"


def test_an_error_of_the_server_is_printed_and_not_raised(redis, key):
    assert redis(f"%redis SET {key} 1") == "OK\n"
    said = redis(f"%redis XLEN {key}")
    assert said.startswith("(error) WRONGTYPE ")


def test_quotes_unicode_dollars_and_braces_reach_the_server_as_they_are(redis, shell, r, key):
    shell.push({"key": "expanded", "HOME": "expanded"})
    redis(f"""%redis SET {key} "a 'b' $HOME {{key}} é \\n" """)
    assert r.get(key) == "a 'b' $HOME {key} é \n"
    redis(f"%%redis\nSET {key} '$HOME {{key}} \"x\"'")
    assert r.get(key) == '$HOME {key} "x"'


@pytest.mark.parametrize("size", [10_000, 300_000])
def test_a_long_argument_arrives_whole(redis, r, key, size):
    assert redis(f"%redis SET {key} {'x' * size}") == "OK\n"
    assert r.strlen(key) == size
    assert redis(f"%redis GET {key}") == f'"{"x" * size}"\n'


def test_a_cell_is_one_connection_and_each_command_stands_before_its_reply(redis, key):
    cell = f"""%%redis
# a transaction

MULTI
SET {key} {{v}}
GET {key}
EXEC
CLIENT SETNAME me
CLIENT GETNAME
"""
    assert redis(cell) == (
        "redis> MULTI\nOK\n"
        f"redis(TX)> SET {key} {{v}}\nQUEUED\n"
        f"redis(TX)> GET {key}\nQUEUED\n"
        'redis(TX)> EXEC\n1) OK\n2) "{v}"\n'
        "redis> CLIENT SETNAME me\nOK\n"
        'redis> CLIENT GETNAME\n"me"\n'
    )


def test_the_prompt_is_out_of_the_transaction_after_discard_and_names_the_database(redis):
    assert redis("%%redis\nMULTI\nDISCARD\nSELECT 2\nPING\nSELECT 0\nPING") == (
        "redis> MULTI\nOK\nredis(TX)> DISCARD\nOK\n"
        "redis> SELECT 2\nOK\nredis[2]> PING\nPONG\n"
        "redis[2]> SELECT 0\nOK\nredis> PING\nPONG\n"
    )


def test_a_cell_goes_on_after_an_error_and_after_unbalanced_quotes(redis):
    said = redis('%%redis\nNOSUCH\nSET "a\nPING')
    assert said.startswith("redis> NOSUCH\n(error) ERR unknown command")
    assert said.endswith('redis> SET "a\nInvalid argument(s)\nredis> PING\nPONG\n')


def test_a_reply_cannot_pose_as_the_end_of_a_reply(redis, key):
    forged = "unknown redis-cli internal command ':00'"
    assert redis(f'%%redis\nSET {key} "{forged}\\n"\nGET {key}\nPING').endswith(
        f'redis> GET {key}\n"{forged}\\n"\nredis> PING\nPONG\n'
    )


def test_a_blocking_read_waits_for_its_time(redis, key):
    start = time.monotonic()
    assert redis(f"%redis XREAD BLOCK 200 STREAMS {key} $") == "(nil)\n"
    assert time.monotonic() - start >= 0.2


def test_a_cell_of_five_lines_takes_less_than_60_ms(redis, key):
    cell = "%%redis\n" + "\n".join(f"XADD {key} * a {n}" for n in range(5))

    def took_ms():
        start = time.perf_counter()
        redis(cell)
        return (time.perf_counter() - start) * 1000

    assert min(took_ms() for _ in range(5)) < 60


def test_nothing_to_send_is_a_usage_line(redis):
    with pytest.raises(UsageError, match=r"usage: %redis COMMAND"):
        redis("%redis")
    with pytest.raises(UsageError, match=r"usage: %%redis"):
        redis("%%redis\n# nothing")


def test_quit_says_how_many_lines_were_not_sent(redis):
    with pytest.raises(UsageError, match="ended at 'QUIT': 2 more in this cell not sent"):
        redis("%%redis\nPING\nQUIT\nPING\nPING")
    assert redis("%redis QUIT") == ""


@pytest.mark.parametrize("command", ["XREAD BLOCK 0 STREAMS {key} $", "SUBSCRIBE {key}", "MONITOR"])
def test_an_interrupt_ends_redis_cli_and_its_connection(redis, r, key, command):
    word = command.split()[0].lower()

    def connections():
        return [c for c in r.client_list() if c["cmd"] == word]

    def interrupt():
        poll(connections, what="redis-cli's command")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        redis("%redis " + command.format(key=key))
    thread.join()
    assert children() == []
    poll(lambda: not connections(), what="the end of the connection")


def test_what_is_published_is_printed_while_it_comes(server, r, key):
    with RedisCli(server.cli()) as cli:
        heard = cli.ask(f"SUBSCRIBE {key}")
        assert "(integer) 1\n" in next(line for line in heard if line.startswith("3)"))
        r.publish(key, "hello")
        # From 7.2 on redis-cli writes a hint first and wipes it, as a terminal would show.
        assert [next(heard) for _ in range(3)] == [
            '1) "message"\n',
            f'2) "{key}"\n',
            '3) "hello"\n',
        ]


def test_a_refused_monitor_comes_back(redis):
    assert redis("%redis MONITOR x").startswith("(error)")


def test_a_server_that_died_is_said_so_without_its_folder(shell, monkeypatch, capsys):
    with RedisServer("6.2") as doomed:
        monkeypatch.setattr("streamlab.server.lab.current_server", lambda: doomed)
        shell.run_cell("%redis PING").raise_error()
        doomed.kill()
        capsys.readouterr()
        shell.run_cell("%redis PING").raise_error()
        said = capsys.readouterr().out
        assert said.startswith("Could not connect to Redis at redis.sock: ")
        assert str(doomed.folder) not in said


def test_a_missing_server_is_one_line(shell, monkeypatch, capsys):
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", "/nowhere/redis-server")
    monkeypatch.setattr("streamlab.server.lab.latest_server", lambda: None)
    monkeypatch.setattr("streamlab.server.lab._kept", [])
    shell.run_cell("%redis PING")
    out, err = capsys.readouterr()
    assert "no redis-server at '/nowhere/redis-server'" in out + err
    assert "Traceback" not in out + err


def test_the_first_command_starts_a_private_server(shell, monkeypatch, capsys):
    kept = []
    monkeypatch.setattr("streamlab.server.lab.latest_server", lambda: None)
    monkeypatch.setattr("streamlab.server.lab._kept", kept)
    shell.run_cell("%redis DBSIZE").raise_error()
    assert capsys.readouterr().out == "(integer) 0\n"
    (started,) = kept
    started.stop()


def test_the_magics_are_there_after_load_ext(shell):
    assert shell.find_line_magic("redis")
    assert shell.find_cell_magic("redis")
