"""Writes what a study leaves beside its runs: figures for programs, a page for people."""

from __future__ import annotations

import json

from digitlab.durable_files import write_whole
from digitlab.errors import RunError
from digitlab.studies.answers import Answers
from digitlab.studies.study import Study


def write_study(study: Study, answers: Answers | None) -> None:
    """Write curves.png, index.html, table.csv and, last, study.json, each at once.

    Args:
        study: which has a folder.
        answers: of its runs on single images, where they are known.

    Raises:
        MissingExtraError: where the extra `train` is not installed.
        RunError: where the disk refuses.
    """
    from digitlab.studies.picture import curves_png
    from digitlab.studies.report import charts, to_html

    assert study.path is not None
    drawn = charts(study)
    figures = json.dumps(study.to_json(), indent=2, ensure_ascii=False)
    try:
        write_whole(study.path / "curves.png", curves_png(study, drawn))
        write_whole(study.path / "index.html", to_html(study, answers, drawn).encode())
        write_whole(study.path / "table.csv", study.to_csv().encode())
        write_whole(study.path / "study.json", f"{figures}\n".encode())
    except OSError as error:
        raise RunError(f"{error.filename}: cannot be written: {error.strerror}") from None
