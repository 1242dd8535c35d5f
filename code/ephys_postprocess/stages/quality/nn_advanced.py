"""Isolation of each unit's waveforms from other units' and from noise, by nearest neighbors in a joint PC space."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.quality.pc_nearest import DistanceScreen

NN_ADVANCED_COLUMNS = ("nn_isolation", "nn_noise_overlap")


@dataclass(frozen=True)
class UnitWaveforms:
    """Sampled waveforms of all units."""

    waveforms: np.ndarray  # float32 (num_spikes, num_samples, max_sparse_channels), packed by unit
    unit_indices: np.ndarray  # int64 (num_spikes,)
    sparsity: Sparsity

    def of_unit(self, unit_index: int) -> np.ndarray:
        """float32 (num_spikes_of_unit, num_samples, num_channels_of_unit)"""
        own = self.waveforms[self.unit_indices == unit_index]
        return own[:, :, : self.sparsity.num_channels_of_unit[unit_index]]


def nn_advanced(
    waveforms: np.ndarray,
    spike_unit_indices: np.ndarray,
    mask: np.ndarray,
    num_spikes: np.ndarray,
    firing_rates_hz: np.ndarray,
    noise_snippets: np.ndarray | None,
    parameters: Mapping[str, object],
    num_threads: int,
    unit_ranks: np.ndarray | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, dict[int, str]]]:
    """Nearest-neighbor isolation and noise overlap of every unit.

    Parameters
    ----------
    waveforms : float32 (num_sampled_spikes, num_samples, max_sparse_channels)
        Of the random spikes in time order, packed on each unit's channels, in µV.
    spike_unit_indices : int (num_sampled_spikes,)
    mask : bool (num_units, num_channels)
    num_spikes : int (num_units,)
        Of all spikes, as are the rates.
    firing_rates_hz : float64 (num_units,)
    noise_snippets : float32 (max_spikes, num_samples, num_channels) or None
        Stretches of the recording at random times, in µV. Without them there is no nn_noise_overlap.
    parameters : mapping
        As SpikeInterface has them; `radius_um` is the sparsity's business.
    num_threads : int
        Changes no value.
    unit_ranks : int (num_units,), optional
        Position of each unit in the order of sorted unit ids, which decides who draws first from the random numbers.
        By default the order of units.

    Returns
    -------
    columns : dict of float64 (num_units,)
    reasons : dict of dict
        For each column with a NaN: unit index to why.

    References
    ----------
    Chung et al. 2017; SpikeInterface 0.105.3 `nearest_neighbors_isolation` and `nearest_neighbors_noise_overlap`, at
    the same seed. Unlike these: right for string unit ids, and the peak is looked up on the unit's own channels in
    the median of its waveforms, so that sparse waveforms and missing median templates do no harm.
    """
    parameters = _checked_parameters(parameters)
    units = UnitWaveforms(
        waveforms, np.asarray(spike_unit_indices, dtype=np.int64), Sparsity(np.asarray(mask, dtype=bool))
    )
    sampled = np.bincount(units.unit_indices, minlength=mask.shape[0])
    why_not = _why_not(np.asarray(num_spikes), np.asarray(firing_rates_hz), sampled, parameters)
    ranks = np.arange(mask.shape[0]) if unit_ranks is None else np.asarray(unit_ranks)
    others = np.array([unit for unit in np.argsort(ranks) if unit not in why_not], dtype=np.int64)

    def work(target: int) -> tuple[float, float]:
        if target in why_not:
            return np.nan, np.nan
        overlap = np.nan if noise_snippets is None else nn_noise_overlap(units, target, noise_snippets, **parameters)
        return nn_isolation(units, target, others, **parameters), overlap

    outcomes = np.array(map_in_threads(work, range(mask.shape[0]), num_threads), dtype=np.float64).reshape(-1, 2)
    columns = dict(zip(NN_ADVANCED_COLUMNS, outcomes.T.copy(), strict=True))
    fallback = "no noise snippets" if noise_snippets is None else "too few waveforms or samples for the components"
    reasons = {
        name: {int(unit): why_not.get(unit, fallback) for unit in np.flatnonzero(np.isnan(values))}
        for name, values in columns.items()
    }
    return columns, {name: why for name, why in reasons.items() if why}


def nn_isolation(
    units: UnitWaveforms,
    target: int,
    others: np.ndarray,
    *,
    max_spikes: int,
    n_neighbors: int,
    n_components: int,
    min_spatial_overlap: float,
    seed: int,
    **_: object,
) -> float:
    """Isolation from the unit least isolated from the target.

    1 when no unit shares enough channels, NaN when none of those that do has waveforms enough.

    Parameters
    ----------
    units : UnitWaveforms
    target : int
    others : int64 (num_others,)
        Units to compare with, in the order in which they draw random numbers; the target is passed over.
    """
    rng = np.random.default_rng(seed)
    mask = units.sparsity.mask
    target_waveforms = units.of_unit(target)
    isolations = []
    for other in others:
        is_common = mask[target] & mask[other]
        if other == target or is_common.sum() < mask[target].sum() * min_spatial_overlap:
            continue
        other_waveforms = units.of_unit(other)
        num_snippets = min(target_waveforms.shape[0], other_waveforms.shape[0], max_spikes)
        snippets = [
            waveforms[rng.choice(waveforms.shape[0], size=num_snippets, replace=False)][:, :, is_common[mask[unit]]]
            for unit, waveforms in ((target, target_waveforms), (other, other_waveforms))
        ]
        parts = (part.reshape(num_snippets, -1) for part in snippets)
        isolations.append(joint_isolation(*parts, n_components, n_neighbors))
    return float(np.fmin.reduce(isolations)) if isolations else 1.0


def nn_noise_overlap(
    units: UnitWaveforms,
    target: int,
    noise_snippets: np.ndarray,
    *,
    max_spikes: int,
    n_neighbors: int,
    n_components: int,
    seed: int,
    **_: object,
) -> float:
    """Share of nearest neighbors across the border between the target's waveforms and as many noise snippets.

    Both are first rid of the noise that being picked at the target's peak would select for.
    """
    rng = np.random.default_rng(seed)
    waveforms = units.of_unit(target)
    noise = noise_snippets[:, :, units.sparsity.mask[target]]
    median = np.median(waveforms, axis=0)
    if waveforms.shape[0] > max_spikes:
        waveforms = waveforms[rng.choice(waveforms.shape[0], max_spikes, replace=False)]
    elif waveforms.shape[0] < max_spikes:
        noise = noise[rng.choice(noise.shape[0], waveforms.shape[0], replace=False)]
    peak_sample, peak_channel = np.unravel_index(np.argmax(np.abs(median)), median.shape)
    weights = noise[:, peak_sample, peak_channel].astype(np.float64)
    noise = noise.reshape(noise.shape[0], -1).astype(np.float64)
    bias = weights @ noise
    parts = [_without(part, bias) for part in (waveforms.reshape(waveforms.shape[0], -1).astype(np.float64), noise)]
    return 1 - joint_isolation(*parts, n_components, n_neighbors)


def joint_isolation(first: np.ndarray, second: np.ndarray, num_components: int, num_neighbors: int) -> float:
    """Share of nearest neighbors that are of the same kind, in the principal components of both together.

    Parameters
    ----------
    first, second : float (num_snippets, num_features)
    num_components, num_neighbors : int

    Returns
    -------
    float
        0 to 1; NaN with fewer snippets or features than components.
    """
    both = np.concatenate([first, second]).astype(np.float64)
    if min(both.shape) < num_components:
        return np.nan
    projected = np.ascontiguousarray(leading_projections(both, num_components), dtype=np.float32)
    rows = np.arange(both.shape[0])
    num_neighbors = min(num_neighbors, rows.size - 1)
    nearest = DistanceScreen(projected).nearest(rows, num_neighbors, np.full(rows.size, np.inf))
    is_first = rows < first.shape[0]
    return float(np.mean(is_first[nearest] == is_first[:, None]))


def leading_projections(snippets: np.ndarray, num_components: int) -> np.ndarray:
    """Snippets less their mean on their first principal components, float64 (num_snippets, num_components).

    The signs of the components are arbitrary.

    Parameters
    ----------
    snippets : float64 (num_snippets, num_features)
    """
    # Only a few eigenvectors are wanted, which numpy cannot be asked for; scipy costs an import, so only here.
    from scipy.linalg import eigh

    centered = snippets - snippets.mean(axis=0)
    size = min(centered.shape)
    wanted = (size - num_components, size - 1)
    if centered.shape[1] <= centered.shape[0]:
        return centered @ eigh(centered.T @ centered, subset_by_index=wanted)[1]
    eigenvalues, eigenvectors = eigh(centered @ centered.T, subset_by_index=wanted)
    return eigenvectors * np.sqrt(np.maximum(eigenvalues, 0))


def _without(snippets: np.ndarray, component: np.ndarray) -> np.ndarray:
    """Each row less its projection on a component; unchanged when the component is zero."""
    power = component @ component
    if power == 0:
        return snippets
    return snippets - np.outer(snippets @ component / power, component)


def _checked_parameters(parameters: Mapping[str, object]) -> dict:
    checked = dict(parameters)
    checked["seed"] = 0 if checked["seed"] is None else checked["seed"]  # a run must be repeatable
    for key in ("max_spikes", "n_neighbors", "n_components"):
        if checked[key] < 1:
            raise ParameterError(f"nn_advanced.{key}: must be at least 1 (got {checked[key]}).")
    return checked


def _why_not(num_spikes: np.ndarray, rates_hz: np.ndarray, sampled: np.ndarray, parameters: dict) -> dict[int, str]:
    """Units that are neither measured nor compared with, and why."""
    why = {}
    for unit in range(num_spikes.size):
        if num_spikes[unit] < parameters["min_spikes"]:
            why[unit] = f"fewer than min_spikes = {parameters['min_spikes']} spikes"
        elif rates_hz[unit] < parameters["min_fr"]:
            why[unit] = f"firing rate below min_fr = {parameters['min_fr']} Hz"
        elif sampled[unit] == 0:
            why[unit] = "no sampled waveforms"
    return why
