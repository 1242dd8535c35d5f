"""Limits of this process (`ulimit`) below which libraries end it without a word: told before they are loaded."""

import resource

# Addresses that the libraries and the threads' stacks take before any trace is read, and room to work.
MIN_ADDRESS_SPACE_BYTES = 1_500_000_000
MIN_STACK_BYTES = 2**20


def why_limits_are_too_low() -> str | None:
    """A sentence about the first limit that is too low, or None; a stack that may be raised is raised."""
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if address_space != resource.RLIM_INFINITY and address_space < MIN_ADDRESS_SPACE_BYTES:
        return (
            f"Cannot run: this process may take {address_space / 1e6:.0f} MB of addresses (ulimit -v), and the "
            f"libraries alone need about {MIN_ADDRESS_SPACE_BYTES / 1e6:.0f} MB. Raise the limit."
        )
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft == resource.RLIM_INFINITY or soft >= MIN_STACK_BYTES:
        return None
    if hard == resource.RLIM_INFINITY or hard >= MIN_STACK_BYTES:
        resource.setrlimit(resource.RLIMIT_STACK, (MIN_STACK_BYTES, hard))
        return None
    return (
        f"Cannot run: the stack is limited to {soft / 1e3:.0f} kB (ulimit -s); it must be at least "
        f"{MIN_STACK_BYTES / 1e3:.0f} kB. Raise the limit."
    )
