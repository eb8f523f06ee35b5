"""The article: its own scripts work with ours both ways, and its claims are judged once."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys

import nbformat
import pytest
from store_outputs import NOTEBOOKS
from support import ROOT, poll

from streamlab import TaskQueue, Worker

STREAM, GROUP = "task_queue", "task_consumers"
CONNECTION = "redis.Redis(host=REDIS_HOST, port=REDIS_PORT, decode_responses=True)"


@pytest.fixture
def article(server, r, tmp_path):
    """Start one of the two scripts against `server`, on an empty stream."""
    r.delete(STREAM)

    @contextlib.contextmanager
    def start(name):
        text = (ROOT / "tests" / "article" / name).read_text()
        assert text.count(CONNECTION) == 1
        ours = "redis.Redis.from_url(__import__('os').environ['URL'], decode_responses=True)"
        (tmp_path / name).write_text(text.replace(CONNECTION, ours))
        process = subprocess.Popen(
            [sys.executable, "-u", tmp_path / name],
            env=os.environ | {"URL": str(server.url)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    yield start
    r.delete(STREAM)


def test_the_articles_producer_feeds_our_worker(article, r):
    done = []
    queue = TaskQueue(r, STREAM, group=GROUP)
    with article("producer.py") as producer:
        report = Worker(queue, done.append).run(max_tasks=5)
        producer.wait(timeout=10)
    assert [task.data for task in done] == [f"Process this data: {i}" for i in range(5)]
    assert (report.done, report.dead_lettered) == (5, 0)
    assert queue.depth().pending == 0


def test_our_producer_feeds_the_articles_consumer(article, r):
    queue = TaskQueue(r, STREAM, group=GROUP)
    task = queue.enqueue("Process this data: 7")
    with article("consumer.py") as consumer:
        said = [consumer.stdout.readline().strip() for _ in range(4)]
    received = f"Received task ID: {task.task_id}, Data: {task.data}, Message ID: {task.entry_id}"
    assert received in said
    assert said[-1] == f"Acknowledged message: {task.entry_id}"
    assert queue.depth().pending == 0


def test_the_articles_consumer_and_our_worker_share_one_group(article, r):
    """Two kinds of consumers, one stream: each task goes to one of them."""
    queue = TaskQueue(r, STREAM, group=GROUP)
    tasks = queue.enqueue_many(f"Process this data: {i}" for i in range(2))
    done = []
    with article("consumer.py"):
        poll(lambda: r.exists(STREAM) and r.xinfo_groups(STREAM) and queue.depth().pending)
        tasks += queue.enqueue_many(f"Process this data: {i}" for i in range(2, 5))
        Worker(queue, lambda task: done.append(task.data)).run(max_tasks=3)
        poll(lambda: queue.depth().pending == 0, timeout_s=15, what="the consumer's two tasks")
    assert sorted(done) == [f"Process this data: {i}" for i in range(2, 5)]


def test_the_table_of_claims_says_what_the_section_of_each_claim_has_found():
    notebook = nbformat.read(NOTEBOOKS / "3-patterns/11-the-article-claim-by-claim.ipynb", 4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    table = re.findall(r"^\| (\d+) \| .+ \| (.+) \|$", text, re.MULTILINE)
    found = [
        (number, re.search(r"\*\*Verdict: (wrong|holds with a condition|holds)\b", section)[1])
        for number, section in re.findall(
            r"^## (\d+)\. (.+?)(?=^## )", text, re.DOTALL | re.MULTILINE
        )
    ]
    assert len(table) == 21
    assert table == found
