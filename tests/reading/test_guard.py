"""The guarded decoder: what goes wrong in decoding a picture costs that picture alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lying_decoder import ANSWERS
from PIL import Image

from digitlab import GuardedDecoder, Limits
from digitlab.decoding import load_picture
from digitlab.errors import ConfigError, DigitlabError, PagesWarning, PictureError
from digitlab.reading import guard
from digitlab.reading.decoder_process import REQUEST
from digitlab.reading.pages import load_pages
from hostile_files import encoded, originals, png
from made_documents import document, drawn

pytestmark = pytest.mark.process

HERE = Path(__file__).parent
MISBEHAVING = (sys.executable, HERE / "misbehaving_decoder.py")
PICTURE = originals()["PNG"]
EXPECTED = load_picture(PICTURE)
needs_limits = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory")


def asking(what: str) -> bytes:
    """Return a picture that asks the misbehaving decoder for something."""
    return PICTURE + b"DO:" + what.encode()


def failure(decoder: GuardedDecoder, source: bytes | Path) -> PictureError:
    with pytest.raises(PictureError) as caught:
        decoder.decode(source, "picture 7")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("picture 7 ")
    return caught.value


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def decoder() -> Iterator[GuardedDecoder]:
    with GuardedDecoder() as one:
        yield one


@pytest.fixture
def misbehaving() -> Iterator[GuardedDecoder]:
    with GuardedDecoder(Limits(max_seconds=60, max_memory=256), MISBEHAVING) as one:
        yield one


@pytest.mark.filterwarnings("ignore::digitlab.errors.PagesWarning")
@pytest.mark.parametrize("kind", sorted(originals()))
def test_the_pixels_are_those_of_decoding_here(decoder: GuardedDecoder, kind: str) -> None:
    picture = decoder.decode(originals()[kind])
    assert np.array_equal(picture, load_picture(originals()[kind]))
    assert picture.flags.c_contiguous
    assert picture.flags.writeable


def test_pages_that_are_not_read_are_named(decoder: GuardedDecoder) -> None:
    with pytest.warns(PagesWarning, match=r"^scan: page 1 of 2 is read"):
        decoder.decode(originals()["TIFF frames"], "scan")


def test_a_large_picture_crosses_the_pipe_whole(decoder: GuardedDecoder) -> None:
    values = (np.arange(1500 * 2000 * 3) * 7 % 251).astype(np.uint8).reshape(1500, 2000, 3)
    file = encoded(Image.fromarray(values), "PNG", compress_level=1)
    assert np.array_equal(decoder.decode(file), values)


def test_errors_are_those_of_decoding_here(decoder: GuardedDecoder, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    sources = [tmp_path / "none.png", tmp_path / "text.png", tmp_path, b"junk", PICTURE[:60]]
    for source in sources:
        with pytest.raises(PictureError) as here:
            load_picture(source)
        with pytest.raises(PictureError) as guarded:
            decoder.decode(source)
        assert (guarded.value.code, str(guarded.value)) == (here.value.code, str(here.value))
    assert np.array_equal(decoder.decode(PICTURE), EXPECTED)


def test_a_pipe_is_read_and_an_endless_one_is_not(decoder: GuardedDecoder, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(PICTURE,))
    writer.start()
    assert np.array_equal(decoder.decode(pipe), EXPECTED)
    writer.join()
    assert failure(decoder, Path("/dev/zero")).code == "not-a-picture"


def test_names_that_are_not_utf_8_are_told(decoder: GuardedDecoder, tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")
    Path(name).write_bytes(PICTURE[:60])
    with pytest.raises(PictureError) as caught:
        decoder.decode(name)
    assert name in str(caught.value)
    with pytest.raises(PictureError, match="\ud800"):
        decoder.decode(PICTURE[:60], "a \ud800 name")


@pytest.mark.parametrize(
    ("what", "cause"), [("crash", "SIGSEGV"), ("abort", "SIGABRT"), ("exit", "status 3")]
)
def test_a_crash_costs_one_picture(misbehaving: GuardedDecoder, what: str, cause: str) -> None:
    for _ in range(2):
        assert np.array_equal(misbehaving.decode(asking("")), EXPECTED)
        error = failure(misbehaving, asking(what))
        assert error.code == "crashed"
        assert cause in str(error)
    assert np.array_equal(misbehaving.decode(asking("")), EXPECTED)


@pytest.mark.parametrize("what", ["hang", "spin"])
def test_a_decoder_that_does_not_end_is_ended(what: str) -> None:
    with GuardedDecoder(Limits(max_seconds=60), MISBEHAVING) as decoder:
        assert np.array_equal(decoder.decode(PICTURE), EXPECTED)
        # It never ends, whatever the limit; what does end gets as long as a busy machine takes.
        decoder.limits = Limits(max_seconds=0.5)
        error = failure(decoder, asking(what))
        assert error.code == "timeout"
        assert "0.5 s" in str(error)
        decoder.limits = Limits(max_seconds=60)
        assert np.array_equal(decoder.decode(PICTURE), EXPECTED)


@needs_limits
def test_a_decoder_that_eats_memory_is_stopped(misbehaving: GuardedDecoder) -> None:
    error = failure(misbehaving, asking("eat"))
    assert error.code == "memory"
    assert np.array_equal(misbehaving.decode(PICTURE), EXPECTED)


@needs_limits
def test_what_others_leaked_is_not_blamed_on_a_picture(misbehaving: GuardedDecoder) -> None:
    """Each leaks 90 of 256 MB: the third of a process fails there, and is tried in a new one."""
    for _ in range(6):
        assert np.array_equal(misbehaving.decode(asking("leak")), EXPECTED)


def test_a_crash_that_another_picture_caused_is_tried_again(misbehaving: GuardedDecoder) -> None:
    assert np.array_equal(misbehaving.decode(asking("crash later")), EXPECTED)
    assert np.array_equal(misbehaving.decode(PICTURE), EXPECTED)


def test_what_a_library_prints_breaks_no_answer(misbehaving: GuardedDecoder) -> None:
    for _ in range(3):
        assert np.array_equal(misbehaving.decode(asking("print")), EXPECTED)


@pytest.mark.parametrize("what", sorted({*ANSWERS} - {"picture"}))
def test_an_answer_that_makes_no_sense_is_not_believed(what: str) -> None:
    command = (sys.executable, HERE / "lying_decoder.py", what)
    with GuardedDecoder(command=command) as decoder:
        assert failure(decoder, PICTURE).code == "crashed"


@pytest.mark.parametrize("what", sorted({*ANSWERS} - {"pages"}))
def test_a_number_of_pages_that_makes_no_sense_is_not_believed(what: str) -> None:
    command = (sys.executable, HERE / "lying_decoder.py", what)
    with GuardedDecoder(command=command) as decoder, pytest.raises(PictureError) as caught:
        decoder.count_pages(drawn(), "sheet.pdf")
    assert caught.value.code == "crashed"


def test_a_document_is_sent_once_for_all_its_pages(
    decoder: GuardedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []

    class Counted:
        def pack(self, *sizes: int) -> bytes:
            sent.append(sizes[1])
            return REQUEST.pack(*sizes)

    monkeypatch.setattr(guard, "REQUEST", Counted())
    pages = [np.full((20, 30 + at), 99, np.uint8) for at in range(3)]
    for kind in ("PDF", "TIFF"):
        file = document(kind, pages)
        sent.clear()
        shapes = [page.picture.shape[:2] for page in load_pages(file, decoder=decoder)]
        assert shapes == [(20, 30), (20, 31), (20, 32)]
        assert sent[0] == len(file)
        assert set(sent[1:]) == {0}
    # A picture is not kept here, since there may be many and they may be large.
    assert decoder.decode(PICTURE).shape == decoder.decode(PICTURE).shape
    assert sent[-2:] == [len(PICTURE)] * 2


def test_pages_of_several_documents_may_be_asked_for_in_turn(decoder: GuardedDecoder) -> None:
    files = [document("PDF", [np.full((20, 30 + at), 99, np.uint8)] * 2) for at in range(2)]
    first, second = (load_pages(file, decoder=decoder) for file in files)
    widths = [next(one).picture.shape[1] for one in (first, second, first, second)]
    assert widths == [30, 31, 30, 31]


def test_a_document_goes_on_where_its_decoder_was_lost(decoder: GuardedDecoder) -> None:
    pages = load_pages(document("PDF", [np.full((20, 30), 99, np.uint8)] * 3), decoder=decoder)
    next(pages)
    process = decoder._process
    assert process is not None
    process._popen.kill()
    assert [page.number for page in pages] == [2, 3]


def test_pages_of_a_pdf_are_counted_elsewhere(decoder: GuardedDecoder) -> None:
    code = (
        "import sys, digitlab\n"
        "with digitlab.GuardedDecoder() as decoder:\n"
        "    content, name = decoder.read_file(sys.argv[1])\n"
        "    assert decoder.count_pages(content, name) == 1\n"
        "    decoder.decode(sys.argv[1])\n"
        "assert 'pypdfium2' not in sys.modules"
    )
    Path("sheet.pdf").write_bytes(drawn())
    subprocess.run([sys.executable, "-c", code, "sheet.pdf"], check=True, timeout=300)
    assert decoder.count_pages(drawn(), "sheet.pdf") == 1


def test_a_process_that_cannot_be_started_is_one_line() -> None:
    with pytest.raises(DigitlabError, match="cannot be started"):
        GuardedDecoder(command=["/no/such/program"])
    lying = (sys.executable, HERE / "lying_decoder.py", "hello")
    for command in ((sys.executable, "-c", "raise SystemExit(5)"), lying):
        with (
            GuardedDecoder(command=command) as decoder,
            pytest.raises(DigitlabError, match="cannot be started"),
        ):
            decoder.decode(PICTURE)


def test_a_process_that_is_never_ready_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_START", 0.5)
    silent = (sys.executable, "-c", "import time; time.sleep(60)")
    with (
        GuardedDecoder(command=silent) as decoder,
        pytest.raises(DigitlabError, match=r"cannot be started: it is not ready after 0\.5 s"),
    ):
        decoder.decode(PICTURE)


@pytest.mark.parametrize(
    "limits",
    [{"max_pixels": 0}, {"max_seconds": -1}, {"max_seconds": float("nan")}, {"max_memory": 0}],
)
def test_limits_are_above_zero(limits: dict[str, float]) -> None:
    (name,) = limits
    with pytest.raises(ConfigError, match=rf"^{name} = .*: expected a number above 0$"):
        Limits(**limits)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=rf"^{name} = .*: expected a number at most [\d,]+$"):
        Limits(**dict.fromkeys(limits, 2**63))


def test_the_limit_of_pixels_may_be_above_pillows_own(decoder: GuardedDecoder) -> None:
    wide = png(20_000, 10_000)
    assert failure(decoder, wide).code == "too-large"
    with GuardedDecoder(Limits(max_pixels=200_000_000)) as wider:
        assert failure(wider, wide).code == "unreadable"  # it has no pixels


def test_threads_may_share_a_decoder(decoder: GuardedDecoder) -> None:
    files = [encoded(Image.new("L", (20 + at, 30), at), "PNG") for at in range(8)]
    wrong: list[int] = []

    def work(at: int) -> None:
        shapes = {decoder.decode(files[at]).shape for _ in range(10)}
        wrong.extend([at] if shapes != {(30, 20 + at)} else [])

    threads = [threading.Thread(target=work, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_uses_a_process_of_its_own() -> None:
    code = (
        "import os, sys, digitlab\n"
        "decoder = digitlab.GuardedDecoder()\n"
        "shapes = [decoder.decode(path).shape for path in sys.argv[1:]]\n"
        "child = os.fork()\n"
        "which = 0 if child else 1\n"
        "path, shape = sys.argv[1 + which], shapes[which]\n"
        "good = all(decoder.decode(path).shape == shape for _ in range(50))\n"
        "decoder.close()\n"
        "if not child: os._exit(not good)\n"
        "sys.exit(not good or os.waitpid(child, 0)[1])\n"
    )
    Path("a.png").write_bytes(PICTURE)
    Path("b.png").write_bytes(encoded(Image.new("L", (50, 60)), "PNG"))
    command = [sys.executable, "-c", code, "a.png", "b.png"]
    done = subprocess.run(command, timeout=120, capture_output=True)
    assert done.returncode == 0, done.stderr


# Owns a decoder that decodes, or one that hangs and that nobody but itself will end.
OWNER = """
import sys, digitlab
hangs = len(sys.argv) > 3
seconds = 1 if hangs else 60
decoder = digitlab.GuardedDecoder(digitlab.Limits(max_seconds=seconds), sys.argv[1:3])
decoder.limits = digitlab.Limits(max_seconds=600)
print(decoder._process._popen.pid, flush=True)
decoder.decode(sys.argv[3] if hangs else "a.png")
print("decoded", flush=True)
sys.stdin.read()
"""


@needs_limits
@pytest.mark.parametrize("hangs", [False, True])
def test_no_process_outlives_an_owner_that_was_killed(hangs: bool) -> None:
    Path("a.png").write_bytes(PICTURE)
    Path("hang.png").write_bytes(asking("hang"))
    os.mkfifo("hanging")
    command = [sys.executable, "-c", OWNER, *map(str, MISBEHAVING), *(["hang.png"] * hangs)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        if hangs:
            assert Path("hanging").read_text() == "now"
        else:
            assert owner.stdout.readline() == "decoded\n"
        owner.send_signal(signal.SIGKILL)
    for _ in range(600):
        if not alive(pid):
            break
        time.sleep(0.1)
    assert not alive(pid)


def test_ctrl_c_does_not_end_the_process() -> None:
    """A terminal sends it to both, and whoever decodes may go on."""
    with GuardedDecoder() as decoder:
        decoder.decode(PICTURE)
        process = decoder._process
        assert process is not None
        os.kill(process._popen.pid, signal.SIGINT)
        assert np.array_equal(decoder.decode(PICTURE), EXPECTED)
        assert decoder._process is process


@needs_limits
def test_closing_ends_the_process_and_decoding_starts_another() -> None:
    decoder = GuardedDecoder()
    assert np.array_equal(decoder.decode(PICTURE), EXPECTED)
    process = decoder._process
    assert process is not None
    decoder.close()
    assert not alive(process._popen.pid)
    assert np.array_equal(decoder.decode(PICTURE), EXPECTED)
    decoder.close()
    decoder.close()


def test_modules_in_the_current_folder_are_not_imported() -> None:
    """A folder of pictures may hold a stranger's numpy.py."""
    for name in ("numpy", "PIL", "digitlab", "struct"):
        Path(f"{name}.py").write_text("raise SystemExit(9)")
    with GuardedDecoder() as decoder:
        assert np.array_equal(decoder.decode(PICTURE), EXPECTED)
