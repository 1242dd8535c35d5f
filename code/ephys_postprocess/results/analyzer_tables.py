"""The tables of an analyzer as columns: every metric, and the table of units."""

import numpy as np

from ephys_postprocess.parameters.columns import Description
from ephys_postprocess.parameters.dictionary import data_dictionary
from ephys_postprocess.parameters.extensions import EXTENSIONS
from ephys_postprocess.results.stored_extensions import StoredExtensions


def metric_columns(analyzer) -> dict[str, np.ndarray]:
    """Every metric of every unit, by column name: quality metrics first, then template and spike train metrics."""
    columns: dict[str, np.ndarray] = {}
    extensions = StoredExtensions(analyzer)
    for name in ("quality_metrics", "template_metrics", "spiketrain_metrics"):
        table = extensions.table(name, "metrics")
        columns |= {column: values for column, values in table.items() if column not in columns}
    return columns


def sorter_columns(analyzer) -> dict[str, np.ndarray]:
    """What the sorter or a curator says of each unit, such as KSLabel, ContamPct and group: one value per unit each."""
    names = sorted(set(analyzer.sorting.get_property_keys()) - {"main_channel_id"})
    values = {name: analyzer.sorting.get_property(name) for name in names}
    return {name: array for name, array in values.items() if array.ndim == 1 and array.dtype.kind in "biufU"}


def unit_columns(analyzer) -> dict[str, list]:
    """The table of units: id, main channel, location in µm, every metric, then what the sorter said of the units."""
    main_channel_ids = analyzer.channel_ids[analyzer.get_main_channels(outputs="index")]
    columns = {"unit_id": [str(unit_id) for unit_id in analyzer.unit_ids]}
    columns["main_channel_id"] = [str(channel_id) for channel_id in main_channel_ids]
    locations = StoredExtensions(analyzer).array("unit_locations", "unit_locations")
    if locations is not None:
        locations = np.asarray(locations[:])
        columns |= {f"{axis}_um": column.tolist() for axis, column in zip("xyz", locations.T, strict=False)}
    columns |= {name: values.tolist() for name, values in metric_columns(analyzer).items()}
    # a metric of the same name, as phy's n_spikes may be one day, is ours
    sorters = {name: values.tolist() for name, values in sorter_columns(analyzer).items() if name not in columns}
    return columns | sorters


def dictionary_of(analyzer) -> dict[str, Description]:
    """What each column means, with the parameters that this analyzer's extensions were computed with."""
    extensions = StoredExtensions(analyzer)
    params = {name: extensions.params(name) for name in EXTENSIONS}
    told = {
        name: Description(
            name, "", f"The unit's {name} as the sorting has it: from the sorter or a curator.", "sorting"
        )
        for name in sorter_columns(analyzer)
    }
    return told | dict(data_dictionary(params, is_in_uV=bool(analyzer.return_in_uV)))
