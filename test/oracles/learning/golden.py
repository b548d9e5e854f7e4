# Writes test/learning/core/golden/*.json: what PyTorch computes, in float64, for small networks with reproducible numbers:
# logits, loss, a summary of every gradient, and three steps of AdamW.    /usr/bin/python3 test/oracles/learning/golden.py
import json
import os
import sys
import numpy as np
import torch

sys.path.insert(0, os.path.dirname(__file__))
from efficientnet import EfficientNet
from mixed import fill, mixed

OUT = os.path.join(os.path.dirname(__file__), "../../learning/core/golden")
WEIGHTS = torch.tensor([2, 1, 1, 1, 1, 1], dtype=torch.float64)


def loss_of(logits, y):
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
    return (each * WEIGHTS / WEIGHTS.sum()).sum(1).mean()


def summary(t):
    """Sum, Euclidean norm, and five values spread over the tensor."""
    flat = t.detach().double().flatten()
    places = [int(i * (flat.numel() - 1) / 4) for i in range(5)]
    return [float(f"{v:.12g}") for v in [flat.sum().item(), flat.norm().item(), *flat[places].tolist()]]


def summaries(tensors):
    return {name: summary(t) for name, t in tensors}


def whole(t):
    return [float(f"{v:.12g}") for v in t.detach().flatten().tolist()]


def case(name, model, side, batch=4, steps=3):
    model = model.double()
    fill(model)
    x = torch.from_numpy(mixed(batch * 3 * side * side, 1001).astype(np.float32).astype(np.float64)).reshape(batch, 3, side, side)
    y = torch.from_numpy((mixed(batch * 6, 1002) > 0).astype(np.float64)).reshape(batch, 6)
    golden = {"side": side, "batch": batch, "shapes": {k: list(v.shape) for k, v in model.state_dict().items() if v.dtype.is_floating_point}}
    model.eval()
    golden["inference"] = whole(model(x))
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    golden["steps"] = []
    for step in range(steps):
        optimiser.zero_grad()
        logits = model(x)
        loss = loss_of(logits, y)
        loss.backward()
        if step == 0:
            golden["logits"] = whole(logits)
            golden["gradients"] = summaries((k, p.grad) for k, p in model.named_parameters())
        optimiser.step()
        golden["steps"].append(loss.item())
        if step == 0:
            golden["statistics"] = summaries((k, b) for k, b in model.named_buffers() if b.dtype.is_floating_point)
    golden["trained"] = summaries(model.named_parameters())
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, name + ".json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))


def adamw():
    """Ten steps of AdamW on seven numbers with gradients of their own, the learning rate changing."""
    p = torch.nn.Parameter(torch.from_numpy(mixed(7, 1)))
    optimiser = torch.optim.AdamW([p], lr=1e-3, weight_decay=0.05)
    steps = []
    for step in range(10):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (step + 1)
        p.grad = torch.from_numpy(mixed(7, 50 + step))
        optimiser.step()
        steps.append(whole(p))
    with open(os.path.join(OUT, "adamw.json"), "w") as file:
        json.dump(steps, file, separators=(",", ":"))


if __name__ == "__main__":
    torch.manual_seed(0)
    case("efficientnet", EfficientNet(0.25, 0.5, dropout=0, drop_connect=0), 64)
    adamw()
