"""Made pages without writing: the same each time, and what their kinds say."""

from __future__ import annotations

import numpy as np
import pytest

from digitlab.errors import ConfigError
from digitlab.synthesis.blank_pages import BLANK_KINDS, made_blank_page


@pytest.mark.parametrize("kind", BLANK_KINDS)
def test_a_blank_page_is_a_function_of_its_arguments(kind: str) -> None:
    picture = made_blank_page(kind, 3, 1)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert np.array_equal(picture, made_blank_page(kind, 3, 1))
    other = made_blank_page(kind, 3, 2)
    assert other.shape != picture.shape or not np.array_equal(other, picture)


def test_lines_and_shadows_make_a_page_less_even() -> None:
    uneven = {
        kind: np.mean([made_blank_page(kind, 3, sample).std() for sample in range(12)])
        for kind in ("plain", "shadowed")
    }
    assert uneven["shadowed"] > uneven["plain"]


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ConfigError, match="kind = 'wet': expected one of plain, ruled"):
        made_blank_page("wet", 0, 0)
