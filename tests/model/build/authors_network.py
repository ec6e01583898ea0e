"""A network in the layout of the SD-AANet authors' code, written again from what it computes.

Names and order of operations are theirs, at any number of channels; nothing of ours is used, so
that an imported state dict can be held against it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet50


def _conv(inputs: int, outputs: int, kernel: int = 1, *, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)


def _classifier(c: int) -> nn.Sequential:
    return nn.Sequential(_conv(c, c, 3), nn.ReLU(), nn.Dropout2d(), _conv(c, 2, bias=True))


def _pair(c: int) -> nn.Sequential:
    return nn.Sequential(_conv(c, c, 3), nn.ReLU(), _conv(c, c, 3), nn.ReLU())


def _aligned(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=True)


class PyramidModule(nn.Module):
    """PSPNet's module with batch norms."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        c = inputs // 4
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(bins), _conv(inputs, c), nn.BatchNorm2d(c), nn.ReLU()
            )
            for bins in (1, 2, 3, 6)
        )
        self.bottleneck = nn.Sequential(
            _conv(2 * inputs, c, 3), nn.BatchNorm2d(c), nn.ReLU(), nn.Dropout2d()
        )

    def forward(self, x: Tensor) -> Tensor:
        contexts = [_aligned(stage(x), x.shape[-1]) for stage in self.stages]
        out: Tensor = self.bottleneck(torch.cat([x, *contexts], dim=1))
        return out


class AuthorsNetwork(nn.Module):
    """ResNet-50 and C channels; `bins` are the cells of each decoder scale."""

    def __init__(self, c: int, bins: tuple[int, ...]) -> None:
        super().__init__()
        self.bins = bins
        net = resnet50(weights=None)
        self.layer0 = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            net.layer1, net.layer2, net.layer3, net.layer4,
        )  # fmt: skip
        for layer, dilation in ((self.layer3, 2), (self.layer4, 4)):
            layer[0].downsample[0].stride = (1, 1)
            for block in layer:
                block.conv2.stride = (1, 1)
                block.conv2.dilation = block.conv2.padding = (dilation, dilation)
        self.cls = _classifier(c)
        self.down_query = nn.Sequential(_conv(1536, c), nn.ReLU(), nn.Dropout2d())
        self.down_supp = nn.Sequential(_conv(1536, c), nn.ReLU(), nn.Dropout2d())
        self.se_supp = nn.Sequential(
            _conv(c, c // 4, bias=True), nn.ReLU(), _conv(c // 4, c, bias=True), nn.Sigmoid()
        )
        self.simple_mask = nn.Sequential(
            _conv(2 * c, 4 * c, 3, bias=True), nn.ReLU(), PyramidModule(4 * c)
        )
        self.s_cls = _conv(c, 2, bias=True)
        self.q_maskgeneration = _conv(c, 1, bias=True)
        self.init_merge = nn.ModuleList(nn.Sequential(_conv(2 * c + 2, c), nn.ReLU()) for _ in bins)
        self.beta_conv = nn.ModuleList(_pair(c) for _ in bins)
        self.inner_cls = nn.ModuleList(_classifier(c) for _ in bins)
        self.res1 = nn.Sequential(_conv(4 * c, c), nn.ReLU())
        self.res2 = _pair(c)
        self.alpha_conv = nn.ModuleList(nn.Sequential(_conv(2 * c, c), nn.ReLU()) for _ in bins[1:])
        self._settle()

    def _settle(self) -> None:
        """Batch norms that do something, and activations that stay of order one."""
        for name, module in self.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                last = name.endswith("bn3")
                nn.init.uniform_(module.weight, 0.2, 0.4) if last else nn.init.uniform_(
                    module.weight, 0.5, 1.5
                )
                nn.init.normal_(module.bias, std=0.1)
                module.get_buffer("running_mean").normal_(std=0.1)
                module.get_buffer("running_var").uniform_(0.5, 1.5)
        nn.init.normal_(self.q_maskgeneration.weight)

    def forward(self, query: Tensor, supports: Tensor, masks: Tensor) -> Tensor:
        """Logits (B, 2, S, S) of queries (B, 3, S, S) by supports (B, K, …) and binary masks."""
        shots = masks.shape[1]
        low, middle = self._stages(query)
        high, feature = self.layer4(middle), self.down_query(torch.cat([middle, low], 1))
        side = feature.shape[-1]
        pooled, factors, guided, priors = [], [], [], []
        for k in range(shots):
            low, middle = self._stages(supports[:, k])
            mask = _aligned(masks[:, k, None], side)
            support = self.down_supp(torch.cat([middle, low], 1))
            prototype = self._pool(support, mask)
            factor = (1 + self.se_supp(prototype)) / 2
            pooled.append(prototype)
            factors.append(factor)
            guided.append(self._pool(support * factor, mask))
            priors.append(self._prior(high, self.layer4(middle * mask) * mask))
        affinity = torch.stack(pooled).mean(0)
        pair = torch.cat([feature, affinity.expand_as(feature)], 1)
        attention = self.q_maskgeneration(self.simple_mask(pair))
        for factor in (*factors, (1 + torch.stack(factors).mean(0)) / 2):
            feature = feature * factor
        prior = torch.stack(priors).mean(0)
        return _aligned(
            self._decode(torch.stack(guided).mean(0), feature, prior, attention), query.shape[-1]
        )

    def _stages(self, image: Tensor) -> tuple[Tensor, Tensor]:
        low = self.layer2(self.layer1(self.layer0(image)))
        return low, self.layer3(low)

    @staticmethod
    def _pool(feature: Tensor, mask: Tensor) -> Tensor:
        weight = mask.sum((2, 3), keepdim=True) + 0.0005
        return (feature * mask).sum((2, 3), keepdim=True) / weight

    @staticmethod
    def _prior(query: Tensor, support: Tensor) -> Tensor:
        q, s = query.flatten(2), support.flatten(2)
        norms = s.norm(dim=1)[:, :, None] * q.norm(dim=1)[:, None, :]
        best = (s.transpose(1, 2) @ q / (norms + 1e-7)).amax(1)  # (B, N)
        low, high = best.amin(1, keepdim=True), best.amax(1, keepdim=True)
        prior: Tensor = (best - low) / (high - low + 1e-7)
        return prior.view_as(query[:, :1])

    def _decode(self, guided: Tensor, feature: Tensor, prior: Tensor, attention: Tensor) -> Tensor:
        side = feature.shape[-1]
        scales: list[Tensor] = []
        for i, bins in enumerate(self.bins):
            parts = (
                guided.expand(-1, -1, bins, bins),
                F.adaptive_avg_pool2d(feature, bins),
                _aligned(prior, bins),
                _aligned(attention, bins),
            )
            scale = self.init_merge[i](torch.cat(parts, 1))
            if i:
                both = torch.cat([scale, _aligned(scales[-1], bins)], 1)
                scale = scale + self.alpha_conv[i - 1](both)
            scales.append(_aligned(scale + self.beta_conv[i](scale), side))
        joined = self.res1(torch.cat(scales, 1))
        out: Tensor = self.cls(joined + self.res2(joined))
        return out
