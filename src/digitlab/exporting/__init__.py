"""Copies of model files for whoever reads without the run; no PyTorch is imported."""
