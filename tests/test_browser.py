"""The first notebook in a real JupyterLab, as a reader sees it: in Chromium, at 1280 pixels."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from store_outputs import NOTEBOOKS
from support import poll

FIRST = "00-start-here.ipynb"
WIDTH, HEIGHT = 1280, 900
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = """--no-sandbox --disable-gpu --disable-quic --no-first-run --no-proxy-server
    --disable-background-networking --disable-component-update --disable-sync"""

# All cells are put in the page at once: a picture that is scrolled away counts as well. And no
# news is fetched.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

IMAGES = """() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(image => ({
    alt: image.alt, drawn: image.complete && image.naturalWidth > 0 && image.clientWidth > 0}))"""
TOO_WIDE = """() => [...document.querySelectorAll('.jp-OutputArea-output, .jp-OutputArea-output *')]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)
    .map(e => e.tagName + ' ' + e.scrollWidth + ' > ' + e.clientWidth + ': '
        + e.textContent.slice(0, 80))"""


@pytest.fixture(scope="module")
def chromium():
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        reason = (
            f"none of {', '.join(CHROMIUM_NAMES)} is on PATH: "
            "apt-get install chromium, or brew install --cask chromium"
        )
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab without any settings of ours, on a copy of the notebooks."""
    home = tmp_path_factory.mktemp("lab")
    folder = shutil.copytree(NOTEBOOKS, home / "notebooks", ignore=shutil.ignore_patterns(".*"))
    notebook = nbformat.read(folder / FIRST, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / "without-outputs.ipynb")
    for name, values in SETTINGS.items():
        settings = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(values))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    own = {"IPYTHONDIR": "ipython", "JUPYTERLAB_SETTINGS_DIR": "settings"} | {
        f"JUPYTER_{kind}_DIR": kind.lower() for kind in ("CONFIG", "DATA", "RUNTIME")
    }
    log = home / "lab.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"]
            + [f"--port={port}", "--ServerApp.port_retries=0"]
            + ["--allow-root"] * (os.geteuid() == 0),
            cwd=folder,
            env=os.environ
            | {name: str(home / place) for name, place in own.items()}
            | {"JUPYTER_TOKEN": token},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://127.0.0.1:{port}"

        def answers():
            assert process.poll() is None, log.read_text()
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5):
                    return True
            except OSError:
                return False

        poll(answers, timeout_s=60, what="an answer of JupyterLab")
        yield SimpleNamespace(url=lambda name: f"{address}/lab/tree/{name}?token={token}&reset")
    finally:
        process.terminate()  # it ends its kernels, and they their servers
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def page(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET.split())
        try:
            yield browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        finally:
            browser.close()


def open_notebook(page, lab, name):
    page.goto(lab.url(name), wait_until="domcontentloaded")
    page.locator(".jp-CodeCell").last.wait_for(state="attached", timeout=60_000)
    return nbformat.read(NOTEBOOKS / FIRST, as_version=4)


def pictures_of(notebook):
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    return sum("<img" in o.get("data", {}).get("text/html", "") for o in outputs)


def wait_for_pictures(page, count):
    def drawn():
        images = page.evaluate(IMAGES)
        return len(images) == count and all(image["drawn"] for image in images)

    poll(drawn, timeout_s=20, what=f"{count} drawn pictures, now {page.evaluate(IMAGES)}, which")
    assert all(image["alt"] for image in page.evaluate(IMAGES))


def test_a_notebook_that_was_neither_trusted_nor_run_shows_its_stored_pictures(page, lab, tmp_path):
    notebook = open_notebook(page, lab, FIRST)
    untrusted = page.locator('.jp-StatusItem-trust[title^="Notebook not trusted: 0 of "]')
    untrusted.wait_for(state="attached", timeout=20_000)
    wait_for_pictures(page, pictures_of(notebook))
    assert page.evaluate(TOO_WIDE) == []
    page.screenshot(path=tmp_path / "untrusted.png", full_page=True)


def run_all(page):
    """Choose Run > Run All Cells, again if the menu was not listening yet."""
    begun = page.locator('.jp-InputPrompt:text-matches("^.([*]|1).:$")').first
    for _ in range(4):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with contextlib.suppress(AssertionError):
            poll(begun.count, what="the first cell's run")
            return
        page.keyboard.press("Escape")
    pytest.fail("Run All Cells began nothing, four times")


def test_run_all_cells_ends_without_an_error_and_shows_every_picture(page, lab, tmp_path):
    notebook = open_notebook(page, lab, "without-outputs.ipynb")
    assert page.evaluate(IMAGES) == []
    # Without a kernel the menu's command would do nothing.
    kernel_idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    kernel_idle.wait_for(timeout=60_000)
    run_all(page)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    page.locator(f'.jp-InputPrompt:text-is("[{cells}]:")').wait_for(timeout=60_000)
    kernel_idle.wait_for(timeout=20_000)
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert page.locator('.jp-InputPrompt:text-is("[*]:")').count() == 0
    wait_for_pictures(page, pictures_of(notebook))
    assert page.evaluate(TOO_WIDE) == []
    page.screenshot(path=tmp_path / "run.png", full_page=True)
