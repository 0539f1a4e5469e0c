"""What on a page is a number and what a word: makes pages of both, learns to tell, and measures.

    python benchmarks/words.py make PAGES FONT... [--split valid|test] [--seed S] [--pages N]
    python benchmarks/words.py learn PAGES... --model FILE
    python benchmarks/words.py measure PAGES... [--model FILE]

`make` writes what is said of each number and word that is read on N made pages (evidence.py) and
which it is; `PAGES` is a .npz file, `FONT` a font's file. `learn` writes the model that ships as
is-number.onnx: gradient-boosted trees, by scikit-learn, which has to be installed beside digitlab
(benchmarks/peers.txt has its version). `measure` says how many numbers a model by itself leaves
out, and how many words it lets through; what a page's other rules leave out is not in it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

import digitlab
from digitlab.data.dataset import Split
from digitlab.layout.evidence import FIGURES
from digitlab.layout.networks import Networks
from digitlab.layout.page import read_page
from digitlab.layout.words import LIKELY
from digitlab.reading.model_file import NUMBER_MODEL, SECOND_MODEL, UNSEALED, seal
from digitlab.synthesis.blank_pages import BLANK_KINDS, made_blank_page
from digitlab.synthesis.pages import PAGE_KINDS, made_page
from mixed_pages import KINDS, Box, mixed_page

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

NUMBER = 0.6  # of a group's box that is on numbers: it is one
MOST = 40  # of a page's numbers and words are learned from: squares of paper would outvote all
# What can only speak for a number (1), or against it (-1), whatever the pages that were seen.
ALWAYS = {
    "no digit, the mean": -1,
    "no digit, the most": -1,
    "certainty, the lowest": 1,
    "certainty, the second lowest": 1,
    "no digit, the mean of the page": -1,
    "no digit, the mean of the row": -1,
    "no digit, the mean of the one before": -1,
    "no digit, the mean of the one after": -1,
    "plain numbers in the column": 1,
    "plain numbers on the page": 1,
    "plain numbers on the page, the share": 1,
}


def make(file: Path, fonts: list[str], split: Split, seed: int, pages: int) -> None:
    """Write what is said of the numbers and words on made pages, and which is which."""
    seen: list[np.ndarray] = []

    def remember(evidence: np.ndarray) -> np.ndarray:
        seen.append(evidence)
        return np.ones(len(evidence), np.float32)

    reader, second = digitlab.Recogniser(), digitlab.Recogniser(SECOND_MODEL)
    networks = Networks(reader.likely, second.likely, remember)
    evidence, truth, kinds = [], [], []
    for at, (kind, picture, boxes) in enumerate(_pages(fonts, split, seed, pages)):
        seen.clear()
        colour = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
        rows = read_page(colour, networks)
        told = [
            _is_number(one, boxes)
            for row in rows
            for one, is_any in zip(row.numbers, row.likely, strict=True)
            if is_any
        ]
        if told:
            chosen = np.unique(np.linspace(0, len(told) - 1, MOST).astype(int))
            evidence.append(seen[0][chosen])
            truth += [told[one] for one in chosen]
            kinds += [kind] * len(chosen)
        if at % 20 == 0:
            print(f"\r{at} of {pages} pages", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    np.savez_compressed(file, evidence=np.concatenate(evidence), truth=truth, kind=kinds)


def _pages(
    fonts: list[str], split: Split, seed: int, pages: int
) -> Iterator[tuple[str, np.ndarray, list[Box]]]:
    """Yield the kind of a page, its picture, and the boxes of its numbers.

    Of twenty pages thirteen are mixed, three blank but for stains and the like, four of numbers.
    """
    for sample in range(pages):
        part, at = sample % 20, sample // 20
        if part < 13:
            which = 13 * at + part
            picture, boxes = mixed_page(split, fonts, seed, which)
            yield KINDS[which % len(KINDS)].__name__, picture, boxes
        elif part < 16:
            which = 3 * at + part - 13
            kind = BLANK_KINDS[which % len(BLANK_KINDS)]
            yield f"blank: {kind}", made_blank_page(kind, seed, which), []
        else:
            which = 4 * at + part - 16
            kind = PAGE_KINDS[which % len(PAGE_KINDS)]
            page = made_page(split.images, split.labels, kind, seed, which)
            yield kind, page.picture, [_wide(one.box) for one in page.characters]


def _wide(box: Box) -> Box:
    """Return a box with the gap to the next character."""
    x, y, width, height = box
    return x - 0.5 * height, y - 0.2 * height, width + height, 1.4 * height


def _is_number(characters: tuple[digitlab.layout.lattice.Character, ...], boxes: list[Box]) -> bool:
    """Whether what was read as one number stands where numbers were written."""
    on = sum(max((_shared(one.box, box) for box in boxes), default=0.0) for one in characters)
    return on > NUMBER * sum(one.box[2] * one.box[3] for one in characters)


def _shared(one: Box, other: Box) -> float:
    """Return how many pixels two boxes share."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)


