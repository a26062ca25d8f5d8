"""``gpudock-env``: whether this environment has cuDNN, and whether its torch uses the GPU."""
