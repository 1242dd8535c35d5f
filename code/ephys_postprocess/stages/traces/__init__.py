"""Passes over the traces, and what is computed in them."""
