"""Second moments of counts the obvious way."""

import numpy as np


def counts_by_channel(windows, by_channel):
    num_spikes, num_samples, _ = windows.shape
    by_channel[:] = 0
    for channel in range(by_channel.shape[0]):
        for spike in range(num_spikes):
            by_channel[channel, :num_samples, spike] = windows[spike, :, channel]


def sum_count_products(counts, products, sums):
    wide = counts.astype(object)  # integers of any size
    products[:] = sum(part @ part.T for part in wide).astype(np.int64)
    sums[:] = wide.sum(axis=(0, 2)).astype(np.int64)


def center_products(products, sums, num_values, gain, moments, mean):
    num_features = mean.size
    mean[:] = gain * sums[:num_features] / num_values
    about_zero = gain**2 * products[:num_features, :num_features]
    moments[:] = about_zero - num_values * np.outer(mean, mean)


def add_row_products(rows, moments):
    upwards = np.triu(moments + rows.T @ rows)
    moments[:] = upwards + np.triu(upwards, 1).T
