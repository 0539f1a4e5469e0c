"""Studies: several runs that differ in one thing, side by side, and what their difference is worth.

`compare.py` is `digitlab.compare`; `design.py` is what is asked, `runner.py` does it in processes
(`worker_process.py`), `study.py` is what comes of it, judged by `statistics.py`.
"""
