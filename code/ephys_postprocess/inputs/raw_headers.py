"""Headers of raw data that name files themselves: what they name stays in the header's own folder."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.data_folder import read_json

OPEN_EPHYS_HEADER = "structure.oebin"


def check_headers(folder: Path) -> None:
    """InputError where Open Ephys' header, in a folder of raw data, sends its reader out of the header's folder."""
    for header in sorted(folder.rglob(OPEN_EPHYS_HEADER)):
        for name in _folder_names_in(read_json(header)):
            if PurePosixPath(name).is_absolute() or ".." in (*PurePosixPath(name).parts, *PureWindowsPath(name).parts):
                raise InputError(
                    f"{header}: its folder_name {name[:100]!r} leads out of {header.parent.name}. Attach the raw data "
                    "as it was recorded."
                )


def _folder_names_in(value) -> list[str]:
    if isinstance(value, dict):
        own = [value["folder_name"]] if isinstance(value.get("folder_name"), str) else []
        return own + [name for inner in value.values() for name in _folder_names_in(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in _folder_names_in(inner)]
    return []
