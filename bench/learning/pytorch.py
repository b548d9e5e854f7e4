# PyTorch's side: the same network, batch, loss and optimiser. Arguments: plain|channels_last, train|infer, side, batch,
# threads, seconds. For inference batch norm is folded by torch.jit's freezing.
import json
import os
import resource
import sys
import time
import torch

sys.path.insert(0, os.path.join(os.environ["ROOT"], "test/oracles/learning"))
from efficientnet import EfficientNet

layout, job, side, batch, threads, seconds = *sys.argv[1:3], *map(int, sys.argv[3:7])
torch.set_num_threads(threads)
begin = time.perf_counter()
model = EfficientNet()
x = torch.rand(batch, 3, side, side)
y = (torch.rand(batch, 6) < 0.2).float()
if layout == "channels_last":
    model = model.to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)
if job == "train":
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    weights = torch.tensor([2.0, 1, 1, 1, 1, 1]) / 7

    def step():
        optimiser.zero_grad(set_to_none=True)
        each = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y, reduction="none")
        loss = (each * weights).sum(1).mean()
        loss.backward()
        optimiser.step()
        return loss.item()
else:
    model.eval()
    with torch.no_grad():
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))

    def step():
        with torch.no_grad():
            return frozen(x)

create = time.perf_counter() - begin
for _ in range(3):
    step()
times = []
start = time.perf_counter()
while time.perf_counter() - start < seconds or len(times) < 3:
    begin = time.perf_counter()
    step()
    times.append((time.perf_counter() - begin) * 1000)
times.sort()
print(json.dumps({"median": times[len(times) // 2], "best": times[0], "steps": len(times), "create": create * 1000,
                  "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
