"""Principal components of the sampled waveforms: incremental fit unit by unit, projection, models as plain arrays."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels.octets import cover_with_octets, with_room_for_octets
from ephys_postprocess.kernels.principal_components import project_counts, spikes_by_channel
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.principal_components.incremental_pca import IncrementalFits
from ephys_postprocess.stages.principal_components.scratch import Scratches
from ephys_postprocess.stages.principal_components.unit_rounds import UnitRounds, rows_in_block

MODES = ("by_channel_local", "by_channel_global", "concatenated")
SMALLEST_SCALE = np.finfo(np.float64).eps  # scikit-learn's floor when whitening a component without variance

WaveformsOfUnit = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class PrincipalComponentModels:
    """Fitted models, one per channel (`by_channel_local`) or one in all; the fields are scikit-learn's attributes.

    A model that saw no block has n_samples_seen 0 and zeros elsewhere.
    """

    mode: str  # one of MODES
    whiten: bool
    components: np.ndarray  # float64 (num_models, num_components, num_features), orthonormal rows
    mean: np.ndarray  # float64 (num_models, num_features), µV
    var: np.ndarray  # float64 (num_models, num_features), µV²
    singular_values: np.ndarray  # float64 (num_models, num_components)
    explained_variance: np.ndarray  # float64 (num_models, num_components), µV²
    explained_variance_ratio: np.ndarray  # float64 (num_models, num_components)
    noise_variance: np.ndarray  # float64 (num_models,), µV²
    n_samples_seen: np.ndarray  # int64 (num_models,)

    @property
    def is_fitted(self) -> np.ndarray:
        """bool (num_models,)"""
        return self.n_samples_seen > 0

    def model_of_channel(self, channels: np.ndarray) -> np.ndarray:
        """int64: which model projects each of these channels."""
        return channels if self.mode == "by_channel_local" else np.zeros_like(channels)

    def weights_and_offsets(self) -> tuple[np.ndarray, np.ndarray]:
        """What turns snippets into projections, `snippets @ weights - offsets`; zeros for models without a fit.

        Returns
        -------
        weights : float64 (num_models, num_features, num_components)
        offsets : float64 (num_models, num_components)
        """
        scales = np.maximum(np.sqrt(self.explained_variance), SMALLEST_SCALE) if self.whiten else 1.0
        offsets = np.einsum("mkf,mf->mk", self.components, self.mean) / scales
        weights = self.components.transpose(0, 2, 1) / (scales[:, None, :] if self.whiten else 1.0)
        return np.ascontiguousarray(weights), offsets

    def as_arrays(self, channel_ids: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays to store beside `pca_projection`, by name; `restore_pca_models` reads them.

        Every name holds "model": SpikeInterface hands such entries on when units are selected, merged or split.
        """
        arrays = {field.name: getattr(self, field.name) for field in fields(self)[2:]}
        return {"pca_model_channel_ids": np.asarray(channel_ids)} | {
            f"pca_model_{name}": array for name, array in arrays.items()
        }


@dataclass(frozen=True)
class PrincipalComponents:
    """The extension: projections of the sampled spikes, the models, and which units lack what."""

    projection: np.ndarray  # float32 (num_random_spikes, num_components, max_num_channels), or without channels
    models: PrincipalComponentModels
    few_spikes_units: np.ndarray  # int64: units with fewer snippets than components, not used in the fit
    unprojected_units: np.ndarray  # int64: units with zeros on a channel that no unit could fit


