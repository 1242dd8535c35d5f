"""What lies in `data/`: recording names, job files, the session folder, and what upstream left out on purpose."""

import json
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.raw_hints import said_of_raw_data
from ephys_postprocess.inputs.special_files import check_file_types, check_link, is_regular, read_regular

TEST_PREPROCESSING_FOLDER = "preprocessing_pipeline_output_test"
TEST_SORTING_FOLDER = "spikesorting_pipeline_output_test"
# Names of earlier capsules' results: they may hold a session's name, and so "ecephys", without being the session.
RESULT_PREFIXES = (
    *("preprocessed", "binary_", "motioncorrected_", "motion_", "spikesorted", "data_process"),
    *("preprocessing_", "spikesorting_", "job"),
)
MAX_NAME_BYTES = 200  # of the 255 that file systems allow: names of results are longer
MAX_REASON_LETTERS = 500
PICKLE_ENDINGS = (".pkl", ".pickle")


class UpstreamSkipped(Exception):  # noqa: N818 - an outcome the contract asks for, not an error
    """An earlier capsule left this recording out on purpose; its message is the reason."""


@dataclass(frozen=True)
class RecordingInput:
    """Where one recording's inputs lie; nothing is opened and, with a job file, nothing need exist yet."""

    recording_name: str
    data_folder: Path
    preprocessing_folder: Path  # the parent of preprocessed_{name}
    sorting_folder: Path  # the parent of spikesorted_{name}
    skip_times: bool = False  # the job asks for sample times instead of the recorded clock
    job_file: Path | None = None
    notes: tuple[str, ...] = ()  # what was decided before anything was opened
    given_folders: tuple[Path, ...] = ()  # where files may lie that a description names, beside data/

    @property
    def saved_traces(self) -> Path | None:
        """The folder SpikeInterface saved the preprocessed traces to, binary or zarr."""
        stem = f"preprocessed_{self.recording_name}"
        return _first_existing(self.preprocessing_folder, (stem, f"{stem}.zarr"))

    @property
    def binary_json(self) -> Path | None:
        return _first_existing(self.preprocessing_folder, (f"binary_{self.recording_name}.json",))

    @property
    def binary_pickle(self) -> Path | None:
        return _first_existing(
            self.preprocessing_folder, [f"binary_{self.recording_name}{end}" for end in PICKLE_ENDINGS]
        )

    @property
    def lazy_json(self) -> Path | None:
        return _first_existing(self.preprocessing_folder, (f"preprocessed_{self.recording_name}.json",))

    @property
    def lazy_pickle(self) -> Path | None:
        return _first_existing(
            self.preprocessing_folder, [f"preprocessed_{self.recording_name}{end}" for end in PICKLE_ENDINGS]
        )

    @property
    def motion(self) -> Path:
        return self.preprocessing_folder / f"motion_{self.recording_name}"

    @property
    def preprocessing_record(self) -> Path:
        """The DataProcess that the preprocessing capsule wrote."""
        return self.preprocessing_folder / f"data_process_preprocessing_{self.recording_name}.json"

    @property
    def saved_sorting(self) -> Path | None:
        stem = f"spikesorted_{self.recording_name}"
        return _first_existing(self.sorting_folder, (stem, f"{stem}.zarr", f"{stem}.npz"))


@dataclass(frozen=True)
class Found:
    """Everything `find_recordings` learnt."""

    recordings: tuple[RecordingInput, ...]
    session_folder: Path | None
    metadata_files: tuple[Path, ...]  # copied beside each result as postprocessing_{name}_{file}
    warnings: tuple[str, ...]
    is_test_mode: bool


