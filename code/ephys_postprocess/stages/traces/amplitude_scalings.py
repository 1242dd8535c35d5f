"""Amplitude scalings: by how much each spike's template must be scaled to match its traces, collisions included."""

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels.amplitude_scalings import fit_scalings, sum_fit_windows, template_moments
from ephys_postprocess.kernels.octets import cover_with_octets, with_room_for_octets
from ephys_postprocess.kernels.solvers.nonnegative_least_squares import nonnegative_coefficients
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.traces.collisions import find_collisions


class AmplitudeScalings:
    """A consumer of the trace pass that fits every spike's template to the traces.

    A spike without collision is a straight line with intercept through (template, traces) on the unit's channels. A
    spike that collides - another spike from delta_collision_ms before (included) to as much after (excluded), of a
    unit that shares a channel - is fitted jointly with all spikes it collides with: non-negative scalings and one
    intercept, on the channels of all their units, from the first one's window to the last one's. Before and after the
    segment the traces are zero counts, so no result depends on how the recording is cut into chunks.

    Parameters
    ----------
    spikes : SpikeTrains
    templates_average : float32 or float64 (num_units, num_samples, num_channels)
        Mean waveforms, in µV where gains are, zero on channels where they were not estimated.
    num_before : int
        Sample of the templates that lies on the spike.
    sparsity_mask : bool (num_units, num_channels)
        The channels to fit on; see `scaling_sparsity_mask`.
    gains, offsets : float64 (num_channels,)
        From traces to the templates' unit: µV a count and µV, or 1 and 0. SpikeInterface takes the recording's own
        precision here, not float32.
    ms_before, ms_after : float or None
        Window around the spike; None takes the templates' own.
    handle_collisions : bool
        False fits every spike alone.
    delta_collision_ms : float

    Attributes
    ----------
    amplitude_scalings : float32 (num_spikes,)
        Dimensionless; 0 where the template is constant.
    collision_mask : bool (num_spikes,)
    is_crowded : bool (num_spikes,)
        More spikes collide with it than are fitted together; see `collisions.MOST_COLLISIONS`.

    Raises
    ------
    ParameterError
        A window longer than the templates, or a negative delta.

    References
    ----------
    SpikeInterface 0.105.3, `postprocessing/amplitude_scalings.py`; equal to the float32 it stores, but for two things.
    Unscaled integer traces: it rounds the templates of colliding spikes to integers, this does not. A template that is
    constant but not zero: it stops with an exception.
    """

    def __init__(
        self,
        spikes: SpikeTrains,
        templates_average: np.ndarray,
        num_before: int,
        sparsity_mask: np.ndarray,
        gains: np.ndarray,
        offsets: np.ndarray,
        *,
        ms_before: float | None = None,
        ms_after: float | None = None,
        handle_collisions: bool = True,
        delta_collision_ms: float = 2,
    ):
        num_after = templates_average.shape[1] - num_before
        self._cut_before = _cut_samples("ms_before", ms_before, num_before, spikes.sampling_frequency_hz)
        cut_after = _cut_samples("ms_after", ms_after, num_after, spikes.sampling_frequency_hz)
        if delta_collision_ms < 0:
            raise ParameterError(
                f"amplitude_scalings.delta_collision_ms: must be at least 0 (got {delta_collision_ms})."
            )
        # Truncated, unlike the windows, because SpikeInterface does so.
        self._delta_samples = int(delta_collision_ms / 1000 * spikes.sampling_frequency_hz) if handle_collisions else 0
        self.margin_samples = max(num_before, num_after) + self._delta_samples
        self.amplitude_scalings = np.zeros(spikes.num_spikes, dtype=np.float32)
        self.collision_mask = np.zeros(spikes.num_spikes, dtype=bool)
        self.is_crowded = np.zeros(spikes.num_spikes, dtype=bool)

        self._spikes = spikes
        self._templates = templates_average[:, num_before - self._cut_before : num_before + cut_after]
        self._mask = np.asarray(sparsity_mask, dtype=bool)
        self._gains = np.asarray(gains, dtype=np.float64)
        self._offsets = np.asarray(offsets, dtype=np.float64)
        shared_channels = self._mask.astype(np.float32) @ self._mask.T.astype(np.float32)
        self._overlaps = (shared_channels > 0) & handle_collisions
        self._prepare_templates()

    def _prepare_templates(self):
        self._unit_channels = Sparsity(self._mask).channels_of_unit
        packed = pack_templates(self._templates, self._unit_channels)
        cover = cover_with_octets(self._unit_channels, self._mask.shape[1])
        # Where a unit has no channel (-1) its packed template is zero, so whatever is looked up there does not count.
        own_gains = self._gains[self._unit_channels]
        exact = packed.astype(self._templates.dtype)  # float32 where they are: half of what each spike has to read
        self._octets = (cover.starts, cover.spread(exact), cover.spread(own_gains))
        self._template_sums = packed.sum(axis=(1, 2))
        self._offset_moments = (packed.sum(axis=1) * self._offsets[self._unit_channels]).sum(axis=1)
        max_lag = _max_lag(packed.shape[1], self._delta_samples)
        pairs = self._overlaps | np.eye(len(packed), dtype=bool)
        self._pair_indices, self._pair_products = template_pair_products(packed, self._unit_channels, pairs, max_lag)
        # Products of whole templates serve all collisions only while templates are zero outside their own channels.
        outside = (template[:, ~own] for template, own in zip(self._templates, self._mask, strict=True))
        self._are_templates_sparse = not any(values.any() for values in outside)

    def consume(self, traces, origin_sample, segment_index, first_spike, last_spike):
        """Fill rows first_spike:last_spike of the outputs; see `SpikeConsumer`."""
        samples = self._spikes.samples
        first_row, last_row = self._spikes.rows_between(
            segment_index, samples[first_spike] - self._delta_samples, samples[last_spike - 1] + self._delta_samples
        )
        first_row, last_row = min(first_row, first_spike), max(last_row, last_spike)
        around = slice(first_row, last_row)
        unit_indices = self._spikes.unit_indices[around]
        own = (first_spike - first_row, last_spike - first_row)
        collision_edges, collision_spikes, is_crowded = find_collisions(
            samples[around], unit_indices, *own, self._delta_samples, self._overlaps
        )
        window_starts = samples[around] - origin_sample - self._cut_before
        problem = (window_starts, unit_indices, first_spike - first_row, collision_edges, collision_spikes)
        rows = slice(first_spike, last_spike)
        self.is_crowded[rows] = is_crowded
        self.collision_mask[rows] = np.diff(collision_edges) > 0
        self.amplitude_scalings[rows] = self._fit(traces, origin_sample, problem)

    def _fit(self, traces, origin_sample, problem):
        """float64 (num_fits,): the scalings of one stretch's own spikes."""
        moments = template_moments(with_room_for_octets(traces), *problem[:2], *self._octets)
        moments += self._offset_moments[problem[1]]
        num_samples = self._templates.shape[1]
        channels = (self._unit_channels, self._gains, self._offsets)
        trace_sums, num_values = sum_fit_windows(traces, origin_sample, *problem, num_samples, *channels)
        products = (self._template_sums, self._pair_indices, self._pair_products)
        scalings = fit_scalings(moments, trace_sums, num_values, *problem, *products)
        if not self._are_templates_sparse:
            self._fit_dense_collisions(traces, problem, scalings)
        return scalings

    def _fit_dense_collisions(self, traces, problem, scalings):
        """Fit colliding spikes from their explicit columns, where templates reach beyond their own channels."""
        window_starts, unit_indices, first_spike, collision_edges, collision_spikes = problem
        num_samples = self._templates.shape[1]
        for fit in np.flatnonzero(np.diff(collision_edges)):
            others = collision_spikes[collision_edges[fit] : collision_edges[fit + 1]]
            together = np.concatenate([[first_spike + fit], others])
            start, stop = window_starts[together].min(), window_starts[together].max() + num_samples
            channels = np.flatnonzero(self._mask[unit_indices[together]].any(axis=0))
            data = np.zeros((stop - start, channels.size))
            inside = slice(max(start, 0), min(stop, traces.shape[0]))
            data[inside.start - start : inside.stop - start] = traces[inside][:, channels]
            data = data * self._gains[channels] + self._offsets[channels]
            columns = np.zeros((together.size, stop - start, channels.size))
            for column, spike in zip(columns, together, strict=True):
                lag = window_starts[spike] - start
                column[lag : lag + num_samples] = self._templates[unit_indices[spike]][:, channels]
            columns = columns.reshape(together.size, -1)
            norms = (columns**2).sum(axis=1)
            columns -= columns.mean(axis=1, keepdims=True)
            tableau = np.column_stack([columns @ columns.T, columns @ (data - data.mean()).ravel()])
            scalings[fit] = nonnegative_coefficients(tableau, norms)[0]


