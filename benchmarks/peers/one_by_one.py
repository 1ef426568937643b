"""edgerun as a loop: each study is read, examined and written before the next one is begun: ``python FILE IN OUT``."""

import sys
from pathlib import Path

from edge import pipeline

pipeline.AHEAD_BYTES = 0
request = pipeline.Request(paths=(Path(sys.argv[1]),), out=Path(sys.argv[2]), pack="chest-pneumonia")
for _ in pipeline.run(request):
    pass