def find_recordings(data_folder: Path, names: tuple[str, ...] = ()) -> Found:
    """The recordings to postprocess, in order of their names.

    Parameters
    ----------
    data_folder : Path
        The capsule's `data/`.
    names : tuple of str
        Only these recordings (`--recording`); empty for all that the job files, or else the folders, name.

    Raises
    ------
    InputError
        No data folder, nothing in it to postprocess, an unreadable job file, an impossible or unknown name.
    """
    data_folder = Path(data_folder)
    entries = _entries(data_folder)
    is_test_mode = (data_folder / TEST_PREPROCESSING_FOLDER).is_dir()
    preprocessing_folder = data_folder / TEST_PREPROCESSING_FOLDER if is_test_mode else data_folder
    sorting_folder = data_folder / TEST_SORTING_FOLDER if is_test_mode else data_folder
    jobs, warnings = _read_jobs(entries)
    present = jobs or dict.fromkeys(_names_of_preprocessed(_entries(preprocessing_folder)), (False, None))
    if not present:
        raise InputError(
            f"{preprocessing_folder}: nothing to postprocess: no job file with a recording_name, no preprocessed_* "
            "folder and no preprocessed_*.json. "
            + (said_of_raw_data(preprocessing_folder) or "Attach the preprocessing and spike-sorting results.")
        )
    recordings = [
        RecordingInput(name, data_folder, preprocessing_folder, sorting_folder, *present[name])
        for name in _chosen(present, names, data_folder, are_jobs=bool(jobs))
    ]
    session_folder, session_warnings = _find_session_folder(entries)
    return Found(
        recordings=tuple(recordings),
        session_folder=session_folder,
        metadata_files=tuple(_metadata_files(session_folder)),
        warnings=(*warnings, *session_warnings),
        is_test_mode=is_test_mode,
    )


