"""A SortingAnalyzer that somebody stored, opened without its recording and without decoding any object.

SpikeInterface's own loading opens whatever recording the result names, unpickles `recording.pickle`, writes to a store
of an old version, and decodes the extensions' pickles along with their arrays.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr
from probeinterface import ProbeGroup, read_probeinterface
from spikeinterface.core import BaseSorting, ChannelSparsity, NumpyFolderSorting, NumpySorting, SortingAnalyzer
from spikeinterface.core.zarrextractors import ZarrSortingExtractor, super_zarr_open

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.data_folder import read_json
from ephys_postprocess.inputs.npy_files import holds_pickles
from ephys_postprocess.inputs.property_files import reading_properties
from ephys_postprocess.inputs.saved_objects import check_folder
from ephys_postprocess.inputs.special_files import check_file_types
from ephys_postprocess.inputs.zarr_metadata import PICKLE, check_zarr

logger = logging.getLogger(__name__)

# Arrays that stock SpikeInterface may have pickled. Whoever reads them here looks first.
_MAY_BE_PICKLED = ("extensions/", "recording", "sorting/properties/", "sorting_provenance")


class StoredAnalyzer(SortingAnalyzer):
    """Its extensions are read an array at a time, by `StoredExtensions`; loaded whole, their pickles would be, too."""

    def load_extension(self, extension_name: str):
        """Refused, whoever asks."""
        raise InputError(f"{self.folder}: {extension_name} is not loaded, as it may hold pickles.")


def open_analyzer(folder: Path) -> StoredAnalyzer:
    """The analyzer in a zarr store or a binary folder, whose sorting and sparsity are in memory.

    Raises
    ------
    InputError
        Something in it would have to be unpickled, lacks chunks, or is larger than memory. What SpikeInterface's
        readers raise on a broken folder is left to the caller.
    """
    check_file_types(folder)
    analyzer = _open_zarr(folder) if folder.suffix == ".zarr" else _open_binary_folder(folder)
    analyzer.folder = folder
    channel_ids = analyzer.sorting.get_property("main_channel_id")
    if channel_ids is not None:  # without a recording SpikeInterface computes them anew, from an extension
        index_of = {str(channel_id): index for index, channel_id in enumerate(analyzer.channel_ids)}
        analyzer._main_channel_indices = np.array([index_of[str(one)] for one in channel_ids], dtype=np.int64)
    return analyzer


def recording_of(analyzer: StoredAnalyzer) -> dict | None:
    """The description of the recording that a stored analyzer refers to; None where there is none, or a pickle."""
    folder = Path(analyzer.folder)
    if analyzer.format == "binary_folder":
        file = folder / "recording.json"
        return read_json(file) if file.is_file() else None
    array = super_zarr_open(folder).get("recording")
    if not isinstance(array, zarr.Array) or is_pickled(array) or array.size != 1:
        return None
    described = array[:].ravel()[0]
    return described if isinstance(described, dict) else None


def is_pickled(array: zarr.Array) -> bool:
    """Whether decoding an array would unpickle it."""
    return any(codec is not None and codec.codec_id == PICKLE for codec in (array.compressor, *(array.filters or ())))


def _open_zarr(folder: Path) -> StoredAnalyzer:
    check_zarr(folder, may_be_pickled=_MAY_BE_PICKLED)
    root = super_zarr_open(folder)
    sorting = _in_memory(lambda: ZarrSortingExtractor(folder, zarr_group="sorting"))
    attributes = root["recording_info"].attrs
    probes = attributes.get("probegroup")
    return _made(
        "zarr",
        sorting,
        attributes["recording_attributes"],
        None if probes is None else ProbeGroup.from_dict(probes),
        root["sparsity_mask"][:] if "sparsity_mask" in root else None,
        root.attrs["settings"],
    )


def _open_binary_folder(folder: Path) -> StoredAnalyzer:
    check_folder(folder / "sorting", Consent())
    sorting = _in_memory(lambda: NumpyFolderSorting(folder / "sorting"))
    probe_file, mask_file = folder / "recording_info" / "probegroup.json", folder / "sparsity_mask.npy"
    has_mask = mask_file.is_file()
    if has_mask and holds_pickles(mask_file):
        raise InputError(f"{mask_file}: a pickle, which can run any code when decoded; it is not read.")
    return _made(
        "binary_folder",
        sorting,
        read_json(folder / "recording_info" / "recording_attributes.json"),
        read_probeinterface(probe_file) if probe_file.is_file() else None,
        np.load(mask_file) if has_mask else None,
        read_json(folder / "settings.json"),
    )


def _in_memory(read: Callable[[], BaseSorting]) -> NumpySorting:
    with reading_properties(logger.warning, allow_pickle=False):
        return NumpySorting.from_sorting(read(), with_metadata=True, copy_spike_vector=True)


def _made(
    format_name: str, sorting: NumpySorting, attributes: dict, probegroup, mask: np.ndarray | None, settings: dict
) -> StoredAnalyzer:
    settings = SortingAnalyzer._handle_backward_compatibility_settings_pre_init(settings)
    channel_ids = attributes["channel_ids"]
    return StoredAnalyzer(
        sorting=sorting,
        rec_attributes={**attributes, "probegroup": probegroup},
        format=format_name,
        sparsity=None if mask is None else ChannelSparsity(mask, sorting.unit_ids, channel_ids),
        return_in_uV=settings["return_in_uV"],
        peak_sign=settings["peak_sign"],
        peak_mode=settings["peak_mode"],
        read_only=True,
    )
