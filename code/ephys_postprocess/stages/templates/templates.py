"""Each unit's average waveform and its relatives, main channel and peak shift."""

from collections.abc import Sequence

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels.waveforms import sum_squared_deviations, sum_windows
from ephys_postprocess.machine.threads import map_in_threads, split_evenly
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.traces.waveforms import WaveformSource

# Rows of one unit that are in memory at once while averaging; the sums go on from batch to batch in the same order.
ROWS_AT_ONCE = 512


def compute_packed_templates(
    source: WaveformSource,
    operators: Sequence,
    num_threads: int = 1,
    dtype=np.float64,
    is_scaled: bool = True,
) -> dict[str, np.ndarray]:
    """Templates of all units from their selected waveforms, own channels packed left; zero for units without any.

    Parameters
    ----------
    source : WaveformSource
    operators : sequence of "average", "std", "median" or ("percentile", p)
        "average" and "std" hold `ROWS_AT_ONCE` waveforms per thread in memory, the others all waveforms of a unit.
    num_threads : int
    dtype : dtype
        Of the results; SpikeInterface has float64 with the `waveforms` extension and float32 without.
    is_scaled : bool
        False where `source` holds plain counts (return_in_uV=False): SpikeInterface averages those in float64,
        µV in float32, and so do we.

    Returns
    -------
    dict of (num_units, num_samples, width)
        Keys "average", "std", "median", "percentile_{p}".

    Raises
    ------
    ParameterError
        Unknown operator.

    References
    ----------
    SpikeInterface 0.105.3 `ComputeTemplates` with waveforms, equal bit for bit.
    """
    keys = [_key_of_operator(operator) for operator in operators]
    sparsity = source.selection.sparsity
    shape = (len(sparsity.mask), source.selection.num_samples, source.selection.width)
    packed = {key: np.zeros(shape, dtype=dtype) for key in keys}
    sum_dtype = np.float32 if is_scaled else np.float64

    def work(units):
        buffer = np.empty(ROWS_AT_ONCE * shape[1] * shape[2], dtype=np.float32)
        for unit_index in range(*units):
            rows = source.selection.trains.rows_of_unit(unit_index)
            width = int(sparsity.num_channels_of_unit[unit_index])
            if rows.size and width:
                of_unit = _templates_of_unit(source, rows, width, operators, sum_dtype, buffer)
                for key, template in of_unit.items():
                    packed[key][unit_index, :, :width] = template

    map_in_threads(work, split_evenly(shape[0], 4 * num_threads), num_threads)
    return packed


def unpack_channels(packed: np.ndarray, sparsity: Sparsity) -> np.ndarray:
    """As packed (num_units, num_samples, num_channels): each unit's columns at their channels, zeros elsewhere."""
    dense = np.zeros((*packed.shape[:2], sparsity.mask.shape[1]), dtype=packed.dtype)
    for unit_index, row in enumerate(sparsity.mask):
        channels = np.flatnonzero(row)
        dense[unit_index][:, channels] = packed[unit_index, :, : channels.size]
    return dense


def find_main_channels(
    templates: np.ndarray, peak_sign: str = "both", peak_mode: str = "extremum", num_samples_before: int = 0
) -> np.ndarray:
    """int64 (num_units,): the channel where each template is largest; the first of equals.

    Parameters
    ----------
    templates : float (num_units, num_samples, num_channels)
    peak_sign : {"both", "neg", "pos"}
    peak_mode : {"extremum", "at_index", "peak_to_peak"}
    num_samples_before : int
        The sample "at_index" looks at.

    References
    ----------
    SpikeInterface 0.105.3 `_get_main_channel_from_template_array`; there "at_index" with "neg" takes the most
    positive channel, here the most negative.
    """
    if peak_mode == "peak_to_peak":
        values = np.ptp(templates, axis=1)
    else:
        is_at_index = peak_mode == "at_index"
        looked_at = templates[:, num_samples_before : num_samples_before + 1] if is_at_index else templates
        values = _largest(looked_at, peak_sign)
    return np.argmax(values, axis=1).astype(np.int64)


def find_peak_shifts(
    templates: np.ndarray, main_channel_indices: np.ndarray, num_samples_before: int, peak_sign: str = "both"
) -> np.ndarray:
    """int64 (num_units,): samples from the spike's own sample to the template's peak on its main channel.

    References
    ----------
    SpikeInterface 0.105.3 `get_template_peak_shift_on_main_channel`.
    """
    on_main_channel = templates[np.arange(templates.shape[0]), :, main_channel_indices]
    signed = {"both": np.abs, "neg": np.negative, "pos": np.positive}[peak_sign](on_main_channel)
    return np.argmax(signed, axis=1).astype(np.int64) - num_samples_before


def _largest(templates, peak_sign):
    if peak_sign == "both":
        return np.maximum(templates.max(axis=1), -templates.min(axis=1))
    return -templates.min(axis=1) if peak_sign == "neg" else templates.max(axis=1)


def _key_of_operator(operator):
    if operator in ("average", "std", "median"):
        return operator
    if isinstance(operator, (list, tuple)) and len(operator) == 2 and operator[0] == "percentile":
        return f"percentile_{operator[1]}"
    raise ParameterError(
        f"templates.operators: each must be 'average', 'std', 'median' or ['percentile', p] (got {operator!r})."
    )


def _templates_of_unit(source, rows, width, operators, sum_dtype, buffer):
    templates = {}
    if "average" in operators or "std" in operators:
        templates["average"], templates["std"] = _mean_and_std(
            source, rows, width, sum_dtype, "std" in operators, buffer
        )
    if any(operator not in ("average", "std") for operator in operators):
        columns = np.ascontiguousarray(np.moveaxis(source.gather(rows, width), 0, -1), dtype=sum_dtype)
        for operator in operators:
            if operator == "median":
                templates[operator] = np.median(columns, axis=-1)
            elif operator not in ("average", "std"):
                templates[_key_of_operator(operator)] = np.percentile(columns, operator[1], axis=-1)
    return {key: templates[key] for key in map(_key_of_operator, operators)}


def _mean_and_std(source, rows, width, dtype, needs_std, buffer):
    """Two passes in batches, adding waveform after waveform as numpy does along the first axis."""
    num_samples = source.selection.num_samples
    num_columns = num_samples * width
    batches = [rows[first : first + ROWS_AT_ONCE] for first in range(0, rows.size, ROWS_AT_ONCE)]

    def gather(batch):
        out = buffer[: batch.size * num_columns].reshape(batch.size, num_samples, width)
        return source.gather(batch, width, out).reshape(batch.size, num_columns)

    sums = np.zeros((1, 1, num_columns), dtype=dtype)
    for batch in batches:
        values = gather(batch)
        sum_windows(values, np.arange(batch.size), np.zeros(batch.size, np.int64), 0, num_columns, sums)
    means = (sums[0, 0] / rows.size).astype(dtype)
    squares = np.zeros_like(means)
    for batch in batches if needs_std else ():
        if len(batches) > 1:
            values = gather(batch)
        sum_squared_deviations(values, means, squares)
    stds = np.sqrt((squares / rows.size).astype(dtype))
    return means.reshape(num_samples, width), stds.reshape(num_samples, width)
