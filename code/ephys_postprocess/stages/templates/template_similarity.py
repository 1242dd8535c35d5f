"""How alike two units' templates are."""

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels import template_similarity as kernels
from ephys_postprocess.machine.threads import map_in_threads, split_evenly
from ephys_postprocess.records import Sparsity

METHODS = ("l1", "l2", "cosine")  # position: the kernel's code
SUPPORTS = ("dense", "union", "intersection")  # position: the kernel's code


def template_similarity(
    templates: np.ndarray,
    sparsity: Sparsity,
    sampling_frequency_hz: float,
    method: str,
    max_lag_ms: float,
    support: str,
    num_threads: int = 1,
) -> np.ndarray:
    """One minus the smallest distance between each two templates.

    Parameters
    ----------
    templates : float32 or float64 (num_units, num_samples, num_channels)
    sparsity : Sparsity
        All true where templates are dense.
    sampling_frequency_hz : float
    method : "cosine" | "l1" | "l2"
        l1 and l2: norm of the difference over the sum of the norms.
    max_lag_ms : float
        The later unit is moved back by up to this much. SpikeInterface means to try both directions, but overwrites
        one by the other; equal results matter more here.
    support : "union" | "intersection" | "dense"
        Channels that count. Units without a common channel get 0, except with "dense".
    num_threads : int

    Returns
    -------
    similarity : float32 (num_units, num_units)

    Raises
    ------
    ParameterError
        Unknown method or support, or a lag that leaves no sample.

    References
    ----------
    `compute_template_similarity` of SpikeInterface: equal for float64 templates, within 5e-6 for float32 ones, which it
    sums in float32. A template of zeros gets similarity 0, also with "l1" and "l2", where it divides by zero.
    """
    num_shifts = int(max_lag_ms * sampling_frequency_hz / 1000)
    _check(method, support, num_shifts, templates.shape[1])
    used_channels = (templates != 0).any(axis=1)
    if method == "cosine" and num_shifts == 0 and not (used_channels & ~sparsity.mask).any():
        distances = _cosine_distances(templates, sparsity.mask, used_channels, support)
    else:
        distances = _kernel_distances(templates, sparsity.mask, used_channels, num_shifts, method, support, num_threads)
    return (1 - distances).astype(np.float32)


def _check(method, support, num_shifts, num_samples):
    if method not in METHODS:
        raise ParameterError(f"template_similarity.method: must be one of {METHODS} (got {method!r}).")
    if support not in SUPPORTS:
        raise ParameterError(f"template_similarity.support: must be one of {SUPPORTS} (got {support!r}).")
    if not 0 <= 2 * num_shifts < num_samples:
        raise ParameterError(f"template_similarity.max_lag_ms: {num_shifts} samples leave nothing of {num_samples}.")


def _cosine_distances(templates, mask, used_channels, support):
    """float32: without lag, products channel by channel hold everything, as templates are zero outside the sparsity."""
    num_units = templates.shape[0]
    products = np.zeros((num_units, num_units))
    energies = np.zeros(mask.shape)  # squared norm of each unit on each channel
    for channel in np.flatnonzero(used_channels.any(axis=0)):
        units = np.flatnonzero(used_channels[:, channel])
        waveforms = templates[units, :, channel].astype(np.float64)
        gram = waveforms @ waveforms.T
        products[np.ix_(units, units)] += gram
        energies[units, channel] = np.diagonal(gram)
    if support == "intersection":
        squared_norms = energies @ mask.T.astype(np.float64)
    else:
        squared_norms = np.repeat(energies.sum(axis=1)[:, np.newaxis], num_units, axis=1)
    scales = np.sqrt(squared_norms) * np.sqrt(squared_norms.T)
    is_counted = scales > 0
    if support != "dense":
        counts = mask.astype(np.float32)
        is_counted &= (counts @ counts.T) > 0
    cosines = np.divide(products, scales, out=np.zeros_like(products), where=is_counted)
    return (1 - cosines).astype(np.float32)


def _kernel_distances(templates, mask, used_channels, num_shifts, method, support, num_threads):
    num_units = templates.shape[0]
    packing = Sparsity(mask | used_channels)
    packed = _pack(templates, packing)
    in_mask = np.take_along_axis(mask, np.maximum(packing.channels_of_unit, 0), axis=1)
    distances = np.ones((num_units, num_units), dtype=np.float32)
    codes = METHODS.index(method), SUPPORTS.index(support)
    layout = packing.channels_of_unit, in_mask, packing.num_channels_of_unit

    def work(piece):
        kernels.template_similarity(packed, *layout, num_shifts, *codes, *piece, distances)

    # row u holds the pairs (u, u …): short pieces keep the threads even
    map_in_threads(work, split_evenly(num_units, 32), num_threads)
    upper = np.triu(distances)
    return upper + np.triu(distances, k=1).T


def _pack(templates, packing):
    """float64 (num_units, max_num_channels + 1, num_samples): own channels packed left, the rest zero."""
    num_units, num_samples, _ = templates.shape
    packed = np.zeros((num_units, packing.max_num_channels + 1, num_samples))
    for unit_index, row in enumerate(packing.mask):
        own = np.flatnonzero(row)
        packed[unit_index, : own.size] = templates[unit_index][:, own].T
    return packed
