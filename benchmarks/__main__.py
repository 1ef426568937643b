"""Run every benchmark."""

from benchmarks import cold_start, conversion, engines

cold_start.main()
conversion.main([])
engines.main([])