def reason_skipped_upstream(recording: RecordingInput) -> str | None:
    """Why an earlier capsule left the recording out, told from what its placeholder folders hold; else None."""
    preprocessed = recording.preprocessing_folder / f"preprocessed_{recording.recording_name}"
    if _visible_names(preprocessed) == {"error.txt"}:
        return f"preprocessing skipped this recording ({_told_by(preprocessed / 'error.txt')})"
    spikesorted = recording.sorting_folder / f"spikesorted_{recording.recording_name}"
    left = _visible_names(spikesorted)
    if left == {"error.txt"}:
        return f"spike sorting skipped this recording ({_told_by(spikesorted / 'error.txt')})"
    if left and left <= {"error.txt", "spikeinterface_log.json"}:
        return f"spike sorting failed on this recording ({spikesorted.name} holds its log but no sorting)"
    return None


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a zarr store (v2), whatever it is called."""
    return (folder / ".zgroup").is_file() or (folder / ".zmetadata").is_file()


def read_json(path: Path) -> dict:
    """The JSON object in a file; InputError when there is none."""
    check_file_types(path)
    try:
        content = json.loads(read_regular(path).decode("utf8"))
    except (OSError, ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise InputError(f"{path}: not readable as JSON ({error}). Attach the file again or remove it.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a JSON {type(content).__name__}, not an object. Remove or replace it.")
    return content


def check_name(name: str, where: str) -> str:
    """The name itself when it can be part of a file name; InputError otherwise."""
    is_possible = (
        isinstance(name, str)
        and name not in {"", ".", ".."}
        and not set(name) & {"/", "\\"}
        and not any(unicodedata.category(letter) == "Cc" for letter in name)
        and _is_encodable(name)
        and len(os.fsencode(name)) <= MAX_NAME_BYTES
    )
    if not is_possible:
        raise InputError(
            f"{where}: {name!r} cannot be a recording name. It must be text of at most {MAX_NAME_BYTES} bytes without "
            "'/', '\\', '..' or control characters, as in the folder name preprocessed_<recording name>."
        )
    return name


def _is_encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # half a pair of surrogates, which no file system takes
        return False
    return True


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: not a readable folder ({error.strerror}). Point --data at the inputs.") from error


def _read_jobs(entries: list[Path]) -> tuple[dict[str, tuple[bool, Path]], list[str]]:
    jobs, warnings = {}, []
    for path in entries:
        if not (path.name.endswith(".json") and "job" in path.name and path.is_file()):
            continue
        job = read_json(path)
        if "recording_name" in job:
            name = check_name(job["recording_name"], f"{path}: recording_name")
            skip_times = _is_true(job.get("skip_times", False))
            if name in jobs:
                warnings.append(_said_of_two_jobs(name, skip_times, path, *jobs[name]))
            jobs[name] = (skip_times, path)
        else:
            warnings.append(f"{path.name} is not a job file (no recording_name) and was ignored.")
    return dict(sorted(jobs.items())), warnings


def _said_of_two_jobs(name: str, skip_times: bool, path: Path, other_skip_times: bool, other_path: Path) -> str:
    if skip_times != other_skip_times:
        raise InputError(
            f"{other_path} and {path.name} both ask for recording {name!r}, one with skip_times and one without. "
            "Remove one of them."
        )
    return f"{other_path.name} and {path.name} ask for the same recording; it is postprocessed once."


def _is_true(value: object) -> bool:
    return value.lower() == "true" if isinstance(value, str) else bool(value)


def _names_of_preprocessed(entries: list[Path]) -> list[str]:
    names = set()
    for path in entries:
        if path.is_dir() and path.name.startswith("preprocessed_"):
            ending = ".zarr" if is_zarr(path) else ""
            names.add(_between(path.name, "preprocessed_", ending))
        elif path.is_symlink() and not path.exists() and path.name.startswith("preprocessed_"):
            names.add(_between(path.name, "preprocessed_", _ending_of_dump(path.name)))
        else:
            names.update(_name_in_dump(path.name))
    return sorted(check_name(name, "data folder") for name in names)


def _name_in_dump(file_name: str) -> list[str]:
    ending = _ending_of_dump(file_name)
    prefixes = [prefix for prefix in ("preprocessed_", "binary_") if file_name.startswith(prefix)]
    return [_between(file_name, prefixes[0], ending)] if ending and prefixes else []


def _ending_of_dump(file_name: str) -> str:
    return next((ending for ending in (".json", *PICKLE_ENDINGS) if file_name.endswith(ending)), "")


def _between(file_name: str, prefix: str, ending: str) -> str:
    # Recording names hold dots, so endings are cut by length and never by Path.stem or Path.suffix.
    return file_name.removeprefix(prefix).removesuffix(ending)


def _chosen(present: dict, names: tuple[str, ...], data_folder: Path, *, are_jobs: bool) -> list[str]:
    unknown = [check_name(name, "--recording") for name in names if name not in present]
    if unknown:
        source = "The job files name" if are_jobs else "There is"
        raise InputError(
            f"{data_folder}: no recording called {', '.join(map(repr, unknown))}. "
            f"{source} {', '.join(map(repr, present))}. Correct --recording."
        )
    return [name for name in present if not names or name in names]


def _find_session_folder(entries: list[Path]) -> tuple[Path | None, list[str]]:
    candidates = [
        path
        for path in entries
        if any(word in path.name.lower() for word in ("ecephys", "behavior"))
        and not path.name.startswith(RESULT_PREFIXES)
        and path.is_dir()
    ]
    staged = [path for path in candidates if path.name == "ecephys_session"]
    if len(candidates) > 1 and not staged:
        listed = ", ".join(path.name for path in candidates)
        return None, [f"{len(candidates)} folders could be the session ({listed}): no session metadata is copied."]
    return next(iter(staged or candidates), None), []


def _metadata_files(session_folder: Path | None) -> list[Path]:
    if session_folder is None:
        return []
    return [
        path
        for path in _entries(session_folder)
        if path.is_file()
        and path.name.endswith(".json")
        and ("subject" in path.name or "data_description" in path.name)
    ]


def _first_existing(folder: Path, names) -> Path | None:
    """The first that is there; InputError for a link to nothing, in whose stead something else would be read."""
    for path in (folder / name for name in names):
        check_link(path)
        if path.exists():
            return path
    return None


def _visible_names(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    return {path.name for path in _entries(folder) if not path.name.startswith(".")}


def _told_by(error_file: Path) -> str:
    if not is_regular(error_file):
        return "its error.txt is no file"
    with error_file.open(encoding="utf8", errors="replace") as handle:
        text = handle.read(MAX_REASON_LETTERS).strip()
    return f"its error.txt says: {text}" if text else "its error.txt is empty"
