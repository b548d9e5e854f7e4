# The published networks: whether the oracles are what torchvision and timm say (where these are installed), and what PyTorch
# computes for them with reproducible numbers.
#   published.py check                       names, shapes and logits against torchvision and timm
#   published.py logits NAME [SIDE]          inference, float32, one image: shapes and logits as JSON
#   published.py gradients NAME SIDE BATCH   training mode, float64: logits, loss and a summary of every gradient as JSON
#   published.py golden                      writes test/learning/golden/published.json
#   published.py files NAME SIDE FOLDER      W, X and Y.safetensors for `npm run parity`
import json
import os
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
WEIGHTS = torch.tensor([2, 1, 1, 1, 1, 1], dtype=torch.float64) / 7


def network(name, classes=6):
    model = NETWORKS[name][1](classes)
    fill(model)
    return model


def image(side, batch=1):
    values = mixed(batch * 3 * side * side, 1001).astype(np.float32)
    return torch.from_numpy(values).reshape(batch, 3, side, side)


def whole(t):
    return [float(f"{v:.9g}") for v in t.detach().double().flatten().tolist()]


def shapes(model):
    return {k: list(v.shape) for k, v in model.state_dict().items() if v.dtype.is_floating_point}


def logits(name, side=None):
    with torch.no_grad():
        return whole(network(name).eval()(image(side or NETWORKS[name][0])))


def gradients(name, side, batch):
    """Sum, Euclidean norm and five values of each gradient, as golden.py summarises."""
    from golden import summary
    model = network(name).double().train()
    y = torch.from_numpy((mixed(batch * 6, 1002) > 0).astype(np.float64)).reshape(batch, 6)
    out = model(image(side, batch).double())
    each = torch.nn.functional.binary_cross_entropy_with_logits(out, y, reduction="none")
    loss = (each * WEIGHTS).sum(1).mean()
    loss.backward()
    grads = {k: [*summary(p.grad), p.grad.abs().max().item()] for k, p in model.named_parameters()}
    return {"logits": whole(out), "loss": loss.item(), "gradients": grads}


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
    x = image(side, 2)
    os.makedirs(folder, exist_ok=True)
    with torch.no_grad():
        write_safetensors(os.path.join(folder, "Y.safetensors"), {"y": model(x)})
    write_safetensors(os.path.join(folder, "X.safetensors"), {"x": x})
    floats = {k: v for k, v in model.state_dict().items() if v.dtype.is_floating_point}
    write_safetensors(os.path.join(folder, "W.safetensors"), floats)


def golden():
    path = os.path.join(os.path.dirname(__file__), "../../learning/golden/published.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    result = {}
    for name, (side, _) in NETWORKS.items():
        result[name] = {"side": side, "logits": logits(name)}
        print(name, result[name]["logits"], flush=True)
    with open(path, "w") as file:
        json.dump(result, file, separators=(",", ":"))


if __name__ == "__main__":
    torch.set_num_threads(2)
    command, *words = sys.argv[1:]
    if command == "check":
        check()
    elif command == "golden":
        golden()
    elif command == "logits":
        print(json.dumps({"shapes": shapes(network(words[0])), "logits": logits(words[0], *map(int, words[1:]))}))
    elif command == "gradients":
        print(json.dumps(gradients(words[0], int(words[1]), int(words[2]))))
    elif command == "files":
        files(words[0], int(words[1]), words[2])
    else:
        sys.exit(f"unknown command {command}")
