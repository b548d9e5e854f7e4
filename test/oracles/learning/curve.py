# Writes test/learning/golden/curve.json (or, with -, standard output): the losses of 100 steps of PyTorch's AdamW on a small
# EfficientNet, with reproducible weights and images, the data in a fixed order, the learning rate annealed by a cosine.
# Float64, so that what is compared with is not rounded itself.    /usr/bin/python3 test/oracles/learning/curve.py
import json
import math
import os
import sys
import numpy as np
import torch

sys.path.insert(0, os.path.dirname(__file__))
from efficientnet import EfficientNet
from mixed import fill, mixed

SIDE, BATCH, IMAGES, STEPS, RATE = 64, 16, 64, 100, 1e-3
OUT = os.path.join(os.path.dirname(__file__), "../../learning/golden/curve.json")
WEIGHTS = torch.tensor([2, 1, 1, 1, 1, 1], dtype=torch.float64)


def data():
    """Images of noise with a bright square whose place follows the labels."""
    x = 0.25 * mixed(IMAGES * 3 * SIDE * SIDE, 1001).reshape(IMAGES, 3, SIDE, SIDE)
    y = (mixed(IMAGES * 6, 1002) > 0).astype(np.float64).reshape(IMAGES, 6)
    for n in range(IMAGES):
        for k in range(6):
            if y[n, k]:
                x[n, :, 8 * k + 4:8 * k + 12, 8 * k + 4:8 * k + 12] += 0.5
    return torch.from_numpy(x.astype(np.float32).astype(np.float64)), torch.from_numpy(y)


def losses():
    model = EfficientNet(0.25, 0.5, dropout=0, drop_connect=0).double()
    fill(model)
    model.train()
    x, y = data()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=STEPS)
    found = []
    for step in range(STEPS):
        begin = step * BATCH % IMAGES
        logits = model(x[begin:begin + BATCH])
        each = torch.nn.functional.binary_cross_entropy_with_logits(logits, y[begin:begin + BATCH], reduction="none")
        loss = (each * WEIGHTS / WEIGHTS.sum()).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        found.append(float(f"{loss.item():.12g}"))
    return found


if __name__ == "__main__":
    text = json.dumps({"side": SIDE, "batch": BATCH, "images": IMAGES, "rate": RATE, "losses": losses()})
    if sys.argv[1:] == ["-"]:
        print(text)
    else:
        os.makedirs(os.path.dirname(OUT), exist_ok=True)
        with open(OUT, "w") as file:
            file.write(text + "\n")
