"""What a study removes, and what it goes on with."""

import json
from dataclasses import replace

import pytest
from loads import judged, open_loop

from streamlab.bench.kept import agreed, remove_results
from streamlab.errors import BenchError
from streamlab.measure.folder import RunsCsv

FACTS = {
    "experiment": "made up",
    "settings": {"seconds": 1.0},
    "machine": {"cores": 2},
    "versions": {"redis": "8.10.2"},
    "charts": ["capacity"],
    "date": "2026-01-01",
}


@pytest.fixture
def folder(tmp_path):
    """Results of a study, in a folder in which the reader keeps other things as well."""
    (tmp_path / "manifest.json").write_text(json.dumps(FACTS))
    with RunsCsv(tmp_path / "runs.csv") as table:
        table.write(replace(judged(open_loop()), name="latency-1"))
    for name in ("hdr/latency-1.hdr", "details/latency-1.json", "report.html", "capacity.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("ours")
    for name in ("holiday.png", "notes.csv", "hdr/mine.hdr", "details/mine.json"):
        (tmp_path / name).write_text("theirs")
    return tmp_path


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_what_a_study_wrote_is_removed(folder):
    remove_results(folder)
    assert files(folder) == ["details/mine.json", "hdr/mine.hdr", "holiday.png", "notes.csv"]


def test_nothing_is_removed_from_a_folder_without_a_manifest(folder):
    (folder / "manifest.json").unlink()
    before = files(folder)
    remove_results(folder)
    assert files(folder) == before


def test_a_study_goes_on_with_the_manifest_that_is_there(folder):
    found = agreed(folder, FACTS | {"date": "2026-02-02"})
    assert (found["date"], found["resumed"]) == ("2026-01-01", "2026-02-02")


@pytest.mark.parametrize("what", ["experiment", "settings", "machine", "versions"])
def test_a_folder_of_something_else_is_refused(folder, what):
    with pytest.raises(BenchError, match=f"with another {what}: .*give another folder, or --fresh"):
        agreed(folder, FACTS | {what: "another"})
