from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from commands import Command, mistake
from digitlab.errors import ConfigError, RunError
from digitlab.paddle.launch import Launch, launch

pytestmark = pytest.mark.process

# What a worker finds in its environment, written where the test looks.
TELLS = """
import json, os, sys
from pathlib import Path
names = [name for name in os.environ if name.startswith(('PADDLE_', 'FLAGS_', 'OMP_'))]
found = {name: os.environ[name] for name in names}
rank = os.environ['PADDLE_TRAINER_ID']
Path(f'told-{rank}.json').write_text(json.dumps([found, sys.argv, sys.stdin.read()]))
print('worker', rank, 'was here')
"""


def write(content: str) -> Path:
    file = Path("lesson.py")
    file.write_text(textwrap.dedent(content), "utf-8")
    return file


def test_each_worker_is_told_who_all_are_and_has_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("digitlab.paddle.launch.available_cores", lambda: 8)
    launch(Launch(write(TELLS), ["--a", "b"], selected_gpus="0,3", log_dir=Path("my/log")))
    told = [json.loads(Path(f"told-{rank}.json").read_text()) for rank in (0, 1)]
    endpoints = told[0][0]["PADDLE_TRAINER_ENDPOINTS"].split(",")
    assert len(set(endpoints)) == 2
    for rank, (found, arguments, stdin) in enumerate(told):
        assert found == {
            "PADDLE_TRAINER_ID": str(rank),
            "PADDLE_TRAINERS_NUM": "2",
            "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
            "PADDLE_CURRENT_ENDPOINT": endpoints[rank],
            "FLAGS_selected_gpus": ("0", "3")[rank],
            "OMP_NUM_THREADS": "4",
        }
        assert arguments == ["lesson.py", "--a", "b"]
        assert stdin == ""
        assert endpoints[rank].startswith("127.0.0.1:")
        assert Path(f"my/log/workerlog.{rank}").read_text() == f"worker {rank} was here\n"


def test_the_second_of_two_machines_counts_on(tmp_path: Path) -> None:
    asked = Launch(
        write(TELLS), (), "0,1", tmp_path / "log", 7000, "10.0.0.1,127.0.0.1", "127.0.0.1"
    )
    launch(asked)
    found = json.loads(Path("told-3.json").read_text())[0]
    assert found["PADDLE_TRAINERS_NUM"] == "4"
    assert found["PADDLE_CURRENT_ENDPOINT"] == "127.0.0.1:7001"
    assert found["PADDLE_TRAINER_ENDPOINTS"] == (
        "10.0.0.1:7000,10.0.0.1:7001,127.0.0.1:7000,127.0.0.1:7001"
    )
    assert not Path("told-0.json").exists()


WAITS = """
import os, sys, time
from pathlib import Path
rank = int(os.environ['PADDLE_TRAINER_ID'])
Path(f'pid-{rank}').write_text(str(os.getpid()))
while rank == 1 and not all(Path(f'pid-{other}').exists() for other in range(3)):
    time.sleep(0.02)
%s
time.sleep(600)
"""


def gone(rank: int) -> bool:
    """Return whether a worker's process is no more."""
    try:
        os.kill(int(Path(f"pid-{rank}").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("if rank == 1: raise ValueError('no more')", "ended with status 1 (ValueError: no more)"),
        ("if rank == 1: sys.exit(7)", "ended with status 7"),
        ("if rank == 1: os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
    ],
)
def test_a_worker_that_fails_ends_all_and_is_named_with_its_log(end: str, said: str) -> None:
    Path("log").mkdir()
    Path("log/workerlog.1").write_text("of an earlier run\n")
    with pytest.raises(RunError) as raised:
        launch(Launch(write(WAITS % end), selected_gpus="0,1,2", log_dir=Path("log")))
    assert str(raised.value) == (f"worker 1 {said}; see log/workerlog.1; all others were ended")
    assert all(gone(rank) for rank in range(3))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_ends_the_launcher_ends_its_workers(number: signal.Signals) -> None:
    write(WAITS % "")
    words = ["paddle", "launch", "--selected_gpus=0,1,2", "--log_dir", "log", "lesson.py"]
    process = subprocess.Popen(
        [sys.executable, "-m", "digitlab", *words], stderr=subprocess.PIPE, text=True
    )
    while not all(Path(f"pid-{rank}").exists() for rank in range(3)):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate()
    if number == signal.SIGKILL:
        while not all(gone(rank) for rank in range(3)):
            time.sleep(0.05)
    else:
        assert process.returncode == 128 + number
        assert said == "digitlab: interrupted; all workers were ended\n"
    assert all(gone(rank) for rank in range(3))


def test_without_logs_all_write_to_this_output(command: Command) -> None:
    done = command("paddle", "launch", "--selected_gpus=0,1", write(TELLS))
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == ["worker 0 was here", "worker 1 was here"]
    done = command("paddle", "launch", "--selected_gpus", "0", write("import sys\nsys.exit('x')\n"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == ["x", "digitlab: worker 0 ended with status 1"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--selected_gpus=0,0"], "--selected_gpus 0,0: expected numbers of GPUs"),
        (["--selected_gpus=a"], "--selected_gpus a: expected numbers of GPUs"),
        (["--selected_gpus=0,-1"], "--selected_gpus 0,-1: expected numbers of GPUs"),
        (["--selected_gpus=0", "--node_ip", "10.0.0.9"], "is none of --cluster_node_ips"),
        (["--selected_gpus=0", "--cluster_node_ips", "127.0.0.1,127.0.0.1"], "a machine twice"),
        (["--selected_gpus=0,1", "--started_port", "65535"], "expected 1 to 65534"),
        (["--use_paddlecloud"], "there is no PaddleCloud"),
        (["--selected_gpu=0"], "did you mean --selected_gpus?"),
        (["--device", "tpu"], "--device tpu: expected cpu or cuda"),
    ],
)
def test_a_mistake_is_one_line_and_starts_nothing(
    command: Command, words: list[str], expected: str
) -> None:
    done = command("paddle", "launch", *words, "--log_dir", "log", write(TELLS))
    assert expected in mistake(done)
    assert not Path("log").exists()


def test_no_script_and_no_log_are_one_line() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.py: cannot be read"):
        launch(Launch(Path("nowhere.py")))
    Path("file").write_text("")
    with pytest.raises(RunError, match="file/log: cannot be made"):
        launch(Launch(write(TELLS), selected_gpus="0", log_dir=Path("file/log")))
