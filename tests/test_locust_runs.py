"""Whole load tests with Locust: shapes, groups, limits, several hosts, servers of the reader's."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess

import psutil
import trustme
from support import poll
from test_locust import (
    SECOND,
    begin,
    check_exit,
    counts,
    ended,
    headless,
    nothing_left,  # noqa: F401 - a fixture that is used by itself
    own_ports,
    reasons,
    start,
)
from test_server_reader import tls_in_front_of

from streamlab.measure.hdr_log import CORRECTED, UNCORRECTED, read_log
from streamlab.server import RedisServer
from streamlab.server.conf import free_port
from streamlab.server.reader import URL_VARIABLE

SHAPES = {
    "steps": (60, ["step 1, 20/s", "step 5, 100/s"]),
    "ramp": (50, ["ramp 1, 0 to 20/s", "ramp 5, 80 to 100/s"]),
    "spike": (36, ["before, 20/s", "spike, 100/s", "after, 20/s"]),
    "soak": (100, ["tenth 1, 100/s", "tenth 10, 100/s"]),
}


def test_each_shape_sends_the_tasks_of_its_stages_and_ends_the_test_by_itself():
    same = "--task-rate", "100", "--shape-seconds", "1"
    ran = {name: begin("--shape", name, *same) for name in SHAPES}
    for name, process in ran.items():
        code, out = ended(process)
        check_exit(code, out, 0)
        tasks, stages = SHAPES[name]
        assert counts(out) == [tasks, tasks, 0, 0, 0, 0], out
        assert all(re.search(f"^{stage} +[0-9]", out, re.MULTILINE) for stage in stages), out
        assert "cut short" not in out


def test_with_groups_each_does_every_task_once_also_with_noack_and_a_log_has_all_latencies(
    tmp_path,
):
    log = tmp_path / "all.hdr"
    asked = "--groups 2 --schedule exponential --work-shape exponential --ack-batch 3 --maxlen 5000"
    both = [
        begin(*SECOND, *asked.split(), *more, users=5)
        for more in (("--hdr", str(log)), ("--noack",))
    ]
    for process in both:
        code, out = ended(process)
        check_exit(code, out, 0)
        sent, done, twice, lost, pending, unread = counts(out)
        assert done == 2 * sent > 300
        assert (twice, lost, pending, unread) == (0, 0, 0, 0)
        each = re.findall(r"workers-\d: done (\d+), twice 0, lost 0, pending 0, unread 0", out)
        assert each == [str(sent)] * 2
    # The first of the two has written it.
    assert set(read_log(log)) == {CORRECTED, UNCORRECTED}


def test_a_limit_that_is_not_kept_makes_the_exit_code_3():
    asked = [*SECOND, "--schedule", "bursts:50", "--task-rate", "200", "--slo-lost", "0"]
    limits = ("--slo-p50-ms", "4000"), ("--slo-p50-ms", "2"), ("--slo-p99-ms", "4000")
    kept, failed, unknown = [ended(ran) for ran in [begin(*asked, *limit) for limit in limits]]
    check_exit(*kept, 0)
    assert "limit p50 <= 4000 ms: kept" in kept[1]
    check_exit(*failed, 3)
    assert "limit p50 <= 2 ms: NOT KEPT" in failed[1]
    assert "limit lost <= 0: kept (0)" in failed[1]
    assert unknown[0] == 1
    assert reasons(unknown[1])[0].startswith("the limit p99 <= 4000 ms cannot be judged")


def another_host():
    """What starts a process with a monotonic clock of its own, as another host has; root only."""
    words = ("unshare", "--time", "--monotonic", "5000", "--fork")
    allowed = shutil.which(words[0]) and subprocess.run([*words, "true"], capture_output=True)
    return words if allowed and allowed.returncode == 0 else ()


def test_workers_of_a_master_report_to_it_and_their_clocks_are_compared_with_the_servers():
    before = another_host()
    started = {}
    for clock in ("server", "host"):
        ports = own_ports()
        master = ("--master", "--expect-workers", "2", *SECOND, "--clock", clock, *ports)
        workers = [start("--worker", *ports, before=some) for some in (before, ())]
        started[clock] = begin(*master, users=5), workers
    seen = {}
    for clock, (master, workers) in started.items():
        seen[clock] = ended(master)
        assert [ended(worker)[0] for worker in workers] == [0, 0]
    code, out = seen["server"]
    check_exit(code, out, 0)
    sent, done, *others = counts(out)
    assert sent == done > 100
    assert others == [0, 0, 0, 0]
    told = re.search(r"clock: Redis TIME, as 2 processes measured it: each latency ± (\d+) µs", out)
    assert 0 < int(told.group(1)) < 1_000_000
    assert int(re.search(r"from due +\d+ +(\d+)", out).group(1)) < 5_000_000
    if before:
        code, out = seen["host"]
        assert code == 1
        assert reasons(out)[0].startswith("latencies compare different clocks, of 2 hosts"), out
    else:
        check_exit(*seen["host"], 0)


def test_a_bad_value_does_not_start_a_test_and_leaves_no_process_behind():
    wanted = {
        ("--task-rate", "-5"): "task_rate must be a number in 0.1..100000.0, got -5.0: give for",
        ("--groups", "3", "--processes", "2", *own_ports()): "users must be > groups",
    }
    ran = {args: begin("-t", "5s", *args) for args in wanted}
    for args, process in ran.items():
        code, out = ended(process)
        assert code == 2, out
        assert f"{wanted[args]}" in out
        assert "latency, µs" not in out
    sessions = {process.pid for process in ran.values()}
    poll(lambda: not sessions & {session_of(one) for one in psutil.pids()}, what="their end")


def session_of(pid):
    try:
        return psutil.os.getsid(pid)
    except OSError:
        return 0


# Its own port, since the usual one, 10,000 above, may be none.
CLUSTER = {"cluster-enabled": "yes", "cluster-port": str(free_port())}


def test_a_clusters_node_is_refused_without_its_password():
    with RedisServer(tcp=True, config=CLUSTER) as node:
        code, out = headless("-t", "1s", **{URL_VARIABLE: str(node.url)})
    assert code == 2
    assert "it is a node of a cluster, and these users speak to one server: give the URL" in out
    assert re.search(":([^:@]+)@", str(node.url)).group(1) not in out


RIGHTS = "+@connection +info +time +@stream +del ~streamlab-locust-*"


def with_user(server, *rules: str):
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "tester", "reset", "on", ">hunter2", *rules)
    return int(server.url.rsplit(":", 1)[1].split("/")[0])


def test_a_server_with_tls_and_an_acl_is_used_as_its_url_says_with_the_rights_that_are_told(
    tmp_path,
):
    authority, file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with RedisServer(tcp=True) as server:
        port = with_user(server, *RIGHTS.split())
        with tls_in_front_of(port, context) as tls_port:
            url = f"rediss://tester:hunter2@127.0.0.1:{tls_port}/0"
            trusting = f"{url}?ssl_ca_certs={file}"
            asked = [*SECOND, "--task-rate", "100", "--clock", "server", "--groups", "2"]
            ran = begin(*asked, **{URL_VARIABLE: trusting}), begin(**{URL_VARIABLE: url})
            good, bad = [ended(one) for one in ran]
        with server.client() as client:
            assert client.keys() == []
    check_exit(*good, 0)
    assert counts(good[1])[1] == 2 * counts(good[1])[0] > 50
    assert bad[0] == 2
    assert "certificate verify failed" in bad[1]
    assert "hunter2" not in good[1] + bad[1]


def test_a_user_without_the_rights_is_told_which_before_a_test_begins():
    with RedisServer(tcp=True) as server:
        port = with_user(server, *RIGHTS.replace("+time", "").split())
        code, out = headless(
            "-t", "1s", **{URL_VARIABLE: f"redis://tester:hunter2@127.0.0.1:{port}/0"}
        )
    assert code == 2
    told = re.search(r"give this user (.+), and (~\S+) for the keys", out)
    assert f"{told.group(1)} {told.group(2)}" == RIGHTS
    assert "hunter2" not in out
