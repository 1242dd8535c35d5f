"""The tables of an analyzer as columns: every metric, and the table of units."""

import numpy as np


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
