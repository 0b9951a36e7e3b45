"""The shop's migrations with one more, a package for each. `BENCH_LATER` chooses, as a deployment would bring it."""
