"""Workers of a lesson: together they take the steps that one takes with all batches."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from digitlab.paddle import collective
from digitlab.paddle.modules import install
from digitlab.paddle.state import STATE

LESSON = """
import sys
import numpy as np
from digitlab.paddle.modules import install

with install() as paddle:
    fluid = paddle.fluid
    with fluid.dygraph.guard(fluid.CPUPlace()):
        strategy = fluid.dygraph.parallel.prepare_context()
        place = fluid.dygraph.parallel.Env()
        fluid.default_startup_program().random_seed = 1 + place.local_rank
        model = fluid.dygraph.Linear(3, 2)
        if place.nranks == 1:
            model.set_dict({name: np.load(sys.argv[2])[name] for name in ("weight", "bias")})
        model = fluid.dygraph.parallel.DataParallel(model, strategy)
        optimizer = fluid.optimizer.Momentum(0.1, 0.9, parameter_list=model.parameters())
        rows = np.arange(48).reshape(8, 2, 3).astype("float32") / 48
        size = 1 if place.nranks > 1 else 2
        reader = paddle.batch(lambda: iter(rows), size)
        reader = fluid.contrib.reader.distributed_batch_reader(reader)
        for number, batch in enumerate(reader()):
            image = fluid.dygraph.to_variable(np.concatenate(batch))
            loss = fluid.layers.mean(model(image) * model(image))
            if not number:
                begun = {name: one.numpy() for name, one in model.state_dict().items()}
            loss = model.scale_loss(loss)
            loss.backward()
            model.apply_collective_grads()
            optimizer.minimize(loss)
            model.clear_gradients()
        state = {name: one.numpy() for name, one in model.state_dict().items()}
        np.savez(sys.argv[1], steps=number + 1, **state)
        np.savez(sys.argv[1] + ".begun", **begun)
"""


def start(folder: Path, number: int, count: int, port: int) -> subprocess.Popen[str]:
    endpoints = [f"127.0.0.1:{port + other}" for other in range(count)]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PADDLE_TRAINER_ID": str(number),
        "PADDLE_TRAINERS_NUM": str(count),
        "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
        "PADDLE_CURRENT_ENDPOINT": endpoints[number],
    }
    words = [sys.executable, "-c", LESSON, str(folder / f"{number}of{count}")]
    words.append(str(folder / "0of2.begun.npz"))
    return subprocess.Popen(
        words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


@pytest.mark.process
def test_two_workers_take_the_steps_of_one_with_both_batches(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for count in (2, 1):
        workers = [start(tmp_path, number, count, port) for number in range(count)]
        for worker in workers:
            _, said = worker.communicate(timeout=300)
            assert worker.returncode == 0, said
    alone = dict(np.load(tmp_path / "0of1.npz"))
    for number in range(2):
        together = dict(np.load(tmp_path / f"{number}of2.npz"))
        assert together["steps"] == alone["steps"] == 4
        for name in ("weight", "bias"):
            np.testing.assert_allclose(together[name], alone[name], rtol=1e-5, atol=1e-7)


def test_alone_there_is_nobody_to_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM", "FLAGS_selected_gpus"):
        monkeypatch.delenv(name, raising=False)
    with install() as paddle, paddle.fluid.dygraph.guard():
        dygraph = paddle.fluid.dygraph
        assert dygraph.parallel.prepare_context() is None
        model = dygraph.parallel.DataParallel(dygraph.Linear(2, 2))
        loss = paddle.fluid.layers.mean(model(dygraph.to_variable(np.ones((1, 2), "float32"))))
        assert model.scale_loss(loss) is loss
        model.apply_collective_grads()
        assert list(model.state_dict()) == ["weight", "bias"]
        assert dygraph.parallel.Env().dev_id == 0


def test_a_parameter_of_zeros_is_sent_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[int]] = []
    monkeypatch.setattr(
        collective, "broadcast", lambda tensors: sent.extend(list(one.shape) for one in tensors)
    )
    with install() as paddle, paddle.fluid.dygraph.guard():
        dygraph = paddle.fluid.dygraph
        monkeypatch.setattr(STATE, "collective", True)
        dygraph.Linear(3, 2)(dygraph.to_variable(np.ones((1, 3), "float32")))
        dygraph.Linear(3, 2, bias_attr=False)(dygraph.to_variable(np.ones((1, 3), "float32")))
    assert sent == [[3, 2], [2], [3, 2]]


def test_workers_that_are_not_launched_are_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    monkeypatch.delenv("PADDLE_TRAINER_ENDPOINTS", raising=False)
    with pytest.raises(RuntimeError, match="digitlab paddle launch"):
        collective.prepare_context()
