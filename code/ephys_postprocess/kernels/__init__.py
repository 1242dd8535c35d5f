"""Loops over arrays: numpy and numba only; no files, no logging, no SpikeInterface."""
