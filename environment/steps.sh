#!/bin/sh
# The steps of the image, for Dockerfile and apptainer.def alike. Arguments: install LOCK_FILE, or warm CODE.
set -eu

case "$1" in
install)
    python3 -m pip install --no-cache-dir --require-hashes -r "$2"
    ;;
warm)
    # The same code for every processor of the level, in folders that anybody can read and only root can write to.
    python3 "$2/tools/warm_kernels.py"
    chmod -R u=rwX,go=rX "$NUMBA_CACHE_DIR" "$2"
    ;;
*)
    echo "$0: install LOCK_FILE or warm CODE" >&2
    exit 2
    ;;
esac
