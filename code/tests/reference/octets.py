"""Sums over the samples of eight channels, one at a time."""

import numpy as np


def sum_products(traces, first_row, num_rows, channel, weights, sums):
    for lane in range(sums.size):
        for row in range(num_rows):
            sums[lane] += float(traces[first_row + row, channel + lane]) * float(weights[row, lane])


def lane_products(traces, first_row, channel, factors, sums):
    padded = np.pad(traces.astype(np.float32), ((100, 100), (0, 0)))
    for lane in range(sums.size):
        # contiguous, where numpy adds in pairs
        values = padded[first_row + 100 : first_row + 100 + factors.size, channel + lane].copy()
        sums[lane] = (values * factors).sum()
