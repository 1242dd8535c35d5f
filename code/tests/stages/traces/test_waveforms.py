import numpy as np
import pytest
from reference.dense_templates import compute_templates
from reference.small_analyzer import ArrayTraces

from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.templates.average_templates import average_dense_templates, average_packed_templates
from ephys_postprocess.stages.templates.templates import unpack_channels
from ephys_postprocess.stages.traces import waveforms as stage
from ephys_postprocess.stages.traces.waveforms import WaveformSelection, for_each_block, open_waveforms

BEFORE, AFTER = 5, 7


def make_case(is_raw=True, dtype=np.int16, num_spikes=200, seed=0, **selection_changes):
    generator = np.random.default_rng(seed)
    lengths = (900, 400)
    segments = [generator.integers(-3000, 3000, (length, 6)).astype(dtype) for length in lengths]
    gains, offsets = generator.normal(1, 0.1, 6), generator.normal(0, 3, 6)
    segment_indices = np.sort(generator.integers(0, 2, num_spikes))
    samples = (generator.random(num_spikes) * np.array(lengths)[segment_indices]).astype(np.int64)
    samples[:1] = 0
    order = np.lexsort((samples, segment_indices))
    spikes = SpikeTrains(samples[order], generator.integers(0, 4, num_spikes), segment_indices, 5, lengths, 30_000.0)
    mask = generator.random((5, 6)) < 0.5
    rows = np.flatnonzero(generator.random(num_spikes) < 0.7)
    selection = {"spike_rows": rows, "sparsity": Sparsity(mask)} | selection_changes
    return (
        ArrayTraces(segments, gains, offsets, is_raw),
        WaveformSelection(spikes, num_samples_before=BEFORE, num_samples_after=AFTER, **selection),
    )


def expected_waveforms(traces, selection):
    """Window by window from zero-padded segments."""
    trains, mask = selection.trains, selection.sparsity.mask
    waveforms = np.zeros((selection.num_waveforms, BEFORE + AFTER, selection.width), np.float32)
    for row in range(selection.num_waveforms):
        segment = traces.segments[trains.segment_indices[row]]
        scaled = np.pad(segment.astype(np.float32) * traces.gains + traces.offsets, ((BEFORE, AFTER), (0, 0)))
        own = mask[trains.unit_indices[row]]
        waveforms[row, :, : own.sum()] = scaled[trains.samples[row] :][: BEFORE + AFTER, own]
    return waveforms


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("chunk_samples", [37, 10_000])
def test_gathered_waveforms_are_windows_of_the_scaled_traces(tmp_path, monkeypatch, dtype, chunk_samples):
    monkeypatch.setattr(stage, "GATHER_BYTES", 1000)  # several parts a chunk
    traces, selection = make_case(dtype=dtype)
    expected = expected_waveforms(traces, selection)
    with open_waveforms(traces, selection, tmp_path, chunk_samples, 3) as source:
        rows = np.random.default_rng(1).permutation(selection.num_waveforms)[:50]
        np.testing.assert_array_equal(source.gather(rows), expected[rows])
        np.testing.assert_array_equal(source.gather(rows, width=1), expected[rows, :, :1])
        for unit_index in range(5):
            rows = np.flatnonzero(selection.trains.unit_indices == unit_index)
            own = selection.sparsity.num_channels_of_unit[unit_index]
            np.testing.assert_array_equal(source.gather_unit(unit_index), expected[rows, :, :own])
        assert list(tmp_path.iterdir()) == []  # a killed run would leave nothing


def test_blocks_cover_all_rows_once(tmp_path):
    traces, selection = make_case()
    blocks = {}
    with open_waveforms(traces, selection, tmp_path, 100, 2) as source:
        for_each_block(source.gather, selection.num_waveforms, 16, blocks.__setitem__, num_threads=4)
    got = np.concatenate([blocks[first_row] for first_row in sorted(blocks)])
    assert {len(block) for first_row, block in blocks.items() if first_row != max(blocks)} == {16}
    np.testing.assert_array_equal(got, expected_waveforms(traces, selection))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_counts_are_what_scaling_starts_from(tmp_path, dtype):
    traces, selection = make_case(dtype=dtype)
    traces.gains[:], traces.offsets[:] = 0.5, 0
    with open_waveforms(traces, selection, tmp_path, 100, 2) as source:
        rows = np.arange(selection.num_waveforms)[::-1]
        np.testing.assert_array_equal(source.gather_counts(rows) * np.float32(0.5), source.gather(rows))
        assert source.gather_counts(rows).dtype == dtype
        for unit_index in range(source.selection.spikes.num_units):
            of_unit = source.selection.trains.rows_of_unit(unit_index)
            np.testing.assert_array_equal(source.counts_of_unit(unit_index), source.gather_counts(of_unit))
        assert source.common_gain == (0.5 if dtype == np.int16 else None)


