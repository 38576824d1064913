"""Checks that users register: damped, paced, run in threads and loops, shared between workers."""
