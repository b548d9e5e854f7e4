# PyTorch's side: the same network, batch, loss and optimiser. Prints one line of JSON. For inference batch norm is folded:
# by torch.jit's freezing, or by the compiler's.
import argparse
import json
import os
import resource
import sys
import time
import torch

sys.path.insert(0, os.path.join(os.environ["ROOT"], "test/oracles/learning"))
from densenet import DenseNet
from efficientnet import EfficientNet
from seresnext import SeResNeXt

NETWORKS = {"efficientnet_b0": EfficientNet, "densenet169": DenseNet, "se_resnext101_32x4d": SeResNeXt}
options = argparse.ArgumentParser()
for name in ("arch", "job"):
    options.add_argument(f"--{name}")
for name in ("side", "batch", "threads", "seconds"):
    options.add_argument(f"--{name}", type=int)
options.add_argument("--channels-last", action="store_true")
options.add_argument("--compiled", action="store_true")
options = options.parse_args()


def prepared():
    model = NETWORKS[options.arch]()
    x = torch.rand(options.batch, 3, options.side, options.side)
    if options.channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    return model, x


def training():
    model, x = prepared()
    y = (torch.rand(options.batch, 6) < 0.2).float()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    weights = torch.tensor([2.0, 1, 1, 1, 1, 1]) / 7

    def loss_of(x, y):
        each = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y, reduction="none")
        return (each * weights).sum(1).mean()

    model.train()
    forward = torch.compile(loss_of) if options.compiled else loss_of

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss = forward(x, y)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def inference():
    model, x = prepared()
    model.eval()
    with torch.no_grad():
        if options.compiled:
            from torch._inductor import config

            config.freezing = True
            fast = torch.compile(model)
        else:
            fast = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))

    def step():
        with torch.no_grad():
            return fast(x)

    return step


torch.set_num_threads(options.threads)
begin = time.perf_counter()
step = {"train": training, "infer": inference}[options.job]()
step()
create = time.perf_counter() - begin
step()
times = []
start, cpu = time.perf_counter(), time.process_time()
while time.perf_counter() - start < options.seconds or len(times) < 3:
    begin = time.perf_counter()
    step()
    times.append((time.perf_counter() - begin) * 1000)
cpu = (time.process_time() - cpu) * 1000 / len(times)
times.sort()
print(json.dumps({"version": torch.__version__, "median": times[len(times) // 2], "cpu": cpu, "steps": len(times), "create": create * 1000,
                  "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
