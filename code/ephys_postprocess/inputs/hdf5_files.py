"""HDF5 files, as NWB and some raw formats are: what they hold must be in the file itself.

A link or a dataset in one may lead to any other file of the machine, which the library opens without a word.
"""

from pathlib import Path

from ephys_postprocess.errors import InputError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_hdf5(file: Path) -> None:
    """InputError where an HDF5 file has links to other files, or datasets whose values lie in other files.

    Where h5py is not installed, nothing opens such a file either.
    """
    with file.open("rb") as handle:
        if handle.read(len(_SIGNATURE)) != _SIGNATURE:
            return
    try:
        import h5py
    except ImportError:
        return
    with h5py.File(file, "r") as root:
        seen, groups = set(), [root]
        while groups:
            group = groups.pop()
            place = h5py.h5o.get_info(group.id).addr
            if place in seen:  # links may go in circles
                continue
            seen.add(place)
            for name in group:
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    raise _leads_away(file, f"{group.name}/{name}", link.filename)
                item = None if isinstance(link, h5py.SoftLink) else group.get(name)
                if isinstance(item, h5py.Group):
                    groups.append(item)
                elif isinstance(item, h5py.Dataset):
                    _check_dataset(item, file)


def _check_dataset(dataset, file: Path) -> None:
    others = [name for name, _, _ in dataset.external or ()]
    if dataset.is_virtual:
        others += [source.file_name for source in dataset.virtual_sources() if source.file_name != "."]
    if others:
        raise _leads_away(file, dataset.name, others[0])


def _leads_away(file: Path, place: str, other: str) -> InputError:
    return InputError(
        f"{file}: {place.replace('//', '/')} lies in another file, {ascii(other)[:200]}. Only what the given file "
        "holds itself is read. Write it with its contents."
    )
