"""Run every benchmark."""

from benchmarks import cold_start, conversion, engines, folder, systems_windows, volumes

cold_start.main()
conversion.main([])
engines.main([])
volumes.main([])
folder.main([])
systems_windows.main([])
