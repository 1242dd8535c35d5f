"""What the user allows beyond reading data: from the command line alone, never from a file that came with the data."""

from dataclasses import dataclass

ALLOW_PICKLE_SWITCH = "--allow-pickle"
ALLOW_CLASS_SWITCH = "--allow-class"


@dataclass(frozen=True)
class Consent:
    """Nothing, unless said otherwise."""

    pickles: bool = False  # decode pickles in the data, which can run any code
    classes: tuple[str, ...] = ()  # also open these classes: with their module, or SpikeInterface's by their bare name
