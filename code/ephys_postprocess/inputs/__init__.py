"""What lies in `data/`, opened and checked: recordings, sortings, motion, and their traces as arrays."""
