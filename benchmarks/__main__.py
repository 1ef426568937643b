"""Run every benchmark."""

from benchmarks import cold_start

cold_start.main()
