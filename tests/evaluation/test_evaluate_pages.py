"""Pages in a folder: their truth, one report, and no page that stops the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from digitlab.cli import app
from digitlab.data import load_dataset
from digitlab.errors import DataError, PagesWarning
from digitlab.evaluation import evaluate_pages, read_truth
from digitlab.evaluation.page_score import score
from digitlab.reading.types import Reading
from digitlab.synthesis.camera import photograph

DIGITS = load_dataset("mnist").splits["test"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of a digit, one that is missing, and one that is no picture."""
    lines = ["file\ttruth"]
    for at in range(2):
        Image.fromarray(photograph(DIGITS.images[at], "plain", 1, at)).save(tmp_path / f"{at}.png")
        lines.append(f"{at}.png\t{DIGITS.labels[at]}")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    lines += ["gone.png\t12/34", "broken.png\t5"]
    (tmp_path / "truth.tsv").write_text("\n".join(lines) + "\n\n")
    return tmp_path


@pytest.mark.process
def test_pages_that_cannot_be_read_are_named_and_counted(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = evaluate_pages(folder, progress=lambda done, of: seen.append((done, of)))
    assert (report.total.pages, report.total.digits, report.total.right) == (2, 2, 2)
    assert [page.file for page in report.errors] == ["gone.png", "broken.png"]
    assert seen[-1] == (4, 4)
    text = report.to_text()
    assert "gone.png: no such file" in text
    assert "100.00 % of the digits right" in text


@pytest.mark.process
def test_pages_may_come_from_memory(folder: Path) -> None:
    blank = np.full((60, 80), 230, np.uint8)
    with Image.open(folder / "0.png") as picture:
        report = evaluate_pages([(picture, str(DIGITS.labels[0])), (blank, "")])
    assert [page.file for page in report.pages] == ["page 1", "page 2"]
    assert (report.total.right, report.total.extra) == (1, 0)


@pytest.mark.process
def test_the_command_writes_text_and_json(folder: Path) -> None:
    text = CliRunner().invoke(app, ["evaluate", "--pages", str(folder)])
    assert text.exit_code == 1, text.output  # two could not be read
    assert "of the digits right" in text.stdout
    told = CliRunner().invoke(app, ["evaluate", "--pages", str(folder), "--json"])
    assert told.exit_code == 1
    shown = json.loads(told.stdout)
    assert shown["digits"] == shown["right"] == 2
    assert shown["errors"] == 2
    assert [one["file"] for one in shown["results"]][:2] == ["0.png", "1.png"]


@pytest.mark.process
def test_the_exit_status_says_whether_all_pages_could_be_read(folder: Path) -> None:
    truth = folder / "truth.tsv"
    lines = truth.read_text().splitlines()
    truth.write_text("\n".join(lines[:3]))
    assert CliRunner().invoke(app, ["evaluate", "--pages", str(folder)]).exit_code == 0
    truth.write_text("gone.png\t12")
    none = CliRunner().invoke(app, ["evaluate", "--pages", str(folder)])
    assert none.exit_code == 1
    assert "passed over, cannot be read: 1" in none.stdout
    assert "\nno digits compared; 0 of 0 numbers" in none.stdout


@pytest.mark.process
def test_of_a_document_the_first_page_is_measured_and_the_advice_is_for_that(
    tmp_path: Path,
) -> None:
    pages = [Image.fromarray(photograph(DIGITS.images[at], "plain", 1, at)) for at in range(2)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    (tmp_path / "truth.tsv").write_text(f"two.tif\t{DIGITS.labels[0]}")
    with pytest.warns(PagesWarning) as said:
        report = evaluate_pages(tmp_path)
    assert (report.total.digits, report.total.right) == (1, 1)
    assert [str(one.message).partition("; ")[2] for one in said] == [
        "evaluation measures the first page: give each a file of its own"
    ]


def test_the_command_needs_a_model_or_pages(folder: Path) -> None:
    assert CliRunner().invoke(app, ["evaluate"]).exit_code == 2
    for other in (["--degraded"], ["--split", "test"], ["--pictures", "3"], ["--chart", "a.png"]):
        both = CliRunner().invoke(app, ["evaluate", "--pages", str(folder), *other])
        assert both.exit_code == 2
        assert f"leave out {other[0]}" in both.stderr


def test_a_truth_has_rows_numbers_and_written_slashes(tmp_path: Path) -> None:
    (tmp_path / "truth.tsv").write_text("a.png\t12 3/4\nb.png\t3\\/4\\/2026 7/-1,5\n")
    assert read_truth(tmp_path) == {"a.png": "12 3\n4", "b.png": "3/4/2026 7\n-1,5"}


def test_a_truth_has_a_page_a_line_and_its_names_no_spaces_around(tmp_path: Path) -> None:
    content = " a.png \t1\u20282 (3)\r\nb c.png\t4+5=9/50%\r\n\u2028\r\n"
    (tmp_path / "truth.tsv").write_bytes(content.encode())
    assert read_truth(tmp_path) == {"a.png": "1 2 (3)", "b c.png": "4+5=9\n50%"}
    assert score("1\u20282", Reading(None)).rows == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.png 12\n", "line 1: expected a file, a tab"),
        (b"a.png\t1\na.png\t2\n", "line 2: 'a.png' stands in an earlier line"),
        (b"\xff\xfe\t1", "it is not UTF-8"),
        (
            b"a.png\t1\nb.png\tabc\n",
            r"truth\.tsv, line 2: 'a' is no digit and no mark; "
            r"expected 0 to 9 and \. , - / : \+ = \( \) %$",
        ),
        (b"a.png\t1\\2\n", "line 1: .* is no digit and no mark"),
        ("a.png\t１".encode(), "line 1: '１' is no digit"),
        (b"\n", "names no page"),
    ],
)
def test_a_truth_that_cannot_be_read_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "truth.tsv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_truth(tmp_path)


def test_a_truth_from_memory_is_checked_as_well() -> None:
    with pytest.raises(DataError, match="the truth of page 2: 'x' is no digit and no mark"):
        evaluate_pages([(np.zeros((9, 9), np.uint8), "1/2"), (np.zeros((9, 9), np.uint8), "x")])


def test_a_folder_without_a_truth_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"truth\.tsv: cannot be read: No such file"):
        evaluate_pages(tmp_path)
