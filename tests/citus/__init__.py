"""What is different on a cluster of Citus's: run by `make test-citus`, which needs one; see `cluster`."""
