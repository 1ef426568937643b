"""One radiograph through pydicom and torch, with no check of anything: ``python FILE SCAN OUT``."""

import json
import sys

# pydicom imports these where they happen to be installed; it needs them for nothing here.
sys.modules.update(dict.fromkeys(("requests", "tqdm", "PIL")))  # type: ignore[arg-type]

import numpy as np  # noqa: E402
import pydicom  # noqa: E402
import torch  # noqa: E402

from convert.recipes.chest_pneumonia import MEAN, STD, build_model  # noqa: E402

THRESHOLD = 0.5

scan, out = sys.argv[1:]
dataset = pydicom.dcmread(scan)
pixels = dataset.pixel_array.astype(np.float32) / 255.0
image = torch.from_numpy((pixels - MEAN) / STD)[None, None]
with torch.inference_mode():
    logit, _ = build_model()(image)
score = float(torch.sigmoid(logit)[0, 0])
with open(out, "w", encoding="utf-8") as file:  # noqa: PTH123 - one import less
    json.dump({"pneumonia": score, "positive": score >= THRESHOLD}, file)
