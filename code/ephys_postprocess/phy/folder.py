"""Where an export to phy may go: built under a hidden name, renamed when complete, never over anyone's work."""

import contextlib
import csv
import fcntl
import filecmp
import json
import shutil
from pathlib import Path

from ephys_postprocess.errors import ResultError
from ephys_postprocess.results.files import refuse_links

MARKER = "ephys_postprocess_phy.json"  # written last: says that the folder is a complete export of ours
UNSORTED = "unsorted"  # phy's group of a cluster that nobody has judged


class PhyFolder:
    """One folder for phy."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        hidden = self.folder.with_name(f".{self.folder.name}")
        self.building = hidden.with_name(f"{hidden.name}.building")
        self.replaced = hidden.with_name(f"{hidden.name}.replaced")
        self.lock = hidden.with_name(f"{hidden.name}.lock")

    def check(self) -> None:
        """Raise ResultError where an export would replace something other than an untouched earlier export."""
        folder, choose = self.folder, "Name another folder for --export-phy, or move this one away."
        if not folder.exists():
            return
        if not folder.is_dir():
            raise ResultError(f"{folder} is a file. Name a folder for --export-phy.")
        if folder.is_mount():
            raise ResultError(f"{folder} is a mount point, which cannot be renamed. Name a folder in it.")
        if not any(folder.iterdir()):
            return
        if not (folder / MARKER).is_file():
            raise ResultError(f"{folder} is not empty, and not an earlier export of ours. {choose}")
        if is_curated(folder):
            raise ResultError(f"{folder} has been curated in phy since it was exported. {choose}")

    @contextlib.contextmanager
    def written(self, description: dict):
        """A hidden folder to write into; it gets its name, and `description` as its marker, when the body succeeds.

        Raises
        ------
        ResultError
            As `check`; or another run is writing it, or it cannot be written.
        """
        refuse_links(self.building, self.replaced, self.lock)
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            handle = self.lock.open("w")
        except OSError as error:
            raise ResultError(f"Cannot write {self.folder}: {error.strerror}. Choose another folder.") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ResultError(f"Another run is writing {self.folder}. Wait for it, or name another one.") from error
            try:
                self._restore_after_kill()
                self.check()
                self.building.mkdir()
                yield self.building
                (self.building / MARKER).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
                self._publish()
            finally:
                shutil.rmtree(self.building, ignore_errors=True)
                self.lock.unlink(missing_ok=True)

    def _publish(self):
        if self.folder.exists():
            self.folder.rename(self.replaced)
        self.building.rename(self.folder)
        shutil.rmtree(self.replaced, ignore_errors=True)

    def _restore_after_kill(self):
        shutil.rmtree(self.building, ignore_errors=True)
        if self.replaced.exists() and not self.folder.exists():
            self.replaced.rename(self.folder)
        shutil.rmtree(self.replaced, ignore_errors=True)


def is_curated(folder: Path) -> bool:
    """Whether someone merged, split, labelled or saved in phy since the folder was exported."""
    if (folder / "cluster_info.tsv").exists():
        return True
    clusters, templates = folder / "spike_clusters.npy", folder / "spike_templates.npy"
    if not (clusters.is_file() and templates.is_file() and filecmp.cmp(clusters, templates, shallow=False)):
        return True
    with (folder / "cluster_group.tsv").open(newline="", encoding="utf-8") as handle:
        return any(row["group"] != UNSORTED for row in csv.DictReader(handle, delimiter="\t"))


def folders_of_recordings(folder: Path, recording_names: list[str]) -> dict[str, Path]:
    """Where each recording is exported to: `folder` itself where there is only one."""
    if len(recording_names) == 1:
        return {recording_names[0]: folder}
    return {name: folder / name for name in recording_names}
