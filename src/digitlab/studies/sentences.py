"""What the figures of a study show, in words, and whether it is more than chance.

Sentences are made of figures and of nothing else, so that they say what the table shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, islice
from typing import TYPE_CHECKING

from digitlab.studies.statistics import Comparison
from digitlab.studies.words import points, rounded, words
from digitlab.wording import percent

if TYPE_CHECKING:
    from digitlab.studies.study import Study, VariantFigures

_GUESSING = 0.15  # an accuracy below is about what guessing among ten digits gives
_AS_FAST = 1.1  # times the seconds of the first
_UNCLEAR = 6  # pairs without a difference are all named
_PAIRS = 28  # are all said: those of eight variants; of more, those with the best


def overview(study: Study) -> list[str]:
    """Return who was how accurate, and how fast."""
    say = words(study.language).say
    ranked = _ranked(study)
    if not ranked:
        return []
    spoken = words(study.language)
    best, worst = (_alike(ranked, ranked[place]) for place in (0, -1))
    seeds = {tuple(run.seed for run in one.runs if run.error is None) for one in ranked}
    ended = len(next(iter(seeds)))
    said = [
        say(
            "best" if len(best) == 1 else "best_many",
            split=spoken.split(study.measured_on),
            names=spoken.several(best),
            accuracy=percent(ranked[0].accuracy or 0.0),
            over=say("over", count=ended) if ended > 1 and len(seeds) == 1 else "",
        )
    ]
    if worst != best:
        accuracy = percent(ranked[-1].accuracy or 0.0)
        key = "worst" if len(worst) == 1 else "worst_many"
        said.append(say(key, names=spoken.several(worst), accuracy=accuracy))
    if len(seeds) > 1:
        said.append(say("other_seeds"))
    lost = [one.name for one in ranked if (one.accuracy or 0.0) < _GUESSING]
    if lost:
        said.append(say("guessing", names=spoken.several(lost)))
    said += _speeds(study, ranked)
    if len({one.objective for one in ranked}) > 1:
        said.append(say("objectives"))
    return said


def on_chance(study: Study) -> list[str]:
    """Return of which differences it can be said that they are more than chance."""
    say = words(study.language).say
    known = [one for one in study.comparisons if one.difference is not None]
    said = [
        say("apart", first=one.first, second=one.second)
        for one in study.comparisons
        if one.difference is None
    ][:_PAIRS]
    if not known:
        return said
    judged = [one for one in known if one.larger_than_chance is not None]
    if len(known) > _PAIRS:
        best = _ranked(study)[0].name
        larger = sum(one.larger_than_chance is True for one in judged)
        key = "with_best" if judged else "only_best"
        said.append(say(key, count=len(known), larger=larger, best=best))
        known = [one for one in known if best in (one.first, one.second)]
    for variant in _ranked(study):
        said += _above(study, variant.name, known, True)
        said += _above(study, variant.name, known, None)
    said += _unclear(study, [one for one in known if one.larger_than_chance is False])
    if not judged and all(len(one.seeds) == 1 for one in known):
        said.append(say("seed_alone", seeds=_more_seeds(study)))
    return said


def _unclear(study: Study, pairs: Sequence[Comparison]) -> list[str]:
    """Return where no difference is shown, each pair or the largest, and what would show more."""
    if not pairs:
        return []
    say = words(study.language).say
    named = [
        say(
            "pair",
            first=one.first,
            second=one.second,
            points=points(one.difference or 0.0),
            p=_p(one),
        )
        for one in sorted(pairs, key=lambda one: -abs(one.difference or 0.0))
    ]
    seeds = min(len(one.seeds) for one in pairs)
    if len(pairs) > _UNCLEAR:
        said = say("none_of_many", count=len(pairs), seeds=seeds, pair=named[0])
    else:
        said = say("none", pairs=words(study.language).several(named), count=seeds)
    return [said, say("more_seeds", seeds=_more_seeds(study))]


def _more_seeds(study: Study) -> str:
    """Return the seeds of a study, and two more."""
    seeds = sorted({run.seed for one in study.variants for run in one.runs})
    new = (seed for seed in count(1) if seed not in seeds)
    return ",".join(map(str, [*seeds, *islice(new, 2)]))


def _alike(ranked: Sequence[VariantFigures], one: VariantFigures) -> list[str]:
    """Return the names of all whose accuracy is written as that of one."""
    accuracy = percent(one.accuracy or 0.0)
    return [other.name for other in ranked if percent(other.accuracy or 0.0) == accuracy]


def _above(study: Study, name: str, known: Sequence[Comparison], larger: bool | None) -> list[str]:
    """Return the sentence on what a variant is above; none where it is above nothing."""
    say = words(study.language).say
    parts = []
    for one in known:
        difference = one.difference or 0.0
        better, other = (one.first, one.second) if difference > 0 else (one.second, one.first)
        if better != name or one.larger_than_chance is not larger or not difference:
            continue
        how = "by" if larger is None else "by_p"
        parts.append(say(how, name=other, points=points(difference), p=_p(one)))
    if not parts:
        return []
    above = say("above", first=name, others=words(study.language).several(parts))
    return [say("more" if larger else "no_more", above=above)]


def _speeds(study: Study, ranked: Sequence[VariantFigures]) -> list[str]:
    """Return who came first to each accuracy that any variant reached in every run.

    Seconds vary from run to run, so all who came about as early are named.
    """
    say = words(study.language).say
    said = []
    for key in ranked[0].seconds_to:
        times = [
            (seconds, one.name)
            for one in ranked
            if (seconds := one.seconds_to.get(key)) is not None
        ]
        if times and len(ranked) > 1:
            first = [one for one in sorted(times) if one[0] <= _AS_FAST * min(times)[0]]
            names = [say("after", name=name, seconds=f"{seconds:.1f}") for seconds, name in first]
            accuracy = rounded(float(key))
            said.append(
                say("fastest", accuracy=accuracy, names=words(study.language).several(names))
            )
    return said


def _ranked(study: Study) -> list[VariantFigures]:
    """Return the variants that have an accuracy, the best first."""
    known = [one for one in study.variants if one.accuracy is not None]
    return sorted(known, key=lambda one: -(one.accuracy or 0.0))


def _p(one: Comparison) -> str:
    if one.p is None:
        return ""
    return "p < 0.001" if one.p < 0.001 else f"p = {one.p:.3f}"
