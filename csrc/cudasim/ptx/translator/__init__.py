"""Translate the PTX that nvcc emits into C++ for the simulator of CUDA kernels."""
