"""The notebooks as a reader sees them, in Chromium at 1280 pixels: in JupyterLab, and as pages.

``make test`` runs the first notebook in JupyterLab and opens all of them as static pages;
``make look`` runs all of them in JupyterLab, in both themes, and keeps screenshots.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbconvert import HTMLExporter
from store_outputs import NOTEBOOKS, all_notebooks
from support import ROOT, poll

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
TOO_WIDE = """() => [...document.querySelectorAll(
        '.jp-OutputArea-output, .jp-OutputArea-output *, .cm-scroller, .jp-RenderedMarkdown, ' +
        '.highlight pre')]
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


def without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab without any settings of ours, on a copy of the notebooks."""
    home = tmp_path_factory.mktemp("lab")
    folder = shutil.copytree(NOTEBOOKS, home / "notebooks", ignore=shutil.ignore_patterns(".*"))
    (home / "loadtests").symlink_to(ROOT / "loadtests")  # scenarios, and stored results
    for path in all_notebooks():
        copy = folder / path.relative_to(NOTEBOOKS)
        copy.with_name(f"unrun-{path.name}").write_text(nbformat.writes(without_outputs(path)))
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
            + ["--expose-app-in-browser"]  # to change the theme
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


def stored(name):
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def pictures_of(notebook):
    data = [o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", ())]
    return sum("<img" in d.get("text/html", "") or "image/png" in d for d in data)


def wait_for_pictures(page, count):
    def drawn():
        images = page.evaluate(IMAGES)
        return len(images) == count and all(image["drawn"] for image in images)

    poll(drawn, timeout_s=20, what=f"{count} drawn pictures, now {page.evaluate(IMAGES)}, which")
    assert all(image["alt"] for image in page.evaluate(IMAGES))


def test_a_notebook_that_was_neither_trusted_nor_run_shows_its_stored_pictures(page, lab, tmp_path):
    open_notebook(page, lab, FIRST)
    untrusted = page.locator('.jp-StatusItem-trust[title^="Notebook not trusted: 0 of "]')
    untrusted.wait_for(state="attached", timeout=20_000)
    wait_for_pictures(page, pictures_of(stored(FIRST)))
    assert page.evaluate(TOO_WIDE) == []
    page.screenshot(path=tmp_path / "untrusted.png", full_page=True)


def run_all(page):
    """Choose Run > Run All Cells, again if the menu was not listening yet."""
    begun = page.locator('.jp-InputPrompt:text-matches("^.([*]|1).:$")').first
    dialog = page.locator(".jp-Dialog")
    for _ in range(4):
        if dialog.filter(has_text="Select Kernel").count():  # a slow start: Python 3 is chosen
            dialog.locator(".jp-mod-accept").click()
            dialog.wait_for(state="detached")
        assert dialog.count() == 0, dialog.all_inner_texts()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with contextlib.suppress(AssertionError):
            poll(begun.count, what="the first cell's run")
            return
        page.keyboard.press("Escape")
    pytest.fail("Run All Cells began nothing, four times")


def run_in_lab(page, lab, name):
    """Open a notebook that has not been run, run all of it, and look for whatever is wrong."""
    open_notebook(page, lab, f"{name.parent}/unrun-{name.name}".removeprefix("./"))
    assert page.evaluate(IMAGES) == []
    # Without a kernel the menu's command would do nothing.
    kernel_idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    kernel_idle.wait_for(timeout=60_000)
    run_all(page)
    notebook = stored(name)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    page.locator(f'.jp-InputPrompt:text-is("[{cells}]:")').wait_for(timeout=60_000)
    kernel_idle.wait_for(timeout=20_000)
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert page.locator('.jp-InputPrompt:text-is("[*]:")').count() == 0
    wait_for_pictures(page, pictures_of(notebook))
    assert page.evaluate(TOO_WIDE) == []


def test_run_all_cells_ends_without_an_error_and_shows_every_picture(page, lab, tmp_path):
    run_in_lab(page, lab, Path(FIRST))
    page.screenshot(path=tmp_path / "run.png", full_page=True)


def pytest_generate_tests(metafunc):
    if "looked_at" in metafunc.fixturenames:
        every = all_notebooks() if metafunc.config.getoption("--look") else []
        names = [path.relative_to(NOTEBOOKS) for path in every]
        metafunc.parametrize("looked_at", names, ids=str)


CHANGE_THEME = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
HEIGHT_OF_ALL = "() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight"
TO_THE_TOP = "() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0)"


def test_each_notebook_runs_in_jupyterlab_in_both_themes(page, lab, looked_at, pytestconfig):
    page.set_default_timeout(60_000)
    run_in_lab(page, lab, looked_at)
    folder = Path(pytestconfig.getoption("--look"))
    folder.mkdir(parents=True, exist_ok=True)
    height = min(page.evaluate(HEIGHT_OF_ALL) + 120, 16_000)  # Chromium draws no more
    page.set_viewport_size({"width": WIDTH, "height": height})
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.evaluate(CHANGE_THEME, theme)
        page.wait_for_function(
            "theme => document.body.dataset.jpThemeName === theme", arg=theme, timeout=20_000
        )
        page.evaluate(TO_THE_TOP)
        page.locator("#jupyterlab-splash").wait_for(state="detached")  # it fades over a new theme
        shade = theme.removeprefix("JupyterLab ").lower()
        page.screenshot(path=folder / f"{'-'.join(looked_at.with_suffix('').parts)}-{shade}.png")


def test_each_notebook_as_a_static_page_shows_its_pictures_and_fits_the_window(page, tmp_path):
    # Themes differ in colours alone: half of the pages in each.
    exporters = [HTMLExporter(theme=theme) for theme in ("light", "dark")]
    # What a page would fetch from elsewhere; a reader without a network sees it the same.
    page.route("https://**", lambda route: route.abort())
    for path, exporter in zip(all_notebooks(), itertools.cycle(exporters), strict=False):
        html = tmp_path / f"{path.stem}.html"
        html.write_text(exporter.from_filename(str(path))[0])
        page.goto(html.as_uri(), wait_until="domcontentloaded")
        wait_for_pictures(page, pictures_of(nbformat.read(path, as_version=4)))
        assert page.evaluate(TOO_WIDE) == [], path.name
        assert page.locator('[data-mime-type*="widget"]').count() == 0, path.name