@pytest.mark.parametrize("change", ["gains", "offsets"])
def test_channels_that_differ_or_have_an_offset_have_no_common_gain(tmp_path, change):
    traces, selection = make_case()
    traces.gains[:], traces.offsets[:] = 0.5, 0
    getattr(traces, change)[np.flatnonzero(selection.sparsity.mask.any(axis=0))[0]] = 1
    with open_waveforms(traces, selection, tmp_path, 100, 2) as source:
        assert source.common_gain is None


def test_dense_waveforms_use_every_channel(tmp_path):
    traces, selection = make_case(sparsity=Sparsity(np.ones((5, 6), dtype=bool)))
    with open_waveforms(traces, selection, tmp_path, 100, 2) as source:
        got = source.gather(np.arange(selection.num_waveforms))
    assert got.shape[2] == 6
    np.testing.assert_array_equal(got, expected_waveforms(traces, selection))


@pytest.mark.parametrize(
    "nothing", [{"spike_rows": np.zeros(0, np.int64)}, {"sparsity": Sparsity(np.zeros((5, 6), dtype=bool))}]
)
def test_no_spike_or_no_channel_gives_empty_waveforms_and_zero_templates(tmp_path, nothing):
    traces, selection = make_case(**nothing)
    with open_waveforms(traces, selection, tmp_path, 100, 2) as source:
        assert source.gather(np.arange(selection.num_waveforms)).size == 0
        assert not compute_templates(source, ["average", "std", "median"])["std"].any()


def test_each_chunk_is_read_once(tmp_path):
    traces, selection = make_case(is_raw=False)
    open_waveforms(traces, selection, tmp_path, 50, 2).close()
    assert max(reads.max() for reads in traces.num_reads) <= 2  # once, and once more in a neighbour's margin


def test_full_disk_closes_the_scratch_file(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no space")

    traces, selection = make_case()
    monkeypatch.setattr(stage.os, "pwrite", refuse)
    with pytest.raises(OSError, match="no space"):
        open_waveforms(traces, selection, tmp_path, 100, 1)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_threads_chunks_and_source_change_no_byte(tmp_path, dtype):
    results = []
    for num_threads, is_raw in ((1, True), (4, True), (1, False), (4, False)):
        traces, selection = make_case(is_raw, dtype)
        dense = average_dense_templates(traces, selection.spikes, selection.spike_rows, BEFORE, AFTER, 64, num_threads)
        packed = average_packed_templates(traces, selection, 64, num_threads)
        with open_waveforms(traces, selection, tmp_path, 64, num_threads) as source:
            templates = compute_templates(source, ["average", "std"], num_threads)
        results.append([dense, packed, templates["average"], templates["std"]])
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_packed_averages_are_the_averages_of_the_waveforms(tmp_path):
    traces, selection = make_case()
    with open_waveforms(traces, selection, tmp_path, 64, 1) as source:
        expected = compute_templates(source, ["average"])["average"]
    got = unpack_channels(average_packed_templates(traces, selection, 64, 1), selection.sparsity)
    np.testing.assert_allclose(got, expected, atol=1e-3, rtol=0)  # up to 3000 µV summed in float32 on the one side


def test_batches_continue_the_same_sums(tmp_path, monkeypatch):
    from ephys_postprocess.stages.templates import templates as templates_stage

    traces, selection = make_case()
    with open_waveforms(traces, selection, tmp_path, 64, 1) as source:
        whole = compute_templates(source, ["average", "std"])
        monkeypatch.setattr(templates_stage, "ROWS_AT_ONCE", 7)
        in_batches = compute_templates(source, ["average", "std"])
    np.testing.assert_array_equal(in_batches["average"], whole["average"])
    np.testing.assert_array_equal(in_batches["std"], whole["std"])


def test_more_windows_than_int32_holds_are_summed_exactly():
    traces = ArrayTraces([np.full((4, 1), 2**15 - 1, np.int16)])
    num_spikes = 70_000
    zeros = np.zeros(num_spikes, np.int64)
    spikes = SpikeTrains(zeros + 1, zeros, zeros, 1, (4,), 30_000.0)
    for is_raw in (True, False):
        traces.is_raw = is_raw
        got = average_dense_templates(traces, spikes, np.arange(num_spikes), 1, 1, 100, 1)
        assert got.tolist() == [[[2**15 - 1], [2**15 - 1]]]


def test_units_in_another_order_give_the_same_templates_in_that_order():
    traces, selection = make_case()
    spikes = selection.spikes
    new_index = np.array([3, 0, 4, 1, 2])
    renamed = SpikeTrains(
        spikes.samples, new_index[spikes.unit_indices], spikes.segment_indices, 5, spikes.segment_lengths, 30_000.0
    )
    first = average_dense_templates(traces, spikes, selection.spike_rows, BEFORE, AFTER, 64, 2)
    second = average_dense_templates(traces, renamed, selection.spike_rows, BEFORE, AFTER, 64, 2)
    np.testing.assert_array_equal(second[new_index], first)
