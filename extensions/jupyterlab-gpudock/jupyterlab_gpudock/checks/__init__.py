"""Short GPU benchmarks in a kernel environment, started by "Run a check"."""
