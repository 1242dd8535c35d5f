"""What a data folder holds that is not the pipeline's: said with the command that takes it."""

from pathlib import Path

DEPTH = 6  # folders below the data folder that are looked into; Open Ephys nests four
KINDS = {
    "a Kilosort or phy folder": ("spike_times.npy", "params.py"),
    "SpikeGLX traces": ("*.ap.meta",),
    "Open Ephys traces": ("structure.oebin",),
    "NWB": ("*.nwb",),
}


def said_of_raw_data(folder: Path) -> str | None:
    """What lies there in place of the pipeline's folders, with the command that takes it; None: nothing known."""
    found = {}
    for kind, patterns in KINDS.items():
        paths = (path for depth in range(DEPTH) for pattern in patterns for path in folder.glob("*/" * depth + pattern))
        path = next(iter(paths), None)
        if path is not None:
            found[kind] = path.parent
    if not found:
        return None
    sorting = found.get("a Kilosort or phy folder")
    traces = next((place for kind, place in found.items() if place != sorting), None)
    said = ", ".join(f"{kind} ({place.name})" for kind, place in found.items())
    command = f"--sorting {sorting or 'KILOSORT_FOLDER'} --traces {traces or 'RAW_FOLDER'}"
    return f"What is there is {said}: give it as ./code/run {command}"
