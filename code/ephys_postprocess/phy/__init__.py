"""A result as a folder that phy opens."""
