"""On a CUDA device a run gives the same bits each time, and what only such a device can do works.

The other tests of training run there, too: `auto` takes the device that is there.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import digitlab
from digitlab.config import NETWORKS
from digitlab.events import Event
from digitlab.training.interrupt import Interrupted
from digitlab.training.metrics import read_metrics

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def train(data: Path, name: str, device: str = "cuda", **changes: Any) -> dict[str, Any]:
    """Train one epoch of 12 steps in the folder of that name; return the run's summary."""
    settings = {"training.shards": 4, "training.calibrate": 0, **changes.pop("settings", {})}
    wanted: dict[str, Any] = {"recipe": "tutorial-cnn", "optimizer": "adamw", "epochs": 1}
    if changes.get("network") == "two-heads":
        wanted["objective"] = "cross-entropy-and-box"
    run = digitlab.train(
        **{**wanted, "learning_rate": 0.003, "batch_size": 50, **changes},
        data=str(data), device=device, settings=settings, run_dir=name, reporter=lambda _: None,
    )  # fmt: skip
    return run.summary


def losses(name: str) -> list[float]:
    lines = read_metrics(Path(name) / "metrics.jsonl")
    found = [line["loss"] for line in lines if "loss" in line]
    assert len(found) == 12
    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_the_same_bits_each_time(small_data: Path, network: str) -> None:
    hashes = {train(small_data, f"{n}", network=network)["weights_sha256"] for n in range(3)}
    assert len(hashes) == 1


@pytest.mark.filterwarnings("error")
def test_no_operation_of_ours_is_without_a_repeatable_algorithm(small_data: Path) -> None:
    for network in NETWORKS:
        train(small_data, network, network=network)


def test_a_resume_in_mid_epoch_is_exact(small_data: Path) -> None:
    whole = train(small_data, "whole")

    def stop(event: Event) -> None:
        if event.kind == "step" and event.facts["step"] == 5:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        digitlab.train(
            "tutorial-cnn", optimizer="adamw", learning_rate=0.003, batch_size=50, epochs=1,
            data=str(small_data), device="cuda", run_dir="part", reporter=stop,
            settings={"training.shards": 4, "training.calibrate": 0},
        )  # fmt: skip
    resumed = digitlab.train(resume="part", reporter=lambda _: None).summary
    assert resumed["weights_sha256"] == whole["weights_sha256"]


def test_a_cpu_computes_nearly_the_same(small_data: Path) -> None:
    train(small_data, "cpu", "cpu")
    train(small_data, "cuda")
    np.testing.assert_allclose(losses("cuda"), losses("cpu"), atol=1e-4)


def test_bf16_is_another_arithmetic(small_data: Path) -> None:
    train(small_data, "float32")
    train(small_data, "bf16", settings={"training.precision": "bf16"})
    far = np.abs(np.subtract(losses("bf16"), losses("float32"))).max()
    assert 0 < far < 0.1


def test_settings_of_the_caller_are_put_back(small_data: Path) -> None:
    def state() -> list[Any]:
        return [
            torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32,
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.utils.deterministic.fill_uninitialized_memory,
            torch.cuda.get_rng_state().tolist(),
        ]

    before = state()
    train(small_data, "run")
    assert state() == before


@pytest.mark.process
@pytest.mark.parametrize("sync", ["exact", "none", "fp16", "bf16", "powersgd"])
def test_a_worker_with_nccl(small_data: Path, sync: str) -> None:
    plan = digitlab.Workers(
        devices=(0,),
        sync="exact" if sync == "exact" else "ddp",
        compress="none" if sync == "exact" else sync,
    )
    alone = train(small_data, "alone")
    with_nccl = train(small_data, "nccl", workers=plan)
    if sync == "exact":
        assert with_nccl["weights_sha256"] == alone["weights_sha256"]
    else:
        np.testing.assert_allclose(losses("nccl")[:5], losses("alone")[:5], atol=1e-2)


@pytest.mark.process
def test_auto_is_the_cpu_where_there_is_no_device_for_each_worker(small_data: Path) -> None:
    count = torch.cuda.device_count() + 1
    summary = train(
        small_data, "run", "auto", workers=digitlab.Workers(count=count),
        settings={"training.shards": count},
    )  # fmt: skip
    assert summary["machine"]["device"] == "cpu"
    assert os.path.isfile("run/model.onnx")
