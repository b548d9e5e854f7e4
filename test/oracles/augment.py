"""Golden numbers for the augmentation warp: Pillow's affine transform and PyTorch's resize, on small images.

Run: /usr/bin/python3 test/oracles/augment.py > test/oracles/golden/augment.json
Matrices are composed here step by step (mirror, rotation about the centre, crop, resize), not copied from the program.
"""
import base64
import json
import math

import numpy as np
import torch
from PIL import Image


def encode(values):
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def image(kind, width, height):
    y, x, c = np.mgrid[0:height, 0:width, 0:3].transpose(0, 1, 2, 3)
    if kind == "noise":
        return np.random.RandomState(width).randint(0, 256, (height, width, 3)).astype(np.uint8)
    return np.rint(110 + 60 * np.sin(x / 9 + c) + 50 * np.cos(y / 7 - c)).astype(np.uint8)


def matrix(view, width, height, size):
    """Output place to source place, both continuous."""
    crop = view.get("crop") or {"left": 0, "top": 0, "width": width, "height": height}
    resize = np.array([[crop["width"] / size, 0, 0], [0, crop["height"] / size, 0], [0, 0, 1]])
    to_crop = np.array([[1, 0, crop["left"]], [0, 1, crop["top"]], [0, 0, 1]])
    to_centre = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    t = math.radians(view["degrees"])
    # A picture turned counter-clockwise (y points down) shows at (u, v) what lay at the place turned clockwise back.
    turn = np.array([[math.cos(t), -math.sin(t), 0], [math.sin(t), math.cos(t), 0], [0, 0, 1]])
    mirror = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]]) if view["flip"] else np.eye(3)
    return mirror @ np.linalg.inv(to_centre) @ turn @ to_centre @ to_crop @ resize


def pillow(pixels, view, size):
    height, width, _ = pixels.shape
    m = matrix(view, width, height, size)
    step = max(np.hypot(m[0, 0], m[1, 0]), np.hypot(m[0, 1], m[1, 1]))
    n = max(1, math.ceil(step - 0.1))
    fine = (m @ np.diag([1 / n, 1 / n, 1]))[:2].ravel()
    planes = []
    for channel in range(3):
        plane = Image.fromarray(pixels[:, :, channel].astype(np.float32), mode="F")
        out = plane.transform((n * size, n * size), Image.Transform.AFFINE, tuple(fine), Image.Resampling.BILINEAR)
        planes.append(np.asarray(out).reshape(size, n, size, n).mean((1, 3)))
    return np.stack(planes).astype(np.float32), n


def resize(pixels, size):
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    y = torch.nn.functional.interpolate(x, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return y[0].numpy()


def box(left, top, width, height):
    return {"left": left, "top": top, "width": width, "height": height}


VIEWS = {
    "identity": {"flip": False, "degrees": 0},
    "mirrored": {"flip": True, "degrees": 0},
    "turned": {"flip": False, "degrees": 10},
    "cropped": {"flip": False, "degrees": 0, "crop": box(3, 1, 20, 17)},
    "all at once": {"flip": True, "degrees": -13.5, "crop": box(2, 4, 27, 29)},
}
cases = []
for width, height, size in [(33, 38, 12), (31, 40, 24), (30, 33, 48)]:
    pixels = image("noise", width, height)
    for name, view in VIEWS.items():
        expected, n = pillow(pixels, view, size)
        cases.append(dict(oracle="Pillow", name=name, width=width, height=height, size=size, view=view, samples=n,
                          pixels=encode(pixels), expected=encode(expected), tolerance=0.01))
for width, height, size, kind, tolerance in [(20, 25, 40, "noise", 0.01), (90, 110, 50, "smooth", 2)]:
    pixels = image(kind, width, height)
    cases.append(dict(oracle="PyTorch's antialiased resize", name="identity", width=width, height=height, size=size,
                      view=VIEWS["identity"], pixels=encode(pixels), expected=encode(resize(pixels, size)),
                      tolerance=tolerance))
print(json.dumps(cases, indent=1))
