"""One radiograph through pydicom and ONNX Runtime, with no check of anything: ``python FILE SCAN MODEL OUT``."""

import json
import sys

import numpy as np
import onnxruntime as ort
import pydicom

MEAN, STD, THRESHOLD = 0.5638, 0.1740, 0.5

scan, model, out = sys.argv[1:]
dataset = pydicom.dcmread(scan)
pixels = dataset.pixel_array.astype(np.float32) / 255.0
image = ((pixels - MEAN) / STD)[np.newaxis, np.newaxis]
session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
logit, _ = session.run(None, {"image": image})
score = float(1.0 / (1.0 + np.exp(-logit[0, 0])))
with open(out, "w", encoding="utf-8") as file:  # noqa: PTH123 - one import less
    json.dump({"pneumonia": score, "positive": score >= THRESHOLD}, file)
