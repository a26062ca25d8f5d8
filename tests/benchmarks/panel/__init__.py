"""What the GPU panel costs, compared with jupyterlab-nvdashboard in the same run."""
