"""A server of one's own is cheap: to start, and to import."""

from __future__ import annotations

import socket
import statistics
import subprocess
import time

from support import NEWEST, run_python

from streamlab.server import RedisServer, find_redis

# The watchdog's shell and the polling may cost a few starts of a bare server, never seconds.
MOST_BARE_STARTS = 8
MOST_IMPORT_MS = 50


def lab_start_ms() -> float:
    began = time.perf_counter()
    server = RedisServer(NEWEST)  # returns when PING was answered
    took_ms = (time.perf_counter() - began) * 1000
    server.stop()
    return took_ms


def bare_start_ms(binary, place) -> float:
    """redis-server started by hand and asked for PING until it answers."""
    where = place / "redis.sock"
    where.unlink(missing_ok=True)
    began = time.perf_counter()
    process = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", where, "--save", "", "--dir", place],
        stdout=subprocess.DEVNULL,
    )
    answer = b""
    while answer != b"+PONG\r\n":
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(where))
                probe.sendall(b"PING\r\n")
                answer = probe.recv(64)
            except OSError:
                time.sleep(0.0005)
    took_ms = (time.perf_counter() - began) * 1000
    process.kill()
    process.wait()
    return took_ms


def test_a_start_costs_at_most_eight_starts_of_a_bare_server(short_path):
    binary = find_redis(NEWEST).server
    lab_start_ms()  # asks redis-server for its version, once a process
    pairs = [(lab_start_ms(), bare_start_ms(binary, short_path)) for _ in range(9)]
    lab_ms, bare_ms = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"start to PING: lab {lab_ms:.1f} ms, bare {bare_ms:.1f} ms, {lab_ms / bare_ms:.2f} times"
    )
    assert lab_ms <= MOST_BARE_STARTS * bare_ms


def test_starting_a_server_imports_neither_redis_py_nor_a_heavy_library():
    code = """
import sys
from streamlab import RedisServer
RedisServer().stop()
print(sorted({"redis", "pandas", "matplotlib", "numpy", "rich"} & set(sys.modules)))
"""
    assert run_python("-c", code).stdout == "[]\n"
