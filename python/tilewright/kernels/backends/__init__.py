"""The implementations behind :mod:`tilewright.kernels`, one package each.

They take arguments that the interface has checked and normalised, and are reached
through it alone; see :mod:`tilewright.kernels.backends.protocol`.
"""
