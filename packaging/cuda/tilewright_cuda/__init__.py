"""The CUDA kernels of tilewright, compiled: see tilewright/kernels/cuda_extension.py."""
