"""Ways in which an input is not opened, and what readers raise on broken files as one of them."""

import contextlib
from importlib.metadata import version
from pathlib import Path

from numcodecs.errors import UnknownCodecError

from ephys_postprocess.errors import CapsuleError, InputError


class NotAttachedError(Exception):
    """A chain refers to files, or to readers, that are not here; the JSON that says so may be in perfect order."""


class ClassNotAllowedError(InputError):
    """A description names a class that is opened only where the user asks for it."""


class CodecNotAllowedError(InputError):
    """A zarr store is packed with a codec that is not opened: unknown to us, or not installed."""


class NotBuiltError(InputError):
    """A description is readable and safe, and this SpikeInterface cannot make the recording or sorting from it."""

    def short(self) -> str:
        """Why, for a note: without the advice of the message."""
        cause = self.__cause__
        said = (str(cause).splitlines() or [""])[0][:200]
        return f"SpikeInterface {version('spikeinterface')} cannot build it ({type(cause).__name__}: {said})"


@contextlib.contextmanager
def refusal(source: Path | str, kind: type[InputError] = InputError):
    """Turn whatever a reader raises on a broken file into an InputError that names the file."""
    try:
        yield
    except (CapsuleError, NotAttachedError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise NotAttachedError(f"{Path(source).name} needs {error.filename or error}, which is not here") from error
    except (UnknownCodecError, ImportError) as error:  # such as wavpack, or pynwb
        raise NotAttachedError(f"{Path(source).name} needs what is not installed: {error}") from error
    except Exception as error:
        if "Contact positions must be unique" in str(error):
            raise kind(
                f"{source}: contacts at one place, which SpikeInterface 0.105 does not load ({error}). Give each its "
                "own (the wires of a tetrode: the corners of a square of 10 µm) with set_dummy_probe_from_locations, "
                "with axes='xz' where places differ in depth alone, before the recording is saved, and save it again."
            ) from error
        raise kind(
            f"{source}: cannot be opened ({type(error).__name__}: {error}). It must be as SpikeInterface saved it. "
            "Attach it again, or run the capsule that wrote it again."
        ) from error
