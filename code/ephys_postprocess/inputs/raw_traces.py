"""Traces as people have them: SpikeGLX, Open Ephys, NWB, plain binary with a probe, saved SpikeInterface folders."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.kilosort_folder import read_params
from ephys_postprocess.inputs.npy_files import holds_pickles
from ephys_postprocess.inputs.refusals import NotAttachedError, refusal
from ephys_postprocess.inputs.saved_objects import open_dump, open_saved_folder
from ephys_postprocess.inputs.special_files import check_file_types
from ephys_postprocess.machine.given import GivenPair

DEPTH = 5  # folders below the given one that are looked into
SPIKEGLX, OPEN_EPHYS = "*.ap.meta", "structure.oebin"
RAW_ENDINGS = (".bin", ".dat", ".raw")


def open_traces_of(pair: GivenPair, sorting_folder: Path, consent: Consent, note) -> tuple[si.BaseRecording, str]:
    """The recording that a pair names, and what it is in words.

    Raises
    ------
    InputError
        Nothing that can be read, several streams and no choice, no probe.
    """
    path = pair.traces
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # readers warn of what is said here, or of no concern
            recording, kind = _open(path, pair, sorting_folder, consent, note)
    except NotAttachedError as error:
        raise InputError(f"{path}: {error}. Point --traces at the folder that holds all its files.") from error
    if pair.probe is not None:
        recording = _with_probe(recording, pair.probe)
    elif not recording.has_channel_location():
        recording = _with_kilosort_probe(recording, sorting_folder)
    return recording, kind


def files_below(folder: Path, pattern: str) -> Iterator[Path]:
    """Files of a name in a folder and the folders below it, nearest first."""
    for depth in range(DEPTH):
        yield from sorted(folder.glob("*/" * depth + pattern))


def raw_file_of(sorting_folder: Path) -> Path | None:
    """The raw file that params.py names, where it lies in the sorter's folder, beside it, or beside its parent."""
    named = read_params(sorting_folder).get("dat_path")
    if not isinstance(named, str) or not named:
        return None
    path = (sorting_folder / named).resolve()
    near = [sorting_folder.resolve(), *sorting_folder.resolve().parents[:2]]
    return path if path.is_file() and any(path.is_relative_to(folder) for folder in near[1:]) else None


def _open(path, pair, sorting_folder, consent, note):
    if path.is_file():
        return _open_file(path, pair, sorting_folder, consent, note)
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder. Correct --traces.")
    if (path / "si_folder.json").is_file() or (path / "binary.json").is_file() or (path / ".zgroup").is_file():
        return open_saved_folder(path, si.BaseRecording, consent=consent, note=note), "a folder saved by SpikeInterface"
    if next(files_below(path, SPIKEGLX), None) is not None:
        return _open_spikeglx(path, pair)
    if next(files_below(path, OPEN_EPHYS), None) is not None:
        return _open_open_ephys(path, pair)
    files = [file for ending in ("*.nwb", *(f"*{one}" for one in RAW_ENDINGS)) for file in sorted(path.glob(ending))]
    if len(files) == 1:
        return _open_file(files[0], pair, sorting_folder, consent, note)
    found = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
    raise InputError(
        f"{path}: no traces that are known: SpikeGLX (*.ap.meta), Open Ephys (structure.oebin), one NWB or raw file, "
        f"or a folder saved by SpikeInterface. It holds {found}. Point --traces at one of these."
    )


def _open_file(path, pair, sorting_folder, consent, note):
    if path.suffix == ".json":
        return open_dump(path, [path.parent], si.BaseRecording, consent=consent, note=note), "a SpikeInterface chain"
    if path.suffix == ".nwb":
        return _open_nwb(path, pair), "NWB"
    if path.with_suffix(".meta").is_file():
        return _open_spikeglx(path.parent, pair)
    if any((folder / OPEN_EPHYS).is_file() for folder in list(path.parents)[:3]):
        root = next(folder for folder in path.parents if (folder / OPEN_EPHYS).is_file())
        return _open_open_ephys(root, pair)
    return _open_binary(path, sorting_folder), "a plain binary file"


