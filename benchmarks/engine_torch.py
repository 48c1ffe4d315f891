"""The networks of astroml/internal/engine as a PyTorch user writes them.

Layer by layer those of networks.go and diffusion.go there, in the layout that
PyTorch has, channels first. `load` gives a network our weights, and `name` says
under which name of ours a parameter's gradient is to be found.
"""

from __future__ import annotations

import time

import numpy as np

import spectra_torch

BATCH = {"spectra": 64, "unet2d": 8, "unet3d": 1, "21cmPIE": 8, "flow": 200, "diffusion": 16, "camels": 16}
PIXELS = {"spectra": (4000,), "unet2d": (128, 128), "unet3d": (64, 64, 64), "21cmPIE": (28, 28, 470),
          "diffusion": (64, 64), "camels": (256, 256)}


def network(torch, which: str, exact: bool = False):
    """Builds one of the networks. Parameters are in the order of ours; with
    exact, uneven padding is too, for which PyTorch takes extra layers."""
    nn = torch.nn

    class UNet(nn.Module):
        def __init__(self, axes, channels, depth):
            super().__init__()
            conv, norm, self.pool, up = ((nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d(2), nn.ConvTranspose2d) if axes == 2 else
                                         (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d(2), nn.ConvTranspose3d))

            def level(a, c):
                return nn.Sequential(conv(a, c, 3, padding=1, bias=False), norm(c), nn.ReLU(inplace=True),
                                     conv(c, c, 3, padding=1, bias=False), norm(c), nn.ReLU(inplace=True))

            widths = [channels << d for d in range(depth + 1)]
            self.down = nn.ModuleList(level(a, c) for a, c in zip([1, *widths], widths))
            self.up = nn.ModuleList(nn.ModuleList([up(2 * c, c, 2, 2), level(2 * c, c)]) for c in widths[-2::-1])
            self.out = conv(channels, 1, 1)

        def forward(self, x):
            skips = []
            for level in self.down[:-1]:
                x = level(x)
                skips.append(x)
                x = self.pool(x)
            x = self.down[-1](x)
            for up, level in self.up:
                x = level(torch.cat([skips.pop(), up(x)], 1))
            return self.out(x)

    def lightcone():
        conv = lambda a, c, k=2, s=1, pad=0: [nn.Conv3d(a, c, (3, 3, k), (1, 1, s), (pad, pad, 0)), nn.ReLU(inplace=True)]
        pool = nn.MaxPool3d((2, 2, 1))
        dense = lambda: [nn.Linear(128, 128), nn.ReLU(inplace=True)]
        return nn.Sequential(*conv(1, 32, 20, 20), *conv(32, 32), pool, *conv(32, 64), *conv(64, 64, pad=1), pool,
                             *conv(64, 128), *conv(128, 128, pad=1), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
                             *dense(), *dense(), *dense(), nn.Linear(128, 6))

    def moments(h):
        norm = lambda a, c, **how: [nn.Conv2d(a, c, **how), nn.BatchNorm2d(c), nn.LeakyReLU(0.2, inplace=True)]
        layers, a = [], 1
        ring = {"kernel_size": 3, "padding": 1, "padding_mode": "circular"}
        for i in range(6):
            c = h << (i + 1)
            layers += [nn.Conv2d(a, c, **ring), nn.LeakyReLU(0.2, inplace=True)] if i == 0 else norm(a, c, **ring)
            layers += norm(c, c, **ring) + norm(c, c, kernel_size=2, stride=2)
            a = c
        return nn.Sequential(*layers, *norm(a, 2 * a, kernel_size=4), nn.Flatten(), nn.Linear(2 * a, a),
                             nn.LeakyReLU(0.2, inplace=True), nn.Linear(a, 12))

    class Residual(nn.Module):
        def __init__(self, a, c, width):
            super().__init__()
            self.norm0, self.conv0 = nn.GroupNorm(8, a), nn.Conv2d(a, c, 3, padding=1)
            self.time = nn.Linear(width, c)
            self.norm1, self.conv1 = nn.GroupNorm(8, c), nn.Conv2d(c, c, 3, padding=1)
            self.skip = nn.Conv2d(a, c, 1) if a != c else nn.Identity()
            self.act = nn.SiLU()

        def forward(self, x, t):
            y = self.conv0(self.act(self.norm0(x))) + self.time(t)[:, :, None, None]
            return self.skip(x) + self.conv1(self.act(self.norm1(y)))

    class Attention(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.norm, self.qkv, self.out = nn.GroupNorm(8, c), nn.Conv2d(c, 3 * c, 1), nn.Conv2d(c, c, 1)

        def forward(self, x):
            n, c, h, w = x.shape
            q, k, v = self.qkv(self.norm(x)).reshape(n, 3, 4, c // 4, h * w).transpose(3, 4).unbind(1)
            y = nn.functional.scaled_dot_product_attention(q, k, v)
            return x + self.out(y.transpose(2, 3).reshape(n, c, h, w))

    class Diffusion(nn.Module):
        def __init__(self, side, channels, levels=3, blocks=2):
            super().__init__()
            width = 4 * channels
            self.time = nn.Sequential(nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
            self.first = nn.Conv2d(1, channels, 3, padding=1)

            def block(a, c, side):
                return nn.ModuleList([Residual(a, c, width)] + ([Attention(c)] if side == 16 else []))

            self.down, a, skips = nn.ModuleList(), channels, [channels]
            for l in range(levels):
                c = channels << l
                for _ in range(blocks):
                    self.down.append(block(a, c, side >> l))
                    a = c
                    skips.append(c)
                if l < levels - 1:
                    self.down.append(nn.ModuleList([nn.Conv2d(c, c, 3, 2, 1)]))
                    skips.append(c)
            self.middle = nn.ModuleList([Residual(a, a, width), Attention(a), Residual(a, a, width)])
            self.up = nn.ModuleList()
            for l in reversed(range(levels)):
                c = channels << l
                for _ in range(blocks + 1):
                    self.up.append(block(a + skips.pop(), c, side >> l))
                    a = c
                if l > 0:
                    self.up.append(nn.ModuleList([nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, c, 3, padding=1))]))
            self.out = nn.Sequential(nn.GroupNorm(8, a), nn.SiLU(), nn.Conv2d(a, 1, 3, padding=1))

        def forward(self, x, t):
            def run(layers, x):
                for layer in layers:
                    x = layer(x, t) if isinstance(layer, Residual) else layer(x)
                return x

            t = self.time(t)
            x = self.first(x)
            skips = [x]
            for layers in self.down:
                x = run(layers, x)
                skips.append(x)
            x = run(self.middle, x)
            for layers in self.up:
                x = run(layers, torch.cat([x, skips.pop()], 1) if isinstance(layers[0], Residual) else x)
            return self.out(x)

    class Conditioner(nn.Module):
        def __init__(self, a, context, hidden, out):
            super().__init__()
            self.first = nn.Linear(a + context, hidden)
            self.blocks = nn.ModuleList(nn.ModuleList([nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(context, hidden)])
                                        for _ in range(2))
            self.out = nn.Linear(hidden, out)

        def forward(self, x, context):
            y = self.first(torch.cat([x, context], 1))
            for one, two, gate in self.blocks:
                z = two(torch.relu(one(torch.relu(y))))
                y = y + z * torch.sigmoid(gate(context))
            return self.out(y)

    class Flow(nn.Module):
        def __init__(self, dim, hidden, bins=10, bound=3.0):
            super().__init__()
            self.bins, self.bound, self.half = bins, bound, dim // 2
            self.conditioners = nn.ModuleList(Conditioner(self.half, dim, hidden, self.half * (3 * bins - 1)) for _ in range(5))

        def forward(self, theta, context):
            half, total = [theta[:, :self.half], theta[:, self.half:]], [0, 0]
            for t, net in enumerate(self.conditioners):
                a, b = t % 2, 1 - t % 2
                p = net(half[a], context).reshape(len(theta), self.half, -1)
                half[b], log = spline(torch, half[b], p, self.bins, self.bound)
                total[b] = total[b] + log
            return torch.cat(half, 1), torch.cat(total, 1)

    torch.manual_seed(0)
    return {"spectra": lambda: spectra_torch.network(torch, "default", 4000, 13, exact), "unet2d": lambda: UNet(2, 32, 4),
            "unet3d": lambda: UNet(3, 16, 3), "21cmPIE": lightcone, "camels": lambda: moments(6),
            "diffusion": lambda: Diffusion(64, 32), "flow": lambda: Flow(10, 50)}[which]()


def spline(torch, x, p, bins: int, bound: float):
    """The rational-quadratic spline of Durkan et al. (2019), arXiv:1906.04032,
    eqs. 4 and 5, with the identity outside [-bound, bound]; returns also the
    logarithm of the derivative."""
    F, least = torch.nn.functional, 1e-3

    def knots(w):
        w = least + (1 - least * bins) * torch.softmax(w, -1)
        k = F.pad(2 * bound * torch.cumsum(w, -1) - bound, (1, 0), value=-bound)
        k = torch.cat([k[..., :-1], torch.full_like(k[..., :1], bound)], -1)
        return k, k[..., 1:] - k[..., :-1]

    xk, w = knots(p[..., :bins])
    yk, h = knots(p[..., bins:2 * bins])
    d = F.pad(least + F.softplus(p[..., 2 * bins:]), (1, 1), value=1.0)
    inside = (x >= -bound) & (x <= bound)
    at = torch.where(inside, x, torch.zeros_like(x))
    i = (torch.searchsorted(xk, at[..., None], right=True) - 1).clamp(0, bins - 1)
    take = lambda a: a.gather(-1, i)[..., 0]
    x0, w, y0, h, d0, d1 = take(xk), take(w), take(yk), take(h), take(d), take(d[..., 1:])
    s, t = h / w, (at - x0) / w
    u = t * (1 - t)
    below = s + (d1 + d0 - 2 * s) * u
    y = y0 + h * (s * t * t + d0 * u) / below
    slope = s * s * (d1 * t * t + 2 * s * u + d0 * (1 - t) * (1 - t)) / (below * below)
    return torch.where(inside, y, x), torch.where(inside, torch.log(slope), torch.zeros_like(x))


class Peer:
    """One of the networks, its inputs and its optimizer."""

    def __init__(self, torch, which: str, compiled: bool = False, exact: bool = False):
        self.torch, self.which = torch, which
        self.net = network(torch, which, exact)
        self.call = torch.compile(self.net) if compiled else self.net
        self.inputs = self.random(BATCH[which])
        self.target = self.random_target(BATCH[which])
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-3, weight_decay=0.01, fused=True)

    def random(self, n: int) -> list:
        """Returns inputs of a batch of n."""
        torch, which = self.torch, self.which
        if which == "flow":
            return [torch.randn(n, 10), torch.randn(n, 10)]
        x = [torch.randn(n, 2 if which == "spectra" else 1, *PIXELS[which])]
        return x + [torch.randn(n, 32)] if which == "diffusion" else x

    def random_target(self, n: int):
        """Returns what the outputs are compared with."""
        torch, which = self.torch, self.which
        if which == "spectra":
            return torch.arange(n) % 13
        shape = {"21cmPIE": (6,), "camels": (12,)}.get(which, (1, *PIXELS.get(which, ())))
        return torch.randn(n, *shape)

    def loss(self, out):
        F = self.torch.nn.functional
        if self.which == "spectra":
            return F.cross_entropy(out, self.target)
        if self.which == "flow":
            z, l = out
            return (z * z / 2 + 0.5 * np.log(2 * np.pi) - l).sum(1).mean()
        return F.mse_loss(out, self.target)

    def step(self, k: int) -> float:
        """Takes k training steps and returns seconds a step."""
        self.net.train()
        start = time.perf_counter()
        for _ in range(k):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.call(*self.inputs)).backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / k

    def infer(self, n: int, k: int) -> float:
        """Returns seconds for the outputs of a batch of n, the mean of k."""
        self.net.eval()
        inputs = [x[:n] for x in self.inputs]
        with self.torch.inference_mode():
            start = time.perf_counter()
            for _ in range(k):
                self.call(*inputs)
            return (time.perf_counter() - start) / k

    # ---- our arrays ----

    def modules(self):
        """Yields the layers that have parameters, in the order in which our
        networks name theirs."""
        torch = self.torch
        kinds = (torch.nn.modules.conv._ConvNd, torch.nn.Linear, torch.nn.modules.batchnorm._BatchNorm, torch.nn.GroupNorm)
        yield from (m for m in self.net.modules() if isinstance(m, kinds))

    def exchange(self, file: dict, names: list[str], dtype, jitter: float = 0) -> dict:
        """Takes our weights, changed at random by jitter of their size, and our
        inputs, and computes in dtype; returns ours and PyTorch's of each output
        and gradient, as pairs of arrays in PyTorch's layout."""
        torch = self.torch
        self.net.to(dtype)
        tensor = lambda a: torch.from_numpy(np.array(a)).to(dtype)
        ours = pair_up(self, names)
        with torch.no_grad():
            for parameter, name, convert in ours:
                w = tensor(convert(file["weight " + name]))
                parameter.copy_(w + jitter * w.std(unbiased=False) * torch.randn_like(w) if jitter else w)
        given = {k[len("input "):]: v for k, v in file.items() if k.startswith("input ")}
        pixels = PIXELS[self.which] if self.which in PIXELS else ()
        if self.which == "21cmPIE":  # ours has the line of sight first
            first = lambda x, channels: tensor(np.moveaxis(x.reshape(-1, 1, pixels[2], *pixels[:2]), 2, 4))
        else:
            first = lambda x, channels: tensor(np.moveaxis(x.reshape(-1, *pixels, channels), -1, 1))
        if self.which == "flow":
            self.inputs = [tensor(given[k].reshape(-1, 10)) for k in ("theta", "context")]
        else:
            self.inputs = [first(given["x"], 2 if self.which == "spectra" else 1)]
            if self.which == "diffusion":
                self.inputs.append(tensor(given["time"].reshape(-1, 32)))
            if self.which == "spectra":
                self.target = torch.from_numpy(given["labels"].reshape(-1, 13).argmax(1))
            else:
                t = given["noise" if self.which == "diffusion" else "target"]
                self.target = tensor(t.reshape(self.target.shape))
        for m in self.net.modules():
            if isinstance(m, torch.nn.Dropout):
                m.p = 0.0
        values = lambda out: (out[0] if self.which == "flow" else out).detach().numpy().ravel()
        result = {}
        with torch.no_grad():
            result["inference"] = file["inferred"], values(self.net.eval()(*self.inputs))
        out = self.net.train()(*self.inputs)
        loss = self.loss(out)
        loss.backward()
        result["outputs"] = file["out"], values(out)
        result["loss"] = file["loss"], np.array([loss.item()])
        for parameter, name, convert in ours:
            if parameter.grad is not None:
                result[f"{name} {tuple(parameter.shape)}"] = convert(file["gradient " + name]), parameter.grad.numpy()
        return result


