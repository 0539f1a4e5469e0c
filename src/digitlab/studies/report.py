"""The report of a study: one page that opens from disk, `index.html`, and `curves.png` beside it.

All that it shows is in the page: drawings are SVG, pictures and figures are within, and nothing is
fetched. What would make it too large for people or browsers is left to study.json and table.csv.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import digitlab
from digitlab.data.dataset import Images
from digitlab.studies import sentences
from digitlab.studies.answers import Answers, Disagreement, disagreements
from digitlab.studies.chart import (
    DARK,
    LIGHT,
    Chart,
    Drawn,
    Scale,
    accuracy_scale,
    loss_scale,
)
from digitlab.studies.curves import over_seconds, over_steps, over_validation
from digitlab.studies.dots import dots
from digitlab.studies.study import Curves, Study, VariantFigures
from digitlab.studies.words import Words, words

SHOWN = 12  # variants in charts, matrices and pictures
_PICTURES = 10  # of each direction of a pair
_COMPARED = 66  # rows of the table of pairs: all of twelve variants
_PAGE = Path(__file__).parent / "page"


def to_html(study: Study, answers: Answers | None, drawn: Sequence[Chart]) -> str:
    """Return the page.

    Args:
        study: whose runs' folders are read for their curves.
        answers: of the runs on single images; None where they are not known.
        drawn: its charts, as `charts` gives them.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    spoken = words(study.language)
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [one for _, one in _shown(study)]
    head, *rows = study.cells()
    return environment.get_template("index.html").render(
        study=study,
        lang="zh-CN" if study.language == "zh" else "en",
        text=spoken.tables["report"],
        style=(_PAGE / "style.css").read_text("utf-8"),
        script=(_PAGE / "script.js").read_text("utf-8"),
        overview=sentences.overview(study),
        on_chance=[*sentences.on_chance(study), *study.notes],
        failures=study.failures(),
        variants=[
            {"number": study.variants.index(one), "name": one.name, "settings": _settings(one)}
            for one in shown
        ],
        all_count=len(study.variants),
        dots=dots(study, shown),
        charts=drawn,
        data=_json(
            {"colours": len(LIGHT), "charts": {chart.key: chart.to_json() for chart in drawn}}
        ),
        light=LIGHT,
        dark=DARK,
        head=head,
        rows=rows,
        comparisons=_comparisons(study, spoken),
        confusions=_confusions(shown, study, answers),
        pairs=_pairs(shown, answers, spoken),
        version=digitlab.__version__,
    )


def charts(study: Study) -> list[Chart]:
    """Return accuracy, and loss by objective, over the steps and over the seconds."""
    spoken = words(study.language)
    text = spoken.tables["report"]
    shown = _shown(study)
    if not shown:
        return []
    objectives = list(dict.fromkeys(one.objective for _, one in shown))
    made = []
    for figure, objective in [("accuracy", None), *(("loss", name) for name in objectives)]:
        chosen = [(number, one) for number, one in shown if objective in (None, one.objective)]
        title = text[figure]
        if objective is not None and len(objectives) > 1:
            title = spoken.of_objective(title, objective)
        read = [
            (number, [run.curves() for run in one.runs if run.error is None])
            for number, one in chosen
        ]
        by_steps = {number: over_steps(curves, figure) for number, curves in read}
        by_seconds = {number: over_seconds(curves, figure) for number, curves in read}
        lines = [*by_steps.values(), *by_seconds.values()]
        if figure == "accuracy":
            scale = accuracy_scale(lines)
        else:
            first = [one.loss[0] for _, curves in read for one in curves if one.loss]
            scale = loss_scale(lines, max(filter(None, first), default=None))
        rings = {number: over_validation(curves, figure) for number, curves in read}
        for place, found in (("steps", by_steps), ("seconds", by_seconds)):
            label = text["steps"] if place == "steps" else text["seconds_axis"]
            drawn = [
                Drawn(number, line, (rings[number][place == "seconds"], rings[number][2]))
                for number, line in found.items()
            ]
            key = "-".join(filter(None, (figure, objective, place)))
            over = text["over"].format(figure=title, axis=label)
            notes = _notes_of(study, scale, drawn, dict(read))
            made.append(Chart(key, over, label, scale, drawn, notes))
    return made


