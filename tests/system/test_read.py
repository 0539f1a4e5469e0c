"""`digitlab read` as a process: folders, pipes, tables, pictures, signals and hostile files."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import digitlab
from digitlab.data import load_dataset
from digitlab.decoding import load_picture
from hostile_files import BOMBS, encoded, mutated, originals

pytestmark = pytest.mark.process

SAMPLE = Path(digitlab.__file__).parent / "reading" / "sample.png"
PAGE = SAMPLE.with_name("page.jpg")
COMMAND = [sys.executable, "-m", "digitlab", "read"]


def read(*arguments: Any, **more: Any) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, **{"timeout": 300, **more})


def objects(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(done.stdout.decode())))


@pytest.fixture(scope="module")
def digits() -> list[bytes]:
    """Return PNG files of one of MNIST's test digits each, dark on light."""
    images = load_dataset("mnist").splits["test"].images[:12]
    return [encoded(Image.fromarray(255 - image), "PNG") for image in images]


@pytest.fixture
def folder(digits: list[bytes]) -> Path:
    """Return a folder of digits, blank paper, and files that are no pictures."""
    place = Path("in")
    (place / "deep").mkdir(parents=True)
    for at, digit in enumerate(digits[:3]):
        (place / f"{at}.png").write_bytes(digit)
    (place / "deep/1.png").write_bytes(digits[3])
    (place / "deep/blank.png").write_bytes(encoded(Image.new("L", (90, 60), 230), "PNG"))
    (place / "deep/notes.png").write_text("no picture")
    return place


def test_a_folder_is_read_and_what_fails_stops_nothing(folder: Path) -> None:
    done = read(folder, "gone.png", "--json")
    assert done.returncode == 1
    readings = objects(done)
    assert [one["file"] for one in readings] == [
        "in/0.png", "in/1.png", "in/2.png",
        "in/deep/1.png", "in/deep/blank.png", "in/deep/notes.png", "gone.png",
    ]  # fmt: skip
    codes = [one["error"] and one["error"]["code"] for one in readings]
    assert codes == [None] * 5 + ["not-a-picture", "missing"]
    assert [one["text"] for one in readings[:5]] == ["7", "2", "1", "0", ""]
    assert done.stderr.decode() == "digitlab: 4 read, 1 blank, 2 unreadable\n"


def test_python_gives_what_the_command_prints(folder: Path) -> None:
    recogniser = digitlab.Recogniser()
    for one in objects(read(folder, "--json")):
        assert recogniser.read(one["file"]).to_json() == one


def test_text_is_for_people_and_errors_go_to_standard_error(folder: Path) -> None:
    done = read(folder)
    lines = done.stdout.decode().splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["in/0.png", "in/1.png"]
    assert lines[4] == "in/deep/blank.png: no digit found"
    assert {line.index("(") for line in lines[:4]} == {lines[4].index("no digit") + 2}
    assert len(lines) == 5
    first, last = done.stderr.decode().splitlines()
    assert first.startswith("digitlab: in/deep/notes.png is no picture")
    assert last == "digitlab: 4 read, 1 blank, 1 unreadable"


def test_csv_has_a_line_for_each_picture(folder: Path) -> None:
    rows = table(read(folder, "--csv"))
    assert [row["text"] for row in rows] == ["7", "2", "1", "0", "", ""]
    assert [row["state"] for row in rows] == ["read"] * 4 + ["blank", "unreadable"]
    assert [row["reason"] for row in rows] == [""] * 5 + ["not-a-picture"]


def test_blank_paper_is_no_error() -> None:
    Path("blank.png").write_bytes(encoded(Image.new("L", (90, 60), 230), "PNG"))
    done = read("blank.png")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"blank.png: no digit found\n"


def test_standard_input_is_a_picture(digits: list[bytes]) -> None:
    done = read("-", "--json", input=digits[0])
    (reading,) = objects(done)
    assert (done.returncode, reading["file"], reading["text"]) == (0, "-", "7")
    done = read("-", input=b"")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"digitlab: standard input is empty")
    with open("/dev/zero", "rb") as endless:
        assert read("-", stdin=endless).returncode == 1


