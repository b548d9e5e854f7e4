# EfficientNet in plain PyTorch, written from the paper's table, with torchvision's module names: the independent network
# that ours is compared with. Also used by bench/learning.
import math
import torch
from torch import nn

STAGES = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
          (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]


def divisible(v, by=8):
    new = max(by, int(v + by / 2) // by * by)
    return new + by if new < 0.9 * v else new


class ConvNormActivation(nn.Sequential):
    def __init__(self, cin, cout, kernel, stride=1, groups=1, act=True, eps=1e-5, momentum=0.1):
        layers = [nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
                  nn.BatchNorm2d(cout, eps=eps, momentum=momentum)]
        super().__init__(*layers, *([nn.SiLU(inplace=True)] if act else []))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        scale = nn.functional.adaptive_avg_pool2d(x, 1)
        scale = self.fc2(nn.functional.silu(self.fc1(scale)))
        return x * torch.sigmoid(scale)


class MBConv(nn.Module):
    def __init__(self, cin, cout, expand, kernel, stride, drop, **norm):
        super().__init__()
        self.residual = stride == 1 and cin == cout
        self.drop = drop
        mid = cin * expand
        layers = []
        if expand != 1:
            layers.append(ConvNormActivation(cin, mid, 1, **norm))
        layers.append(ConvNormActivation(mid, mid, kernel, stride, mid, **norm))
        layers.append(SqueezeExcitation(mid, max(1, cin // 4)))
        layers.append(ConvNormActivation(mid, cout, 1, act=False, **norm))
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        y = self.block(x)
        if not self.residual:
            return y
        if self.training and self.drop > 0:
            keep = 1 - self.drop
            y = y * torch.empty(y.shape[0], 1, 1, 1, dtype=y.dtype).bernoulli_(keep).div_(keep)
        return y + x


class EfficientNet(nn.Module):
    def __init__(self, width=1.0, depth=1.0, dropout=0.2, drop_connect=0.2, classes=6, **norm):
        super().__init__()
        layers = [ConvNormActivation(3, divisible(32 * width), 3, 2, **norm)]
        total = sum(math.ceil(s[5] * depth) for s in STAGES)
        index = 0
        for expand, kernel, stride, cin, cout, repeats in STAGES:
            cin, cout = divisible(cin * width), divisible(cout * width)
            stage = []
            for i in range(math.ceil(repeats * depth)):
                stage.append(MBConv(cin if i == 0 else cout, cout, expand, kernel, stride if i == 0 else 1,
                                    drop_connect * index / total, **norm))
                index += 1
            layers.append(nn.Sequential(*stage))
        last = divisible(320 * width)
        layers.append(ConvNormActivation(last, 4 * last, 1, **norm))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * last, classes))

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        return self.classifier(x)
