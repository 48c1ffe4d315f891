"""The networks of package spectra as a PyTorch user writes them.

Layer by layer those of astroml/spectra/network.go: the same channels, kernels,
strides, normalisation and dropout, arrays as (batch, channel, pixel). With an
odd kernel k, padding k//2 leaves the same ceil(pixels/stride) positions.
"""

from __future__ import annotations

import time


def network(torch, name: str, pixels: int, classes: int, exact: bool = False):
    """Builds "default" (2 channels in) or "gasnet2" (1 channel in).

    With exact, "default" is padded as ours, which may be less below than above:
    PyTorch takes an extra layer for that.
    """
    nn = torch.nn

    class Same(nn.Module):
        """Pads so that ceil(pixels/stride) positions are left."""

        def __init__(self, kernel, stride):
            super().__init__()
            self.kernel, self.stride = kernel, stride

        def forward(self, x):
            out = -(-x.shape[2] // self.stride)
            pad = max(0, (out - 1) * self.stride + self.kernel - x.shape[2])
            return nn.functional.pad(x, (pad // 2, pad - pad // 2))

    def conv(inputs, channels, kernel, stride):
        if exact:
            return nn.Sequential(Same(kernel, stride), nn.Conv1d(inputs, channels, kernel, stride, bias=False),
                                 nn.BatchNorm1d(channels), nn.ReLU(inplace=True))
        return nn.Sequential(nn.Conv1d(inputs, channels, kernel, stride, kernel // 2, bias=False),
                             nn.BatchNorm1d(channels), nn.ReLU(inplace=True))

    class Residual(nn.Module):
        """x + conv3(conv1(x))."""

        def __init__(self, channels, hidden):
            super().__init__()
            self.inner = nn.Sequential(conv(channels, hidden, 1, 1), conv(hidden, channels, 3, 1))

        def forward(self, x):
            return x + self.inner(x)

    class Block(nn.Module):
        """GaSNet-II's maxpool(conv(conv(x))) + conv(x)."""

        def __init__(self, inputs, channels):
            super().__init__()
            self.inner = nn.Sequential(
                nn.Conv1d(inputs, channels, 5, 1, 2), nn.BatchNorm1d(channels), nn.ReLU(inplace=True),
                nn.Conv1d(channels, channels, 5, 3), nn.BatchNorm1d(channels), nn.ReLU(inplace=True),
                nn.MaxPool1d(5, 1, 2))
            self.shortcut = nn.Conv1d(inputs, channels, 5, 3)

        def forward(self, x):
            return self.inner(x) + self.shortcut(x)

    if name == "default":
        body = nn.Sequential(conv(2, 16, 15, 5), conv(16, 32, 5, 3), conv(32, 64, 5, 3), Residual(64, 24),
                             conv(64, 88, 3, 2), conv(88, 96, 3, 2), nn.Flatten(), nn.Dropout(0.2))
        head = lambda n: [nn.Linear(n, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(inplace=True),
                          nn.Linear(128, classes)]
    else:
        widths = [1, 16, 32, 64, 128, 256, 512]
        body = nn.Sequential(*(Block(a, b) for a, b in zip(widths, widths[1:])), nn.Flatten(), nn.Dropout(0.5))
        head = lambda n: [nn.Linear(n, 256), nn.ReLU(inplace=True), nn.Linear(256, classes)]
    with torch.no_grad():
        flat = body.eval()(torch.zeros(1, channels(name), pixels)).shape[1]
    return nn.Sequential(body, *head(flat))


def channels(name: str) -> int:
    """Returns how many channels a network reads."""
    return 2 if name == "default" else 1


def parameters(net) -> tuple[int, int]:
    """Returns the number of parameters and, of these, of running statistics."""
    running = sum(b.numel() for b in net.buffers() if b.is_floating_point())
    return sum(p.numel() for p in net.parameters()) + running, running


class Trainer:
    """A network in training: seconds a step of forward, cross-entropy, backward
    and AdamW, on one batch that is ready in memory."""

    def __init__(self, torch, name: str, pixels: int, classes: int, batch: int):
        torch.manual_seed(0)
        self.torch = torch
        self.net = network(torch, name, pixels, classes).train()
        try:  # the fastest of PyTorch's own, from 2.4 on
            self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=2e-3, weight_decay=0.05, fused=True)
        except (RuntimeError, TypeError):
            self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=2e-3, weight_decay=0.05)
        self.x = torch.randn(batch, channels(name), pixels)
        self.y = torch.randint(classes, (batch,))
        self.loss = torch.nn.CrossEntropyLoss(label_smoothing=0.02)
        self.seconds(3)

    def seconds(self, steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.net(self.x), self.y).backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / steps


class Reader:
    """A network in use: seconds a spectrum of the forward pass and softmax,
    without gradients, at the batch that suits PyTorch best."""

    def __init__(self, torch, name: str, pixels: int, classes: int, batches=(16, 64, 256)):
        torch.manual_seed(0)
        self.torch = torch
        self.net = network(torch, name, pixels, classes).eval()
        self.x = torch.randn(256, channels(name), pixels)
        self.batch = min(batches, key=lambda b: (self.seconds(2, b), self.seconds(4, b))[1])

    def seconds(self, passes: int, batch: int | None = None) -> float:
        batch = batch or self.batch
        with self.torch.inference_mode():
            start = time.perf_counter()
            for _ in range(passes):
                for x in self.x.split(batch):
                    self.torch.softmax(self.net(x), 1)
            return (time.perf_counter() - start) / (passes * len(self.x))
