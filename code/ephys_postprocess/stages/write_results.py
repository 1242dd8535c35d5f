"""The files of one recording in results/: built under hidden names, renamed when complete."""

import contextlib
import csv
import fcntl
import shutil
from pathlib import Path

import numpy as np

from ephys_postprocess.errors import ResultError

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run such a text as a formula


class ResultFiles:
    """Every path that one recording's run may leave in the results folder; names are never taken apart again."""

    def __init__(self, results_folder: Path, recording_name: str):
        self.folder = results_folder
        self.recording_name = recording_name
        self.analyzer = results_folder / f"postprocessed_{recording_name}.zarr"
        self.data_process = results_folder / f"data_process_postprocessing_{recording_name}.json"
        self.units_table = results_folder / f"units_{recording_name}.csv"
        # Hidden, so that no pipeline's pattern sees them; beside the final name, so that a rename is enough.
        self.building = results_folder / f".postprocessed_{recording_name}.building.zarr"
        self.replaced = results_folder / f".postprocessed_{recording_name}.replaced.zarr"
        self.lock = results_folder / f".postprocessed_{recording_name}.lock"

    def metadata_copy(self, file_name: str) -> Path:
        """Where a session metadata file is copied to."""
        return self.folder / f"postprocessing_{self.recording_name}_{file_name}"

    @contextlib.contextmanager
    def held(self):
        """Hold this recording's results against another run; leftovers of a killed run go.

        Raises
        ------
        ResultError
            Another run holds them, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = self.lock.open("w")
        except OSError as error:
            raise ResultError(f"Cannot write results in {self.folder}: {error.strerror}. Choose --results.") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ResultError(
                    f"Another run is writing the results of '{self.recording_name}' in {self.folder}. "
                    "Wait for it to end, or choose another --results folder."
                ) from error
            try:
                self._restore_after_kill()
                yield self
            finally:
                shutil.rmtree(self.building, ignore_errors=True)
                self.lock.unlink(missing_ok=True)

    def publish_analyzer(self) -> None:
        """Give the finished store its name; an earlier result goes only once the new one is in place."""
        self.replaced.parent.mkdir(exist_ok=True)
        if self.analyzer.exists():
            self.analyzer.rename(self.replaced)
        self.building.rename(self.analyzer)
        shutil.rmtree(self.replaced, ignore_errors=True)

    def remove_side_files(self) -> None:
        """Take away what an earlier run said about an analyzer that is about to change."""
        self.data_process.unlink(missing_ok=True)
        self.units_table.unlink(missing_ok=True)

    def write_placeholder(self, reason: str) -> None:
        """The contract's sign for 'nothing to see': a folder of the analyzer's name that SpikeInterface refuses."""
        shutil.rmtree(self.building, ignore_errors=True)
        self.building.mkdir(parents=True)
        np.save(self.building / "placeholder.npy", np.array([], dtype=bool))
        (self.building / "reason.txt").write_text(reason + "\n", encoding="utf-8")
        self.remove_side_files()
        self.publish_analyzer()

    def _restore_after_kill(self):
        shutil.rmtree(self.building, ignore_errors=True)
        if self.replaced.exists() and not self.analyzer.exists():
            self.replaced.rename(self.analyzer)  # killed between the two renames: the earlier result is still whole
        shutil.rmtree(self.replaced, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a file under a hidden name, then rename it."""
    hidden = path.with_name(f".{path.name}.building")
    hidden.write_text(text, encoding="utf-8")
    hidden.replace(path)


def write_units_table(path: Path, columns: dict[str, list]) -> None:
    """One row a unit, one column an entry of `columns`; NaN is an empty cell, texts cannot act as formulas."""
    hidden = path.with_name(f".{path.name}.building")
    with hidden.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))
    hidden.replace(path)


def copy_session_metadata(files: ResultFiles, metadata_files: list[Path]) -> None:
    """Copy the session's subject and data description files, as curation expects them."""
    for source in metadata_files:
        write_text(files.metadata_copy(source.name), source.read_text(encoding="utf-8"))


def _cell(value):
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else repr(float(value))
    return value