def _open_spikeglx(path: Path, pair: GivenPair):
    from spikeinterface.extractors import read_spikeglx

    metas = sorted({meta.parent: meta for meta in files_below(path, SPIKEGLX)})
    folder = path if len(metas) > 1 else metas[0]
    with refusal(path):
        streams = _streams("spikeglx", folder)
        names = [name for name in streams if name.endswith(".ap")]
        return read_spikeglx(folder, stream_id=streams[_chosen(names, pair, path)]), "SpikeGLX"


def _open_open_ephys(path: Path, pair: GivenPair):
    from spikeinterface.extractors import read_openephys

    with refusal(path):
        streams = _streams("openephysbinary", path)
        names = [name for name in streams if not any(word in name for word in ("LFP", "ADC", "NI-DAQ", "MessageC"))]
        return read_openephys(path, stream_id=streams[_chosen(names, pair, path)]), "Open Ephys"


def _open_nwb(path: Path, pair: GivenPair):
    import sys
    from importlib.util import find_spec

    if find_spec("h5py") is None:
        raise InputError(f"{path}: NWB needs h5py, which is not installed here: {sys.executable} -m pip install h5py")
    from spikeinterface.extractors import read_nwb_recording

    with refusal(path):
        return read_nwb_recording(path, electrical_series_path=pair.stream, use_pynwb=False)


def _open_binary(path: Path, sorting_folder: Path):
    params = read_params(sorting_folder)
    try:
        arguments = {
            "sampling_frequency": float(params["sample_rate"]),
            "num_channels": int(params["n_channels_dat"]),
            "dtype": str(np.dtype(params.get("dtype", "int16"))),
            "file_offset": int(params.get("offset", 0)),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: a plain binary file, and {sorting_folder / 'params.py'} does not say its sample_rate, "
            f"n_channels_dat and dtype ({error!r})."
        ) from error
    with refusal(path):
        is_filtered = True if params.get("hp_filtered") is True else None  # phy's word for a file filtered before
        return si.BinaryRecordingExtractor([path.absolute()], is_filtered=is_filtered, **arguments)


def _streams(reader: str, folder: Path) -> dict[str, str]:
    from spikeinterface.extractors.neoextractors.neo_utils import get_neo_streams

    return dict(zip(*get_neo_streams(reader, folder), strict=True))


def _chosen(names: list[str], pair: GivenPair, path: Path) -> str:
    asked = [name for name in names if pair.stream is None or pair.stream in name]
    if len(asked) != 1:
        raise InputError(
            f"{path}: {len(asked)} streams fit: {', '.join(asked) or 'none'} (of {', '.join(names) or 'none'}). Choose "
            "one with --stream NAME, or point --traces at the folder of one probe."
        )
    return asked[0]


def _with_probe(recording: si.BaseRecording, file: Path) -> si.BaseRecording:
    from probeinterface import read_probeinterface

    check_file_types(file)
    with refusal(file):
        return recording.set_probegroup(read_probeinterface(file)) or recording


def _with_kilosort_probe(recording: si.BaseRecording, sorting_folder: Path) -> si.BaseRecording:
    """The channels that Kilosort sorted, where its folder says they are."""
    from probeinterface import Probe

    positions, channels = (sorting_folder / name for name in ("channel_positions.npy", "channel_map.npy"))
    if not (positions.is_file() and channels.is_file()):
        raise InputError(
            f"{sorting_folder}: holds no channel_positions.npy and channel_map.npy, and the traces have no locations. "
            "Give --probe FILE (a probe as probeinterface writes it)."
        )
    for file in (positions, channels):
        holds_pickles(file)  # numpy refuses those by itself, but allocates whatever a header says
    with refusal(sorting_folder):
        probe = Probe(ndim=2)
        probe.set_contacts(np.load(positions, allow_pickle=False), shapes="circle", shape_params={"radius": 6})
        probe.set_device_channel_indices(np.load(channels, allow_pickle=False).ravel().astype(int))
        return recording.set_probe(probe) or recording