def principal_components(
    waveforms_of_unit: WaveformsOfUnit,
    unit_indices: np.ndarray,
    sparsity: Sparsity,
    num_samples: int,
    n_components: int = 5,
    mode: str = "by_channel_local",
    whiten: bool = True,
    num_threads: int = 1,
    gain_uV: float | None = None,
) -> PrincipalComponents:
    """Fit the models on the sampled waveforms and project the same waveforms.

    Parameters
    ----------
    waveforms_of_unit : callable
        unit_index -> float32 (num_snippets, num_samples, at least the unit's channels) in µV, or int16 counts of
        `gain_uV` each; snippets in the order of `unit_indices`, channels ascending and packed left. Called from several
        threads, twice a unit.
    unit_indices : int (num_random_spikes,)
        The unit of each sampled spike.
    sparsity : Sparsity
        Every channel for every unit where the analyzer is dense; `concatenated` needs that.
    num_samples : int
        Samples a snippet.
    n_components, mode, whiten
        As SpikeInterface's `principal_components`.
    num_threads : int
        Changes no byte of the result.
    gain_uV : float, optional
        µV a count, for waveforms that are counts: faster, and second moments are exact.

    Raises
    ------
    ParameterError
        For an unknown mode, `concatenated` with sparse units, or more components than features.

    References
    ----------
    `ComputePrincipalComponents` of SpikeInterface 0.105.3 with scikit-learn's `IncrementalPCA`.
    """
    if mode == "concatenated" and gain_uV is not None:
        waveforms_of_unit, gain_uV = _in_microvolts(waveforms_of_unit, gain_uV), None
    spike_counts = np.bincount(unit_indices, minlength=sparsity.mask.shape[0])
    models = fit_models(
        waveforms_of_unit, spike_counts, sparsity, num_samples, n_components, mode, whiten, num_threads, gain_uV
    )
    projection = project_waveforms(waveforms_of_unit, unit_indices, sparsity, models, num_threads, gain_uV)
    unfitted = ~models.is_fitted
    lacking = (sparsity.mask & unfitted).any(axis=1)  # one model in all: broadcast over channels
    rows_of_unit = rows_in_block(spike_counts, sparsity, mode)
    return PrincipalComponents(
        projection=projection,
        models=models,
        few_spikes_units=np.flatnonzero(rows_of_unit < n_components),
        unprojected_units=np.flatnonzero(lacking & (spike_counts > 0)),
    )


def fit_models(
    waveforms_of_unit: WaveformsOfUnit,
    spike_counts: np.ndarray,
    sparsity: Sparsity,
    num_samples: int,
    n_components: int,
    mode: str,
    whiten: bool,
    num_threads: int,
    gain_uV: float | None = None,
) -> PrincipalComponentModels:
    """Show every model its units in unit order; models are independent and spread over threads.

    Parameters as in `principal_components`; `spike_counts` is int64 (num_units,). A few units' waveforms are in memory
    at a time, while those of the next units are gathered.
    """
    num_features = _check_parameters(sparsity, num_samples, n_components, mode)
    num_models = sparsity.mask.shape[1] if mode == "by_channel_local" else 1
    fits = IncrementalFits(num_models, n_components, num_features)
    rounds = UnitRounds(waveforms_of_unit, spike_counts, sparsity, num_samples, n_components, mode, gain_uV)
    scratches = Scratches(num_threads)

    def update(piece):
        with scratches.borrowed() as scratch:
            for model, block in piece:
                fits.update(model, block, scratch)

    gathered = map_in_threads(_call, rounds.gathers(0), num_threads)
    for turn in range(rounds.num_rounds):
        updates = [functools.partial(update, piece) for piece in rounds.updates(turn, gathered)]
        gathers = rounds.gathers(turn + 1)  # the next round waits for them, so they come first
        gathered = map_in_threads(_call, gathers + updates, num_threads)[: len(gathers)]
    return _collect(fits, mode, whiten)


def _call(piece):
    return piece()


def _in_microvolts(counts_of_unit, gain_uV):
    return lambda unit_index: counts_of_unit(unit_index) * np.float32(gain_uV)


