"""De-duplication loses no neuron: what goes is still there in a unit that stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import survivors as reference

from ephys_postprocess.engine.duplicates import mixtures_told
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.spike_trains.deduplicate import deduplicate
from ephys_postprocess.stages.spike_trains.survivors import choose_survivors

THRESHOLD = 0.9
MANY = settings(max_examples=200, deadline=None)
TRAIN = np.arange(40, 8000, 40)  # 10 kHz: every 4 ms, out of reach of a match within 0.4 ms
OTHER_TRAIN = TRAIN + 20


def trains_of(*trains):
    units = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    samples = np.concatenate([np.asarray(train, dtype=np.int64) for train in trains])
    order = np.lexsort((units, samples))
    segments = np.broadcast_to(np.int64(0), units.size)
    return SpikeTrains(samples[order], units[order], segments, len(trains), (9000,), 10_000.0)


def remove(*trains, shifts=None, amplitudes=None, **options):
    shifts = np.zeros(len(trains), dtype=np.int64) if shifts is None else np.asarray(shifts)
    amplitudes = np.ones(len(trains)) if amplitudes is None else np.asarray(amplitudes)
    options = {"duplicate_threshold": THRESHOLD, "num_threads": 1, **options}
    return deduplicate(trains_of(*trains), shifts, amplitudes, **options)


@st.composite
def pair_graphs(draw):
    """(pairs, is_first_worse, shares, num_spikes) of up to 7 units, with shares on either side of the threshold."""
    num_units = draw(st.integers(2, 7))
    possible = [(high, low) for high in range(num_units) for low in range(high)]
    pairs = np.array(draw(st.lists(st.sampled_from(possible), unique=True)), dtype=np.int64).reshape(-1, 2)
    shares = draw(st.lists(st.sampled_from([0.5, 0.9, 0.95, 1.0]), min_size=num_units**2, max_size=num_units**2))
    is_worse = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    num_spikes = np.array(draw(st.permutations(range(10, 10 + num_units))), dtype=np.int64)
    return pairs, np.array(is_worse, dtype=bool), np.reshape(shares, (num_units, num_units)), num_spikes


@MANY
@given(pair_graphs())
def test_whatever_goes_is_in_a_unit_that_stays(graph):
    pairs, is_first_worse, shares, num_spikes = graph
    found = choose_survivors(pairs, is_first_worse, shares, THRESHOLD, num_spikes)
    np.testing.assert_array_equal(found.removed_unit_indices, np.flatnonzero(~found.is_kept))
    for removed, kept in zip(found.removed_unit_indices, found.kept_unit_indices, strict=True):
        assert found.is_kept[kept]
        assert shares[removed, kept] > THRESHOLD
        assert sorted((removed, kept), reverse=True) in pairs.tolist()


@MANY
@given(pair_graphs())
def test_removals_equal_the_definition_where_there_is_no_circle(graph):
    pairs, _, shares, num_spikes = graph
    # who has fewer spikes is worse, and only the one with fewer can be a part: every arrow goes to more spikes
    is_first_worse = num_spikes[pairs[:, 0]] < num_spikes[pairs[:, 1]]
    is_larger = num_spikes[:, np.newaxis] > num_spikes
    shares = np.where(is_larger & (shares.T <= THRESHOLD), 0.5, shares)
    found = choose_survivors(pairs, is_first_worse, shares, THRESHOLD, num_spikes)
    is_kept, mixtures = reference.choose_survivors(
        num_spikes.size, pairs.tolist(), is_first_worse.tolist(), (shares > THRESHOLD).tolist()
    )
    assert found.is_kept.tolist() == is_kept
    assert found.mixtures == {unit: parts for unit, parts in mixtures.items() if parts}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_whatever_goes_is_in_a_train_that_stays(seed):
    """Random subsets and unions of three trains, counted with nothing but sets."""
    rng = np.random.default_rng(seed)
    sources = [TRAIN, OTHER_TRAIN, TRAIN + 30]
    trains = []
    for _ in range(8):
        picked = np.concatenate([sources[index] for index in rng.choice(3, size=rng.integers(1, 3), replace=False)])
        trains.append(np.sort(rng.choice(picked, size=int(picked.size * rng.choice([1.0, 0.97, 0.6])), replace=False)))
    found = remove(*trains, shifts=np.zeros(8, dtype=np.int64), amplitudes=rng.random(8))
    for removed, kept, fraction in zip(
        found.removed_unit_indices, found.kept_unit_indices, found.shared_fractions, strict=True
    ):
        share = len(set(trains[removed]) & set(trains[kept])) / trains[removed].size
        assert found.is_kept[kept]
        assert fraction == pytest.approx(share, abs=0)
        assert share > THRESHOLD


def test_a_mixture_of_two_neurons_costs_neither():
    """The best aligned of the two beats the mixture, which beats the other one: by pairs alone that one is lost."""
    mixture = np.sort(np.concatenate([TRAIN, OTHER_TRAIN]))
    found = remove(TRAIN, OTHER_TRAIN, mixture, shifts=[0, 2, 1])
    assert found.is_kept.all()
    assert found.mixtures == {2: (0, 1)}
    (told,) = mixtures_told(found.mixtures, ["a", "b", "both"])
    assert told.startswith("unit both has the spikes of units a, b, ")


def test_a_copy_goes_though_a_mixture_has_its_spikes_too():
    mixture = np.sort(np.concatenate([TRAIN, OTHER_TRAIN]))
    found = remove(TRAIN, OTHER_TRAIN, mixture, TRAIN[3:], amplitudes=[2, 2, 2, 1])
    assert found.is_kept.tolist() == [True, True, True, False]
    assert found.kept_unit_indices.tolist() == [0]
    assert found.shared_fractions.tolist() == [1.0]


def test_a_part_goes_whichever_is_better():
    """Six in ten of a neuron's spikes, better aligned and larger: removing the whole would lose the other four."""
    found = remove(TRAIN, TRAIN[: int(0.6 * TRAIN.size)], shifts=[1, 0], amplitudes=[1, 2])
    assert found.is_kept.tolist() == [True, False]
    assert found.shared_fractions.tolist() == [1.0]


def test_a_chain_keeps_the_end_that_nobody_has():
    """0 loses to 1, 1 loses to 2, and 2 has too few of 0's spikes."""
    size = TRAIN.size
    cut = int(0.07 * size)
    trains = TRAIN[: size - cut], TRAIN[cut // 2 : size - cut // 2], TRAIN[cut:]
    found = remove(*trains, shifts=[2, 1, 0], duplicate_threshold=0.95)
    assert found.is_kept.tolist() == [True, False, True]
    assert found.kept_unit_indices.tolist() == [2]
