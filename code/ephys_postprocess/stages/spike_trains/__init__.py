"""What needs spike times alone."""
