"""Where a list of layers is cut: held against every other cut."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from digitlab.parallel.cutting import cut_evenly

LAYERS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8)


@given(LAYERS.flatmap(lambda layers: st.tuples(st.just(layers), st.integers(1, len(layers)))))
def test_no_other_cut_is_better(case: tuple[list[tuple[int, int]], int]) -> None:
    layers, stages = case
    parameters, sent = [one[0] for one in layers], [one[1] for one in layers]

    def worth(begins: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
        bounds = (0, *begins, len(layers))
        return (
            max(sum(parameters[a:b]) for a, b in pairwise(bounds)),
            sum(sent[begin - 1] for begin in begins),
            begins,
        )

    every = combinations(range(1, len(layers)), stages - 1)
    assert cut_evenly(parameters, sent, stages) == min(every, key=worth)
