"""Numbers of things that SpikeInterface's readers make one by one: bounded, so that no file keeps them at it."""

from ephys_postprocess.errors import InputError

# Of a recording: far more than any has, and few enough to make an object each.
MAX_COUNTS = {"num_channels": 10**6, "num_chan": 10**6, "num_segments": 10**5}


def check_count(values: object, name: str, source: object) -> None:
    """InputError where a dictionary's number of channels or segments is none that a recording has; absent is fine."""
    value = values.get(name) if isinstance(values, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not 0 <= value <= MAX_COUNTS[name]:
        raise InputError(
            f"{source}: {name} is {str(value)[:40]}. It must be a number from 0 to {MAX_COUNTS[name]}. Attach it again."
        )
