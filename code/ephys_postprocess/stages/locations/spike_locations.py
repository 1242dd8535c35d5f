"""Where each spike came from: a consumer for the fused pass over the traces, for each of SpikeInterface's methods."""

import warnings
from functools import partial

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.locations import spike_locators
from ephys_postprocess.stages.traces.microvolts import AS_THEY_ARE, Scaling
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

COLUMNS = {
    "center_of_mass": ("x", "y"),
    "grid_convolution": ("x", "y", "z"),
    "monopolar_triangulation": ("x", "y", "z", "alpha"),
}
LOCATORS = {
    "center_of_mass": spike_locators.CenterLocator,
    "grid_convolution": spike_locators.GridLocator,
    "monopolar_triangulation": spike_locators.TriangulationLocator,
}


class SpikeLocations:
    """A `SpikeConsumer` that locates each spike around its unit's main channel, or around its own largest one.

    Attributes
    ----------
    locations : structured float32 (num_spikes,)
        x, y[, z[, alpha]]: µm along the probe's plane, µm away from it, and µV × µm (counts × µm where traces are
        used unscaled).

    References
    ----------
    SpikeInterface's `spike_locations` extension; per-spike channels as in node_pipeline.SpikeRetriever. It compares raw
    counts: the same x, y and z where all channels have one positive gain and no offset, and alpha but for that gain.
    """

    def __init__(
        self, spikes: SpikeTrains, main_channel_indices, locator, columns, window, scaling, largest_channels=None
    ):
        self._spikes = spikes
        self._main_channels = np.asarray(main_channel_indices, dtype=np.int64)
        self._locator = locator
        self._num_before, num_after = window
        self._largest_channels = largest_channels
        self._scaling = scaling
        self.margin_samples = max(self._num_before, num_after)
        self.spike_locations = np.zeros(spikes.num_spikes, dtype=[(name, "float32") for name in columns])

    def consume(self, traces, origin_sample, segment_index, first_spike, last_spike):  # noqa: ARG002
        traces = self._scaling.comparable(traces)
        rows = self._spikes.samples[first_spike:last_spike] - origin_sample
        channels = self._main_channels[self._spikes.unit_indices[first_spike:last_spike]]
        if self._largest_channels is not None:
            channels = self._largest_channels(traces, rows, channels)
        found = self._locator(traces, rows - self._num_before, channels)
        if "alpha" in self.spike_locations.dtype.names:
            found[:, self.spike_locations.dtype.names.index("alpha")] *= self._scaling.factor_left
        for column, name in enumerate(self.spike_locations.dtype.names):
            self.spike_locations[name][first_spike:last_spike] = found[:, column]


def prepare_spike_locations(
    spikes: SpikeTrains,
    main_channel_indices,
    channel_locations_um,
    *,
    scaling: Scaling = AS_THEY_ARE,
    method="grid_convolution",
    method_kwargs=None,
    ms_before=0.5,
    ms_after=0.5,
    spike_retriever_kwargs=None,
    prototype=None,
) -> SpikeLocations:
    """The consumer to hand to `run_trace_pass`; its `spike_locations` are complete after the pass.

    Parameters
    ----------
    main_channel_indices : int64 (num_units,)
    channel_locations_um : float64 (num_channels, 2)
    scaling : Scaling
        Of the traces that the pass will read; without it they are taken as they are.
    method : str
        "grid_convolution", "center_of_mass" or "monopolar_triangulation".
    method_kwargs : dict, optional
        As in SpikeInterface. `n_peaks` is for `grid_prototype` and has no meaning here; `enforce_decrease` changes
        nothing, as in SpikeInterface, which drops what it computes from it.
    ms_before, ms_after : float
    spike_retriever_kwargs : dict, optional
        `channel_from_template` (True); where False, `radius_um` (50) and `peak_sign` ("neg") find each spike's channel.
    prototype : float32 (num_before + num_after,), optional
        For grid convolution: what `grid_prototype` returned. Not needed if `method_kwargs` names one.

    Raises
    ------
    ParameterError
        An unknown method, feature, optimizer or name.
    """
    if method not in COLUMNS:
        raise ParameterError(f"spike_locations.method: unknown method {method!r}. Allowed: {', '.join(COLUMNS)}.")
    window = sides_in_samples(spikes, ms_before, ms_after)
    locations = np.ascontiguousarray(np.asarray(channel_locations_um, dtype=np.float64)[:, :2])
    retriever = {"channel_from_template": True, **(spike_retriever_kwargs or {})}
    is_unit_channel = retriever.pop("channel_from_template")
    choose = checked("spike_locations.spike_retriever_kwargs", spike_locators.LargestChannels, retriever)
    parameters = dict(method_kwargs or {})
    if method == "grid_convolution":
        parameters.pop("n_peaks", None)
        parameters.setdefault("prototype", prototype)
    make = checked("spike_locations.method_kwargs", LOCATORS[method], parameters)
    if method == "monopolar_triangulation" and not scaling.is_one_factor:
        make = partial(make, search_dtype=np.float64)  # as of counts: where it stops must not depend on their coding
    locator = make(
        locations=locations,
        window=window,
        sampling_frequency_hz=spikes.sampling_frequency_hz,
        main_channel_indices=main_channel_indices if is_unit_channel else np.arange(locations.shape[0]),
    )
    largest_channels = None if is_unit_channel else choose(locations=locations)
    return SpikeLocations(spikes, main_channel_indices, locator, COLUMNS[method], window, scaling, largest_channels)


