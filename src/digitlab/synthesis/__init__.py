"""Digits that nobody wrote: other hands, pens and cameras, made from MNIST or drawn from strokes.

Used to train (handwriting.py, by way of maker.py, a process), and, with exact truth, to calibrate,
evaluate and test (camera.py).
"""
