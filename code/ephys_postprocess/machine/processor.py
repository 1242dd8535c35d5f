"""Which processor kernels are compiled for: this one, or a level that an image's kernels share with many nodes."""

import platform
from collections.abc import MutableMapping
from pathlib import Path

_NAME, _FEATURES = "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"
# What a level adds to the ones before it, in the words of /proc/cpuinfo (x86-64 psABI, table 3.1).
_FLAGS_OF_LEVEL = {
    "x86-64-v2": {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"},
    "x86-64-v3": {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"},
    "x86-64-v4": {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"},
}


def choose_processor(environment: MutableMapping[str, str], root: Path = Path("/")) -> str | None:
    """Compile for this very processor where `NUMBA_CPU_NAME` is "host", empty, or a level that it has not got.

    Code for instructions that are missing would end the process without a word.

    Returns
    -------
    str or None
        What to tell the user, where a level cannot be kept to.
    """
    name = environment.get(_NAME)
    if name is None:
        return None
    missing = _missing_flags(name, root)
    if name not in ("", "host") and not missing:
        return None
    for variable in (_NAME, _FEATURES):
        environment.pop(variable, None)
    if not missing:
        return None
    return f"This processor is not of level {name} (it lacks {', '.join(missing)}): kernels are compiled for it anew."


def _missing_flags(level: str, root: Path) -> list[str]:
    if level not in _FLAGS_OF_LEVEL:
        return []
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ["all of x86"]
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), None)
    if flags is None:
        return []
    levels = list(_FLAGS_OF_LEVEL)
    wanted = set().union(*(_FLAGS_OF_LEVEL[below] for below in levels[: levels.index(level) + 1]))
    return sorted(wanted - flags)
