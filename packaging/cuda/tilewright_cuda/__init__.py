"""The CUDA kernels of tilewright, compiled: tilewright/kernels/cuda_extension.py."""
