"""Kernels of this server: their environments, PyTorch's live state, and GPU compatibility."""