def test_a_pipe_that_nobody_writes_to_is_one_line_and_stops_nothing(digits: list[bytes]) -> None:
    os.mkfifo("pipe.png")
    Path("a.png").write_bytes(digits[0])
    done = read("pipe.png", "a.png", "--max-seconds", "5", timeout=60)
    assert (done.returncode, done.stdout.split()[:2]) == (1, [b"a.png:", b"7"])
    assert done.stderr.decode().splitlines()[0] == (
        "digitlab: pipe.png is a pipe that nobody has opened for writing within 5 s: "
        "start what writes to it, or raise the limit"
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    "line",
    [
        # The limit is of decoding, too, and a machine may be busy.
        "{read} <(sleep 3.5; cat a.png) --max-seconds 3",
        "(sleep 3.5; cat a.png) | {read} /dev/stdin --max-seconds 3",
        "(sleep 3.5; cat a.png) | {read} - --max-seconds 3",
        "{read} /dev/stdin < a.png",
        "mkfifo p; (sleep 1; cat a.png > p) & {read} p",
    ],
)
def test_a_pipe_with_a_writer_is_waited_for(digits: list[bytes], line: str) -> None:
    Path("a.png").write_bytes(digits[0])
    command = line.format(read=shlex.join([*COMMAND, "--json"]))
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert objects(done)[0]["text"] == "7"


def test_refusal_is_what_the_model_can_give() -> None:
    done = read(SAMPLE, "--reject", "none")
    assert done.returncode == 0
    done = read("gone.png", SAMPLE, "--reject", "2")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == (b"digitlab: --reject 2.0: expected 'none' or a number between 0 and 1\n")
    done = read(SAMPLE, "--reject", "some")
    assert done.returncode == 2
    assert b"--reject 'some': expected 'none' or a number" in done.stderr


def test_limits_are_options() -> None:
    (reading,) = objects(read(SAMPLE, "--json", "--max-pixels", "1000"))
    assert reading["error"]["code"] == "too-large"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory")
def test_memory_is_limited() -> None:
    """A PNG of 8 megapixels in colour takes some 56 MB."""
    Path("large.png").write_bytes(encoded(Image.new("RGB", (4000, 2000)), "PNG"))
    (reading,) = objects(read("large.png", "--json", "--max-memory", "20"))
    assert reading["error"]["code"] == "memory"
    (reading,) = objects(read("large.png", "--json"))
    assert reading["error"] is None


def test_annotated_pictures_collide_with_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    done = read(folder, "--annotate", folder)
    assert done.returncode == 1
    for path, content in before.items():
        assert path.read_bytes() == content
    made = sorted(path.name for path in folder.glob("*.png") if path not in before)
    assert made == ["0-2.png", "1-2.png", "1-3.png", "2-2.png", "blank.png"]
    assert load_picture(folder / "0-2.png").ndim == 3
    again = read("in/deep", "--annotate", "in/deep/out")
    assert again.returncode == 1
    assert sorted(path.name for path in Path("in/deep/out").iterdir()) == ["1.png", "blank.png"]


def test_what_was_written_into_a_folder_is_not_read_from_it(folder: Path) -> None:
    files = [one["file"] for one in objects(read(folder, "--json"))]
    for place in (folder, folder / "out"):
        for asked in (["--annotate", place, "--explain", place], []):
            done = read(folder, "--json", *asked)
            assert [one["file"] for one in objects(done)] == files
    assert len(list(folder.rglob("explanation.png"))) == 10


def test_explanations_are_written_for_each_picture(folder: Path) -> None:
    done = read(folder, "--explain", "why", "--csv")
    assert done.returncode == 1
    assert sorted(path.name for path in Path("why").iterdir()) == ["0", "1", "1-2", "2", "blank"]
    assert load_picture("why/0/network-saw.png").shape == (28, 28)
    content = json.loads(Path("why/0/explanation.json").read_text())
    assert content["reading"]["text"] == "7"
    assert Path("why/0/explanation.png").exists()


def test_a_page_becomes_a_table_with_a_picture_of_each_cell() -> None:
    done = read(PAGE, "--crops", "cells", "--out", "page.csv")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [b"digitlab: cells: cells", b"digitlab: readings: page.csv"]
    with open("page.csv", encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(one["row"], one["column"], one["text"]) for one in lines[:3]] == [
        ("1", "1", "27"), ("1", "2", "304"), ("1", "3", "64")
    ]  # fmt: skip
    assert [one["column"] for one in lines if one["row"] == "3"] == ["1", "3"]  # one cell is empty
    assert [one["crop"] for one in lines] == [
        f"cells/page-r{one['row']}c{one['column']}.png" for one in lines
    ]
    assert sorted(map(str, Path("cells").iterdir())) == sorted(one["crop"] for one in lines)
    page = load_picture(PAGE)
    (reading,) = objects(read(PAGE, "--crops", "cells", "--json"))
    for number in (one for row in reading["rows"] for one in row["numbers"]):
        x, y, width, height = number["box"]
        cell = load_picture(number["crop"])
        inside = page[y : y + height, x : x + width]
        margin = (cell.shape[0] - height) // 2
        assert margin > 0.2 * height
        assert np.array_equal(cell[margin : margin + height, margin : margin + width], inside)
    assert read("cells").stderr.startswith(b"digitlab: cells has no pictures but those that")


