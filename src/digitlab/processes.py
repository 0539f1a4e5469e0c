"""How processes of our own are started: with the modules of this one, and nobody else's.

Used where pictures are decoded (reading/guard.py) and made (parallel/batch_pictures.py).
"""

from __future__ import annotations

import os
import sys


def own_modules() -> dict[str, str]:
    """Return an environment for `python -P` with this process's modules.

    Those of the current folder are left out, which may be a stranger's: a `numpy.py` there must
    not run.
    """
    paths = os.pathsep.join(path for path in sys.path if os.path.isabs(path))
    return {**os.environ, "PYTHONPATH": paths}
