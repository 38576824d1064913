"""Commands that read a running service, or what was exported of one."""
