"""The files of one recording in results/: built under hidden names, renamed when all of them are complete."""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
from pathlib import Path

import numpy as np

from ephys_postprocess.errors import ResultError, TemporaryError
from ephys_postprocess.machine.stopping import STOPS, last_wish, signals_wait

logger = logging.getLogger(__name__)

MAX_FILE_NAME_BYTES = 255
_HELD_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class HeldElsewhereError(TemporaryError):
    """Another run is writing this recording's results."""


class ResultFiles:
    """Every path that one recording's run may leave in the results folder; names are never taken apart again.

    A result is the analyzer's store and the files beside it. The store is built as `building`, the others in
    `staging`. `publish` renames `staging` to `ready`: from then on the result is complete, and whoever holds the
    recording next finishes the renames that a killed run did not come to. The data process goes first and comes
    last, so a result with one is whole.
    """

    def __init__(self, results_folder: Path, recording_name: str):
        self.folder = results_folder
        self.recording_name = recording_name
        self.analyzer = results_folder / f"postprocessed_{recording_name}.zarr"
        self.data_process = results_folder / f"data_process_postprocessing_{recording_name}.json"
        self.units_table = results_folder / f"units_{recording_name}.csv"
        self.units_parquet = results_folder / f"units_{recording_name}.parquet"
        self.report = results_folder / f"postprocessing-report_{recording_name}.html"
        # Hidden, so that no pipeline's pattern sees them; beside the final name, so that a rename is enough.
        self.building = results_folder / f".postprocessed_{recording_name}.building.zarr"
        self.replaced = results_folder / f".postprocessed_{recording_name}.replaced.zarr"
        self.staging = results_folder / f".postprocessed_{recording_name}.staging"
        self.ready = results_folder / f".postprocessed_{recording_name}.ready"
        self.is_published = False  # by this run: whatever fails afterwards, the result is complete
        self.lock = results_folder / f".postprocessed_{recording_name}.lock"

    @property
    def shown_name(self) -> str:
        """The recording's name where only text can stand."""
        return shown(self.recording_name)

    @property
    def is_complete(self) -> bool:
        """Whether a finished result stands under its names; a placeholder is none."""
        return self.data_process.is_file() and (self.analyzer / ".zgroup").is_file() and not self.ready.exists()

    def beside(self) -> list[Path]:
        """Whatever lies in the results folder beside the stores."""
        return [path for path in self.folder.iterdir() if not path.name.startswith(".") and path != self.analyzer]

    def check_names(self, metadata_names: list[str]) -> None:
        """Raise ResultError where a file could not be written under its name, before anything is computed."""
        if self.analyzer.is_file():
            raise ResultError(f"{self.analyzer}: a file stands where a folder is to be. Move it, or choose --results.")
        copies = [self.metadata_copy(name) for name in metadata_names]
        for path in (self.data_process, self.units_table, self.units_parquet, self.report, *copies):
            if len(os.fsencode(path.name)) > MAX_FILE_NAME_BYTES:
                raise ResultError(
                    f"{path.name}: {len(os.fsencode(path.name))} bytes, and file systems allow {MAX_FILE_NAME_BYTES}. "
                    "Give the recording, or the session's metadata file, a shorter name."
                )
            if path.is_dir() and not path.is_symlink():
                raise ResultError(
                    f"{path}: a folder stands where a file is to be written. Move it, or choose --results."
                )

    def metadata_copy(self, file_name: str) -> Path:
        """Where a session metadata file is copied to."""
        return self.folder / f"postprocessing_{self.recording_name}_{file_name}"

    def staged(self, path: Path) -> Path:
        """Where to write a file that `publish` gives the name `path`."""
        self.staging.mkdir(exist_ok=True)
        return self.staging / path.name

    @contextlib.contextmanager
    def held(self):
        """Hold this recording's results against another run; what a killed run left is finished, or goes.

        Raises
        ------
        HeldElsewhereError
            Another run holds them.
        ResultError
            The folder cannot be written, or a working name in it is a link.
        """
        with self._locked(), last_wish(self._give_up):
            refuse_links(self.building, self.replaced, self.staging, self.ready)
            try:
                try:
                    self._finish_or_clean()
                    yield self
                finally:
                    self._finish_or_clean()
            except STOPS:  # raised once per run, and perhaps before the line above had begun
                self._finish_or_clean()
                raise

    def publish(self) -> None:
        """Give the finished store and the staged files their names; an earlier result goes once they are in place."""
        self.staging.mkdir(exist_ok=True)
        for path in self.staging.iterdir():
            if path.name.startswith("."):
                remove(path)  # half-written, as a report that the run could do without
            else:
                sync(path)
        sync(self.staging)
        with signals_wait():
            self.staging.rename(self.ready)
            self.is_published = True
            sync(self.folder)
            self._finish_publishing()

    def write_placeholder(self, reason: str) -> None:
        """The contract's sign for 'nothing to see': a folder of the analyzer's name that SpikeInterface refuses."""
        remove(self.building)
        remove(self.staging)
        self.building.mkdir(parents=True)
        np.save(self.building / "placeholder.npy", np.array([], dtype=bool))
        (self.building / "reason.txt").write_text(reason + "\n", encoding="utf-8", errors="replace")
        self.publish()

    def _finish_publishing(self):
        staged = {path.name for path in self.ready.iterdir()}
        if self.building.exists():  # nothing has been renamed yet, but perhaps the earlier store
            for path in (self.data_process, self.units_table, self.units_parquet, self.report):
                path.unlink(missing_ok=True)
            if self.analyzer.exists() or self.analyzer.is_symlink():
                remove(self.replaced)
                self.analyzer.rename(self.replaced)
            self.building.rename(self.analyzer)
        for name in sorted(staged, key=lambda name: name == self.data_process.name):
            (self.ready / name).replace(self.folder / name)
        remove(self.replaced)
        self.ready.rmdir()
        sync(self.folder)

    def _finish_or_clean(self):
        with signals_wait():  # what tidies up in the standard library makes an OSError of another exception
            if self.ready.is_dir():
                self._finish_publishing()
            remove(self.ready)  # no folder, so of no run
            if self.replaced.exists() and not self.analyzer.exists():
                self.replaced.rename(self.analyzer)  # by a version that had no `ready`
            for leftover in (self.staging, self.building, self.replaced):
                remove(leftover)

    def _give_up(self):
        if not self.ready.is_dir():
            remove(self.staging)
            remove(self.building)
        self.lock.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self):
        name, descriptor = str(self.lock), None
        try:
            with signals_wait():
                descriptor = self._make_folder_and_lock()
            yield
        finally:
            if descriptor is not None:
                try:  # noqa: SIM105 - no Python function, inside which a signal's exception might come first
                    os.unlink(name)  # noqa: PTH108 - the same
                except FileNotFoundError:
                    pass
                os.close(descriptor)

    def _make_folder_and_lock(self) -> int:
        refuse_links(self.lock)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return self._open_lock()
        except OSError as error:
            is_no_folder = isinstance(error, FileExistsError) and not self.folder.is_dir()
            reason = "it is no folder" if is_no_folder else error.strerror
            raise ResultError(
                f"Cannot write results in {self.folder}: {reason}. Make it writable, or choose --results."
            ) from error

    def _open_lock(self) -> int:
        while True:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _HELD_BY_ANOTHER:
                    os.close(descriptor)
                    raise HeldElsewhereError(
                        f"Another run is writing the results of '{self.recording_name}' in {self.folder}. "
                        "Wait for it to end, or choose another --results folder."
                    ) from error
                logger.warning("%s: no locks on this file system; make sure that no other run writes here", self.folder)
                return descriptor
            if self._is_lock_file(descriptor):
                return descriptor
            os.close(descriptor)  # its last holder removed the name after we opened it

    def _is_lock_file(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.lock.lstat())
        except FileNotFoundError:
            return False


def shown(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 become escapes such as \\xff."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a pair of surrogates, which no file system gives
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def refuse_links(*paths: Path) -> None:
    """ResultError where a hidden working name is a link: what is written there would land in somebody else's file."""
    for path in paths:
        if path.is_symlink():
            raise ResultError(
                f"{path} is a link. Names that begin with a dot are for what is being made, and no run makes links. "
                "Remove it, or choose another folder."
            )


def write_text(path: Path, text: str) -> None:
    """Write a file, as UTF-8."""
    path.write_text(text, encoding="utf-8")


def copy_session_metadata(files: ResultFiles, metadata_files: list[Path]) -> None:
    """Copy the session's subject and data description files, as curation expects them."""
    for source in metadata_files:
        files.staged(files.metadata_copy(source.name)).write_bytes(source.read_bytes())


def remove(path: Path) -> None:
    """Take away a file, a folder or a link (never what a link leads to); nothing there is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk, where its file system can say so."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise
    finally:
        os.close(descriptor)
