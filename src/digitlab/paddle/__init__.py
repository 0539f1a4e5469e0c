"""What was written for PaddlePaddle: its parameter files, and lessons for `paddle.fluid`.

`table.py` lists the names that lessons may use, `modules.py` puts them where they import them from,
and what stands behind them computes on PyTorch as Paddle 1.8 did. Docstrings name the files of
PaddlePaddle (github.com/PaddlePaddle/Paddle, releases 1.6 to 1.8) that say how.
"""
