"""The training loop, and what it calls at named places: record, evaluate, save, stop.

`fit` reads like the textbook's: batch, forward and loss and backward (all three in
`strategy.gradient`), step. Everything else hangs on `after_step`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from digitlab import events
from digitlab.data.batches import Batch, Batches
from digitlab.data.dataset import Dataset, Split
from digitlab.errors import TrainingError
from digitlab.events import Listener, Progress
from digitlab.objectives import Objective
from digitlab.parallel.strategy import BatchGradient, Strategy, Wish
from digitlab.training import checkpoint
from digitlab.training.interrupt import Interrupted, StopRequest
from digitlab.training.records import Records
from digitlab.training.run_folder import RunFolder
from digitlab.training.state import TrainingState
from digitlab.wording import accuracy_text, passes_done

# A checkpoint is due after so many times what the last one cost, so that all cost under 2 %,
# and, where an epoch is long, after so many seconds.
_COST_FACTOR = 60
_SECONDS_BETWEEN = 30.0
_EVENTS_A_RUN = 1000  # TensorBoard shows no more points of a curve than that anyway


@dataclass
class Clock:
    """Seconds spent, over all sittings of a run; part of no result.

    Attributes:
        training: in steps and in recording them, but not in validation or checkpoints.
        saving: in checkpoints.
        images: how many were learned from.
    """

    training: float = 0.0
    saving: float = 0.0
    images: int = 0


@dataclass
class Trainer:
    """One run's loop with everything that it works on."""

    folder: RunFolder
    state: TrainingState
    batches: Batches
    strategy: Strategy
    objective: Objective
    learning_rate: Callable[[int], float]
    max_skips: int
    epochs: float
    valid: Split | None
    records: Records
    tell: Listener
    origin: dict[str, Any]
    workers: int
    threads: int
    servers: int = 0
    best: dict[str, Any] | None = None
    clock: Clock = field(default_factory=Clock)
    _last_save_began: float = 0.0
    _last_save_cost: float = 0.0
    _saved_step: int = -1
    _cannot_save: bool = False
    _accuracy: float = 0.0
    _speed: float = 0.0
    _last_flush: float = 0.0

    def fit(self, stop: StopRequest) -> None:
        """Train to the last step.

        Raises:
            Interrupted: where a signal asked to stop; a checkpoint was saved.
            TrainingError: where too many steps in a row had no finite gradient.
        """
        self._last_save_began = time.monotonic()
        while self.state.step < self.batches.total_steps:
            began = time.perf_counter()
            batch = self.batches.at(self.state.step)
            rate = self.learning_rate(batch.step)
            wish = Wish(stop.number, self._save_is_due(batch))
            gradient = self.strategy.gradient(batch, wish)  # forward, loss, backward
            finite = gradient.is_finite()
            if gradient.taken is not None:
                self.state.follow(gradient.taken, finite)
            elif finite:
                self.state.move(gradient, rate)
            else:
                self.state.skip()
            self._count(batch, gradient, time.perf_counter() - began)
            self.after_step(batch, gradient, rate, finite)
        stop.raise_if_asked()

    def after_step(self, batch: Batch, gradient: BatchGradient, rate: float, finite: bool) -> None:
        """Record a step; evaluate at an epoch's end; save when due; stop when asked to."""
        began = time.perf_counter()
        self._record_step(batch, gradient, rate, finite)
        self.clock.training += time.perf_counter() - began
        if not finite:
            self._check_skips(batch)
        if self.batches.ends_epoch(batch.step):
            self._evaluate(batch)
        granted = gradient.granted
        if granted.save or granted.stop or self._must_save():
            self.save()
        if granted.stop:
            raise Interrupted(self.folder, granted.stop)

    def save(self) -> None:
        """Write a checkpoint; where that fails, say so and go on with the earlier ones."""
        self.tell(events.phase("checkpoint"))
        self._last_save_began = time.monotonic()
        memory = self.strategy.memory()
        whole = self.strategy.whole()
        if self.strategy.leads:
            self._write_checkpoint(whole, memory)
        self._last_save_cost = time.monotonic() - self._last_save_began
        self.clock.saving += self._last_save_cost
        self.tell(events.phase("train"))

    def save_the_last(self) -> None:
        """Write the last step's checkpoint, where the worker that should have was lost before."""
        if self._saved_step != self.state.step:
            self._write_checkpoint(self.state.tensors(), {})

    def facts(self) -> dict[str, Any]:
        """Return what of the run's place is no tensor."""
        return {
            **self.state.facts(),
            "best": self.best,
            "seconds": {"training": self.clock.training, "saving": self.clock.saving},
            "images": self.clock.images,
        }

    def restore(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Be where `facts` and the tensors of the state were taken."""
        self.state.load(tensors, facts)
        self.best = facts["best"]
        seconds = facts["seconds"]
        self.clock = Clock(seconds["training"], seconds["saving"], facts["images"])
        self._saved_step = self.state.step

    def _write_checkpoint(
        self, whole: Mapping[str, torch.Tensor], memory: Mapping[str, torch.Tensor]
    ) -> None:
        facts = {**self.facts(), "origin": self.origin, "workers": self.workers}
        tensors = dict(whole)
        tensors |= {f"strategy/{name}": tensor for name, tensor in memory.items()}
        try:
            facts["metrics"] = self.records.position()
            checkpoint.save(self.folder.checkpoints, tensors, facts)
            self._saved_step = self.state.step
            checkpoint.prune(
                self.folder.checkpoints, self.state.step, self.best["step"] if self.best else None
            )
        except OSError as error:
            if self._cannot_save:
                return  # said already
            self._cannot_save = True
            self.tell(
                events.warning(
                    f"{error.filename or self.folder.checkpoints}: the checkpoint of step "
                    f"{self.state.step} could not be written ({error.strerror}); training goes on, "
                    "earlier checkpoints stay"
                )
            )
        else:
            self._cannot_save = False

    def _must_save(self) -> bool:
        """Whether a checkpoint belongs to this step, whatever the clock says."""
        is_best = self.best is not None and self.best["step"] == self.state.step
        return is_best or self.state.step == self.batches.total_steps

    def _save_is_due(self, batch: Batch) -> bool:
        """Whether the worker that writes has time for a checkpoint after this step."""
        since = time.monotonic() - self._last_save_began
        wanted = self.batches.ends_epoch(batch.step) or since > _SECONDS_BETWEEN
        return self.strategy.leads and wanted and since > _COST_FACTOR * self._last_save_cost

    def _count(self, batch: Batch, gradient: BatchGradient, seconds: float) -> None:
        """Keep the clock and the smoothed figures of the live line."""
        images = len(batch.samples)
        self.clock.training += seconds
        self.clock.images += images
        first = not self._speed
        part = 1.0 if first else 0.05
        self._accuracy += part * (_accuracy(batch, gradient) - self._accuracy)
        self._speed += part * (images / max(seconds, 1e-9) - self._speed)

    def _record_step(
        self, batch: Batch, gradient: BatchGradient, rate: float, finite: bool
    ) -> None:
        loss = gradient.loss if abs(gradient.loss) < float("inf") else None
        accuracy = _accuracy(batch, gradient)
        self.records.work(batch.step + 1, gradient.work, gradient.pushes)
        self.records.write(
            {
                "kind": "step",
                "step": batch.step + 1,
                "epoch": batch.epoch + 1,
                "loss": loss,
                "accuracy": accuracy,
                "learning_rate": rate,
                "skipped": not finite,
                "seconds": round(self.clock.training, 3),
            }
        )
        if loss is not None and batch.step % (1 + self.batches.total_steps // _EVENTS_A_RUN) == 0:
            points = {"loss": loss, "accuracy": accuracy, "learning_rate": rate}
            self.records.event(batch.step + 1, {f"train/{key}": points[key] for key in points})
        left = self.batches.total_steps - self.state.step
        self.tell(
            events.step(
                Progress(
                    epoch=batch.epoch + 1,
                    epochs=self.epochs,
                    step=self.state.step,
                    steps=self.batches.total_steps,
                    loss=loss,
                    accuracy=self._accuracy,
                    images_per_second=self._speed,
                    seconds_left=left * self.batches.batch_size / self._speed,
                )
            )
        )
        self._flush_now_and_then()

    def _flush_now_and_then(self) -> None:
        """Let those who follow the metrics file see news every second."""
        if time.monotonic() - self._last_flush > 1:
            self._last_flush = time.monotonic()
            self.records.flush()

    def _check_skips(self, batch: Batch) -> None:
        self.tell(
            events.warning(
                f"step {batch.step + 1}: loss or gradient is not finite; the step was skipped"
            )
        )
        if self.state.skips_in_a_row >= self.max_skips:
            raise TrainingError(
                f"stopped at step {batch.step + 1}: loss or gradient was not finite for "
                f"{self.state.skips_in_a_row} steps in a row; "
                "lower the learning rate, or look at the data"
            )

    def _evaluate(self, batch: Batch) -> None:
        """Measure on the validation split; remember the best step."""
        line: dict[str, Any] = {
            "kind": "epoch",
            "epoch": batch.epoch + 1,
            "step": batch.step + 1,
            "skips": self.state.skips,
        }
        if self.valid is not None and len(self.valid):
            self.tell(events.phase("validate"))
            figures = self.measure(self.valid)
            accuracy = figures["accuracy"]
            line |= {f"valid_{name}": figure for name, figure in figures.items()}
            if self.best is None or accuracy > self.best["valid_accuracy"]:
                self.best = {"step": self.state.step, "valid_accuracy": accuracy}
            points = {name: value for name, value in figures.items() if value is not None}
            points.pop("loss", None)
            self.records.event(self.state.step, {f"valid/{name}": points[name] for name in points})
            self.tell(events.phase("train"))
        self.records.write({**line, "seconds": round(self.clock.training, 3)})
        accuracy_now = line.get("valid_accuracy")
        steps = self.batches.total_steps
        done, _ = passes_done(batch.epoch + 1, self.epochs, self.state.step, steps)
        text = f"epoch {done}: validation accuracy {accuracy_text(accuracy_now)}"
        if line.get("valid_mean_iou") is not None:
            text += f", mean IoU {line['valid_mean_iou']:.3f}"
        facts = {key: value for key, value in line.items() if key != "kind"}
        self.tell(events.note("epoch", text if accuracy_now is not None else "", **facts))

    def measure(self, split: Split) -> dict[str, Any]:
        """Return figures of the averaged weights on a split.

        These are the mean `loss` (None where it is not finite), `accuracy`, and those of
        `Objective.figures`.
        """
        with self.state.averaged():
            outputs = self.strategy.outputs(split.images)
        labels = torch.tensor(split.labels)
        images = torch.tensor(split.images)
        loss = float(self.objective.loss(outputs, labels, images)) / len(split)
        correct = int((self.objective.digits(outputs) == labels).sum())
        return {
            "loss": loss if abs(loss) < float("inf") else None,
            "accuracy": correct / len(split),
            **self.objective.figures(outputs, images),
        }

    def accuracy_on(self, source: Dataset) -> float | None:
        """Return the accuracy on a source's test split, or its validation split, or None."""
        split = source.splits.get("test") or source.splits.get("valid")
        return self.measure(split)["accuracy"] if split else None


def _accuracy(batch: Batch, gradient: BatchGradient) -> float:
    samples = len(batch.samples) if gradient.samples is None else gradient.samples
    return gradient.correct / max(1, samples)