def checked(where, make, parameters):
    """`make` with `parameters` filled in.

    Raises
    ------
    ParameterError
        A name that `make` does not declare in `PARAMETERS`.
    """
    unknown = sorted(set(parameters) - set(make.PARAMETERS))
    if unknown:
        raise ParameterError(f"{where}: unknown {', '.join(unknown)}. Allowed: {', '.join(make.PARAMETERS)}.")
    return partial(make, **parameters)


def sides_in_samples(spikes, ms_before, ms_after):
    """(num_before, num_after): milliseconds as whole samples, rounded as SpikeInterface rounds, at least one."""
    return tuple(max(1, round(ms * spikes.sampling_frequency_hz / 1000.0)) for ms in (ms_before, ms_after))


def grid_prototype(
    traces,
    spikes: SpikeTrains,
    main_channel_indices,
    *,
    scaling: Scaling = AS_THEY_ARE,
    ms_before=0.5,
    ms_after=0.5,
    seed,
    n_peaks=5000,
    num_threads=1,
):
    """Median shape of some spikes on their units' main channels, each divided by its size at the spike.

    Parameters
    ----------
    traces : TraceSource
        Of raw files only the windows of the chosen spikes are read, elsewhere their seconds.
    main_channel_indices : int64 (num_units,)
    scaling : Scaling
        Of `traces`; without it they are taken as they are.
    seed : int or None
        Chooses the same spikes as SpikeInterface does with it.
    n_peaks : int
        Most spikes to use.

    Returns
    -------
    float32 (num_before + num_after,)
        NaN, as the places will be, where every spike is too close to a segment's ends.

    References
    ----------
    spikeinterface.sortingcomponents.tools.get_prototype_and_waveforms_from_peaks
    """
    num_before, num_after = sides_in_samples(spikes, ms_before, ms_after)
    rows = choose_prototype_spikes(spikes, num_before, num_after, seed, n_peaks)
    if rows.size == 0:
        return np.full(num_before + num_after, np.nan, dtype=np.float32)
    chosen = spikes.of_rows(rows)
    windows = _MainChannelWindows(chosen, main_channel_indices, num_before, num_after, scaling)
    one_second = max(1, round(spikes.sampling_frequency_hz))
    run_trace_pass(traces, chosen, [windows], one_second, num_threads, is_sparse=True)
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no spike has any height: the shape is NaN, as the places are
        return np.nanmedian(windows.values / np.abs(windows.values[:, num_before, np.newaxis]), axis=0)


def choose_prototype_spikes(spikes, num_before, num_after, seed, n_peaks=5000):
    """int64: rows of up to `n_peaks` spikes drawn without replacement, without those too close to a segment's ends."""
    drawn = np.random.default_rng(seed=seed).choice(
        spikes.num_spikes, size=min(spikes.num_spikes, n_peaks), replace=False
    )
    rows = np.sort(drawn)
    lengths = np.asarray(spikes.segment_lengths, dtype=np.int64)[spikes.segment_indices[rows]]
    samples = spikes.samples[rows]
    return rows[(samples > num_before) & (samples < lengths - num_after)]


class _MainChannelWindows:
    """A `SpikeConsumer` that keeps each spike's window on its unit's main channel, float32 (num_spikes, samples)."""

    def __init__(self, spikes, main_channel_indices, num_before, num_after, scaling):
        self._spikes = spikes
        self._scaling = scaling
        self._main_channels = np.asarray(main_channel_indices, dtype=np.int64)
        self._offsets = np.arange(-num_before, num_after)
        self.margin_samples = max(num_before, num_after)
        self.values = np.empty((spikes.num_spikes, num_before + num_after), dtype=np.float32)

    def consume(self, traces, origin_sample, segment_index, first_spike, last_spike):  # noqa: ARG002
        rows = self._spikes.samples[first_spike:last_spike, np.newaxis] - origin_sample + self._offsets
        channels = self._main_channels[self._spikes.unit_indices[first_spike:last_spike], np.newaxis]
        self.values[first_spike:last_spike] = self._scaling.comparable_on(channels, traces[rows, channels])