def _check_parameters(sparsity, num_samples, n_components, mode):
    if mode not in MODES:
        raise ParameterError(f"principal_components.mode: must be one of {', '.join(MODES)} (got {mode!r}).")
    if mode == "concatenated" and not sparsity.mask.all():
        raise ParameterError("principal_components.mode: 'concatenated' needs every channel for every unit.")
    num_features = num_samples * (sparsity.mask.shape[1] if mode == "concatenated" else 1)
    if not 1 <= n_components <= num_features:
        raise ParameterError(
            f"principal_components.n_components: must be from 1 to {num_features}, the samples of a snippet"
            f" (got {n_components})."
        )
    return num_features


def _collect(fits, mode, whiten):
    seen, squared = fits.n_samples_seen, fits.singular_values**2
    spread = (fits.var * seen[:, None]).sum(axis=1)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN for snippets without variance, as scikit-learn has it
        ratio = np.where(seen[:, None] > 0, squared / spread[:, None], 0.0)
    return PrincipalComponentModels(
        mode=mode,
        whiten=whiten,
        components=fits.components,
        mean=fits.mean,
        var=fits.var,
        singular_values=fits.singular_values,
        explained_variance=squared / np.maximum(seen - 1, 1)[:, None],
        explained_variance_ratio=ratio,
        noise_variance=fits.noise_variance,
        n_samples_seen=seen,
    )


def project_waveforms(
    waveforms_of_unit: WaveformsOfUnit,
    unit_indices: np.ndarray,
    sparsity: Sparsity,
    models: PrincipalComponentModels,
    num_threads: int,
    gain_uV: float | None = None,
) -> np.ndarray:
    """Projections of the sampled spikes on fitted models; parameters as in `principal_components`.

    Returns
    -------
    float32 (num_random_spikes, num_components, max_num_channels), or (num_random_spikes, num_components) when
    concatenated. Zero beyond a unit's own channels and where a channel's model has no fit.
    """
    weights, offsets = models.weights_and_offsets()
    is_concatenated = models.mode == "concatenated"
    shape = (unit_indices.size, weights.shape[2]) + (() if is_concatenated else (sparsity.max_num_channels,))
    projection = np.zeros(shape, dtype=np.float32)
    order = np.argsort(unit_indices, kind="stable")
    edges = np.searchsorted(unit_indices[order], np.arange(sparsity.mask.shape[0] + 1))
    scratches = Scratches(num_threads)

    def project(unit_index):
        rows = order[edges[unit_index] : edges[unit_index + 1]]
        waveforms = waveforms_of_unit(unit_index)
        if is_concatenated:
            flat = waveforms[:, :, : sparsity.mask.shape[1]].reshape(rows.size, -1)
            projection[rows] = flat.astype(np.float64) @ weights[0] - offsets[0]
            return
        own = models.model_of_channel(np.flatnonzero(sparsity.mask[unit_index]))
        if gain_uV is not None:
            projection[rows, :, : own.size] = _project_counts(waveforms, weights[own], offsets[own], gain_uV)
            return
        with scratches.borrowed() as scratch:
            projection[rows, :, : own.size] = _project_floats(waveforms, weights[own], offsets[own], scratch)

    map_in_threads(project, np.flatnonzero(np.diff(edges)).tolist(), num_threads)
    return projection


def _project_floats(waveforms, weights, offsets, scratch):
    blocks = scratch.array("blocks", (len(weights), *waveforms.shape[:2]))
    spikes_by_channel(waveforms, blocks)
    return (np.matmul(blocks, weights) - offsets[:, None, :]).transpose(1, 2, 0)


def _project_counts(waveforms, weights, offsets, gain_uV):
    num_spikes, num_samples, width = waveforms.shape
    windows = with_room_for_octets(waveforms.reshape(num_spikes * num_samples, width))
    cover = cover_with_octets(np.arange(len(offsets))[np.newaxis], width)
    octet_weights = cover.spread(np.ascontiguousarray(weights.transpose(2, 1, 0))[np.newaxis])[0]
    projected = np.empty((num_spikes, *offsets.shape[::-1]), dtype=np.float32)
    octets = cover.starts[0], octet_weights, cover.places[0]
    project_counts(windows, num_samples, *octets, offsets, gain_uV, projected)
    return projected
