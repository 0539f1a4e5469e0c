"""What the guide says that each way of sharing costs, against what is sent and held."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from thread_teams import each, plan_of
from torch import Tensor

from digitlab import networks, objectives
from digitlab.parallel.plan import Workers
from digitlab.parallel.sockets import Sockets
from digitlab.parallel.strategy import Job, Strategy, Wish
from digitlab.recipe_files import load_recipe
from digitlab.training.state import TrainingState

GUIDE = Path(__file__).parents[2] / "docs/guide"
CHAPTER = (GUIDE / "04-model-in-parts.md").read_text("utf-8")
SMALL = 256  # bytes; what is no longer announces a tensor, or is loss, hits and wishes


@pytest.mark.parametrize(
    ("recipe", "plan", "sent", "held"),
    [
        ("tutorial-cnn", plan_of(2, "pipeline"), [392_800, 392_000], [42_160, 39_240]),
        ("tutorial-cnn", plan_of(2, "tensor"), [5_688_000] * 2, [40_720, 40_680]),
        (
            "tutorial-cnn",
            plan_of(2, "parameter-server", servers=1),
            [81_400, 81_400, 162_800],
            [81_400] * 3,
        ),
        (
            "tutorial-cnn",
            plan_of(2, "parameter-server", servers=2),
            [81_400, 81_400, 80_160, 82_640],
            None,
        ),
        ("two-columns", plan_of(2, "branches"), [2_017_280, 1_615_872], None),
        ("two-heads", plan_of(2, "branches"), [406_528, 406_528], None),
    ],
    ids=lambda one: one.parallel if isinstance(one, Workers) else None,
)
def test_the_guide_says_what_is_sent_and_held(
    recipe: str,
    plan: Workers,
    sent: list[int],
    held: list[int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: Counter[int] = Counter()
    post = Sockets.post

    def counting(self: Sockets, tensor: Tensor, rank: int) -> None:
        size = tensor.numel() * tensor.element_size()
        counted[self._rank] += size if size > SMALL else 0
        post(self, tensor, rank)

    def one_step(strategy: Strategy, state: TrainingState, job: Job) -> int:
        strategy.gradient(job.batches.at(0), Wish())
        return state.held().parameters

    monkeypatch.setattr(Sockets, "post", counting)
    settings = load_recipe(recipe)
    outputs = objectives.build(settings).outputs
    parameters = each(
        lambda: networks.build(settings.network.name, outputs, 1),
        settings,
        plan,
        one_step,
        samples=settings.training.batch_size,
    )
    assert [counted[rank] for rank in range(plan.here)] == sent
    if held is not None:
        assert parameters == held
    for number in (*sent, *(held or ())):
        assert f"{number:,}" in CHAPTER


@pytest.mark.parametrize("recipe", ["two-columns", "two-heads"])
def test_the_guide_says_what_share_of_the_parameters_the_larger_part_is(recipe: str) -> None:
    settings = load_recipe(recipe)
    outputs = objectives.build(settings).outputs
    parts = each(
        lambda: networks.build(settings.network.name, outputs, 1),
        settings,
        plan_of(2, "branches"),
        lambda strategy, state, job: state.held().parameters // 4,
        samples=settings.training.batch_size,
    )
    assert f"{100 * max(parts) / sum(parts):.1f} % of the {sum(parts):,} parameters" in CHAPTER
