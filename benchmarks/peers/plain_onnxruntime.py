"""One radiograph through pydicom and ONNX Runtime, with no check of anything: ``python FILE SCAN MODEL OUT``."""

import json
import sys

# pydicom imports these where they happen to be installed; it needs them for nothing here.
sys.modules.update(dict.fromkeys(("requests", "tqdm", "PIL")))  # type: ignore[arg-type]

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402
import pydicom  # noqa: E402

MEAN, STD, THRESHOLD = 0.5638, 0.1740, 0.5

scan, model, out = sys.argv[1:]
dataset = pydicom.dcmread(scan)
pixels = dataset.pixel_array.astype(np.float32) / 255.0
image = ((pixels - MEAN) / STD)[np.newaxis, np.newaxis]
session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
(logit,) = session.run(["logit"], {"image": image})
score = float(1.0 / (1.0 + np.exp(-logit[0, 0])))
with open(out, "w", encoding="utf-8") as file:  # noqa: PTH123 - one import less
    json.dump({"pneumonia": score, "positive": score >= THRESHOLD}, file)