def _notes_of(
    study: Study, scale: Scale, drawn: Sequence[Drawn], curves: Mapping[int, Sequence[Curves]]
) -> list[str]:
    """Return which lines leave a chart, and of which a run is missing."""
    spoken = words(study.language)
    notes = []
    names = [
        study.variants[one.number].name for one in drawn if one.line.leaves(scale.bound) is not None
    ]
    if names:
        bound = f"{scale.bound:.3g}"
        notes.append(spoken.say("leaves", bound=bound, names=spoken.several(names)))
    for number, of_runs in curves.items():
        missing = sum(not one.steps for one in of_runs)
        if missing:
            name, every = study.variants[number].name, len(of_runs)
            notes.append(spoken.say("no_curves", name=name, count=missing, every=every))
    return notes


def _shown(study: Study) -> list[tuple[int, VariantFigures]]:
    """Return the variants that are drawn, with their numbers: of many, the most accurate."""
    ended = [
        (number, one)
        for number, one in enumerate(study.variants)
        if any(run.error is None for run in one.runs)
    ]
    best = sorted(ended, key=lambda known: -_accuracy(known[1]))[:SHOWN]
    return sorted(best, key=lambda known: known[0])


def _settings(one: VariantFigures) -> str:
    return ", ".join(f"{key} = {_value(value)}" for key, value in one.settings.items())


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _json(value: Any) -> str:
    """Return JSON that may stand within a page's script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _comparisons(study: Study, spoken: Words) -> list[list[str]]:
    text = spoken.tables["report"]
    verdicts = {True: text["yes"], False: text["no"], None: text["unknown"]}
    rows = []
    for one in study.comparisons[:_COMPARED]:
        if one.difference is None:
            continue
        rows.append(
            [
                one.first,
                one.second,
                f"{100 * one.difference:+.2f}",
                spoken.span((min(one.differences), max(one.differences))),
                spoken.span(one.images_interval),
                "" if one.p is None else "< 0.001" if one.p < 0.001 else f"{one.p:.3f}",
                verdicts[one.larger_than_chance],
            ]
        )
    return rows


def _confusions(
    shown: Sequence[VariantFigures], study: Study, answers: Answers | None
) -> list[dict[str, Any]]:
    """Return the sum of the confusion matrices of each variant's runs, with how dark cells are."""
    if answers is None:
        return []
    found = []
    for one in shown:
        known = [
            answers.evaluations[run.path].confusion_matrix
            for run in one.runs
            if run.path in answers.evaluations
        ]
        if not known:
            continue
        total = np.sum(known, axis=0)
        off = total.copy()
        np.fill_diagonal(off, 0)
        shades = np.ceil(8 * np.sqrt(off / max(1, off.max()))).astype(int)
        found.append(
            {
                "number": study.variants.index(one),
                "name": one.name,
                "runs": len(known),
                "counts": total.tolist(),
                "shades": shades.tolist(),
            }
        )
    return found


def _pairs(
    shown: Sequence[VariantFigures], answers: Answers | None, spoken: Words
) -> list[dict[str, Any]]:
    """Return what the best variant told right and each other did not, and the reverse."""
    ranked = sorted((one for one in shown if one.accuracy is not None), key=_accuracy, reverse=True)
    if answers is None or len(ranked) < 2:
        return []
    best, *others = ranked
    found = []
    for other in others:
        by_seed = {run.seed: run.path for run in other.runs if run.error is None}
        of_best = {run.seed: run.path for run in best.runs if run.error is None}
        seeds = sorted(by_seed.keys() & of_best.keys())
        ours, theirs = [of_best[seed] for seed in seeds], [by_seed[seed] for seed in seeds]
        for right, wrong, told, missed in (
            (best, other, ours, theirs),
            (other, best, theirs, ours),
        ):
            images = disagreements(answers, told, missed)
            title = spoken.tables["report"]["right_wrong"].format(
                first=right.name, second=wrong.name, count=f"{len(images):,}"
            )
            found.append(
                {
                    "title": title,
                    "count": len(images),
                    "pictures": [
                        _picture(one, answers.images, spoken) for one in images[:_PICTURES]
                    ],
                }
            )
    return found


def _accuracy(one: VariantFigures) -> float:
    return one.accuracy or 0.0


def _picture(one: Disagreement, images: Images, spoken: Words) -> Mapping[str, str]:
    file = io.BytesIO()
    Image.fromarray(255 - images[one.index]).save(file, "PNG", optimize=True)
    values = {
        "truth": one.label,
        "answers": spoken.say("comma").join(map(str, one.wrong)),
    }
    text = spoken.tables["report"]
    return {
        "source": f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}",
        "described": text["described"].format(**values),
        "is": text["is"].format(**values),
    }
