"""The same input gives the same bytes: again, with another number of threads, and over an earlier result."""

from pathlib import Path

import pytest
from end_to_end.make_inputs import NAME


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def differing(one: Path, other: Path) -> list[str]:
    ours, theirs = bytes_of(one), bytes_of(other)
    return sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))


@pytest.fixture(scope="module")
def runs(run_capsules, tiny_data):
    calls = {
        "again": {"arguments": ["--n-jobs", "2"]},
        "1 job": {"arguments": ["--n-jobs", "1"]},
        "other chunks": {"arguments": ["--params", '{"job_kwargs": {"chunk_duration": "0.3s"}}']},
    }
    return run_capsules({label: {**call, "data": tiny_data} for label, call in calls.items()})


@pytest.mark.parametrize("label", ["again", "1 job"])
def test_every_file_of_the_store_is_the_same(runs, default_run, label):
    assert runs[label].exit_code == 0, runs[label].text
    assert bytes_of(default_run.store(NAME))
    assert differing(runs[label].store(NAME), default_run.store(NAME)) == []


@pytest.mark.parametrize("label", ["again", "1 job", "other chunks"])
def test_the_units_tables_are_the_same(runs, default_run, label):
    for ending in ("csv", "parquet"):
        tables = [(done.results / f"units_{NAME}.{ending}").read_bytes() for done in (runs[label], default_run)]
        assert tables[0] == tables[1], ending


def test_chunks_do_not_change_the_store(runs, default_run):
    assert differing(runs["other chunks"].store(NAME), default_run.store(NAME)) == []


def test_the_data_process_differs_in_times_and_costs_only(runs, default_run):
    ours, theirs = (done.data_process(NAME) for done in (runs["1 job"], default_run))
    for process in (ours, theirs):
        for name in ("start_date_time", "end_date_time"):
            del process[name]
        for name in ("stages", "n_jobs"):
            del process["output_parameters"][name]
        del process["output_parameters"]["integrity"]["seal_sha256"]  # of the times, too
    assert ours == theirs


def test_a_second_run_replaces_all_of_the_first(run_capsule, runs, tiny_data, files_of, metadata_copies):
    """With other parameters and over the leftovers of a killed run: nothing of either stays."""
    results = runs["again"].results
    first = bytes_of(runs["again"].store(NAME))
    for leftover in ("building.zarr", "replaced.zarr", "staging"):
        (results / f".postprocessed_{NAME}.{leftover}").mkdir()
        (results / f".postprocessed_{NAME}.{leftover}" / "half").write_text("written", encoding="utf-8")
    few = '{"extensions": {"random_spikes": {}, "noise_levels": {}, "templates": {}}}'
    second = run_capsule("--params", few, data=tiny_data, results=results)
    assert second.exit_code == 0, second.text
    assert second.names() == files_of(NAME) | metadata_copies
    assert second.extensions(NAME) == {"random_spikes", "noise_levels", "templates"}
    third = run_capsule(data=tiny_data, results=results)
    assert third.names() == files_of(NAME) | metadata_copies
    assert bytes_of(third.store(NAME)) == first


def test_a_placeholder_is_replaced_once_there_is_something_to_show(run_capsule, tiny_data, tmp_path, files_of):
    store = tmp_path / f"postprocessed_{NAME}.zarr"
    store.mkdir()
    (store / "placeholder.npy").touch()
    few = '{"extensions": {"random_spikes": {}, "noise_levels": {}, "templates": {}}}'
    done = run_capsule("--params", few, data=tiny_data, results=tmp_path)
    assert done.exit_code == 0, done.text
    assert files_of(NAME) <= done.names()
    assert "placeholder.npy" not in done.placeholder(NAME)
