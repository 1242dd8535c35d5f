"""The computer that a run meets: cores, threads, memory, disk, signals, compiled code, progress."""
