"""Several workers give the bits of one process, whoever of them is lost (T2, T6, T7, T8, T11).

Real processes and real signals; only outcomes are asserted. The matrix of faults and phases is
test_workers_chaos.py.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import crews
import numpy as np
import pytest
from crews import STEPS, TIMEOUT, Crew
from test_kill import all_bits

import digitlab
from digitlab.events import Event
from digitlab.training.interrupt import Interrupted
from digitlab.training.listing import list_runs
from digitlab.training.metrics import read_metrics

pytestmark = pytest.mark.process

Alone = Callable[..., Path]


def begin(*more: object, recipe: str = "adamw", network: str = "Plain") -> list[object]:
    """Return the words that begin a run of several workers in the folder `run`."""
    return [
        *("train", "--recipe", f"{recipe}.toml", "--network", f"crew_networks:{network}"),
        *("--run-dir", "run", "--ledger", "--json", "--log-dir", "logs", *more),
    ]


def go_on(*more: object, network: str = "Plain") -> list[object]:
    """Return the words that go on with it."""
    return [
        *("train", "--resume", "run", "--network", f"crew_networks:{network}", "--ledger"),
        *("--json", *more),
    ]


def finish_alone(folder: Path, network: str = "Plain") -> None:
    """Go on with a run, to its end, in one process: this one."""
    digitlab.train(resume=folder / "run", network=f"crew_networks:{network}", ledger=True)


def go_on_alone_to(step: int, network: str) -> None:
    """Go on with the run here, in one process, until Ctrl-C at a step."""

    def hear(event: Event) -> None:
        if event.kind == "step" and event.facts["step"] == step:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        digitlab.train(resume="run", network=f"crew_networks:{network}", ledger=True, reporter=hear)


def slowly(folder: Path, seconds: float = 0.03) -> None:
    """Have every shard take so long."""
    (folder / "slow").write_text(str(seconds))


def at_full_speed(folder: Path) -> None:
    (folder / "slow").unlink()


def assert_same(run: Path, whole: Path) -> None:
    """Check weights, optimizer state, moving average, metrics, and that no shard went twice."""
    assert crews.samples(run) == crews.samples(whole)
    assert all_bits(run) == all_bits(whole)


def assert_held_once(run: Path, whole: Path, processes: int) -> None:
    """Check that each number that one process held was held by one of so many."""
    mine, theirs = (
        json.loads((one / "summary.json").read_text())["held_bytes"] for one in (run, whole)
    )
    (all_of_it,) = theirs
    assert len(mine) == processes
    for key, count in all_of_it.items():
        assert sum(one[key] for one in mine) == count


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# T2: the same bits for any number of workers


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_the_number_of_workers_changes_no_bit(
    crew_folder: Path, alone: Alone, workers: int
) -> None:
    with Crew(crew_folder, *begin("--workers", workers, recipe="momentum")) as crew:
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone("momentum", "Plain"))
    for step in range(1, STEPS + 1):
        assert crews.workers_at(crew_folder / "run", step) == {str(w) for w in range(workers)}


@pytest.mark.parametrize(("recipe", "network"), [("momentum", "Plain"), ("adamw", "Chance")])
def test_a_resume_with_another_number_of_workers_changes_no_bit(
    crew_folder: Path, alone: Alone, recipe: str, network: str
) -> None:
    slowly(crew_folder, 0.1)
    with Crew(crew_folder, *begin("--workers", 4, recipe=recipe, network=network)) as crew:
        crew.wait_for_step(1)
        crew.process.send_signal(signal.SIGINT)
        assert crew.wait() == 130, crew.story()
        assert "--resume run" in crew.last_line
    assert [run.workers for run in list_runs(crew_folder / "run")] == [4]
    at_full_speed(crew_folder)
    go_on_alone_to(STEPS // 2, network)
    assert [run.workers for run in list_runs(crew_folder / "run")] == [1]
    with Crew(crew_folder, *go_on("--workers", 2, network=network)) as crew:
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone(recipe, network))
    sizes = [len(crews.workers_at(crew_folder / "run", step)) for step in range(1, STEPS + 1)]
    assert sizes == sorted(sizes, key=[4, 1, 2].index)
    assert set(sizes) == {1, 2, 4}


def test_ddp_begins_as_one_process_does(crew_folder: Path, alone: Alone) -> None:
    words = begin("--workers", 2, "--sync", "ddp", "--epochs", 2, "--set", "schedule.name=constant")
    whole = crew_folder / "whole"
    digitlab.train(
        crew_folder / "adamw.toml",
        network="crew_networks:Plain",
        epochs=2,
        schedule="constant",
        run_dir=whole,
    )
    with Crew(crew_folder, *words) as crew:
        assert crew.wait() == 0, crew.story()
    mine, theirs = (
        [line["loss"] for line in read_metrics(run / "metrics.jsonl") if line["kind"] == "step"]
        for run in (crew_folder / "run", whole)
    )
    np.testing.assert_allclose(mine[:20], theirs[:20], rtol=0, atol=1e-5)


def test_ddp_goes_on_without_a_killed_worker(crew_folder: Path) -> None:
    slowly(crew_folder)
    with Crew(crew_folder, *begin("--workers", 3, "--sync", "ddp", "--max-restarts", 0)) as crew:
        crew.wait_for_step(5)
        os.kill(crew.worker(0), signal.SIGKILL)
        crew.wait_for_warning("lost worker 0; 2 of 3 go on")
        at_full_speed(crew_folder)
        assert crew.wait() == 0, crew.story()
    lines = read_metrics(crew_folder / "run" / "metrics.jsonl")
    steps = [line["step"] for line in lines if line["kind"] == "step"]
    assert steps == list(range(1, STEPS + 1))


# T6: one of them is lost


def test_a_killed_worker_costs_no_bit(crew_folder: Path, alone: Alone) -> None:
    """First the one that leads, then one that does not."""
    slowly(crew_folder, 0.1)
    with Crew(crew_folder, *begin("--workers", 4, "--max-restarts", 0)) as crew:
        for lost, left in ((0, 3), (2, 2)):
            crew.wait_for_step(crew.steps + 4)
            os.kill(crew.worker(lost), signal.SIGKILL)
            crew.wait_for_warning(f"lost worker {lost}; {left} of 4 go on")
        at_full_speed(crew_folder)
        assert crew.wait() == 0, crew.story()
    run = crew_folder / "run"
    assert_same(run, alone("adamw", "Plain"))
    present = [crews.workers_at(run, step) for step in range(1, STEPS + 1)]
    assert [present[0], present[-1]] == [{"0", "1", "2", "3"}, {"1", "3"}]
    assert {"1", "2", "3"} in present


def test_a_silent_worker_costs_no_bit(crew_folder: Path, alone: Alone) -> None:
    """One that does not lead; the one that does falls silent in the tests of one that wakes up."""
    slowly(crew_folder)
    with Crew(crew_folder, *begin("--workers", 3, "--timeout", TIMEOUT)) as crew:
        crew.wait_for_step(5)
        os.kill(crew.worker(1), signal.SIGSTOP)
        crew.wait_for_warning("lost worker 1; 2 of 3 go on")
        at_full_speed(crew_folder)
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone("adamw", "Plain"))
    assert crews.workers_at(crew_folder / "run", STEPS) == {"0", "2"}


def test_a_worker_that_missed_what_the_others_have_gets_it(crew_folder: Path, alone: Alone) -> None:
    (crew_folder / "break").touch()
    words = begin("--workers", 2, "--timeout", TIMEOUT)
    words.remove("--ledger")  # so that a step is one exchange
    with Crew(crew_folder, *words) as crew:
        assert crew.wait() == 0, crew.story()
    log = (crew_folder / "logs" / "worker-1.log").read_text()
    assert log.count("broken by the test") >= 5
    assert all_bits(crew_folder / "run") == all_bits(alone("adamw", "Plain"))


# T7: one comes back


def test_killed_workers_that_are_started_again_are_taken_in(
    crew_folder: Path, alone: Alone
) -> None:
    slowly(crew_folder, 0.3)  # more than a minute, for who takes that long to start again
    with Crew(crew_folder, *begin("--workers", 3, "--set", "training.epochs=12")) as crew:
        for lost in (1, 0):
            crew.wait_for_step(crew.steps + 3)
            os.kill(crew.worker(lost), signal.SIGKILL)
            crew.wait_for_warning(f"took in worker {lost}; 3 of 3 go on")
        at_full_speed(crew_folder)
        assert crew.wait() == 0, crew.story()
    run, steps = crew_folder / "run", 3 * STEPS
    assert_same(run, alone("adamw", "Plain", epochs=12))
    assert crews.workers_at(run, steps) == {"0", "1", "2"}
    # A worker comes back with another rank than it had, so with other shards.
    absent = [step for step in range(1, steps) if len(crews.workers_at(run, step)) < 3]
    assert absent


def test_a_leader_that_was_stopped_and_wakes_up_is_taken_in(
    crew_folder: Path, alone: Alone
) -> None:
    slowly(crew_folder, 0.3)  # more than a minute, for who takes that long to start again
    words = begin("--workers", 3, "--timeout", TIMEOUT, "--set", "training.epochs=12")
    with Crew(crew_folder, *words) as crew:
        crew.wait_for_step(5)
        stopped = crew.worker(0)
        os.kill(stopped, signal.SIGSTOP)
        crew.wait_for_warning("lost worker 0; 2 of 3 go on")
        os.kill(stopped, signal.SIGCONT)
        crew.wait_for_warning("took in worker 0; 3 of 3 go on")
        at_full_speed(crew_folder)
        assert crew.wait() == 0, crew.story()
    run = crew_folder / "run"
    assert_same(run, alone("adamw", "Plain", epochs=12))
    assert crews.workers_at(run, 3 * STEPS) == {"0", "1", "2"}


def test_a_leader_that_wakes_up_after_another_began_the_run_touches_nothing(
    crew_folder: Path, alone: Alone
) -> None:
    slowly(crew_folder, 0.1)
    (crew_folder / "slow-disk").write_text("2")
    with Crew(crew_folder, *begin("--workers", 2, "--timeout", TIMEOUT)) as crew:
        stopped = crew.worker(0)
        crew.wait_until(lambda: any((crew_folder / "run").glob(".config.toml.*")), "config.toml")
        os.kill(stopped, signal.SIGSTOP)
        (crew_folder / "slow-disk").unlink()
        crew.wait_for_step(3)
        os.kill(stopped, signal.SIGCONT)
        crew.wait_for_warning("took in worker 0; 2 of 2 go on")
        at_full_speed(crew_folder)
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


# T8: no hang, no orphan


def test_a_killed_launcher_leaves_no_process_and_a_run_to_go_on_with(
    crew_folder: Path, alone: Alone
) -> None:
    slowly(crew_folder)
    with Crew(crew_folder, *begin("--workers", 2)) as crew:
        crew.wait_for_step(14)
        crew.process.kill()
        assert crew.wait() == -signal.SIGKILL
    at_full_speed(crew_folder)
    finish_alone(crew_folder)
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


def test_a_launcher_killed_at_the_start_leaves_no_process(crew_folder: Path) -> None:
    with Crew(crew_folder, *begin("--workers", 2, "--start-timeout", 1000)) as crew:
        crew.worker(1)
        crew.process.kill()
        assert crew.wait() == -signal.SIGKILL


def test_a_stop_before_the_first_step_is_one_line_and_the_folder_is_free(crew_folder: Path) -> None:
    # While Python starts, others' code may catch what a signal raises, as that of coverage does.
    (crew_folder / "sitecustomize.py").write_text(
        "import time\ntry:\n    time.sleep(2)\nexcept BaseException:\n    pass\n"
    )
    with Crew(crew_folder, *begin("--workers", 2)) as crew:
        crew.worker(1)
        crew.process.send_signal(signal.SIGINT)
        assert crew.wait() == 130, crew.story()
        assert crew.errors == "digitlab: interrupted before the first step; no run was begun\n"
    (crew_folder / "sitecustomize.py").unlink()
    words = begin()
    words[words.index("--log-dir") :] = ["--data", "missing.npz", "--workers", 2]  # logs in `run`
    with Crew(crew_folder, *words) as crew:
        assert crew.wait() == 2, crew.story()
        assert "missing.npz: no such file" in crew.last_line
        assert "--resume" not in crew.errors
    digitlab.train("adamw.toml", network="crew_networks:Plain", epochs=0.1, run_dir="run")


def test_a_stop_while_one_opens_its_files_is_no_loss(crew_folder: Path, alone: Alone) -> None:
    (crew_folder / "slow-disk").write_text("0.5")
    with Crew(crew_folder, *begin("--workers", 2)) as crew:
        log = crew_folder / "logs" / "worker-1.log"
        crew.wait_until(lambda: log.is_file() and "joined" in log.read_text(), "the first round")
        crew.process.send_signal(signal.SIGINT)
        assert crew.wait() == 130, crew.story()
        assert not [event for event in crew.events if event["event"] == "warning"], crew.story()
    (crew_folder / "slow-disk").unlink()
    finish_alone(crew_folder)
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_loss_of_the_store_ends_all_with_one_line(
    crew_folder: Path, alone: Alone, number: signal.Signals
) -> None:
    slowly(crew_folder)
    with Crew(crew_folder, *begin("--workers", 2, "--timeout", TIMEOUT)) as crew:
        crew.wait_for_step(14)
        os.kill(crew.store(), number)
        assert crew.wait() == 2, crew.story()
        assert "rendezvous store" in crew.last_line
        assert "go on by --resume run" in crew.last_line
    at_full_speed(crew_folder)
    finish_alone(crew_folder)
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


def test_the_loss_of_all_workers_names_one_and_what_to_do(crew_folder: Path) -> None:
    slowly(crew_folder)
    with Crew(crew_folder, *begin("--workers", 2, "--max-restarts", 0)) as crew:
        crew.wait_for_step(2)
        os.kill(crew.worker(0), signal.SIGKILL)
        crew.wait_for_warning("lost worker 0; 1 of 2 go on")
        os.kill(crew.worker(1), signal.SIGKILL)
        assert crew.wait() == 2, crew.story()
        assert crew.last_line.startswith("digitlab: worker 1 was killed by SIGKILL")
        assert "go on by --resume run" in crew.last_line


def test_too_few_workers_end_with_one_line(crew_folder: Path, alone: Alone) -> None:
    slowly(crew_folder)
    # So long it is waited for others; whoever else were taken for lost, the line would be the same.
    words = ("--workers", 2, "--max-restarts", 0, "--min-workers", 2, "--timeout", 3)
    with Crew(crew_folder, *begin(*words)) as crew:
        crew.wait_for_step(2)
        os.kill(crew.worker(0), signal.SIGKILL)
        assert crew.wait() == 2, crew.story()
        assert "1 of 2 workers are left, --min-workers asks for 2" in crew.last_line
    at_full_speed(crew_folder)
    finish_alone(crew_folder)
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


# T11: a loss or gradient that is not finite


def test_nobody_takes_a_step_that_is_not_finite_for_one(crew_folder: Path, alone: Alone) -> None:
    with Crew(crew_folder, *begin("--workers", 2, "--augment", "none", network="Poisoned")) as crew:
        assert crew.wait() == 0, crew.story()
    run = crew_folder / "run"
    assert_same(run, alone("adamw", "Poisoned"))
    lines = [line for line in read_metrics(run / "metrics.jsonl") if line["kind"] == "step"]
    skipped = {line["step"] for line in lines if line["skipped"]}
    assert skipped
    assert any(line["loss"] is not None for line in lines if line["skipped"])  # the gradient alone
    corners = np.load(crew_folder / "data.npz")["train_images"][:, 0, 0]
    ill: dict[int, set[str]] = {
        step: {
            worker
            for worker, shards in by_worker.items()
            if any(corners[sample] for shard in shards.values() for sample in shard)
        }
        for step, by_worker in crews.work(run)
    }
    assert {step for step, workers in ill.items() if workers} == skipped
    assert set().union(*ill.values()) == {"0", "1"}  # each was the one
    assert json.loads((run / "summary.json").read_text())["skips"] == len(skipped)


def test_too_many_such_steps_in_a_row_end_the_run_with_one_line(crew_folder: Path) -> None:
    arrays = dict(np.load(crew_folder / "data.npz"))
    arrays["train_images"][:, 0, 0] = 255
    np.savez(crew_folder / "data.npz", **arrays)
    words = ("--workers", 2, "--augment", "none", "--set", "training.max_skips=3")
    with Crew(crew_folder, *begin(*words, network="Poisoned")) as crew:
        assert crew.wait() == 2, crew.story()
        assert "loss or gradient was not finite for 3 steps in a row" in crew.last_line
        assert crew.errors.count("\n") == 1, crew.errors


# torchrun


TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "digitlab")


def begin_by_torchrun(*more: object) -> list[object]:
    """Return the words after `TORCHRUN`: where logs go is not for us to say."""
    words = begin(*more)
    del words[words.index("--log-dir") : words.index("--log-dir") + 2]
    return words


def test_torchrun_gives_the_same_bits(crew_folder: Path, alone: Alone) -> None:
    with Crew(crew_folder, *begin_by_torchrun(), module=TORCHRUN) as crew:
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone("adamw", "Plain"))
    assert crews.workers_at(crew_folder / "run", 1) == {"0", "1"}


def test_a_worker_lost_under_torchrun_is_named_and_the_run_can_be_gone_on_with(
    crew_folder: Path, alone: Alone
) -> None:
    slowly(crew_folder)
    with Crew(crew_folder, *begin_by_torchrun("--timeout", TIMEOUT), module=TORCHRUN) as crew:
        crew.wait_for_step(14)
        os.kill(_of_torchrun(crew, 1), signal.SIGKILL)
        assert crew.wait() != 0, crew.story()
        assert "lost worker 1" in crew.errors
        assert "--resume" in crew.errors
    at_full_speed(crew_folder)
    with Crew(crew_folder, *go_on(), module=TORCHRUN) as crew:
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


def test_a_killed_agent_of_torchrun_leaves_no_process(crew_folder: Path) -> None:
    slowly(crew_folder)
    with Crew(crew_folder, *begin_by_torchrun("--timeout", TIMEOUT), module=TORCHRUN) as crew:
        crew.wait_for_step(2)
        crew.process.kill()
        assert crew.wait() == -signal.SIGKILL
        assert "rendezvous store" in crew.errors


def _of_torchrun(crew: Crew, rank: int) -> int:
    """Return the process to which torchrun gave a rank."""
    (pid,) = (
        pid
        for pid in crew.processes()
        if f"\0RANK={rank}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    )
    return pid


# Several hosts


def on_hosts(
    stack: ExitStack, folder: Path, hosts: crews.Hosts, *words: object
) -> list[crews.Crew]:
    """Start a worker on each host."""
    several = ("--nodes", hosts.count, "--rendezvous", f"{hosts.address(0)}:29511", *words)
    started = []
    for number in range(hosts.count):
        # Their logs apart; all else on storage that they share.
        words = begin(*several, "--node-rank", number, "--log-dir", f"logs{number}")
        if number:  # the first node makes the folder, and tells the others
            del words[words.index("--run-dir") : words.index("--run-dir") + 2]
        started.append(stack.enter_context(Crew(folder, *words, within=hosts.within(number))))
    return started


@pytest.mark.parametrize("how", ["all its processes are killed", "its link goes silent"])
def test_the_loss_of_a_host_costs_no_bit(
    crew_folder: Path, alone: Alone, hosts: Callable[[int], crews.Hosts], how: str
) -> None:
    slowly(crew_folder)
    network = hosts(3)
    with ExitStack() as stack:
        several = on_hosts(stack, crew_folder, network, "--timeout", TIMEOUT)
        several[0].wait_for_step(5)
        if how == "its link goes silent":
            network.cut(2)
        else:
            several[2].kill_all()
        several[0].wait_for_warning("lost worker 2; 2 of 3 go on")
        at_full_speed(crew_folder)
        for crew in several[:2]:
            assert crew.wait() == 0, crew.story()
        if how == "its link goes silent":
            assert several[2].wait() == 2, several[2].story()
            assert "the rendezvous store at 10.77.0.1:29511 does not" in several[2].last_line
    assert_same(crew_folder / "run", alone("adamw", "Plain"))
    assert crews.workers_at(crew_folder / "run", STEPS) == {"0", "1"}


@pytest.mark.parametrize("how", ["narrow", "far and lossy"])
def test_a_poor_network_loses_nobody_and_costs_no_bit(
    crew_folder: Path, alone: Alone, hosts: Callable[..., crews.Hosts], how: str
) -> None:
    if how == "narrow":
        network = hosts(2)
        network.throttle("8mbit")
    elif not Path("/dev/net/tun").exists():
        pytest.skip("packets cannot be held up here: there is no /dev/net/tun")
    else:
        network = hosts(2, crews.Relay(delay=0.01, loss=0.01))
    with ExitStack() as stack:
        for crew in on_hosts(stack, crew_folder, network):
            assert crew.wait() == 0, crew.story()
            assert not [event for event in crew.events if event["event"] == "warning"]
    assert network.relay.lost if network.relay else network.throttled()
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


@pytest.mark.parametrize("other", ["folder", "data", "recipe", "workers"])
def test_a_node_that_differs_ends_the_run_with_one_line(
    crew_folder: Path, tmp_path_factory: pytest.TempPathFactory, other: str
) -> None:
    there = tmp_path_factory.mktemp("there")
    shutil.copytree(crew_folder, there, dirs_exist_ok=True)
    nodes = ("--nodes", 2, "--rendezvous", f"127.0.0.1:{free_port()}", "--node-rank")
    here, elsewhere = begin(*nodes, 0), begin(*nodes, 1)
    said = {
        "folder": "this is not the run's folder; all nodes must see the same one",
        "data": "are not those of the other workers",
        "recipe": "is not that of the other workers; start all nodes with the same flags",
        "workers": "--workers is ",  # of all flags; those that are compared: parallel/test_plan.py
    }[other]
    if other == "folder":
        # The first node's name of the folder is absolute: a file system of its own is needed.
        elsewhere, within = _with_an_empty_folder_at(crew_folder / "run", elsewhere)
    else:
        within = ()
    if other == "data":
        arrays = dict(np.load(there / "data.npz"))
        arrays["train_images"][0, 14, 14] ^= 1
        np.savez(there / "data.npz", **arrays)
    if other == "recipe":
        elsewhere += ["--seed", 7]
    if other == "workers":
        elsewhere += ["--workers", 2]
    with (
        Crew(crew_folder, *here) as first,
        Crew(there, *elsewhere, within=within) as second,
    ):
        assert second.wait() == 2, second.story()
        assert first.wait() == 2, first.story()
        assert said in second.last_line
        assert said in first.last_line


def test_a_run_does_not_begin_without_a_machine(crew_folder: Path) -> None:
    nodes = ("--nodes", 2, "--rendezvous", f"127.0.0.1:{free_port()}", "--start-timeout", 2)
    with Crew(crew_folder, *begin(*nodes)) as crew:
        assert crew.wait() == 2, crew.story()
        assert "machine 1 of 2 (--node-rank) did not come within 2 s" in crew.last_line
        assert "give --min-workers N to go on with fewer" in crew.last_line
    assert not (crew_folder / "run" / "config.toml").exists()


def test_a_run_begins_without_a_machine_where_that_was_asked_for(
    crew_folder: Path, alone: Alone
) -> None:
    nodes = ("--nodes", 2, "--rendezvous", f"127.0.0.1:{free_port()}", "--start-timeout", 2)
    with Crew(crew_folder, *begin(*nodes, "--min-workers", 1)) as crew:
        crew.wait_for_warning("machine 1 of 2 (--node-rank) did not come within 2 s")
        crew.wait_for_warning("1 of 2 workers begin")
        assert crew.wait() == 0, crew.story()
    assert_same(crew_folder / "run", alone("adamw", "Plain"))


def _with_an_empty_folder_at(
    path: Path, words: list[object]
) -> tuple[list[object], tuple[str, ...]]:
    """Return words before a command for which another, empty folder lies at `path`."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a file system of its own needs root and unshare")
    path.mkdir()
    script = f'mount -t tmpfs tmpfs "{path}" && exec "$@"'
    return words, ("unshare", "--mount", "sh", "-c", script, "sh")
