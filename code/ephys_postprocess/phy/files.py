"""The files that phy's template GUI opens, from arrays; shapes and names are what phylib's TemplateModel reads.

phylib drops axes of length one when it reads an array. Where that would make it misread, there is one more template or
component than data, filled with zeros: see `num_templates` and `num_components`.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ephys_postprocess.errors import ResultError
from ephys_postprocess.phy.folder import UNSORTED
from ephys_postprocess.records import Sparsity, SpikeTrains

PHY_RAW_ENDINGS = (".dat", ".bin", ".raw", ".mda")  # phylib opens no file that ends otherwise
NO_CHANNEL = -1


class RowsFile:
    """A new .npy file of zeros, written by stretches of rows from any thread; no memory map, so it takes no memory."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype):
        self.dtype, self.shape = np.dtype(dtype), shape
        self._row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * self.dtype.itemsize
        self._file = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._file.flush()
        self._start = self._file.tell()
        self._file.truncate(self._start + shape[0] * self._row_bytes)

    def __setitem__(self, rows: slice, block: np.ndarray) -> None:
        """Write `rows`; a block that is smaller along other axes is followed by zeros."""
        padded = np.zeros((rows.stop - rows.start, *self.shape[1:]), dtype=self.dtype)
        padded[tuple(slice(size) for size in block.shape)] = block
        left = memoryview(padded).cast("B")
        position = self._start + rows.start * self._row_bytes
        while left:
            num_written = os.pwrite(self._file.fileno(), left, position)
            position, left = position + num_written, left[num_written:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@dataclass(frozen=True)
class RawFiles:
    """The recording's raw files as phy reads them: one per segment, time first, all alike."""

    paths: tuple[Path, ...]
    dtype: np.dtype
    header_bytes: int


def num_templates(num_units: int) -> int:
    """Rows of the arrays that have one a template; a single template would lose its axis in phylib."""
    return max(2, num_units)


def num_components(num_fitted: int) -> int:
    """Components in pc_features; a single one would lose its axis in phylib."""
    return max(2, num_fitted)


def write_params(
    folder: Path, raw: RawFiles | None, final_folder: Path, num_channels: int, sampling_frequency_hz: float, is_filtered
) -> None:
    """Write params.py; paths of raw files are relative to `final_folder` where they can be reached from there."""
    paths = [] if raw is None else [_path_from(final_folder, path) for path in raw.paths]
    values = {
        "dat_path": paths[0] if len(paths) == 1 else paths,
        "n_channels_dat": num_channels,
        "dtype": "int16" if raw is None else raw.dtype.name,
        "offset": 0 if raw is None else raw.header_bytes,
        "sample_rate": float(sampling_frequency_hz),
        "hp_filtered": bool(is_filtered),
    }
    lines = [f"{name} = {value!r}\n" for name, value in values.items()]
    (folder / "params.py").write_text("".join(lines), encoding="utf-8")


def write_spikes(folder: Path, spikes: SpikeTrains, amplitudes: np.ndarray | None) -> None:
    """Write times (segments end to end), the template and cluster of each spike, and amplitudes (num_spikes,) in µV.

    Raises
    ------
    ResultError
        phylib cannot open fewer than two spikes.
    """
    if spikes.num_spikes < 2:
        raise ResultError(f"phy opens two spikes or more, and there are {spikes.num_spikes}: nothing is exported.")
    # One column, as Kilosort and SpikeInterface have it.
    np.save(folder / "spike_times.npy", spikes.line_samples(0)[:, None])
    templates = spikes.unit_indices.astype(np.int32)[:, None]
    np.save(folder / "spike_templates.npy", templates)
    np.save(folder / "spike_clusters.npy", templates)
    if amplitudes is not None:
        np.save(folder / "amplitudes.npy", np.asarray(amplitudes, dtype=np.float64)[:, None])


def write_templates(folder: Path, templates: np.ndarray, sparsity: Sparsity, similarity: np.ndarray | None) -> None:
    """Write templates on their own channels, the largest first (phylib takes the first for the main one).

    Parameters
    ----------
    folder : Path
    templates : float (num_units, num_samples, num_channels)
        Dense, µV; NaN or anything for units without spikes.
    sparsity : Sparsity
    similarity : float (num_units, num_units), or None
    """
    shape = (num_templates(len(templates)), templates.shape[1], sparsity.max_num_channels)
    channels = np.full((shape[0], shape[2]), NO_CHANNEL, dtype=np.int64)
    with RowsFile(folder / "templates.npy", shape, np.float32) as packed:
        for unit_index, template in enumerate(templates):
            own = np.flatnonzero(sparsity.mask[unit_index])
            own = own[np.argsort(-np.ptp(template[:, own], axis=0), kind="stable")]
            channels[unit_index, : own.size] = own
            packed[unit_index : unit_index + 1] = np.nan_to_num(template[None][:, :, own])
    np.save(folder / "template_ind.npy", channels)
    if similarity is not None:
        padded = np.zeros((shape[0], shape[0]), dtype=np.float32)
        padded[: len(templates), : len(templates)] = similarity
        np.save(folder / "similar_templates.npy", padded)


def write_channels(folder: Path, channel_ids: np.ndarray, locations_um: np.ndarray, groups: np.ndarray) -> None:
    """Write the probe: ids, locations (num_channels, 2) in µm, the group of each channel, and no whitening."""
    num_channels = len(channel_ids)
    np.save(folder / "channel_map.npy", np.arange(num_channels, dtype=np.int32))
    np.save(folder / "channel_map_si.npy", np.asarray(channel_ids.tolist()))
    np.save(folder / "channel_positions.npy", np.asarray(locations_um[:, :2], dtype=np.float32))
    np.save(folder / "channel_groups.npy", groups)
    np.save(folder / "channel_shanks.npy", np.unique(groups, return_inverse=True)[1].astype(np.int32))
    for name in ("whitening_mat", "whitening_mat_inv"):
        np.save(folder / f"{name}.npy", np.eye(num_channels))


def write_cluster_columns(folder: Path, num_units: int, columns: dict[str, list]) -> None:
    """Write one cluster_{column}.tsv a column, every cluster in each: SpikeInterface's reader drops missing ones.

    Cells without a value (NaN, infinite) are empty, which phylib skips.
    """
    columns = {"group": [UNSORTED] * num_units} | columns
    for column, values in columns.items():
        with (folder / f"cluster_{column}.tsv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
            writer.writerow(["cluster_id", column])
            writer.writerows([row, value if _has_value(value) else ""] for row, value in enumerate(values))


def open_pc_features(folder: Path, num_spikes: int, num_fitted: int, sparsity: Sparsity) -> RowsFile:
    """Write pc_feature_ind, each template's channels as they are packed, and open pc_features to be filled.

    pc_features: float32 (num_spikes, num_components, max_num_channels); phylib finds the channels of a spike by its
    template, not by the cluster it may move to.
    """
    channels = np.full((num_templates(len(sparsity.mask)), sparsity.max_num_channels), NO_CHANNEL, dtype=np.int64)
    channels[: len(sparsity.mask)] = sparsity.channels_of_unit
    np.save(folder / "pc_feature_ind.npy", channels)
    shape = (num_spikes, num_components(num_fitted), sparsity.max_num_channels)
    return RowsFile(folder / "pc_features.npy", shape, np.float32)


def write_sampled_waveforms(
    folder: Path, waveforms, rows: np.ndarray, unit_indices: np.ndarray, sparsity: Sparsity, rows_at_once: int
) -> None:
    """Write the waveforms of some spikes, which phy shows where it has no raw file.

    Parameters
    ----------
    folder : Path
    waveforms : array-like (num_waveforms, num_samples, max_num_channels)
        On the channels of each spike's unit, ascending and packed left, as SpikeInterface stores them; read by rows.
    rows : int64 (num_waveforms,)
        Ascending rows of the spikes.
    unit_indices : int64 (num_spikes,)
    sparsity : Sparsity
    rows_at_once : int
    """
    np.save(folder / "_phy_spikes_subset.spikes.npy", rows)
    np.save(folder / "_phy_spikes_subset.channels.npy", sparsity.channels_of_unit[unit_indices[rows]].astype(np.int32))
    with RowsFile(folder / "_phy_spikes_subset.waveforms.npy", waveforms.shape, np.float32) as packed:
        for start in range(0, waveforms.shape[0], rows_at_once):
            stop = min(start + rows_at_once, waveforms.shape[0])
            packed[start:stop] = waveforms[start:stop]


def _has_value(value) -> bool:
    if isinstance(value, float | np.floating):
        return bool(np.isfinite(value))
    return value is not None


def _path_from(folder: Path, path: Path) -> str:
    relative = os.path.relpath(path, folder)
    # Words with ".." may lead elsewhere than they seem to where links are on the way.
    is_reached = folder.parent.joinpath(os.path.relpath(path, folder.parent)).exists()
    return relative if is_reached else str(path.absolute())
