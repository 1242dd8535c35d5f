"""Recordings and sortings that are unusual but right: one run over all of them, none may fail."""

import numpy as np
import pandas as pd
import pytest
import spikeinterface.core as si
from end_to_end.make_inputs import (
    GAIN_UV,
    duplicated,
    floats_without_gains,
    on_two_shanks,
    recording_like,
    save,
    slowed,
    sorting_of,
    tiny,
    traces_of,
    unsigned,
    with_more,
)

NO_NAMES = np.array([], dtype="<U3")


def inputs():
    """name: recording and sorting, None for `tiny()`."""
    recording, sorting = tiny()
    end = recording.get_num_samples()
    few = [(40_000, 1, 0), (50_000, 2, 0), (60_000, 2, 0), (0, 3, 0), (5, 3, 0), (end - 3, 3, 0), (end - 1, 3, 0)]
    late = [(end - 500, 0, 0), (end, 0, 0), (end + 5, 0, 0)]
    segments, segments_sorting = tiny((4.0, 3.0))
    cut = recording_like(recording, [traces_of(recording)[0], traces_of(recording)[0][:1]], gain_uV=GAIN_UV)
    rows = [(spike["sample_index"], spike["unit_index"], 0) for spike in sorting.to_spike_vector()]
    return {
        "usual": (None, None),
        "at_100_hz": slowed(recording, sorting, 100.0),
        "at_1_khz": slowed(recording, sorting, 1000.0),
        "at_the_ends": (None, sorting_of([(0, 0, 0), (end - 1, 1, 0)], ["first", "last"])),
        "duplicated": (None, duplicated(sorting)),
        "excess": (None, with_more(sorting, ["late"], late)),
        "few": (None, with_more(sorting, ["none", "one", "two", "edges"], few)),
        "floats": (floats_without_gains(recording), None),
        "no_units": (None, sorting_of([], NO_NAMES)),
        "no_spikes": (None, sorting_of([], ["a", "b"])),
        "one_channel": (recording.select_channels(recording.channel_ids[:1]), None),
        "one_spike": (None, sorting_of([(30_000, 0, 0)], [7])),
        "raw_counts": (recording_like(recording, traces_of(recording), gain_uV=None), None),
        "one_sample_segment": (cut, sorting_of([*rows, (0, 0, 1)], sorting.unit_ids, 2)),
        "segments": (segments, segments_sorting),
        "shanks": (on_two_shanks(recording), None),
        "unsigned": (unsigned(recording), None),
    }


@pytest.fixture(scope="module")
def done(run_capsule, tmp_path_factory):
    data = tmp_path_factory.mktemp("unusual")
    for name, (recording, sorting) in inputs().items():
        save(data, name, recording, sorting)
    return run_capsule(data=data)


@pytest.fixture(scope="module")
def tables(done):
    return {name: pd.read_csv(done.results / f"units_{name}.csv", dtype={"unit_id": str}) for name in inputs()}


def open_result(done, name):
    return si.load(done.store(name))


def test_all_succeed_and_leave_just_their_files(done, files_of):
    assert done.exit_code == 0, done.text
    assert done.names() == files_of(*inputs()) | {"summary.html", "units.parquet", "units.csv"}
    assert "Traceback" not in done.text


@pytest.mark.parametrize("name", inputs())
def test_each_result_opens_with_everything_in_it(done, tables, name):
    analyzer = open_result(done, name)
    expected = done.extensions("usual")
    assert set(analyzer.get_loaded_extension_names()) == expected
    assert analyzer.has_recording()
    assert tables[name]["unit_id"].tolist() == [str(unit_id) for unit_id in analyzer.unit_ids]
    spikes = len(analyzer.sorting.to_spike_vector())
    assert analyzer.get_extension("spike_amplitudes").data["amplitudes"].shape == (spikes,)
    assert analyzer.get_extension("templates").data["std"].shape[0] == analyzer.get_num_units()


def test_duplicates_are_removed_and_told(done, tables):
    assert "copy" not in tables["duplicated"]["unit_id"].tolist()
    said = done.data_process("duplicated")["output_parameters"]
    (row,) = said["duplicate_units"]
    assert (row["removed_unit_id"], row["kept_unit_id"]) == ("copy", "0")
    assert row["shared_fraction"] > 0.9
    counts = ("num_units_in", "num_duplicate_units_removed", "num_units_out")
    assert [said[count] for count in counts] == [6, 1, 5]
    assert "unit copy removed in favour of unit 0" in done.stdout


def test_spikes_past_the_end_are_removed_and_told(done, tables):
    assert done.data_process("excess")["output_parameters"]["excess_spikes_removed"] == {"late": 2}
    assert "Removed 2 spikes past the end" in done.text
    assert tables["excess"].set_index("unit_id").loc["late", "num_spikes"] == 1


def test_units_with_few_spikes_stay_and_their_gaps_are_explained(done, tables):
    table = tables["few"].set_index("unit_id")
    assert table.loc[["none", "one", "two", "edges"], "num_spikes"].tolist() == [0, 1, 2, 4]
    assert np.isnan(table.loc["none", "firing_rate"])
    told = done.data_process("few")["output_parameters"]["metrics_not_computed"]
    assert "no spikes" in told["firing_rate"]
    metrics = table.drop(columns=["x_um", "y_um", "z_um"])
    assert set(metrics.columns[metrics.isna().any()]) <= set(told)
    complete = done.data_process("few")["output_parameters"]["missing_values"]
    listed = {(column, unit) for entry in complete for column in entry["columns"] for unit in entry["unit_ids"]}
    missing = metrics.isna().stack()
    assert listed == set(missing[missing].swaplevel().index)