def test_a_page_is_drawn_with_a_legend_and_explained_by_its_rows() -> None:
    done = read(PAGE, "--annotate", "seen", "--explain", "why", "--json")
    assert done.returncode == 0, done.stderr
    (reading,) = objects(done)
    height, width = load_picture(PAGE).shape[:2]
    drawn = load_picture("seen/page.png")
    assert drawn.shape[0] / drawn.shape[1] > height / width  # by the legend
    content = json.loads(Path("why/page/explanation.json").read_text())
    assert content["reading"] == reading
    assert content["steps"][-1] == "the pieces, row by row"
    boxes = [
        one["box"]
        for row in reading["rows"]
        for number in row["numbers"]
        for one in number["digits"]
    ]
    assert len(boxes) == 24
    assert sorted(one["box"] for one in content["digits"]) == sorted(boxes)


def test_names_that_are_not_utf_8_are_read_and_told(digits: list[bytes]) -> None:
    names = [b"\xff\xfe.png", b"new\nline.png", b"\x1b[31mred.png", b"=1+1.png"]
    names.append("ziffer-ü.png".encode())
    os.mkdir("in")
    for name in names:
        Path(os.fsdecode(b"in/" + name)).write_bytes(digits[0])
    locales = ({}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"})
    for environment, style in zip(locales, ("--json", "--csv", "--max-seconds=60"), strict=True):
        done = read("in", style, env={**os.environ, **environment})
        assert (done.returncode, done.stderr) == (0, b"digitlab: 5 read\n")
        assert len(done.stdout.splitlines()) == len(names) + (style == "--csv")
        assert b"\x1b" not in done.stdout
    done = read("in", "--json", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert {os.fsencode(one["file"]) for one in objects(done)} == {b"in/" + n for n in names}
    done = read(os.fsdecode(b"gone\xff\x1b[2J.png"))
    assert done.returncode == 1
    assert b"\x1b" not in done.stderr


def test_hostile_files_are_named_and_the_others_are_read(digits: list[bytes]) -> None:
    Path("in").mkdir()
    for name, write in BOMBS.items():
        write(Path("in") / f"{name}.png")
    files = list(originals().values())
    for index in range(40):
        Path(f"in/mutated-{index:02}.png").write_bytes(mutated(files, index, seed=5))
    Path("in/zz.png").write_bytes(digits[0])
    done = read("in", "--json")
    assert done.returncode == 1
    readings = objects(done)
    assert len({one["file"] for one in readings}) == len(BOMBS) + 41  # some have two pages
    assert readings[-1]["text"] == "7"
    for one in readings[: len(readings) - 1]:
        if "mutated" not in one["file"]:
            assert one["error"]["code"] == "too-large"


def test_a_reader_that_closes_the_pipe_is_no_error(digits: list[bytes]) -> None:
    Path("in").mkdir()
    for at in range(300):
        Path(f"in/{at}.png").write_bytes(digits[0])
    with subprocess.Popen([*COMMAND, "in"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stderr is not None
        one.stdout.readline()
        one.stdout.close()
        assert one.stderr.read() == b""
    assert one.returncode == 141


def opened_once_it_is_read(pipe: str) -> int:
    """Return a pipe for writing as soon as somebody has opened it for reading."""
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.01)


def test_ctrl_c_ends_cleanly_and_leaves_no_process(digits: list[bytes]) -> None:
    """The second picture is a pipe that nobody writes to."""
    Path("first.png").write_bytes(digits[0])
    os.mkfifo("second.png")
    command = [*COMMAND, "first.png", "second.png"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split()[:2] == [b"first.png:", b"7"]
        writer = opened_once_it_is_read("second.png")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, words = process.communicate(timeout=60)
        os.close(writer)
    assert process.returncode == 130
    assert words == b"digitlab: interrupted\n"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_ctrl_c_leaves_what_was_read_beside_the_file(digits: list[bytes]) -> None:
    Path("first.png").write_bytes(digits[0])
    os.mkfifo("second.png")
    command = [*COMMAND, "first.png", "second.png", "--out", "digits.csv"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        writer = opened_once_it_is_read("second.png")
        os.killpg(process.pid, signal.SIGINT)
        out, words = process.communicate(timeout=60)
        os.close(writer)
    assert (process.returncode, out) == (130, b"")
    assert words.splitlines() == [
        b"digitlab: what was read is in digits.csv.part; the same command goes on there",
        b"digitlab: interrupted",
    ]
    assert Path("digits.csv.part").read_text("utf-8-sig").splitlines()[1].startswith("first.png,7,")


def stopped(number: signal.Signals, arguments: list[str], pipe: str, entries: int) -> bytes:
    """Send a signal while a pipe is waited for and the journal has so many inputs; return words."""
    journal = Path("digits.csv.part.jsonl")
    with subprocess.Popen(
        [*COMMAND, *arguments], stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        writer = opened_once_it_is_read(pipe)
        assert len(journal.read_text().splitlines()) == 1 + entries
        # Ctrl-C goes to all of a terminal, a kill to one.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        _, words = process.communicate(timeout=60)
        os.close(writer)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    return words


def files_in(*folders: str) -> dict[Path, bytes]:
    found = (path for folder in folders for path in Path(folder).rglob("*"))
    return {path: path.read_bytes() for path in found if path.is_file()}


def test_a_reading_that_was_killed_and_interrupted_ends_as_one_that_was_not(
    folder: Path, digits: list[bytes]
) -> None:
    arguments = ["in", "x.png", "gone.png", PAGE, "y.png", "-", "in/0.png", "--out", "digits.csv"]
    arguments += ["--crops", "cells", "--annotate", "seen"]
    for name in ("x.png", "y.png"):
        Path(name).write_bytes(digits[5])
    whole = read(*arguments, input=digits[6])
    table = Path("digits.csv").read_bytes()
    drawn = files_in("cells", "seen")
    assert len(table.splitlines()) > 20
    assert len(drawn) > 20
    for place in ("cells", "seen"):
        shutil.rmtree(place)
    Path("digits.csv").write_text("earlier")
    for name in ("x.png", "y.png"):
        Path(name).unlink()
        os.mkfifo(name)
    assert b"goes on" not in stopped(signal.SIGKILL, arguments, "x.png", 6)
    Path("x.png").unlink()
    Path("x.png").write_bytes(digits[5])
    words = stopped(signal.SIGINT, arguments, "y.png", 9)
    assert words.startswith(b"digitlab: goes on in digits.csv.part: 6 of 12 files were read\n")
    assert Path("digits.csv").read_text() == "earlier"
    Path("y.png").unlink()
    Path("y.png").write_bytes(digits[5])
    done = read(*arguments, input=digits[6])
    assert done.returncode == whole.returncode == 1
    first, *last = done.stderr.splitlines()
    assert first == b"digitlab: goes on in digits.csv.part: 9 of 12 files were read"
    assert last == whole.stderr.splitlines()[2:]  # which names two that could not be read
    assert Path("digits.csv").read_bytes() == table
    assert files_in("cells", "seen") == drawn
    assert not list(Path().glob("digits.csv.*"))


def on_a_terminal(arguments: list[str]) -> tuple[str, bytes]:
    """Run with standard error on a terminal; return what it showed, and standard output."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux says so where the other end has closed
                piece = b""
            if not piece:
                break
            shown += piece
        out, _ = process.communicate(timeout=120)
    os.close(ours)
    return shown.decode(), out


def test_progress_is_shown_on_a_terminal_and_taken_away(digits: list[bytes]) -> None:
    Path("in").mkdir()
    for at in range(600):
        Path(f"in/{at:03}.png").write_bytes(digits[at % 8])
    Path("in/zz.png").write_text("no picture")
    shown, out = on_a_terminal(["in", "--csv"])
    assert len(out.splitlines()) == 602
    assert " of 601" in shown
    assert "━" in shown
    *_, failure, last, end = shown.split("\n")
    assert failure.split("\r")[-2].startswith("digitlab: in/zz.png is no picture")
    assert (last, end) == ("digitlab: 600 read, 1 unreadable\r", "")
    shown, _ = on_a_terminal(["in/000.png"])
    assert shown == ""


def test_a_digit_in_heic_and_one_in_sixteen_bits_are_read(digits: list[bytes]) -> None:
    import pillow_heif

    image = Image.open(io.BytesIO(digits[0])).resize((280, 280)).convert("RGB")
    pillow_heif.from_pillow(image).save("a.heic")
    deep = np.asarray(image.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save("b.png")
    assert [one["text"] for one in objects(read("a.heic", "b.png", "--json"))] == ["7", "7"]


def test_a_drawing_that_cannot_be_written_costs_only_itself(digits: list[bytes]) -> None:
    Path("kept.png").write_bytes(b"mine")
    Path("in").mkdir()
    for name in ("a.png", "a.png.png", "b.png", "x" * 250 + ".png"):
        Path("in", name).write_bytes(digits[0])
    Path("out", "b.png").mkdir(parents=True)
    Path("out", "a.png").symlink_to("../kept.png")
    done = read("in", "--annotate", "out", "--explain", "out")
    assert done.returncode == 0, done.stderr
    assert Path("kept.png").read_bytes() == b"mine"
    assert len(list(Path("out").rglob("explanation.png"))) == 4
    annotated = [path for path in Path("out").glob("*.png") if path.is_file()]
    assert len([path for path in annotated if not path.is_symlink()]) == 4
