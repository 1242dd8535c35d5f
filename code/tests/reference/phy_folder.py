"""What a folder for phy holds, read back the obvious way."""

import csv

import numpy as np


def dense_templates(folder, num_channels):
    """float32 (num_templates, num_samples, num_channels)"""
    packed, channels = np.load(folder / "templates.npy"), np.load(folder / "template_ind.npy")
    dense = np.zeros((*packed.shape[:2], num_channels), dtype=np.float32)
    for template, row in enumerate(channels):
        for position, channel in enumerate(row):
            if channel >= 0:
                dense[template, :, channel] = packed[template, :, position]
    return dense


def features_by_channel(folder, num_channels):
    """float32 (num_spikes, num_components, num_channels), NaN on channels that a spike's template does not have."""
    packed, channels = np.load(folder / "pc_features.npy"), np.load(folder / "pc_feature_ind.npy")
    dense = np.full((*packed.shape[:2], num_channels), np.nan, dtype=np.float32)
    for spike, template in enumerate(np.load(folder / "spike_templates.npy")[:, 0]):
        for position, channel in enumerate(channels[template]):
            if channel >= 0:
                dense[spike, :, channel] = packed[spike, :, position]
    return dense


def cluster_column(folder, column):
    """{cluster_id: text}"""
    with (folder / f"cluster_{column}.tsv").open(newline="") as handle:
        return {int(row["cluster_id"]): row[column] for row in csv.DictReader(handle, delimiter="\t")}
