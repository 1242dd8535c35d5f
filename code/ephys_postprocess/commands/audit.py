"""--audit N: some units of a finished result once more, by stock SpikeInterface, and how far the numbers are apart."""

import logging
import random
import time
import warnings
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import spikeinterface.core as si
from spikeinterface.core.sortinganalyzer import get_extension_class

from ephys_postprocess.errors import CapsuleError
from ephys_postprocess.inputs.data_folder import UpstreamSkipped, find_recordings
from ephys_postprocess.inputs.loading import load_recording_and_sorting
from ephys_postprocess.inputs.trace_sources import spike_trains, trace_source
from ephys_postprocess.parameters.extensions import EXTENSIONS
from ephys_postprocess.parameters.metrics import QUALITY_METRICS
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.stored_extensions import StoredExtensions
from ephys_postprocess.stages.locations.spike_locations import grid_prototype
from ephys_postprocess.stages.traces.microvolts import Scaling

logger = logging.getLogger(__name__)

# Of the spread of an array's values: float32 arithmetic in another order stays well below.
TOLERANCE = 1e-3
# Two places of a grid may fit a spike equally well; the last bit of a sum then decides which one is taken.
SHARE_OF_TIES = 1e-3


def audit(num_units: int, execution) -> int:
    """Compare `num_units` random units of every result; log a line an array and return 1 where one is too far."""
    found = find_recordings(execution.data_folder, execution.recordings)
    is_good = True
    for item in found.recordings:
        files = ResultFiles(execution.results_folder, item.recording_name)
        try:
            loaded = load_recording_and_sorting(
                item, allow_pickle=execution.allow_pickle, allow_classes=execution.allow_classes
            )
            audited = _Audited(files, loaded, num_units)
            is_good &= audited.compare()
        except UpstreamSkipped as skip:
            logger.info("%s: not audited, because %s", item.recording_name, skip)
        except CapsuleError as error:
            logger.error("%s: %s", item.recording_name, error)
            is_good = False
    return int(not is_good)


