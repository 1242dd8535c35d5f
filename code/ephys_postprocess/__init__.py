"""Ephys postprocessing: from spike trains and preprocessed traces to everything a curator needs."""

__version__ = "0.1.0"
