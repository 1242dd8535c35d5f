"""One small file of a data folder with one thing spoiled: a value, a name, a byte, its end; the same for a seed."""

import json
import shutil
from pathlib import Path

import numpy as np
import spikeinterface.core as si
import zarr
from faults.broken_inputs import NAME, NUM_SAMPLES, make_recording, make_sorting, preprocessed, spikesorted

ODD_VALUES = (
    *(None, True, False, 0, 1, -1, 5, 2**31, 2**63, 10**12, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "x", "5", "a\0b", "..", "../..", "/", "/etc/passwd", "x" * 5000, "\ud800", "ü", "<i2", "O", "s3://a/b"),
    *([], [1], ["x"], [None], [[]], [[1, 2], [3]], {}, {"a": 1}, {"class": "a.B"}, {"class": None, "kwargs": []}),
    *("spikeinterface.core.binaryfolder.BinaryFolderRecording", {"id": "pickle"}, [0] * 1000),
)
ODD_BYTES = (
    *(b"", b"\xff\xfe", b"\x00", b"{", b"[]", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04K\x01.", b"\xef\xbb\xbf"),
)
SMALL_BYTES = 50_000


def make_forms(folder: Path) -> dict[str, Path]:
    """Good data folders, one of each form in which recordings and sortings are saved."""
    plain, stores, archive = folder / "folders", folder / "zarr", folder / "npz"
    make_recording().save(folder=preprocessed(plain), verbose=False)
    make_sorting().save(folder=spikesorted(plain))
    session = plain / "ecephys_session"
    timed = make_recording()
    timed.set_times(np.arange(NUM_SAMPLES) / 1e4 + 5.0, segment_index=0)
    timed.save(folder=session / "raw", verbose=False)
    si.load(session / "raw").dump_to_json(plain / f"preprocessed_{NAME}.json", relative_to=plain)
    si.load(preprocessed(plain)).dump_to_json(plain / f"binary_{NAME}.json", relative_to=plain)
    _add_motion(plain)
    (plain / "job_0.json").write_text(json.dumps({"recording_name": NAME, "skip_times": False}))
    (session / "subject.json").write_text(json.dumps({"subject_id": "1"}))
    stores.mkdir()
    make_recording().save(format="zarr", folder=stores / "r.zarr", chunk_size=4000, n_jobs=1, verbose=False)
    zarr.consolidate_metadata(str(stores / "r.zarr"))
    (stores / "r.zarr").rename(preprocessed(stores))
    make_sorting().save(format="zarr", folder=stores / "s.zarr")
    (stores / "s.zarr").rename(spikesorted(stores))
    shutil.copytree(preprocessed(plain), preprocessed(archive))
    si.NpzFolderSorting.write_sorting(make_sorting(), spikesorted(archive))
    return {"folders": plain, "zarr": stores, "npz": archive}


def _add_motion(data: Path) -> None:
    from spikeinterface.core.motion import Motion

    folder = data / f"motion_{NAME}"
    folder.mkdir()
    Motion([np.zeros((3, 2))], [np.array([0.2, 0.6, 1.0])], np.array([0.0, 60.0])).save(folder / "motion")
    (folder / "parameters.json").write_text(json.dumps({"preset": "rigid_fast", "interpolate_motion_kwargs": {"p": 1}}))
    record = {"code": {"parameters": {"motion_correction": {"apply": True, "interpolate_motion_kwargs": {"p": 2}}}}}
    (data / f"data_process_preprocessing_{NAME}.json").write_text(json.dumps(record))


def small_files(data: Path) -> list[Path]:
    """Everything but traces."""
    return sorted(path for path in data.rglob("*") if path.is_file() and path.stat().st_size < SMALL_BYTES)


def spoil(file: Path, rng: np.random.Generator) -> str:
    """Spoil a file in one of its ways; in words."""
    content = file.read_bytes()
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if isinstance(document, dict) and document and rng.random() < 0.8:
        said = _spoil_document(document, rng)
        file.write_bytes(json.dumps(document).encode("utf8", "surrogatepass"))
        return said
    ways = (_cut, _flip, _replace, _repeat)
    spoiled = ways[rng.integers(len(ways))](content, rng)
    file.write_bytes(spoiled)
    return f"{len(content)} bytes are {len(spoiled)} that begin with {spoiled[:40]!r}"


def _spoil_document(document: dict, rng: np.random.Generator) -> str:
    """Somewhere in a document, take a value away, rename it, or put another in its place."""
    place, path = document, []
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[rng.integers(len(keys))]
        path.append(str(key))
        inner = place[key]
        if not (isinstance(inner, dict | list) and inner and rng.random() < 0.7):
            break
        place = inner
    where, way = ".".join(path), rng.random()
    if way < 0.15:
        del place[key]
        return f"{where} is gone"
    if way < 0.25 and isinstance(place, dict):
        place[f"{key}x"] = place.pop(key)
        return f"{where} is renamed"
    value = ODD_VALUES[rng.integers(len(ODD_VALUES))]
    place[key] = value
    return f"{where} is {ascii(value)[:80]}"


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content) + 1)]


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5) if changed else 0):
        changed[rng.integers(min(len(changed), 200))] = rng.integers(256)
    return bytes(changed)


def _replace(content: bytes, rng: np.random.Generator) -> bytes:
    return ODD_BYTES[rng.integers(len(ODD_BYTES))] + (content if rng.random() < 0.5 else b"")


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    return content * int(rng.integers(2, 4))
