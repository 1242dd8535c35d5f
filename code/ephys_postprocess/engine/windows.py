"""Windows in milliseconds at the recording's own sampling rate."""

from spikeinterface.core.core_tools import ms_to_samples

WINDOW_NAMES = ("ms_before", "ms_after")
BIN_NAME = "bin_ms"  # of correlograms and histograms of intervals


def window_samples(ms: float, sampling_frequency_hz: float) -> int:
    """Whole samples, rounded as SpikeInterface rounds, and at least one.

    With none, a template would have no samples before the spike or after it, and stock SpikeInterface fails.
    """
    return max(1, ms_to_samples(ms, sampling_frequency_hz))


def fit_windows(params: dict, sampling_frequency_hz: float) -> tuple[dict, list[str]]:
    """An extension's parameters with windows and bins of at least a sample, and the names of those that were widened.

    They are stored as they are used, since whoever opens the result counts a window's samples from its parameters.
    """
    too_short = [
        name
        for name in (*WINDOW_NAMES, BIN_NAME)
        if params.get(name) is not None and ms_to_samples(params[name], sampling_frequency_hz) < 1
    ]
    return {**params, **dict.fromkeys(too_short, 1000.0 / sampling_frequency_hz)}, too_short