def scaling_sparsity_mask(
    analyzer_mask: np.ndarray | None,
    given_mask: np.ndarray | None,
    num_units: int,
    num_channels: int,
    max_dense_channels: int | None = 16,
) -> np.ndarray:
    """bool (num_units, num_channels): the channels to fit on, chosen as SpikeInterface does.

    A given mask goes first and must be smaller than the analyzer's for every unit; a dense analyzer without one is
    fitted on all channels, up to `max_dense_channels` (None: any number). Raises ParameterError otherwise.
    """
    if given_mask is not None:
        if analyzer_mask is not None and not np.all(analyzer_mask.sum(axis=1) > given_mask.sum(axis=1)):
            raise ParameterError(
                "amplitude_scalings.sparsity: must have fewer channels than the analyzer's for every unit."
            )
        return given_mask
    if analyzer_mask is not None:
        return analyzer_mask
    if max_dense_channels is not None and num_channels > max_dense_channels:
        raise ParameterError(
            f"amplitude_scalings.max_dense_channels: the analyzer is dense with {num_channels} channels, allowed are "
            f"{max_dense_channels}. Make the analyzer sparse, or set this to null."
        )
    return np.ones((num_units, num_channels), dtype=bool)


def pair_products_bytes(mask: np.ndarray, num_samples: int, delta_samples: int) -> int:
    """What the products of all pairs of units that share channels take in memory, the largest of what grows with pairs.

    Units with a mask of bool (num_units, num_channels), templates of `num_samples`, collisions within `delta_samples`:
    8 bytes for each lag of each pair, a unit with itself included.
    """
    shared = mask.astype(np.float32) @ mask.T.astype(np.float32) > 0
    np.fill_diagonal(shared, True)
    num_pairs = (np.count_nonzero(shared) + len(mask)) // 2
    return 8 * num_pairs * (2 * _max_lag(num_samples, delta_samples) + 1)


