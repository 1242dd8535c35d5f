"""Opening a data folder as a run does, without computing: what came of it, and everything that was said."""

import logging
from dataclasses import dataclass
from pathlib import Path

from ephys_postprocess.cli.arguments import parse_arguments
from ephys_postprocess.errors import CapsuleError
from ephys_postprocess.inputs.data_folder import UpstreamSkipped, find_recordings
from ephys_postprocess.inputs.loading import load_recording_and_sorting
from ephys_postprocess.inputs.opened import open_traces


@dataclass(frozen=True)
class Attempt:
    """How far a data folder got."""

    outcome: str  # "refused", "skipped" or "accepted"
    text: str


class _Listener(logging.Handler):
    def __init__(self):
        super().__init__(logging.INFO)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def attempt(data: Path, **options) -> Attempt:
    """Find, load and look at the one recording of a folder; anything but an expected failure is raised."""
    listener = _Listener()
    package_log = logging.getLogger("ephys_postprocess")
    level = package_log.level
    package_log.addHandler(listener)
    package_log.setLevel(logging.INFO)
    try:
        arguments = parse_arguments(["--data", str(data), "--scratch", str(data)])
        found = find_recordings(data)
        item = found.recordings[0]
        loaded = load_recording_and_sorting(item, **options)
        open_traces(loaded, item, found, arguments.parameters, arguments.execution)
    except UpstreamSkipped as skip:
        return Attempt("skipped", str(skip))
    except CapsuleError as error:
        return Attempt("refused", str(error))
    finally:
        package_log.removeHandler(listener)
        package_log.setLevel(level)
    return Attempt("accepted", "\n".join([*found.warnings, *listener.lines, "accepted"]))
