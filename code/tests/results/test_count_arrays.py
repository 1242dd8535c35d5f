import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import Blosc

from ephys_postprocess.results.count_arrays import COUNTS, CountsArray, exact_filters


@settings(max_examples=30, deadline=None)
@given(st.floats(min_value=2.0**-20, max_value=1000, width=32))
@pytest.mark.filterwarnings("error")
def test_every_count_comes_back_as_count_times_gain_to_the_bit(gain):
    decoded = COUNTS
    for codec in reversed(exact_filters(np.float32(gain))):
        decoded = codec.decode(decoded)
    expected = COUNTS.astype(np.float32) * np.float32(gain)
    np.testing.assert_array_equal(np.asarray(decoded).view(np.int32), expected.view(np.int32))


def test_most_gains_need_one_filter_only():
    assert [len(exact_filters(np.float32(gain))) for gain in (2.34375, 4.69, 1.0, 0.195)] == [1, 1, 1, 3]


@pytest.mark.parametrize("gain", [0.0, -1.0, np.nan, np.inf])
def test_gains_that_lose_the_counts_are_refused(gain):
    assert exact_filters(np.float32(gain)) is None


@pytest.mark.parametrize("gain", [0.195, 2.34375])
def test_chunks_hold_the_bytes_that_zarr_would_write(gain):
    gain = np.float32(gain)
    counts = np.random.default_rng(0).integers(-2000, 2000, (11, 3, 2)).astype(np.int16)
    options = {"shape": counts.shape, "chunks": (4, 3, 2), "dtype": "f4", "compressor": Blosc(), "fill_value": 0}
    group = zarr.group()
    for name in ("ours", "zarrs"):
        group.create_dataset(name, filters=exact_filters(gain), **options)
    for first_row in (8, 0, 4):
        CountsArray(group["ours"]).write_chunk(first_row, counts[first_row : first_row + 4])
    group["zarrs"][:] = counts * gain
    np.testing.assert_array_equal(group["ours"][:], counts * gain)
    assert group["ours"][:].dtype == np.float32
    for index in range(3):
        assert bytes(group.store[f"ours/{index}.0.0"]) == bytes(group.store[f"zarrs/{index}.0.0"])