def _max_lag(num_samples, delta_samples):
    """No two spikes of one fit are further apart than this, and windows further apart share nothing."""
    return max(0, min(num_samples - 1, 2 * delta_samples))


def pack_templates(templates: np.ndarray, unit_channels: np.ndarray) -> np.ndarray:
    """float64 (num_units, num_samples, max_num_channels): each template on its own channels, zero beyond."""
    packed = np.zeros((*templates.shape[:2], unit_channels.shape[1]))
    for unit_index, channels in enumerate(unit_channels):
        own = channels[channels >= 0]
        packed[unit_index, :, : own.size] = templates[unit_index][:, own]
    return packed


def template_pair_products(
    packed_templates: np.ndarray, unit_channels: np.ndarray, pairs: np.ndarray, max_lag: int
) -> tuple[np.ndarray, np.ndarray]:
    """Products of two units' templates, one shifted against the other, over the channels they share.

    Parameters
    ----------
    packed_templates : float64 (num_units, num_samples, max_num_channels)
    unit_channels : int64 (num_units, max_num_channels)
        Ascending, packed left, -1 beyond.
    pairs : bool (num_units, num_units)
        Which pairs are asked for; symmetric.
    max_lag : int
        At most num_samples - 1.

    Returns
    -------
    pair_indices : int64 (num_units, num_units)
        Row of each pair with first <= second; -1 elsewhere.
    pair_products : float64 (num_pairs, 2 * max_lag + 1)
        Sum over t and shared channels of first[t] * second[t + lag], lag from -max_lag to max_lag; made with Fourier
        transforms, so good to about 1e-15 of the templates' norms.
    """
    num_units, num_samples, _ = packed_templates.shape
    length = 1 << max(1, (num_samples + max_lag - 1).bit_length())
    lags = np.arange(-max_lag, max_lag + 1) % length
    firsts, seconds = np.nonzero(np.triu(pairs))
    pair_indices = np.full((num_units, num_units), -1, dtype=np.int64)
    pair_indices[firsts, seconds] = np.arange(firsts.size)
    pair_products = np.empty((firsts.size, lags.size))
    spectra = [np.fft.rfft(template.T, length) for template in packed_templates]
    channels = [own[own >= 0] for own in unit_channels]
    for first in range(num_units):
        rows = slice(*np.searchsorted(firsts, [first, first + 1]))
        products = np.zeros((rows.stop - rows.start, length // 2 + 1), dtype=complex)
        conjugate = spectra[first].conj()
        for product, second in zip(products, seconds[rows], strict=True):
            _, own, other = np.intersect1d(channels[first], channels[second], assume_unique=True, return_indices=True)
            np.einsum("cf,cf->f", conjugate[own], spectra[second][other], out=product)
        pair_products[rows] = np.fft.irfft(products, length)[:, lags]
    return pair_indices, pair_products


def _cut_samples(name, window_ms, most_samples, sampling_frequency_hz):
    """Samples of one side of the window; the templates must hold them."""
    if window_ms is None:
        return most_samples
    cut = round(window_ms * sampling_frequency_hz / 1000.0)
    if not 0 <= cut <= most_samples:
        most_ms = most_samples / sampling_frequency_hz * 1000.0
        raise ParameterError(
            f"amplitude_scalings.{name}: must be between 0 and the templates' {most_ms:g} (got {window_ms})."
        )
    return cut
