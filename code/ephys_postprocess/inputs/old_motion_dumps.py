"""Motion inside the JSON dumps of SpikeInterface 0.100 and 0.101, made into objects again."""

import numpy as np

INTERPOLATION_CLASS = "spikeinterface.sortingcomponents.motion.motion_interpolation.InterpolateMotionRecording"


def with_motion_objects(dictionary: dict) -> dict:
    """A copy in which motion that SpikeInterface 0.100 and 0.101 dumped as JSON is a `Motion` again.

    Those versions wrote InterpolateMotionRecording to JSON, and no version reads it back.
    """
    if isinstance(dictionary, list):
        return [with_motion_objects(inner) for inner in dictionary]
    if not isinstance(dictionary, dict):
        return dictionary
    copied = {key: with_motion_objects(inner) for key, inner in dictionary.items()}
    is_interpolation = str(copied.get("class", "")).endswith(".InterpolateMotionRecording")
    if is_interpolation and isinstance(copied.get("kwargs", {}).get("motion"), (dict, list)):
        copied["class"] = INTERPOLATION_CLASS
        copied["kwargs"] = _with_motion_object(copied["kwargs"])
    return copied


def _with_motion_object(arguments: dict) -> dict:
    from spikeinterface.core.motion import Motion

    arguments = dict(arguments)
    bins = {name: arguments.pop(name, None) for name in ("temporal_bins", "spatial_bins", "direction")}
    stored = arguments["motion"]
    if isinstance(stored, list):
        stored = {
            "displacement": [stored],
            "temporal_bins_s": [bins["temporal_bins"]],
            "spatial_bins_um": [0.0] if bins["spatial_bins"] is None else bins["spatial_bins"],
            "direction": "xyz"[bins["direction"]] if isinstance(bins["direction"], int) else bins["direction"] or "y",
        }
    arguments["motion"] = Motion(
        [np.asarray(displacement, dtype=float) for displacement in stored["displacement"]],
        [np.asarray(centers, dtype=float) for centers in stored["temporal_bins_s"]],
        np.asarray(stored["spatial_bins_um"], dtype=float),
        direction=stored.get("direction", "y"),
        interpolation_method=stored.get("interpolation_method", "linear"),
    )
    centers_s = arguments.get("interpolation_time_bin_centers_s")
    if centers_s:
        is_by_segment = isinstance(centers_s[0], list)
        arguments["interpolation_time_bin_centers_s"] = (
            [np.asarray(own, dtype=float) for own in centers_s] if is_by_segment else np.asarray(centers_s, dtype=float)
        )
    return arguments
