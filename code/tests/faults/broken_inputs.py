"""The corpus of broken inputs: what is done to a good data folder, and what the capsule must say then.

Each case changes a fresh copy of the smallest good folder. "refused" cases end in an InputError, "skipped" ones in a
placeholder, "accepted" ones go on and say so in a note or a warning.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spikeinterface.core as si

NAME = "block0_probeA_recording1"
RATE_HZ, NUM_CHANNELS, NUM_SAMPLES = 10_000.0, 4, 12_000
SPIKE_DTYPE = [("sample_index", "int64"), ("unit_index", "int64"), ("segment_index", "int64")]
UNIT_IDS = ("u0", "u1", "u2")


@dataclass(frozen=True)
class Case:
    """One broken input."""

    name: str
    break_it: Callable[[Path], None]
    message: str  # regular expression, somewhere in what is said
    outcome: str = "refused"
    options: tuple[tuple[str, object], ...] = ()  # of load_recording_and_sorting


CASES: list[Case] = []


def case(name, message, outcome="refused", **options):
    """Add a case; the decorated function breaks a data folder."""

    def add(function):
        CASES.append(Case(name, function, message, outcome, tuple(options.items())))
        return function

    return add


def many(variants: dict, message, outcome="refused", prefix="", **options):
    """Add a case for each of `variants` (name: argument); the decorated function takes the folder and the argument."""

    def add(function):
        for name, argument in variants.items():
            expected = message if isinstance(message, str) else message[name]
            CASES.append(
                Case(
                    f"{prefix}{name}",
                    lambda data, a=argument: function(data, a),
                    expected,
                    outcome,
                    (*options.items(),),
                )
            )
        return function

    return add


# ---- the good folder -------------------------------------------------------------------------------------------------


def make_traces(dtype="int16"):
    return np.random.default_rng(0).normal(0, 50, (NUM_SAMPLES, NUM_CHANNELS)).astype(dtype)


def make_recording(traces=None, gain=2.0):
    recording = si.NumpyRecording([make_traces() if traces is None else traces], RATE_HZ)
    if gain is not None:
        recording.set_channel_gains(gain)
        recording.set_channel_offsets(0.0)
    recording.set_dummy_probe_from_locations(np.c_[np.zeros(NUM_CHANNELS), 20.0 * np.arange(NUM_CHANNELS)])
    recording.annotate(is_filtered=True)
    return recording


def make_spikes(num_spikes=300):
    rng = np.random.default_rng(1)
    spikes = np.zeros(num_spikes, dtype=SPIKE_DTYPE)
    spikes["sample_index"] = np.sort(rng.choice(NUM_SAMPLES - 200, num_spikes, replace=False) + 100)
    spikes["unit_index"] = rng.integers(0, len(UNIT_IDS), num_spikes)
    return spikes


def make_sorting(unit_ids=UNIT_IDS):
    sorting = si.NumpySorting(make_spikes(), RATE_HZ, np.asarray(unit_ids))
    sorting.set_property("KSLabel", np.array(["good"] * len(unit_ids)))
    return sorting


def make_good(data: Path) -> None:
    """The good folder: everything below changes a copy of it."""
    data.mkdir(parents=True)
    make_recording().save(folder=preprocessed(data), verbose=False)
    make_sorting().save(folder=spikesorted(data))


def preprocessed(data):
    return data / f"preprocessed_{NAME}"


def spikesorted(data):
    return data / f"spikesorted_{NAME}"


def raw(data):
    return preprocessed(data) / "traces_cached_seg0.raw"


def edit_json(path, **changes):
    """Change a SpikeInterface description: top-level keys, or those of its kwargs where they are there."""
    content = json.loads(path.read_text())
    for key, value in changes.items():
        (content["kwargs"] if key in content.get("kwargs", {}) else content)[key] = value
    path.write_text(json.dumps(content))


def save_recording(data, recording):
    shutil.rmtree(preprocessed(data))
    recording.save(folder=preprocessed(data), verbose=False)


def save_sorting(data, sorting):
    shutil.rmtree(spikesorted(data))
    sorting.save(folder=spikesorted(data))


def save_spikes(data, spikes):
    np.save(spikesorted(data) / "spikes.npy", spikes, allow_pickle=True)


def save_property(folder, name, values):
    np.save(folder / "properties" / f"{name}.npy", np.asarray(values), allow_pickle=True)


def write_lazy(data, kwargs=None, prefix="preprocessed", **changes):
    content = {
        "class": "spikeinterface.core.binaryfolder.BinaryFolderRecording",
        "module": "spikeinterface",
        "version": "0.105.3",
        "annotations": {},
        "properties": {},
        "relative_paths": True,
        "kwargs": {"folder_path": f"preprocessed_{NAME}"} if kwargs is None else kwargs,
        **changes,
    }
    (data / f"{prefix}_{NAME}.json").write_text(json.dumps(content))


def write_job(data, file_name="job_0.json", **content):
    (data / file_name).write_text(json.dumps(content))


# ---- raw files -------------------------------------------------------------------------------------------------------


@many(
    {"raw cut by 1 byte": -1, "raw cut by 3 bytes": -3, "raw with 1 byte more": 1, "raw with 7 bytes more": 7},
    "found .* bytes",
)
def _(data, change):
    os.truncate(raw(data), raw(data).stat().st_size + change)


@case("raw cut to half", "spikes past the end", "accepted")
def _(data):
    os.truncate(raw(data), NUM_SAMPLES * NUM_CHANNELS)


@case("raw twice as long as the lazy recording", "samples per segment")
def _(data):
    shutil.copytree(preprocessed(data), data / "raw")
    os.truncate(data / "raw" / raw(data).name, 4 * NUM_SAMPLES * NUM_CHANNELS)
    write_lazy(data, {"folder_path": "raw"})


@case("raw empty", "holds no traces")
def _(data):
    os.truncate(raw(data), 0)


@case("raw missing", "cannot be read|lacks")
def _(data):
    raw(data).unlink()


@case("raw a folder", "cannot be opened|cannot be read|holds no traces|found .* bytes")
def _(data):
    raw(data).unlink()
    raw(data).mkdir()


@case("raw a dangling link", "lacks|cannot be read")
def _(data):
    raw(data).unlink()
    raw(data).symlink_to(data / "gone")


@case("raw a link to itself", "lacks|cannot be read|cannot be opened")
def _(data):
    raw(data).unlink()
    raw(data).symlink_to(raw(data))


@many(
    {"offset beyond the raw file": 10**9, "negative offset": -8},
    "holds no traces|found .* bytes|cannot be opened|cannot be read",
    prefix="",
)
def _(data, offset):
    edit_json(preprocessed(data) / "binary.json", file_offset=offset)


# ---- metadata of the recording ---------------------------------------------------------------------------------------


@case("binary.json: dtype int32", "spikes past the end", "accepted")
def _(data):
    edit_json(preprocessed(data) / "binary.json", dtype="int32")


@case("binary.json: dtype float64", "237 of 300 spikes lie .* the recording's dtype")
def _(data):
    edit_json(preprocessed(data) / "binary.json", dtype="float64")


@many(
    {
        "dtype int17": {"dtype": "int17"},
        "dtype object": {"dtype": "O"},
        "dtype a number": {"dtype": 5},
        "dtype null": {"dtype": None},
        "7 channels": {"num_channels": 7},
        "0 channels": {"num_channels": 0},
        "-4 channels": {"num_channels": -4},
        "'four' channels": {"num_channels": "four"},
        "2 channels": {"num_channels": 2},
        "no rate": {"sampling_frequency": None},
        "rate 0": {"sampling_frequency": 0.0},
        "rate -1": {"sampling_frequency": -1.0},
        "rate NaN": {"sampling_frequency": float("nan")},
        "rate text": {"sampling_frequency": "fast"},
        "other rate": {"sampling_frequency": 30000.0},
        "other file": {"file_paths": ["other.raw"]},
        "no files": {"file_paths": []},
        "files null": {"file_paths": None},
        "time axis 5": {"time_axis": 5},
        "channel ids twice": {"channel_ids": [0, 0, 1, 2]},
        "too few channel ids": {"channel_ids": [0, 1]},
        "too many channel ids": {"channel_ids": [0, 1, 2, 3, 4, 5]},
        "unknown argument": {"colour": "red"},
    },
    "cannot be opened|bytes|more than once|sampling rate|lacks|cannot be read|holds no traces|channels|no dump|dtype|"
    "time axis",
    prefix="binary.json: ",
)
def _(data, changes):
    path = preprocessed(data) / "binary.json"
    content = json.loads(path.read_text())
    content["kwargs"].update(changes)
    path.write_text(json.dumps(content))


GARBAGE = {
    "missing": None,
    "empty": b"",
    "cut short": b'{"class": "spikeinterface.core',
    "a list": b"[]",
    "a number": b"3",
    "null": b"null",
    "an empty object": b"{}",
    "random bytes": bytes(range(256)),
    "UTF-16": '{"class": 1}'.encode("utf-16"),
    "nested too deep": b"[" * 100_000,
    "class a number": b'{"class": 3, "kwargs": {}}',
    "class null": b'{"class": null, "kwargs": {}}',
    "kwargs a list": b'{"class": "spikeinterface.core.binaryfolder.BinaryFolderRecording", "kwargs": []}',
}
SAID_OF_GARBAGE = (
    r"JSON|cannot be opened|not a folder that|no dump|cannot be read|incomplete|lacks|names the class|kwargs"
)


def put(path, content):
    path.unlink()
    if content is not None:
        path.write_bytes(content)


@many({k: v for k, v in GARBAGE.items() if k != "missing"}, SAID_OF_GARBAGE, prefix="preprocessed si_folder.json ")
def _(data, content):
    put(preprocessed(data) / "si_folder.json", content)


@many(GARBAGE, SAID_OF_GARBAGE, prefix="binary.json alone, ")
def _(data, content):
    (preprocessed(data) / "si_folder.json").unlink()
    put(preprocessed(data) / "binary.json", content)


@many({k: v for k, v in GARBAGE.items() if k != "missing"}, SAID_OF_GARBAGE, prefix="spikesorted si_folder.json ")
def _(data, content):
    put(spikesorted(data) / "si_folder.json", content)


@many(GARBAGE, SAID_OF_GARBAGE, prefix="numpysorting_info.json ")
def _(data, content):
    put(spikesorted(data) / "numpysorting_info.json", content)


@many({k: v for k, v in GARBAGE.items() if k not in ("missing",)}, SAID_OF_GARBAGE, prefix="lazy JSON ")
def _(data, content):
    (data / f"preprocessed_{NAME}.json").write_bytes(content)


@many({k: v for k, v in GARBAGE.items() if k not in ("missing",)}, SAID_OF_GARBAGE, prefix="binary_ JSON ")
def _(data, content):
    (data / f"binary_{NAME}.json").write_bytes(content)


@case("property of wrong length: location", "no channel locations")
def _(data):
    save_property(preprocessed(data), "location", [1.0, 2.0])
    (preprocessed(data) / "probe.json").unlink(missing_ok=True)
    (preprocessed(data) / "probegroup.json").unlink(missing_ok=True)


@many(
    {"gain": "gain_to_uV", "offset": "offset_to_uV"},
    r"_to_uV\.npy was left out: it has 2 entries for 4",
    "accepted",  # binary.json has the true ones
    prefix="property of wrong length: ",
)
def _(data, name):
    save_property(preprocessed(data), name, [1.0, 2.0])


@many({"NaN": np.nan, "infinite": np.inf, "0": 0.0}, "gain", prefix="gains ")
def _(data, value):
    path = preprocessed(data) / "si_folder.json"
    content = json.loads(path.read_text())
    content["properties"]["gain_to_uV"] = [2.0, value, 2.0, 2.0]
    path.write_text(json.dumps(content))


@many({"texts": ["a"] * 4, "None": [None] * 4}, "gains and offsets must be numbers", prefix="gains of ")
def _(data, values):
    recording = si.NumpyRecording([make_traces()], RATE_HZ)
    recording.set_dummy_probe_from_locations(np.c_[np.zeros(NUM_CHANNELS), 20.0 * np.arange(NUM_CHANNELS)])
    recording.set_property("gain_to_uV", np.array(values))
    recording.set_property("offset_to_uV", np.zeros(NUM_CHANNELS))
    save_recording(data, recording)


@case("no probe and no locations", "no channel locations")
def _(data):
    for path in (*preprocessed(data).glob("probe*.json"), *(preprocessed(data) / "properties").glob("*ocation*.npy")):
        path.unlink()
    (preprocessed(data) / "properties" / "contact_vector.npy").unlink(missing_ok=True)


@many(
    {"random bytes": b"\xff\x00{", "empty": b"", "a list": b"[]"}, r"cannot be opened|probe|JSON", prefix="probe file "
)
def _(data, content):
    for path in preprocessed(data).glob("probe*.json"):
        path.write_bytes(content)


@many(
    {"random bytes": b"\x00\x01\x02", "empty": b"", "cut short": b"\x93NUMPY\x01\x00"},
    r"extra\.npy was left out",
    "accepted",
    prefix="property file ",
)
def _(data, content):
    (preprocessed(data) / "properties" / "extra.npy").write_bytes(content)


# ---- traces ----------------------------------------------------------------------------------------------------------


@many(
    {"NaN on one channel": np.nan, "inf on one channel": np.inf, "-inf on one channel": -np.inf},
    "NaN or infinite values on channels",
    prefix="",
)
def _(data, value):
    traces = make_traces("float32")
    traces[:, 2] = value
    save_recording(data, make_recording(traces, gain=None))


@case("NaN everywhere", "NaN or infinite values on channels")
def _(data):
    save_recording(data, make_recording(np.full((NUM_SAMPLES, NUM_CHANNELS), np.nan, "float32"), gain=None))


@many(
    {"zero": 0, "railed low": -32768, "railed high": 32767},
    "constant on every channel",
    "accepted",
    prefix="all traces ",
)
def _(data, value):
    save_recording(data, make_recording(np.full((NUM_SAMPLES, NUM_CHANNELS), value, "int16")))


@many({"zero": 0, "stuck": 17}, r"never change: channels 1\b", "accepted", prefix="one channel ")
def _(data, value):
    traces = make_traces()
    traces[:, 1] = value
    save_recording(data, make_recording(traces))


@case("one channel railed most of the time", r"end of their range: channels 3\b", "accepted")
def _(data):
    traces = make_traces()
    traces[:, 3] = np.where(np.random.default_rng(0).random(NUM_SAMPLES) < 0.8, 32767, traces[:, 3])
    save_recording(data, make_recording(traces))


# ---- zarr ------------------------------------------------------------------------------------------------------------


def to_zarr(data):
    make_recording().save(format="zarr", folder=data / "r.zarr", verbose=False, chunk_size=2000, n_jobs=1)
    shutil.rmtree(preprocessed(data))
    (data / "r.zarr").rename(preprocessed(data))
    return preprocessed(data)


@case("zarr with a missing chunk", "incomplete")
def _(data):
    next((to_zarr(data) / "traces_seg0").glob("[0-9]*")).unlink()


@case("zarr with a broken chunk", "cannot be opened|cannot be read")
def _(data):
    for chunk in (to_zarr(data) / "traces_seg0").glob("[0-9]*"):
        chunk.write_bytes(b"garbage")


@many({"empty": b"", "garbage": b"{", "a list": b"[]"}, "cannot be opened|JSON", prefix="zarr metadata ")
def _(data, content):
    folder = to_zarr(data)
    for path in (folder / ".zmetadata", folder / "traces_seg0" / ".zarray"):
        path.write_bytes(content)


@case("zarr with an unknown codec", "codec|not installed|cannot be opened")
def _(data):
    folder = to_zarr(data)
    for path in filter(Path.is_file, (folder / ".zmetadata", folder / "traces_seg0" / ".zarray")):
        path.write_text(path.read_text().replace('"blosc"', '"secret"'))


# ---- spikes ----------------------------------------------------------------------------------------------------------


@many(
    {
        "unit beyond the last": ("unit_index", 3),
        "negative unit": ("unit_index", -1),
        "segment beyond the last": ("segment_index", 1),
        "negative segment": ("segment_index", -1),
    },
    r"spikes of a (unit|segment) that is not there|cannot be opened|segments",
    prefix="spikes: ",
)
def _(data, change):
    spikes = make_spikes()
    spikes[change[0]][7] = change[1]
    save_spikes(data, spikes)


@case("spikes: past the end", r"Removed 2 spikes past the end", "accepted")
def _(data):
    spikes = make_spikes()
    spikes["sample_index"][-2:] = NUM_SAMPLES, NUM_SAMPLES + 10
    save_spikes(data, spikes)


@case("spikes: not in order", "sorted", "accepted")
def _(data):
    save_spikes(data, make_spikes()[::-1])


@case("spikes: at 2**62", r"spikes past the end", "accepted")
def _(data):
    spikes = make_spikes()
    spikes["sample_index"][-1] = 2**62
    save_spikes(data, spikes)


@many(
    {
        "floating-point samples": np.array([(1.5, 0, 0)], dtype=[("sample_index", "f8"), *SPIKE_DTYPE[1:]]),
        "no segment column": np.array([(1, 0)], dtype=SPIKE_DTYPE[:2]),
        "no columns": np.arange(12),
        "text": np.array(["a", "b"]),
        "objects": np.array([{"a": 1}, None], dtype=object),
        "a table": np.zeros((3, 3)),
    },
    r"cannot be opened|whole sample numbers|pickle|incomplete",
    prefix="spikes.npy with ",
)
def _(data, spikes):
    save_spikes(data, spikes)


@many(
    {"missing": None, "empty": b"", "random bytes": bytes(range(200)), "a cut header": b"\x93NUMPY\x01\x00v"},
    r"cannot be opened|incomplete|spikes\.npy: cannot be read",
    prefix="spikes.npy ",
)
def _(data, content):
    put(spikesorted(data) / "spikes.npy", content)


@case("spikes.npy cut short", "cut short: its header says .*, 7200 bytes, and it holds 7100")
def _(data):
    path = spikesorted(data) / "spikes.npy"
    os.truncate(path, path.stat().st_size - 100)


@case("a sorting of another rate", "sampling rate")
def _(data):
    edit_json(spikesorted(data) / "numpysorting_info.json", sampling_frequency=30000.0)


@case("a sorting of two segments", "segments")
def _(data):
    spikes = make_spikes()
    spikes["segment_index"][200:] = 1
    save_sorting(data, si.NumpySorting(spikes, RATE_HZ, np.asarray(UNIT_IDS)))


@case("a recording in place of the sorting", "not a sorting|cannot be opened")
def _(data):
    shutil.rmtree(spikesorted(data))
    shutil.copytree(preprocessed(data), spikesorted(data))


@case("a sorting in place of the recording", "not a recording|cannot be opened")
def _(data):
    shutil.rmtree(preprocessed(data))
    shutil.copytree(spikesorted(data), preprocessed(data))


@case("two sortings in one folder", "holds several sortings")
def _(data):
    shutil.rmtree(spikesorted(data))
    spikesorted(data).mkdir()
    for name in ("a.npz", "b.npz"):
        si.NpzSortingExtractor.write_sorting(make_sorting(), spikesorted(data) / name)


@many(
    {"random bytes": bytes(range(99)), "empty": b"", "a cut zip": b"PK\x03\x04"},
    "cannot be opened|incomplete",
    prefix="sorting.npz ",
)
def _(data, content):
    shutil.rmtree(spikesorted(data))
    (data / f"spikesorted_{NAME}.npz").write_bytes(content)


@case("unit ids twice", "used more than once")
def _(data):
    save_sorting(data, make_sorting(("a", "a", "b")))


@case("sorting property of wrong length", r"KSLabel\.npy was left out: it has 1 entries for 3", "accepted")
def _(data):
    save_property(spikesorted(data), "KSLabel", ["good"])


@case("sorting property of pickled objects", r"extra\.npy was left out: it holds a dict", "accepted")
def _(data):
    save_property(spikesorted(data), "extra", np.array([{}, {}, {}], dtype=object))


ODD_UNIT_IDS = {
    "long": ("x" * 2000, "y" * 2000, "z"),
    "commas": ("1,2", "3,4", "5"),
    "slashes": ("a/b", "../c", "/etc/passwd"),
    "new lines": ("a\nb", "c\r\nd", "e"),
    "HTML": ("<script>alert(1)</script>", "<img src=x onerror=alert(2)>", "&amp;"),
    "unicode": ("ü", "神経", "🧠"),
    "formulas": ("=1+1", "@SUM(A1)", "-2"),
    "empty": ("", " ", "  "),
    "negative": (-1, -2, -3),
}


@case("spikes: a negative sample", "Removed 1 spikes before the start", "accepted")
def _(data):
    spikes = make_spikes()
    spikes["sample_index"][7] = -5
    save_spikes(data, spikes)


@many(ODD_UNIT_IDS, "accepted", "accepted", prefix="unit ids: ")
def _(data, unit_ids):
    save_sorting(data, make_sorting(unit_ids))


@case("unit ids: floats", "cannot be opened")
def _(data):
    edit_json(spikesorted(data) / "numpysorting_info.json", unit_ids=[0.5, 1.5, 2.0])


# ---- folders ---------------------------------------------------------------------------------------------------------


@many(
    {"preprocessed": preprocessed, "spikesorted": spikesorted},
    "holds nothing|not a folder that",
    prefix="empty folder: ",
)
def _(data, folder_of):
    shutil.rmtree(folder_of(data))
    folder_of(data).mkdir()


@many(
    {"preprocessed": preprocessed, "spikesorted": spikesorted},
    "No traces|No sorting|nothing to postprocess|cannot be opened",
    prefix="missing folder: ",
)
def _(data, folder_of):
    write_job(data, recording_name=NAME)
    shutil.rmtree(folder_of(data))


@many(
    {"preprocessed": preprocessed, "spikesorted": spikesorted},
    "No traces|No sorting|cannot be opened|nothing to postprocess|not a folder|cannot be read",
    prefix="a file in place of folder: ",
)
def _(data, folder_of):
    write_job(data, recording_name=NAME)
    shutil.rmtree(folder_of(data))
    folder_of(data).write_text("x")


@many(
    {"preprocessed": preprocessed, "spikesorted": spikesorted},
    "No traces|No sorting|cannot be opened|cannot be read",
    prefix="a link to itself: ",
)
def _(data, folder_of):
    write_job(data, recording_name=NAME)
    shutil.rmtree(folder_of(data))
    folder_of(data).symlink_to(folder_of(data))


@many(
    {"preprocessed": preprocessed, "spikesorted": spikesorted},
    "No traces|No sorting|cannot be opened|cannot be read",
    prefix="a dangling link: ",
)
def _(data, folder_of):
    shutil.rmtree(folder_of(data))
    folder_of(data).symlink_to(data / "gone")


@case("two links to each other inside the folder", "accepted", "accepted")
def _(data):
    (preprocessed(data) / "a").symlink_to(preprocessed(data) / "b")
    (preprocessed(data) / "b").symlink_to(preprocessed(data) / "a")


@case("a link to the parent inside the folder", "accepted", "accepted")
def _(data):
    (preprocessed(data) / "up").symlink_to(data)


@case("an empty data folder", "nothing to postprocess")
def _(data):
    shutil.rmtree(data)
    data.mkdir()


@case("no data folder", "not a readable folder")
def _(data):
    shutil.rmtree(data)


@case("a file in place of the data folder", "not a readable folder")
def _(data):
    shutil.rmtree(data)
    data.write_text("x")


@case("preprocessing's placeholder", "preprocessing skipped", "skipped")
def _(data):
    shutil.rmtree(preprocessed(data))
    preprocessed(data).mkdir()
    (preprocessed(data) / "error.txt").write_text("Too many bad channels")


@case("the sorter's placeholder, in no encoding", "spike sorting skipped", "skipped")
def _(data):
    shutil.rmtree(spikesorted(data))
    spikesorted(data).mkdir()
    (spikesorted(data) / "error.txt").write_bytes(b"\xff\xfe\x00bad")


# ---- jobs ------------------------------------------------------------------------------------------------------------


@many(
    {
        "a path up": "../x",
        "an absolute path": "/etc/passwd",
        "a path down": "a/b",
        "dots": "..",
        "a dot": ".",
        "nothing": "",
        "null": None,
        "a number": 7,
        "true": True,
        "a list": ["a"],
        "an object": {"a": 1},
        "a zero byte": "a\0b",
        "a backslash": "a\\b",
        "300 letters": "x" * 300,
        "a new line": "a\nb",
    },
    "cannot be a recording name",
    prefix="job names ",
)
def _(data, name):
    write_job(data, recording_name=name)


@many(
    {
        k: GARBAGE[k]
        for k in ("empty", "cut short", "a list", "a number", "null", "random bytes", "UTF-16", "nested too deep")
    },
    r"job_0\.json",
    prefix="job file ",
)
def _(data, content):
    (data / "job_0.json").write_bytes(content)


@case("job without recording_name", "is not a job file", "accepted")
def _(data):
    write_job(data, session_name="x")


@case("job of a recording that is not here", "No traces for recording 'other'")
def _(data):
    write_job(data, recording_name="other")


@case("two jobs of one recording", r"job_0\.json and job_1\.json", "accepted")
def _(data):
    write_job(data, recording_name=NAME)
    write_job(data, "job_1.json", recording_name=NAME)


@case("two jobs of one recording that disagree", "skip_times")
def _(data):
    write_job(data, recording_name=NAME)
    write_job(data, "job_1.json", recording_name=NAME, skip_times=True)


@case("a folder called job_0.json", "accepted", "accepted")
def _(data):
    (data / "job_0.json").mkdir()


# ---- what other programs' files name ---------------------------------------------------------------------------------


@many(
    {
        "os.system": "os.system",
        "subprocess.Popen": "subprocess.Popen",
        "builtins.eval": "builtins.eval",
        "a look-alike package": "spikeinterface_evil.Recording",
        "a module on the path": "antigravity.Recording",
        "no module": "Recording",
        "with dots alone": "...",
        "SpikeInterface's, but no recording": "spikeinterface.core.job_tools.ChunkExecutor",
        "SpikeInterface's function": "spikeinterface.core.core_tools.check_json",
    },
    "not among those that only read data|no name of a class",
    prefix="class named: ",
)
def _(data, class_name):
    write_lazy(data, prefix="binary", **{"class": class_name})


@many(
    {
        "up": "../../../../../../etc",
        "absolute": "/etc",
        "another folder of recordings": "../outside",
        "remote": "s3://bucket/recording.zarr",
        "web": "http://localhost/recording",
        "missing": "gone",
    },
    "is not here|outside|cannot be read",
    prefix="path named: ",
)
def _(data, path):
    shutil.copytree(preprocessed(data), data.parent / "outside")
    write_lazy(data, {"folder_path": path}, prefix="binary")


@many(
    {"up": "../../outside/traces_cached_seg0.raw", "absolute": "/etc/passwd"},
    "outside|lacks",
    prefix="raw file named: ",
)
def _(data, path):
    shutil.copytree(preprocessed(data), data.parent / "outside")
    edit_json(preprocessed(data) / "binary.json", file_paths=[path])


@case("a pickled binary_ recording", "--allow-pickle|pickle")
def _(data):
    (data / f"binary_{NAME}.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")


@case("an old pickled folder", "not a folder that SpikeInterface saved")
def _(data):
    for path in ("si_folder.json", "binary.json"):
        (preprocessed(data) / path).unlink()
    (preprocessed(data) / "cached.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")


# ---- motion ----------------------------------------------------------------------------------------------------------


@case("motion wanted, none there", "motion", use_motion_corrected=True)
def _(data):
    pass


@many(
    {"empty": None, "parameters alone": "{}", "garbage": "{"},
    "motion",
    prefix="motion folder ",
    use_motion_corrected=True,
)
def _(data, text):
    folder = data / f"motion_{NAME}"
    (folder / "motion").mkdir(parents=True)
    if text is not None:
        (folder / "parameters.json").write_text(text)
