"""Numerical solvers that several kernels share."""
