# SE-ResNeXt-101 32x4d in plain PyTorch, written from the papers' tables. legacy: names and first pooling of the network
# ported from Caffe (timm: legacy_seresnext101_32x4d); otherwise those of timm's seresnext101_32x4d.
import torch
from torch import nn


class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduction=16):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class Bottleneck(nn.Module):
    def __init__(self, cin, planes, stride, legacy, groups=32, width=4):
        super().__init__()
        inner, cout = groups * width * planes // 64, 4 * planes
        self.conv1 = nn.Conv2d(cin, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, cout, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(cout)
        self.excite = "se_module" if legacy else "se"
        self.add_module(self.excite, SqueezeExcite(cout))
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))
        else:
            self.downsample = None

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = getattr(self, self.excite)(self.bn3(self.conv3(y)))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class SeResNeXt(nn.Module):
    def __init__(self, legacy=True, blocks=(3, 4, 23, 3), classes=6):
        super().__init__()
        self.legacy = legacy
        stem = [("conv1", nn.Conv2d(3, 64, 7, 2, 3, bias=False)), ("bn1", nn.BatchNorm2d(64))]
        if legacy:
            self.layer0 = nn.Sequential()
        for name, module in stem:
            (self.layer0 if legacy else self).add_module(name, module)
        cin = 64
        for stage, count in enumerate(blocks):
            planes = 64 << stage
            layers = []
            for i in range(count):
                layers.append(Bottleneck(cin, planes, 2 if stage > 0 and i == 0 else 1, legacy))
                cin = 4 * planes
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.classifier = "last_linear" if legacy else "fc"
        self.add_module(self.classifier, nn.Linear(cin, classes))

    def forward(self, x):
        stem = self.layer0 if self.legacy else nn.Sequential(self.conv1, self.bn1)
        x = torch.relu(stem(x))
        x = nn.functional.max_pool2d(x, 3, 2, 0, ceil_mode=True) if self.legacy else nn.functional.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return getattr(self, self.classifier)(x.mean((2, 3)))
