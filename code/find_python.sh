# Sourced by `run` and `run_tests`: sets CAPSULE_PYTHON to an interpreter that has what the lock file asks for.
# In order: the python on PATH when it is prepared (container, CodeOcean, conda); the environment made here before;
# a new environment from the lock file, made once.

# A signal is acted upon only when a foreground command ends; so what takes long runs beside the shell.
beside() {
    "$@" &
    wait "$!"
}

stop() { # signal number
    trap '' INT TERM
    kill -KILL "${!:-}" 2>/dev/null || true # just forked, it may lose a signal of another kind
    say "Stopped before anything was begun."
    exit $((128 + $1))
}
trap 'stop 2' INT
trap 'stop 15' TERM

say() { printf '%s\n' "$*" >&2; }

# The modules a run imports, and the SpikeInterface it is written for.
is_prepared() {
    "$1" - "$2" 2>/dev/null <<'PY'
import importlib.metadata, importlib.util, sys
needed = ["numpy", "scipy", "pandas", "numba", "zarr", "pydantic", "spikeinterface", "sklearn", "aind_data_schema"]
if sys.argv[1] == "requirements-test.lock":
    needed += ["pytest", "xdist", "hypothesis", "jsonschema", "networkx", "psutil", "phylib", "selenium"]
ready = (3, 11) <= sys.version_info[:2] <= (3, 13) and all(importlib.util.find_spec(name) for name in needed)
sys.exit(0 if ready and importlib.metadata.version("spikeinterface").startswith("0.105.") else 1)
PY
}

is_supported_python() {
    "$1" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_base_python() {
    local candidate
    for candidate in python3 python3.11 python3.12 python3.13 python; do
        if is_supported_python "$candidate"; then
            printf '%s' "$candidate"
            return 0
        fi
    done
    return 1
}

make_environment() { # folder, lock file
    local folder="$1" lock_file="$2" base_python
    if ! base_python="$(find_base_python)"; then
        say "Cannot run: the python on PATH has no SpikeInterface 0.105 environment, and no Python 3.11, 3.12 or 3.13 was"
        say "found to make one with. Install one of them, or run inside the image of environment/Dockerfile."
        return 1
    fi
    say "Setting up the Python environment, once (one to three minutes): $folder"
    rm -rf -- "$folder"
    local pip_install=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes)
    if ! { beside "$base_python" -m venv "$folder" && beside "${pip_install[@]}" -r "$lock_file"; } >&2; then
        say "Cannot run: the environment could not be made (see above). It needs disk space in $(dirname -- "$folder")"
        say "and a Python package registry that pip can reach; without one, run inside the image of environment/Dockerfile."
        rm -rf -- "$folder"
        return 1
    fi
    touch -- "$folder/complete"
    say "Environment ready."
}

# Where environments are kept, in order: the user's cache, and a folder of ours among the temporary ones. Where HOME is
# unset or somebody else's, as under sudo, the home in the password file comes in between.
cache_folders() {
    local home_by_record=""
    if [[ -n "${XDG_CACHE_HOME:-}" ]]; then
        printf '%s\n' "$XDG_CACHE_HOME/ephys-postprocess"
    else
        if [[ -n "${HOME:-}" ]]; then printf '%s\n' "$HOME/.cache/ephys-postprocess"; fi
        if [[ ! -O "${HOME:-}" ]]; then home_by_record="$(getent passwd "$EUID" 2>/dev/null | cut -d: -f6)" || true; fi
        if [[ -O "$home_by_record" ]]; then printf '%s\n' "$home_by_record/.cache/ephys-postprocess"; fi
    fi
    printf '%s\n' "$(temporary_cache)"
}

temporary_cache() { printf '%s' "${TMPDIR:-/tmp}/ephys-postprocess-$EUID"; }

# Whether an environment can be made there. What root makes in somebody else's home, its owner could not change any more;
# and anybody can make a folder among the temporary ones, so that one must be ours, no link, and closed to others.
can_make_in() {
    if [[ "$1" == "$(temporary_cache)" ]]; then
        mkdir -m 700 -- "$1" 2>/dev/null || true
        [[ -d "$1" && ! -L "$1" && -O "$1" && -z "$(find "$1" -maxdepth 0 -perm /022)" ]] || return 1
    elif [[ -z "${XDG_CACHE_HOME:-}" && "$1" == "${HOME:-}/.cache/ephys-postprocess" && ! -O "${HOME:-}" ]]; then
        return 1
    fi
    mkdir -p -- "$1" 2>/dev/null && touch -- "$1/.writable" 2>/dev/null && rm -f -- "$1/.writable"
}

# Whatever the caller's umask, nobody else may write where the interpreter lies that we run.
find_python() { # code folder, lock file name
    local mask
    mask="$(umask)"
    umask g-w,o-w
    choose_python "$@"
    umask "$mask"
}

choose_python() { # code folder, lock file name
    local lock_file="$1/$2" name cache candidate
    if [[ -n "${CAPSULE_PYTHON:-}" ]]; then
        return 0
    fi
    local -A asked=() # side by side: behind a shim, as of pyenv, each takes a tenth of a second
    for candidate in python3 python; do
        is_prepared "$candidate" "$2" &
        asked[$candidate]="$!"
    done
    for candidate in python python3; do # for both, even if one is enough: nobody else would
        if wait "${asked[$candidate]}"; then
            CAPSULE_PYTHON="$candidate"
        fi
    done
    if [[ -n "${CAPSULE_PYTHON:-}" ]]; then
        return 0
    fi
    name="${2%.lock}-$(cksum <"$lock_file" | tr -c '0-9\n' '-')"
    local caches
    mapfile -t caches < <(cache_folders)
    for cache in "${caches[@]}"; do
        if [[ -f "$cache/$name/complete" ]] && { [[ "$cache" != "$(temporary_cache)" ]] || can_make_in "$cache"; }; then
            CAPSULE_PYTHON="$cache/$name/bin/python"
            return 0
        fi
    done
    for cache in "${caches[@]}"; do
        if can_make_in "$cache"; then
            make_environment_once "$cache/$name" "$lock_file" || exit 1
            CAPSULE_PYTHON="$cache/$name/bin/python"
            return 0
        fi
        say "$cache cannot be used: it cannot be written, or is not ours alone."
    done
    say "Cannot run: no prepared Python environment on PATH, and no folder to make one in."
    say "Set XDG_CACHE_HOME to a writable folder, or run inside the image of environment/Dockerfile."
    exit 1
}

# Two first runs at once: the second waits for the first one's environment.
make_environment_once() { # folder, lock file
    exec 9>"$1.lock"
    if command -v flock >/dev/null && ! beside flock 9; then
        say "No locks in ${1%/*}: make sure that no other first run makes the environment just now."
    fi
    if [[ ! -f "$1/complete" ]]; then
        make_environment "$1" "$2" || return 1
    fi
    exec 9>&-
}