def pair_up(peer: Peer, names: list[str]) -> list:
    """Pairs PyTorch's parameters with the names of ours, and says how ours are
    to be laid out. Layers of each kind come in the same order in both."""
    torch = peer.torch
    weights = [n for n in names if n.endswith(".weight")]
    affines = [n for n in names if n.endswith(".affine")]
    pairs = []

    def linear(w, m):
        """Ours reads pixels, then channels; PyTorch flattens channels first."""
        w = w.reshape(-1, w.shape[-1])
        if peer.which == "spectra" and m.in_features > 128:
            w = w.reshape(-1, 96, w.shape[-1]).transpose(1, 0, 2).reshape(-1, w.shape[-1])
        return w.T

    def window(w, m):
        """(kD,kH,kW,I,C), or for a transposed convolution (kD,kH,kW,C,I), to (C,I,k) or (I,C,k)."""
        w = np.moveaxis(w, (4, 3), (0, 1))
        if peer.which == "21cmPIE":  # ours has the line of sight first
            w = np.moveaxis(w, 2, 4)
        return w.reshape(m.weight.shape)

    for m in peer.modules():
        if isinstance(m, (torch.nn.modules.batchnorm._BatchNorm, torch.nn.GroupNorm)):
            name = affines.pop(0)
            pairs += [(m.weight, name, lambda a: a[0]), (m.bias, name, lambda a: a[1])]
            continue
        name = weights.pop(0)
        if isinstance(m, torch.nn.Linear):
            pairs.append((m.weight, name, lambda w, m=m: linear(w, m)))
        else:
            pairs.append((m.weight, name, lambda w, m=m: window(w, m)))
        if m.bias is not None:
            pairs.append((m.bias, name[:-len("weight")] + "bias", lambda b: b))
    return pairs


def peak_memory(which: str) -> int:
    """Returns by how much three training steps raise the peak of this process."""
    from common import memory, reset_peak, torch_

    torch = torch_()
    net = torch.nn.Conv2d(1, 4, 3)  # what PyTorch needs in any case
    net(torch.zeros(1, 1, 64, 64)).sum().backward()
    before, _ = memory()
    reset_peak()
    peer = Peer(torch, which)
    peer.step(3)
    return memory()[1] - before


if __name__ == "__main__":
    import sys

    print(peak_memory(sys.argv[1]))