def test_spikes_without_whole_windows_have_no_random_spikes(done):
    analyzer = open_result(done, "few")
    rows = analyzer.get_extension("random_spikes").data["random_spikes_indices"]
    samples = analyzer.sorting.to_spike_vector()["sample_index"][rows]
    num_samples = analyzer.get_total_samples()
    assert len(analyzer.get_extension("waveforms").data["waveforms"]) == len(rows)
    assert samples.max() < num_samples


def test_no_units_are_no_failure(done, tables):
    analyzer = open_result(done, "no_units")
    assert analyzer.get_num_units() == 0
    assert len(tables["no_units"]) == 0
    assert tables["no_units"].columns.tolist() == tables["usual"].columns.tolist()


def assert_same_numbers(found, expected, columns):
    assert found.columns.tolist() == expected.columns.tolist()
    for column in columns:
        # A location is where a search stopped on a flat bottom, in µm; else float32 rounding of gains, 1e-4 at most.
        tolerance = 2.0 if column.endswith("_um") else 2e-3
        np.testing.assert_allclose(found[column], expected[column], rtol=2e-3, atol=tolerance, err_msg=column)


def test_floats_in_uV_give_the_numbers_of_counts_with_gains(tables):
    expected = tables["usual"]
    assert tables["floats"]["main_channel_id"].equals(expected["main_channel_id"])
    assert_same_numbers(tables["floats"], expected, expected.columns.drop(["unit_id", "main_channel_id"]))


def test_offset_binary_gives_the_numbers_of_signed_counts(tables):
    """SpikeInterface, and so we, seek the main channel in raw counts, where an offset makes the positive peak the
    larger one: one unit may move to the neighbouring channel, and what compares units moves a little.
    """
    expected, found = tables["usual"], tables["unsigned"]
    is_same = found["main_channel_id"] == expected["main_channel_id"]
    assert is_same.sum() >= len(is_same) - 1
    columns = ["num_spikes", "firing_rate", "x_um", "y_um", "snr", "amplitude_median", "sd_ratio", "rp_contamination"]
    columns += ["peak_to_trough_duration", "trough_half_width", "repolarization_slope", "exp_decay"]
    assert_same_numbers(found[is_same], expected[is_same], columns)


def test_raw_counts_are_told(done, tables):
    notes = done.data_process("raw_counts")["output_parameters"]["notes"]
    assert any("no gain" in note for note in notes)
    ratio = tables["raw_counts"]["amplitude_median"] / tables["usual"]["amplitude_median"]
    np.testing.assert_allclose(ratio, 1 / 0.195, rtol=1e-4)


def test_segments_are_kept_apart(done):
    analyzer = open_result(done, "segments")
    assert analyzer.get_num_segments() == 2
    assert done.data_process("segments")["output_parameters"]["num_segments"] == 2
    assert set(analyzer.sorting.to_spike_vector()["segment_index"]) == {0, 1}


def test_units_stay_on_their_shank(done):
    analyzer = open_result(done, "shanks")
    is_second = analyzer.get_channel_locations()[:, 0] > 200
    assert is_second.any()
    assert not is_second.all()
    for row, mask in enumerate(analyzer.sparsity.mask):
        assert len(set(is_second[mask])) == 1, f"unit {row}"


@pytest.mark.parametrize("name", ["at_100_hz", "at_1_khz"])
def test_windows_of_less_than_a_sample_take_one(done, name):
    """At 1 kHz, half a millisecond rounds to no sample; at 100 Hz, 3 ms do."""
    analyzer = open_result(done, name)
    params = analyzer.get_extension("spike_locations").params
    assert params["ms_before"] * analyzer.sampling_frequency / 1000 == 1.0
    assert analyzer.get_extension("templates").nbefore >= 1
    assert np.isfinite(analyzer.get_extension("spike_locations").data["spike_locations"]["x"]).mean() > 0.9
    assert any("less than a sample" in note for note in done.data_process(name)["output_parameters"]["notes"])


def test_a_bin_of_less_than_a_sample_takes_one(done):
    """By hand: at 100 Hz, the bins of 1 ms are of 10 ms."""
    assert np.diff(open_result(done, "at_100_hz").get_extension("correlograms").data["bins"]).tolist() == [10.0] * 4
    assert open_result(done, "at_100_hz").get_extension("correlograms").params["bin_ms"] == 10.0


def test_spikes_at_the_very_ends_have_amplitudes_and_no_places(done):
    analyzer = open_result(done, "at_the_ends")
    amplitudes = analyzer.get_extension("spike_amplitudes").data["amplitudes"]
    assert len(amplitudes) == 2
    assert np.isfinite(amplitudes).all()
    assert np.isnan(analyzer.get_extension("spike_locations").data["spike_locations"]["x"]).all()
    assert "too close to an end" in done.text


def test_a_segment_of_one_sample_changes_no_noise_level(done):
    found, expected = (
        open_result(done, name).get_extension("noise_levels").data["noise_levels"]
        for name in ("one_sample_segment", "usual")
    )
    np.testing.assert_array_equal(found, expected)


def test_each_recording_has_its_closing_line(done):
    closing = done.stdout[done.stdout.index("Results of 17 recording(s)") :].splitlines()[1:]
    assert [line.split()[:2] for line in closing] == [["done", f"{name}:"] for name in sorted(inputs())]
