# The published networks: whether the oracles are what torchvision and timm say (where these are installed), and what PyTorch
# computes for them with reproducible numbers.
#   published.py check                       names, shapes and logits against torchvision and timm
#   published.py step NAME SIDE BATCH FILE   training mode, float64: every gradient as safetensors, with logits and loss
#   published.py golden [NAME ...]           writes test/learning/golden/published.json
#   published.py files NAME SIDE FOLDER      W, X and Y.safetensors for `npm run parity`
import base64
import hashlib
import json
import os
import re
import struct
import sys
import numpy as np
import torch

sys.path.insert(0, os.path.dirname(__file__))
from densenet import DenseNet
from efficientnet import EfficientNet
from mixed import fill, mixed
from seresnext import SeResNeXt

late = {"eps": 1e-3, "momentum": 0.01}
NETWORKS = {
    "efficientnet_b0": (224, lambda classes: EfficientNet(1.0, 1.0, 0, 0, classes)),
    "efficientnet_b3": (300, lambda classes: EfficientNet(1.2, 1.4, 0, 0, classes)),
    "efficientnet_b5": (456, lambda classes: EfficientNet(1.6, 2.2, 0, 0, classes, **late)),
    "densenet169": (512, lambda classes: DenseNet(classes=classes)),
    "se_resnext101_32x4d": (512, lambda classes: SeResNeXt(True, classes=classes)),
    "seresnext101_32x4d": (512, lambda classes: SeResNeXt(False, classes=classes)),
}
# Sides for gradients. Where a norm sees few values float32 itself is worth less than 1e-3: B5, the deepest, needs a few more.
SMALL = {"efficientnet_b5": 96}
WEIGHTS = torch.tensor([2, 1, 1, 1, 1, 1], dtype=torch.float64) / 7


def network(name, classes=6):
    model = NETWORKS[name][1](classes)
    fill(model)
    return model


def keep_signal(model):
    """EfficientNet's stages each weaken what comes in, without statistics of real images so much that logits would no longer
    depend on the image: the last norm of each stage's first block gives it back. A power of two, exact in float32."""
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if re.match(r"features\.\d\.0\.block\.[23]\.1\.running_var$", name):
                buffer /= 32


def away_from_kinks(model):
    """Shifts what ReLUs see by 4 standard deviations, most channels up and some down: where a value lies within rounding of
    0, its gradient in float32 is that of the other side, in every implementation, and says nothing about either."""
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                n = module.num_features
                up = mixed(n, 77) > -0.5
                if "bn3" in name or "downsample" in name:
                    up[:] = True
                module.bias += torch.from_numpy(np.where(up, 4.0, -4.0)).to(module.bias.dtype)


def image(side, batch=1):
    values = mixed(batch * 3 * side * side, 1001).astype(np.float32)
    return torch.from_numpy(values).reshape(batch, 3, side, side)


def whole(t):
    return [float(f"{v:.9g}") for v in t.detach().double().flatten().tolist()]


def shapes(model):
    return {k: list(v.shape) for k, v in model.state_dict().items() if v.dtype.is_floating_point}


def digest(model):
    """Of names and shapes in the order of the state dictionary."""
    return hashlib.sha256(json.dumps(list(shapes(model).items()), separators=(",", ":")).encode()).hexdigest()


def step(name, side, batch):
    """Logits, loss and gradients by parameter, in float64."""
    model = network(name)
    if not name.startswith("efficientnet"):
        away_from_kinks(model)
    model = model.double().train()
    y = torch.from_numpy((mixed(batch * 6, 1002) > 0).astype(np.float64)).reshape(batch, 6)
    logits = model(image(side, batch).double())
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
    loss = (each * WEIGHTS).sum(1).mean()
    loss.backward()
    return logits, loss, {k: p.grad for k, p in model.named_parameters()}


def packed(numbers):
    return base64.b64encode(np.asarray(numbers, dtype="<f4").tobytes()).decode()


def check():
    import timm
    import torchvision
    makers = {
        **{name: lambda name=name: getattr(torchvision.models, name)(num_classes=6) for name in list(NETWORKS)[:4]},
        "se_resnext101_32x4d": lambda: timm.create_model("legacy_seresnext101_32x4d", num_classes=6),
        "seresnext101_32x4d": lambda: timm.create_model("seresnext101_32x4d", num_classes=6),
    }
    print("torchvision", torchvision.__version__, "timm", timm.__version__)
    for name, make in makers.items():
        theirs, ours = make(), network(name)
        keep_signal(ours)
        keys = [k for k in theirs.state_dict() if not k.endswith("num_batches_tracked")]
        assert list(shapes(ours)) == keys, name
        theirs.load_state_dict(ours.state_dict(), strict=True)
        with torch.no_grad():
            x = image(NETWORKS[name][0])
            worst = (theirs.eval()(x) - ours.eval()(x)).abs().max().item()
        print(f"{name}: {len(keys)} tensors, largest difference of logits {worst:.2e}")
        assert worst < 1e-5, name


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, t in tensors.items():
        end = offset + 4 * t.numel()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            file.write(t.detach().float().contiguous().numpy().tobytes())


def files(name, side, folder):
    model = network(name).eval()
    keep_signal(model)
    x = image(side, 2)
    os.makedirs(folder, exist_ok=True)
    with torch.no_grad():
        write_safetensors(os.path.join(folder, "Y.safetensors"), {"y": model(x)})
    write_safetensors(os.path.join(folder, "X.safetensors"), {"x": x})
    floats = {k: v for k, v in model.state_dict().items() if v.dtype.is_floating_point}
    write_safetensors(os.path.join(folder, "W.safetensors"), floats)


def golden(*names):
    """Logits at the published size; of a step at a small size the loss and, for each gradient, its largest value and its
    product with a random direction, float32 in base64."""
    path = os.path.join(os.path.dirname(__file__), "../../learning/golden/published.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    result = {}
    if names:
        with open(path) as file:
            result = json.load(file)
    for name in names or NETWORKS:
        side = NETWORKS[name][0]
        model = network(name)
        keep_signal(model)
        with torch.no_grad():
            entry = {"side": side, "tensors": digest(model), "logits": whole(model.eval()(image(side)))}
        logits, loss, gradients = step(name, SMALL.get(name, 64), 2)
        largest = [g.abs().max().item() for g in gradients.values()]
        directions = [(g.flatten() @ torch.from_numpy(mixed(g.numel(), 7))).item() / g.numel() ** 0.5 for g in gradients.values()]
        entry["step"] = {"side": SMALL.get(name, 64), "batch": 2, "loss": loss.item(), "logits": whole(logits),
                         "largest": packed(largest), "directions": packed(directions)}
        result[name] = entry
        print(name, entry["logits"], flush=True)
    with open(path, "w") as file:
        json.dump(result, file, separators=(",", ":"))


if __name__ == "__main__":
    torch.set_num_threads(2)
    command, *words = sys.argv[1:]
    if command == "check":
        check()
    elif command == "golden":
        golden(*words)
    elif command == "step":
        logits, loss, gradients = step(words[0], int(words[1]), int(words[2]))
        write_safetensors(words[3], {"logits": logits, "loss": loss, **gradients})
    elif command == "files":
        files(words[0], int(words[1]), words[2])
    else:
        sys.exit(f"unknown command {command}")
