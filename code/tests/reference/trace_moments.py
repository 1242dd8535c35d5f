"""Sums and sums of squares, by numpy."""

import numpy as np


def add_moments(traces, shifts, sums, squares):
    values = traces.astype(np.float64) - shifts
    sums += values.sum(axis=0)
    squares += (values**2).sum(axis=0)


def add_count_moments(traces, sums, squares):
    sums += traces.sum(axis=0, dtype=np.int64)
    squares += (traces.astype(np.int64) ** 2).sum(axis=0)
