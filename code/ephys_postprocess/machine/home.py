"""A home for libraries that ask for one while they are imported."""

import os
import pwd
from collections.abc import MutableMapping

NO_HOME = "/nonexistent"  # Debian's home of users that have none: nobody but root could make it


def ensure_home(environment: MutableMapping[str, str]) -> None:
    """Set HOME where there is none and the password file names none, as for a container's arbitrary user id."""
    if environment.get("HOME"):
        return
    try:
        environment["HOME"] = pwd.getpwuid(os.getuid()).pw_dir or NO_HOME
    except KeyError:
        environment["HOME"] = NO_HOME