def learn(files: list[Path], model: Path) -> None:
    """Write the trees that tell numbers from words, sealed as models are."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    evidence, truth = _loaded(files, "evidence"), _loaded(files, "truth")
    trees = HistGradientBoostingClassifier(
        max_depth=4,
        max_iter=150,
        min_samples_leaf=30,
        l2_regularization=1.0,
        monotonic_cst=[ALWAYS.get(name, 0) for name in FIGURES],
        early_stopping=False,
        random_state=0,
    )
    trees.fit(evidence, truth)
    model.write_bytes(seal(_as_onnx(trees)))
    print(f"{model}: of {len(truth)} numbers and words in {len(files)} files")


def _as_onnx(trees: HistGradientBoostingClassifier) -> bytes:
    """Return trees as ONNX, unsealed: of `evidence` float32 [N, 24], `likely` float32 [N, 1]."""
    nodes = [one.nodes for (one,) in trees._predictors]
    every = np.concatenate(nodes)
    of = np.repeat(np.arange(len(nodes)), [len(one) for one in nodes])
    number = np.concatenate([np.arange(len(one)) for one in nodes])
    leaf = every["is_leaf"].astype(bool)
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        ["evidence"],
        ["score"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[float(trees._baseline_prediction.item())],
        nodes_treeids=of.tolist(),
        nodes_nodeids=number.tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_featureids=every["feature_idx"].tolist(),
        nodes_values=every["num_threshold"].tolist(),
        nodes_truenodeids=every["left"].tolist(),
        nodes_falsenodeids=every["right"].tolist(),
        target_treeids=of[leaf].tolist(),
        target_nodeids=number[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=every["value"][leaf].tolist(),
    )
    graph = helper.make_graph(
        [ensemble, helper.make_node("Sigmoid", ["score"], ["likely"])],
        "is-number",
        [helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["N", len(FIGURES)])],
        [helper.make_tensor_value_info("likely", TensorProto.FLOAT, ["N", 1])],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=8)
    for key, value in (("digitlab_version", digitlab.__version__), ("file_sha256", UNSEALED)):
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString(deterministic=True))


def measure(files: list[Path], model: Path) -> None:
    """Print by the kind of page how many numbers a model leaves out, and words it lets through."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    evidence, truth, kinds = (_loaded(files, name) for name in ("evidence", "truth", "kind"))
    likely = session.run(["likely"], {"evidence": evidence})[0][:, 0]
    print(f"{'kind of page':16} {'numbers':>8} {'left out':>9} {'words':>8} {'let through':>12}")
    for kind in (*sorted(set(kinds.tolist())), "all"):
        chosen = (kinds == kind) | (kind == "all")
        number, word = chosen & truth, chosen & ~truth
        out, through = (number & (likely < LIKELY)).sum(), (word & (likely >= LIKELY)).sum()
        print(f"{kind:16} {number.sum():8} {out:9} {word.sum():8} {through:12}")


def _loaded(files: list[Path], name: str) -> np.ndarray:
    return np.concatenate([np.load(file)[name] for file in files])


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    tasks = parser.add_subparsers(dest="task", required=True)
    making, learning, measuring = map(tasks.add_parser, ("make", "learn", "measure"))
    making.add_argument("file", type=Path)
    making.add_argument("fonts", nargs="+")
    making.add_argument("--split", default="valid")
    making.add_argument("--seed", type=int, default=1)
    making.add_argument("--pages", type=int, default=1000)
    for task in (learning, measuring):
        task.add_argument("files", nargs="+", type=Path)
        task.add_argument("--model", type=Path, default=NUMBER_MODEL)
    options = parser.parse_args()
    if options.task == "make":
        split = digitlab.load_dataset("mnist").splits[options.split]
        make(options.file, options.fonts, split, options.seed, options.pages)
    else:
        {"learn": learn, "measure": measure}[options.task](options.files, options.model)


if __name__ == "__main__":
    main()
