"""Run every benchmark."""

from benchmarks import cold_start, conversion, engines, volumes

cold_start.main()
conversion.main([])
engines.main([])
volumes.main([])
