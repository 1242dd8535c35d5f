"""Load every extension of analyzers with whatever SpikeInterface is installed; must run without this project.

    python read_everything.py postprocessed_a.zarr postprocessed_b.zarr

One line a store, or the reasons why something could not be read. Exit code 1 if anything is missing that this version
of SpikeInterface knows.
"""

import sys
import warnings

import numpy as np
import spikeinterface
import spikeinterface.core as si
import zarr
from spikeinterface.core.sortinganalyzer import get_extension_class

RESTORED_BY = "pca_model_"  # plain arrays that stock SpikeInterface does not know; it must carry them all the same


def main(folders):
    complaints = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for folder in folders:
            complaints += [f"{folder}: {text}" for text in read(folder)]
    complaints += [f"warning: {one.message}" for one in caught if "extension" in str(one.message).lower()]
    print("\n".join(complaints) or "everything was read", flush=True)
    return int(bool(complaints))


def read(folder):
    """Complaints about one store."""
    analyzer = si.load(folder)
    stored = zarr.open_group(folder, mode="r")["extensions"]
    known = [name for name in sorted(stored.group_keys()) if is_known(name)]
    loaded = {name: analyzer.get_extension(name) for name in known}
    yield from (f"{name} was not loaded" for name, extension in loaded.items() if extension is None)
    for name, extension in loaded.items():
        if extension is not None:
            yield from (f"{name}: {text}" for text in missing_data(extension, stored[name]))
    analyzer.get_channel_locations()
    if not analyzer.has_recording():
        # Not the store's fault: 0.104 cannot read a binary folder that 0.105 saved, by itself either.
        print(f"note: {folder}: its recording is out of reach for this version")
        if spikeinterface.__version__.startswith("0.105."):
            yield "the recording is out of reach"
    unknown = sorted(set(stored.group_keys()) - set(known))
    print(
        f"SpikeInterface {spikeinterface.__version__}, {folder}: "
        f"{analyzer.get_num_units()} units, {len(known)} extensions"
        + (f", unknown to this version: {', '.join(unknown)}" if unknown else "")
    )


def missing_data(extension, group):
    """Names stored but not loaded, or loaded as something that cannot be computed with."""
    for name in [*group.array_keys(), *group.group_keys()]:
        if name not in extension.data:
            yield f"{name} was not loaded"
            continue
        value = extension.data[name]
        if not hasattr(value, "columns") and not isinstance(value, (dict, list)) and np.asarray(value).dtype == object:
            yield f"{name} holds objects"
        if hasattr(value, "columns"):
            yield from (f"{name}.{column} holds objects" for column in value if value[column].dtype == object)


def is_known(name):
    try:
        get_extension_class(name)
    except Exception:  # noqa: BLE001 - versions differ in what they raise for a name they do not know
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
