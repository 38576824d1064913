"""The store's memory of the past: rings of records, snapshots of all buckets, and the leader that writes both."""
