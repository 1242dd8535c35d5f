"""Numbers of things that SpikeInterface's readers make one by one: bounded, so that no file keeps them at it."""

from ephys_postprocess.errors import InputError

# Far more than any recording or filter has, and few enough to make an object, or a coefficient, each.
MAX_COUNTS = {
    "num_channels": 10**6,
    "num_chan": 10**6,
    "num_segments": 10**5,
    "filter_order": 1000,
    "highpass_butter_order": 1000,
}
MAX_DURATION_S = 366 * 24 * 3600.0  # of a segment: a recording that is computed on ends some day


def check_count(values: object, name: str, source: object) -> None:
    """InputError where a dictionary's number of things is none that a recording or filter has; absent is fine."""
    value = values.get(name) if isinstance(values, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not 0 <= value <= MAX_COUNTS[name]:
        raise InputError(
            f"{source}: {name} is {str(value)[:40]}. It must be a number from 0 to {MAX_COUNTS[name]}. Attach it again."
        )
