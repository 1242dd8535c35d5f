"""Our records into a SortingAnalyzer, and its tables out of it."""

import numpy as np
from spikeinterface.core import ChannelSparsity, NumpySorting, SortingAnalyzer

from ephys_postprocess.spikeinterface_adapters.sampling import PEAK_MODE, PEAK_SIGN, SampledTemplates


def keep_units(sorting, sampled: SampledTemplates, is_kept: np.ndarray):
    """The sorting, sparsity (None: dense) and main channels of the units kept."""
    unit_ids = sorting.unit_ids[is_kept]
    kept = NumpySorting.from_sorting(sorting.select_units(unit_ids), with_metadata=True, copy_spike_vector=True)
    _make_properties_storable(kept)
    sparsity = None
    if not sampled.is_dense:
        sparsity = ChannelSparsity(sampled.sparsity.mask[is_kept], unit_ids, sampled.sparsity.channel_ids)
    return kept, sparsity, sampled.main_channel_indices[is_kept]


def make_analyzer(recording, sorting, sparsity: ChannelSparsity | None, main_channels, *, return_in_uV: bool):
    """A SortingAnalyzer in memory; its extensions' data may live elsewhere."""
    return SortingAnalyzer.create(
        sorting,
        recording,
        main_channel_indices=main_channels,
        format="memory",
        sparsity=sparsity,
        return_in_uV=return_in_uV,
        peak_sign=PEAK_SIGN,
        peak_mode=PEAK_MODE,
    )


def metric_columns(analyzer) -> dict[str, np.ndarray]:
    """Every metric of every unit, by column name: quality metrics first, then template and spike train metrics."""
    columns: dict[str, np.ndarray] = {}
    for name in ("quality_metrics", "template_metrics", "spiketrain_metrics"):
        if analyzer.has_extension(name):
            table = analyzer.get_extension(name).data["metrics"]
            columns |= {column: np.asarray(table[column]) for column in table.columns if column not in columns}
    return columns


def unit_columns(analyzer) -> dict[str, list]:
    """The table of units: id, main channel, location in µm, then every metric."""
    main_channel_ids = analyzer.channel_ids[analyzer.get_main_channels(outputs="index")]
    columns = {"unit_id": [str(unit_id) for unit_id in analyzer.unit_ids]}
    columns["main_channel_id"] = [str(channel_id) for channel_id in main_channel_ids]
    if analyzer.has_extension("unit_locations"):
        locations = np.asarray(analyzer.get_extension("unit_locations").data["unit_locations"])
        columns |= {f"{axis}_um": column.tolist() for axis, column in zip("xyz", locations.T, strict=False)}
    return columns | {name: values.tolist() for name, values in metric_columns(analyzer).items()}


def _make_properties_storable(sorting: NumpySorting) -> None:
    """Texts held as Python objects become plain arrays: a zarr store cannot keep objects without pickling them."""
    for key in sorting.get_property_keys():
        values = sorting.get_property(key)
        if values.dtype == object and all(isinstance(value, str) for value in values):
            sorting.set_property(key, values.astype(str))