class _Audited:
    """One result, and a stock analyzer of some of its units."""

    def __init__(self, files: ResultFiles, loaded, num_units: int):
        from ephys_postprocess.results.finished_result import open_result

        self.name = files.recording_name
        self.stored = open_result(files.analyzer)
        self.extensions = StoredExtensions(self.stored)
        chosen = random.sample(range(self.stored.get_num_units()), min(num_units, self.stored.get_num_units()))
        self.chosen = np.sort(np.asarray(chosen, dtype=np.int64))
        unit_ids = self.stored.unit_ids[self.chosen]
        spikes = self.stored.sorting.to_spike_vector()
        self.is_chosen_spike = np.isin(spikes["unit_index"], self.chosen)
        self.stock = si.create_sorting_analyzer(
            si.NumpySorting.from_sorting(self.stored.sorting.select_units(unit_ids)),
            loaded.recording_to_read,
            main_channel_indices=self.stored.get_main_channels(outputs="index")[self.chosen],
            sparsity=_rows(self.stored.sparsity, self.chosen, unit_ids),
            sparse=self.stored.sparsity is not None,
            return_in_uV=self.stored.return_in_uV,
            peak_sign=self.stored.peak_sign,
            peak_mode=self.stored.peak_mode,
        )

    def compare(self) -> bool:
        """Recompute, log the worst difference of each array, and return whether all are within the tolerance."""
        import spikeinterface.metrics
        import spikeinterface.postprocessing  # noqa: F401 - registers the extensions

        logger.info("%s: units %s", self.name, ", ".join(map(str, self.stock.unit_ids)))
        for name, record in EXTENSIONS.items():
            if record.audit == "given" and self.extensions.has(name):
                self._give(name, record.rows)
        is_good, start = True, time.perf_counter()
        for name, record in EXTENSIONS.items():
            if record.audit == "recomputed" and self.extensions.has(name) and self._recompute(name):
                is_good &= all([self._told(label, *pair) for label, *pair in self._pairs(name)])
        logger.info("  stock SpikeInterface took %.1f s", time.perf_counter() - start)
        return is_good

    def _give(self, name: str, rows: str):
        """To the stock analyzer as it is in the result: chosen at random, or computed from other units as well."""
        extension = get_extension_class(name)(self.stock)
        extension.params = self.extensions.params(name)
        for key in self.extensions.array_names(name):
            values = np.asarray(self.extensions.array(name, key)[:])
            if rows == "random spike":
                self.is_chosen_sample = self.is_chosen_spike[values]
                extension.data[key] = (np.cumsum(self.is_chosen_spike) - 1)[values[self.is_chosen_sample]]
            else:
                extension.data[key] = values[self.is_chosen_spike]
        extension.run_info = {"run_completed": True, "runtime_s": None}
        self.stock.extensions[name] = extension

    def _recompute(self, name: str) -> bool:
        params = dict(self.extensions.params(name))
        if name == "quality_metrics":
            audited = {metric for metric, record in QUALITY_METRICS.items() if record.is_audited}
            names = [metric for metric in params["metric_names"] if metric in audited]
            given = params.get("metric_params") or {}
            params |= {"metric_names": names, "metric_params": {key: given[key] for key in names if key in given}}
            params.pop("metrics_to_compute", None)
        if name == "spike_locations" and params["method"] == "grid_convolution":
            params["method_kwargs"] = {"prototype": self._prototype(params), **params["method_kwargs"]}
        try:
            with warnings.catch_warnings(), self._comparable_channels(name):
                warnings.simplefilter("ignore")
                self.stock.compute({name: params}, n_jobs=1, progress_bar=False, verbose=False)
        except Exception as error:  # noqa: BLE001 - stock fails on inputs that ours finishes with NaN
            logger.warning("  %s: stock SpikeInterface failed: %s: %s", name, type(error).__name__, error)
            return False
        return True

    @contextmanager
    def _comparable_channels(self, name: str):
        """For locations, which stock makes from raw counts: traces in µV meanwhile where counts do not compare."""
        if name == "spike_locations" and not self.scaling.is_one_factor:
            from spikeinterface.preprocessing import scale_to_uV

            self.stock._temporary_recording = scale_to_uV(self.stock.recording)
        yield
        self.stock._temporary_recording = None

    @cached_property
    def scaling(self) -> Scaling:
        """Of the traces that the result was made from."""
        return Scaling.of(trace_source(self.stock.recording, return_in_uV=self.stock.return_in_uV))

    def _prototype(self, params: dict) -> np.ndarray:
        """The shape that locations are found with: from spikes of all units, so it comes from our own stage."""
        recording = self.stock.recording
        traces = trace_source(recording, return_in_uV=self.stock.return_in_uV)
        return grid_prototype(
            traces,
            spike_trains(self.stored.sorting, recording),
            self.stored.get_main_channels(outputs="index"),
            scaling=self.scaling,
            ms_before=params["ms_before"],
            ms_after=params["ms_after"],
            seed=params["seed"],
        )

    def _pairs(self, name: str):
        """(label, ours, stock's) of every array of an extension that both have."""
        for key, theirs in self.stock.get_extension(name).data.items():
            if hasattr(theirs, "columns"):
                ours = self.extensions.table(name, key)
                for column in theirs.columns:
                    if column in ours:
                        yield f"{name}: {column}", ours[column][self.chosen], theirs[column].to_numpy(dtype=np.float64)
            elif self.extensions.array(name, key) is not None:
                theirs = np.array(theirs)
                if "alpha" in (theirs.dtype.names or ()) and name == "spike_locations":
                    theirs["alpha"] *= self.scaling.factor_left  # stock's are of counts
                yield from _fields(f"{name}: {key}", self._ours(name, key), theirs)

    def _ours(self, name: str, key: str) -> np.ndarray:
        values = np.asarray(self.extensions.array(name, key)[:])
        rows = EXTENSIONS[name].rows
        if rows == "channel" or key == "bins":
            return values
        if rows == "pair of units":
            return values[np.ix_(self.chosen, self.chosen)]
        chosen = {"random spike": getattr(self, "is_chosen_sample", None), "spike": self.is_chosen_spike}
        return values[chosen.get(rows, self.chosen)]

    def _told(self, label: str, ours: np.ndarray, theirs: np.ndarray) -> bool:
        if label.startswith("waveforms"):  # ours are as wide as the widest unit of all
            ours = ours[:, :, : theirs.shape[2]]
        worst, share, num_beyond = worst_difference(ours, theirs)
        is_good = num_beyond <= (max(3, SHARE_OF_TIES * theirs.size) if label.startswith("spike_locations") else 0)
        log = logger.info if is_good else logger.error
        beyond = f", {num_beyond} of {theirs.size} values beyond {TOLERANCE:g}" if num_beyond else ""
        log("  %-44s worst difference %.3g (%.2g of the spread%s)", label, worst, share, beyond)
        return is_good


def worst_difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, int]:
    """(largest absolute difference, the same as a share of the spread of `theirs`, values beyond the tolerance)."""
    if ours.shape != theirs.shape:
        return np.inf, np.inf, max(1, theirs.size)
    ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    is_same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    difference = np.where(is_same, 0.0, np.abs(ours - theirs))
    difference[np.isnan(difference)] = np.inf  # a number on one side only
    worst = float(difference.max(initial=0.0))
    finite = theirs[np.isfinite(theirs)]
    spread = float(finite.std()) if finite.size else 1.0
    spread = max(spread, 1e-3 * float(np.abs(finite).max(initial=0.0))) or 1.0  # of one unit there is no spread
    return worst, worst / spread, int(np.count_nonzero(difference > TOLERANCE * spread))


def _rows(sparsity, rows: np.ndarray, unit_ids):
    return None if sparsity is None else si.ChannelSparsity(sparsity.mask[rows], unit_ids, sparsity.channel_ids)


def _fields(label: str, ours: np.ndarray, theirs: np.ndarray):
    if theirs.dtype.names is None:
        yield label, ours, theirs
        return
    for name in theirs.dtype.names:
        yield f"{label}.{name}", ours[name], theirs[name]
