"""What hostile inputs try, in whole runs: code in pickles and class names, markup, formulas, terminal codes, paths."""

import csv
import json
import pickle
import re
import shutil

import numpy as np
import pytest
from end_to_end.make_inputs import sorting_of, tiny
from faults.broken_inputs import NAME, ODD_UNIT_IDS, preprocessed, save_property, spikesorted, write_lazy

HOSTILE = "<script>alert('x')</script>"


class Trap:
    """Unpickling it leaves a mark."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def trap_property(data, trap):
    save_property(preprocessed(data), "extra", np.array([Trap(trap)] * 4, dtype=object))


def trap_spikes(data, trap):
    np.save(spikesorted(data) / "spikes.npy", np.array([Trap(trap)], dtype=object), allow_pickle=True)


def trap_binary_pickle(data, trap):
    (data / f"binary_{NAME}.pkl").write_bytes(pickle.dumps(Trap(trap)))


def trap_provenance(data, trap):
    for name in ("provenance.pkl", "cached.pkl"):
        (preprocessed(data) / name).write_bytes(pickle.dumps(Trap(trap)))
    (preprocessed(data) / "si_folder.json").unlink()
    (preprocessed(data) / "binary.json").unlink()


def trap_class(data, trap):
    (data / "evil.py").write_text(f"open({str(trap)!r}, 'w')")
    write_lazy(data, prefix="binary", **{"class": "evil.Recording"})


def trap_npz(data, trap):
    shutil.rmtree(spikesorted(data))
    objects = np.array([Trap(trap)], dtype=object)
    np.savez(data / f"spikesorted_{NAME}.npz", unit_ids=objects, num_segment=[1], sampling_frequency=[1e4])


def trap_phy(data, trap):
    shutil.rmtree(spikesorted(data))
    spikesorted(data).mkdir()
    (spikesorted(data) / "params.py").write_text(f"open({str(trap)!r}, 'w')\nsample_rate = 10000.0\n")
    described = {
        "class": "spikeinterface.extractors.phykilosortextractors.PhySortingExtractor",
        "kwargs": {"folder_path": "."},
        "module": "spikeinterface",
        "version": "0.105.3",
        "annotations": {},
        "properties": {},
    }
    (spikesorted(data) / "si_folder.json").write_text(json.dumps({**described, "relative_paths": True}))


def trap_hidden_description(data, trap):
    evil = {
        "class": "subprocess.Popen",
        "kwargs": {"args": ["touch", str(trap)]},
        "module": "subprocess",
        "version": "0.105.3",
        "annotations": {},
        "properties": {},
    }
    hidden = {"kwargs": {}, "x": evil}
    write_lazy(data, {"folder_path": f"preprocessed_{NAME}", "extra": hidden}, prefix="binary")


@pytest.mark.parametrize(
    "set_trap",
    [
        *(trap_property, trap_spikes, trap_binary_pickle, trap_provenance, trap_class, trap_npz, trap_phy),
        trap_hidden_description,
    ],
)
def test_no_code_of_the_data_is_run(capsule, data, tmp_path, set_trap, tally):
    tally("inputs on the command line")
    trap = tmp_path / "trap"
    set_trap(data, trap)
    code, said = capsule(data, tmp_path / "r", cwd=data, environment={"PYTHONPATH": ""})
    assert not trap.exists()
    assert code == (0 if set_trap is trap_property else 1), said  # a property is left out, and costs nothing
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["../../out", "/etc/x", "..", "a\nb"])
def test_no_name_leads_out_of_the_results(capsule, data, tmp_path, name, tally):
    tally("inputs on the command line")
    (data / "job_0.json").write_text(json.dumps({"recording_name": name}))
    code, said = capsule(data, tmp_path / "r" / "s")
    assert code == 2, said
    assert "cannot be a recording name" in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


@pytest.fixture(scope="module")
def hostile_run(capsule, tmp_path_factory):
    """A whole run on unit ids, channel ids, labels and a recording's name that would act where they are not escaped."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    recording, truth = tiny()
    ids = np.array(
        [HOSTILE, '=HYPERLINK("http://x")', "@SUM(1+1)*cmd|' /C calc'!A0", 'a,b\n"c"', "\x1b[2J\x1b]0;t\x07$(touch x)"]
    )
    rows = [(spike["sample_index"], spike["unit_index"], 0) for spike in truth.to_spike_vector()]
    sorting = sorting_of(rows, ids)
    sorting.set_property("KSLabel", np.array([HOSTILE] * 5))
    recording = recording.rename_channels([f"<b>{row}</b>" for row in range(recording.get_num_channels())])
    name = "b <img src=x onerror=alert(1)> $(touch pwned) ;touch pwned".replace("/", "")
    recording.save(folder=data / f"preprocessed_{name}", verbose=False, progress_bar=False, n_jobs=1)
    sorting.save(folder=data / f"spikesorted_{name}")
    results = tmp_path_factory.mktemp("results")
    code, said = capsule(data, results, "--n-jobs", "1", "--progress", "plain", cwd=results)
    assert code == 0, said
    return results, said, ids


def test_no_markup_of_the_data_reaches_html(hostile_run):
    (page,) = hostile_run[0].glob("*.html")
    text = page.read_text()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "<b>0</b>" not in text
    assert "alert(1)" in text  # it is there, but as text


def test_no_formula_of_the_data_reaches_a_spreadsheet(hostile_run):
    (table,) = hostile_run[0].glob("*.csv")
    with table.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 5
    for row in rows:
        assert not re.match(r"[=+@\t\r\n]|-[^\d.]", row["unit_id"])


def test_no_terminal_code_of_the_data_reaches_the_log(hostile_run):
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", hostile_run[1])


def test_no_shell_sees_the_data(hostile_run):
    assert not any(path.name == "pwned" or path.name == "x" for path in hostile_run[0].iterdir())


def test_the_store_holds_no_pickle_and_keeps_the_ids(hostile_run):
    import spikeinterface.core as si

    (store,) = hostile_run[0].glob("*.zarr")
    for metadata in store.rglob(".zarray"):
        assert '"pickle"' not in metadata.read_text()
    assert si.load_sorting_analyzer(store, load_extensions=False).unit_ids.tolist() == hostile_run[2].tolist()


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) for kind in ODD_UNIT_IDS])
def test_odd_unit_ids_all_the_way(capsule, tmp_path, kind, tally):
    tally("inputs on the command line")
    data = tmp_path / "data"
    recording, truth = tiny((3.0,), num_channels=8, num_units=3, seed=4)
    rows = [(spike["sample_index"], spike["unit_index"], 0) for spike in truth.to_spike_vector()]
    recording.save(folder=data / f"preprocessed_{NAME}", verbose=False, progress_bar=False, n_jobs=1)
    sorting_of(rows, ODD_UNIT_IDS[kind]).save(folder=data / f"spikesorted_{NAME}")
    code, said = capsule(data, tmp_path / "r")
    assert code == 0, said
    assert "no report" not in said
