"""The statements of the running app as a workload: which indexes they want, asked off the request."""
