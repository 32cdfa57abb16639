"""Kernels that start fast: forked, imports done, from a parent that only imports; and the transport they talk over."""
