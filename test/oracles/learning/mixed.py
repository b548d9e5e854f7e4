# Reproducible numbers that TypeScript computes alike, bit for bit (test/learning/core/mixed.ts): a mixed 32-bit hash of
# the index, as a number in [-1, 1).
import numpy as np


def mixed(length, seed):
    with np.errstate(over="ignore"):
        z = np.arange(length, dtype=np.uint32) + np.uint32(seed) * np.uint32(0x9E3779B1)
        z = (z ^ (z >> np.uint32(16))) * np.uint32(0x21F0AAAD)
        z = (z ^ (z >> np.uint32(15))) * np.uint32(0x735A2D97)
        z = z ^ (z >> np.uint32(15))
    return z.astype(np.float64) / 2147483648.0 - 1.0


def fill(model):
    """Gives every parameter and statistic of a torch module its number, by its place in the state dictionary."""
    import torch
    with torch.no_grad():
        for seed, (name, tensor) in enumerate(entry for entry in model.state_dict().items() if entry[1].dtype.is_floating_point):
            values = mixed(tensor.numel(), seed + 1)
            if tensor.dim() > 1:
                values = values * np.sqrt(3.0 / (tensor.numel() / tensor.shape[0]))
            elif name.endswith("running_var") or (name.endswith("weight")):
                values = 1.0 + 0.25 * values
            else:
                values = 0.1 * values
            tensor.copy_(torch.from_numpy(values.astype(np.float32).astype(np.float64)).reshape(tensor.shape))
