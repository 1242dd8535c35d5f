"""Ephys postprocessing: from spike trains and preprocessed traces to everything a curator needs."""

from ephys_postprocess import earlier_names

__version__ = "0.1.0"

earlier_names.install()
